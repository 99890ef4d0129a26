#!/usr/bin/env python3
"""browser.py URL [--polls N] [--width W] [--height H] [--dark] [--png FILE [--to SELECTOR]]: opens a page in headless Chromium, waits until it has
polled N times, and prints what a person would find there as JSON. Speaks the DevTools protocol over a pipe, so nothing but Chromium is needed.
"""
import argparse
import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import time

DEADLINE = 60.0

# What the test asks of the page. `foreign` are requests to anywhere but the page's own host.
FACTS = """(() => {
  const text = e => e ? e.textContent : null;
  const number = d => (d.getAttribute('d') || '').length;
  return JSON.stringify({
    title: document.title,
    polls: Number(document.body.dataset.polls || 0),
    ready: text(document.getElementById('ready')),
    pools: [...document.querySelectorAll('.pool')].map(p => ({
      name: text(p.querySelector('h2')),
      verdict: text(p.querySelector('summary .pill')),
      tiles: Object.fromEntries([...p.querySelectorAll('.tile')].map(t => [t.dataset.tile, text(t.querySelector('b'))])),
      charts: [...p.querySelectorAll('.chart')].map(c => ({
        title: text(c.querySelector('h3')),
        label: c.querySelector('svg').getAttribute('aria-label'),
        drawn: [...c.querySelectorAll('path')].map(number).reduce((a, b) => a + b, 0),
      })),
    })),
    tables: [...document.querySelectorAll('.holders tr, .hosts tr')].map(r => [...r.children].map(text).join(' | ')),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  });
})()"""


class Browser:
    def __init__(self, folder):
        to_child, self.write_end = os.pipe()
        self.read_end, from_child = os.pipe()

        def connect():  # Chromium reads commands from descriptor 3 and writes to 4
            a, b = os.dup(to_child), os.dup(from_child)
            os.dup2(a, 3)
            os.dup2(b, 4)

        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--mute-audio",
                   f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(command, close_fds=False, preexec_fn=connect, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env={**os.environ, "HOME": folder})
        os.close(to_child)
        os.close(from_child)
        self.buffer = b""
        self.next_id = 1
        self.session = None
        self.events = []
        self.deadline = time.monotonic() + DEADLINE

    def receive(self):
        while b"\0" not in self.buffer:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.read_end], [], [], left)[0]:
                raise TimeoutError("Chromium does not answer")
            part = os.read(self.read_end, 1 << 16)
            if not part:
                raise RuntimeError("Chromium ended")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        message = {"id": self.next_id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.next_id += 1
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def open(self, url, width, height, dark):
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=url)

    def wait_for_polls(self, wanted):
        # An expression that the page itself resolves when it has polled so often: no sleeping here.
        self.call("Runtime.evaluate", awaitPromise=True, expression="""new Promise(done => {
          const look = () => Number((document.body || {dataset: {}}).dataset.polls || 0) >= %d ? done() : setTimeout(look, 50); look(); })""" % wanted)

    def complaints(self):
        """Errors on the console and exceptions: a page under its own policy has none."""
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(event["params"]["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
        return found

    def foreign(self, url):
        host = url.split("/")[2]
        urls = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [u for u in urls if not u.startswith("data:") and u.split("/")[2] != host]

    def screenshot(self, file, to):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        if to:
            size["height"] = 16 + self.evaluate(f"document.querySelector({json.dumps(to)}).getBoundingClientRect().bottom + scrollY")
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        with open(file, "wb") as out:
            out.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]))

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    arguments.add_argument("--polls", type=int, default=4)
    arguments.add_argument("--width", type=int, default=1280)
    arguments.add_argument("--height", type=int, default=900)
    arguments.add_argument("--dark", action="store_true")
    arguments.add_argument("--png")
    arguments.add_argument("--to", help="the picture ends below the first such element")
    o = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="lido-browser-", ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            browser.deadline = time.monotonic() + DEADLINE + o.polls * 2
            browser.open(o.url, o.width, o.height, o.dark)
            browser.wait_for_polls(o.polls)
            facts = json.loads(browser.evaluate(FACTS))
            if o.png:
                browser.screenshot(o.png, o.to)
            facts["complaints"] = browser.complaints()
            facts["foreign"] = browser.foreign(o.url)
            print(json.dumps(facts, indent=1))
        finally:
            browser.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
