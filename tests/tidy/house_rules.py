#!/usr/bin/env python3
"""house_rules.py ROOT: what no compiler checks. Who may include whom, where foreign libraries may appear, sizes, words, promises without a test,
tests that the docs name and nobody has written, knobs that the docs set and nobody reads.

Prints one line per violation, path:line: text, and exits 1 if there is any.
"""
import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

MAX_LINES = 700

# Who may include whom (downward only). A layer is a folder; its own files are always allowed. "driver" alone is the files directly in driver/: small
# things that every layer above the sans-io ones needs (locks, secrets). The standard library and the public error codes are for all.
LAYERS = {
    "driver/include": ("driver/include", "asio"),
    "driver": ("driver/include", "asio"),
    "driver/config": ("driver", "driver/include", "absl"),
    "driver/wire": ("driver/include",),
    "driver/types": ("driver", "driver/wire", "driver/include", "absl"),
    "driver/session": ("driver/wire", "driver/types", "driver/include", "absl"),
    "driver/transport": ("driver", "driver/wire", "driver/include", "asio", "openssl", "absl"),
    # session for the vocabulary of the fence (where a cancel failed), which its user and the fence share.
    "driver/cancel": ("driver", "driver/wire", "driver/session", "driver/transport", "driver/include", "asio", "absl"),
    "driver/io": ("driver", "driver/wire", "driver/session", "driver/transport", "driver/cancel", "driver/types", "driver/include",
                  "asio", "absl"),
    "pool/include": ("pool/include", "driver/include", "asio"),
    "pool/core": ("absl",),
    "pool/stats": ("driver", "pool/core", "pool/include", "driver/include", "absl"),
    "pool/recovery": ("driver", "pool/core", "pool/stats", "pool/include", "driver/include", "asio", "absl"),
    "pool/config": ("pool/core", "pool/include", "driver/include", "absl", "toml"),
    "pool": ("driver", "pool/core", "pool/stats", "pool/recovery", "pool/config", "pool/include", "driver/include", "asio", "absl"),
    "metrics/include": ("metrics/include", "pool/include", "driver/include", "prometheus"),
    "metrics/http": ("asio",),
    "metrics/page": (),
    "metrics": ("metrics/http", "metrics/page", "metrics/include", "pool/include", "driver/include", "prometheus"),
}
FOREIGN = {"asio": "asio", "openssl": "openssl", "absl": "absl", "prometheus": "prometheus", "toml++": "toml", "toml.hpp": "toml"}
PUBLIC = {"lido/driver": "driver/include", "lido/pool": "pool/include", "lido/metrics": "metrics/include"}
# Where OpenSSL appears outside of transport: authentication's digests, and wiping a secret.
OPENSSL_FILES = ("driver/session/scram.cpp", "driver/session/startup.cpp", "driver/secret.cpp")

# The places that may use what Asio does not promise.
ASIO_INTERNALS = ("driver/include/lido/driver/detail/suspend.hpp", "pool/include/lido/pool/lease.hpp")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
WORDS = (
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "unfinished work belongs into an issue"),
    (re.compile(r"\bNOLINT(NEXTLINE|BEGIN)?\b(?!\([a-z0-9.,*-]+\)\s*:\s*\S)"), "NOLINT needs a check and a reason: NOLINT(check): why"),
    (re.compile(r"#\s*include\s*<asio\.hpp>"), "include Asio's narrow headers"),
    (re.compile(r"#\s*include\s*<(format|expected)>"), "not in g++ 12's library"),
    (re.compile(r"\b(GTEST_SKIP|DISABLED_\w+)"), "a test runs or does not exist"),
)
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b")
# The test support's own waiting primitive is the one place that may sleep.
SLEEP_ALLOWED = ("tests/support/eventually",)


# In the documents: [pool.web], [pool.web.cancel] (group 1 is "cancel"), max_size = 5
TOML_TABLE = re.compile(r"^\s*\[pool\.\w+\.?((?:\w+\.)*\w+)?\]")
TOML_SETTING = re.compile(r"^\s*([a-z_][a-z0-9_.]*)\s*=(?!=)")


def layer_of(path):
    best = ""
    for layer in LAYERS:
        if (path.startswith(layer + "/")) and len(layer) > len(best):
            best = layer
    return best


def target_of(kind, name):
    """The layer or foreign library that an include names; None for the standard library and the system."""
    if kind == '"':
        return layer_of(name) or name
    for prefix, layer in PUBLIC.items():
        if name.startswith(prefix + "/"):
            return layer
    return FOREIGN.get(name.split("/")[0])


def include_violation(path, kind, name):
    layer = layer_of(path)
    if not layer:
        return None
    target = target_of(kind, name)
    if target is None or target == layer or name == "lido/driver/error.hpp":
        return None
    folder = path.rsplit("/", 1)[0]
    known = set(LAYERS) | {"asio", "openssl", "absl", "prometheus", "toml"}
    if target not in known:
        return f'"{name}": private includes are written from the repository\'s root'
    if layer in ("driver", "pool", "metrics") and folder != layer:
        return f"{folder} is no known layer: say in LAYERS whom it may include"
    if target == "openssl" and path in OPENSSL_FILES:
        return None
    if target not in LAYERS[layer]:
        return f"{layer} may not include {target} ({name})"
    return None


def check_source(path, lines, report):
    is_header = path.endswith(".hpp")
    if is_header and not any(line.strip() == "#pragma once" for line in lines):
        report(path, 1, "no #pragma once")
    if is_header and not lines[0].startswith("//"):
        report(path, 1, "the first lines of a header say what it is for")
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            violation = include_violation(path, *match.groups())
            if violation:
                report(path, number, violation)
        for pattern, why in WORDS:
            if pattern.search(line):
                report(path, number, f"{pattern.search(line).group(0)}: {why}")
        if path.startswith(("tests/", "bench/demo")) and SLEEP.search(line) and not path.startswith(SLEEP_ALLOWED):
            report(path, number, "no sleep as synchronisation")
        if "/include/" in path and re.search(r"\babsl::", line):
            report(path, number, "no Abseil in public headers")
        if "asio::detail::" in line and path.startswith(("driver/", "pool/", "metrics/")) and path not in ASIO_INTERNALS:
            report(path, number, f"Asio's internals only in {', '.join(ASIO_INTERNALS)}")


def promises(root, sources, report):
    """Each promise that docs/contract.md states has a test whose name starts with its number."""
    contract = root / "docs/contract.md"
    if not contract.exists():
        return
    stated = sorted(set(re.findall(r"^[#*|\s-]*\**`?(I\d+)\b", contract.read_text(), re.M)), key=lambda name: int(name[1:]))
    tests = "\n".join(text for path, text in sources.items() if path.startswith("tests/"))
    for promise in stated:
        if not re.search(rf"\bTEST(_F|_P)?\s*\([^,]+,\s*{promise}_", tests):
            report("docs/contract.md", 1, f"{promise} has no test of that name")


DEFINED = re.compile(r"\bTEST(?:_F|_P)?\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)")
NAMED = re.compile(r"`([\w*]+(?:/[\w*]+)?)\.([\w*]+)`")
NUMBERED = re.compile(r"`([A-Z]\d+_[\w*]*)`")


def proofs(root, sources, report):
    """Each test that the last column of a table in these pages names is there: as suite.test, as prefix/suite.test, where the test's part may be a
    parameter's name, or by its number alone."""
    tests = {(suite, test) for path, text in sources.items() if path.startswith("tests/") for suite, test in DEFINED.findall(text)}
    for page in ("docs/contract.md", "docs/reliability.md"):
        if not (root / page).exists():
            continue
        for number, line in enumerate((root / page).read_text().splitlines(), 1):
            if not line.startswith("|"):
                continue
            proof = line.rstrip().rstrip("|").rsplit("|", 1)[-1]
            for suite, test in NAMED.findall(proof):
                if test in ("md", "py", "hpp", "cpp"):
                    continue
                parametrised = "/" in suite
                suite = suite.split("/")[-1]
                if not any(fnmatch.fnmatchcase(s, suite) and (parametrised or fnmatch.fnmatchcase(t, test)) for s, t in tests):
                    report(page, number, f"there is no test {suite}.{test}")
            for test in NUMBERED.findall(proof):
                if not any(fnmatch.fnmatchcase(t, test) or fnmatch.fnmatchcase(s, test) for s, t in tests):
                    report(page, number, f"there is no test {test}")


def settings_in_docs(root, report):
    """Each knob in a TOML block of the documents is one: docs/reference/lido.schema.json, which a test holds to the parser's own table."""
    schema = root / "docs/reference/lido.schema.json"
    if not schema.exists():
        return
    pool = json.loads(schema.read_text())["definitions"]["pool"]

    def is_knob(key):
        at = pool
        for part in key.split("."):
            if at.get("additionalProperties"):  # parameters: any name
                return True
            at = at.get("properties", {}).get(part)
            if at is None:
                return False
        return True

    for page in sorted((root / "docs").rglob("*.md")):
        fenced, table = False, None  # a block that is indented begins with its table
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if line.startswith("```"):
                fenced, table = line == "```toml", None
                continue
            if not fenced and line.strip() and not line.startswith("    "):
                table = None
            if not fenced and not line.startswith("    "):
                continue
            header = TOML_TABLE.match(line)
            if header:
                table = header.group(1) + "." if header.group(1) else ""
            setting = TOML_SETTING.match(line)
            if setting and table is not None and not is_knob(table + setting.group(1)):
                report(page.relative_to(root), number, f"there is no knob {table + setting.group(1)}")


def files_of(root):
    """What git knows or would add; without git (a tarball), everything in the project's folders."""
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
        if listed.returncode == 0:
            return [name for name in listed.stdout.splitlines() if (root / name).is_file()]
    return [str(path.relative_to(root)) for top in ("driver", "pool", "metrics", "tests", "bench", "docs", "cmake")
            for path in (root / top).rglob("*") if path.is_file()]


def main():
    root = Path(sys.argv[1]).resolve()
    violations = []
    sources = {}

    def report(path, number, text):
        violations.append(f"{path}:{number}: {text}")

    for name in files_of(root):
        if not name.endswith((".hpp", ".cpp", ".h", ".c", ".py", ".sh", ".cmake")):
            continue
        text = (root / name).read_text()
        lines = text.splitlines() or [""]
        sources[name] = text
        if len(lines) > MAX_LINES:
            report(name, len(lines), f"{len(lines)} lines; a file holds one idea in at most {MAX_LINES}")
        if name.endswith((".hpp", ".cpp")):
            check_source(name, lines, report)
    promises(root, sources, report)
    proofs(root, sources, report)
    settings_in_docs(root, report)

    print("\n".join(violations) if violations else f"house rules: {len(sources)} files hold them")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
