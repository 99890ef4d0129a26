#!/usr/bin/env python3
"""channels.py LIDO_STORM DATA_DIR [OPERATIONS] [--tls]: one storm of cancels by each channel, and what it costs the others.

The server runs on this machine and trusts the role `lido` (database `lido`) on its Unix socket, or with --tls over TLS on 127.0.0.1: its CPU time is
read from /proc, and another client connects again and again meanwhile and takes the time. Prints a Markdown table.
"""
import json
import os
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time

tls = "--tls" in sys.argv
given = [a for a in sys.argv[1:] if a != "--tls"]
if len(given) not in (2, 3):
    sys.exit(__doc__)
storm, data, *rest = given
operations = int(rest[0]) if rest else 10000
with open(os.path.join(data, "postmaster.pid")) as f:
    postmaster, _, _, port, folder, *_ = f.read().splitlines()
host = "127.0.0.1" if tls else folder
ticks = os.sysconf("SC_CLK_TCK")
trusting = ssl.create_default_context()
trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE


def stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()


def server_cpu():
    """Seconds of the postmaster, its living children, and those it has waited for."""
    total = sum(int(n) for n in stat(postmaster)[11:15])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = stat(pid)
        except OSError:
            continue
        if fields[1] == postmaster:
            total += int(fields[11]) + int(fields[12])
    return total / ticks


def dial():
    if not tls:
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{folder}/.s.PGSQL.{port}")
        return s
    s = socket.create_connection((host, int(port)))
    s.sendall(struct.pack("!ii", 8, 80877103))
    assert s.recv(1) == b"S"
    return trusting.wrap_socket(s)


def connect_once():
    begun = time.perf_counter()
    with dial() as s:
        body = struct.pack("!i", 196608) + b"user\0lido\0database\0lido\0\0"
        s.sendall(struct.pack("!i", len(body) + 4) + body)
        seen = b""
        while not seen.endswith(b"Z\0\0\0\5I"):
            more = s.recv(65536)
            if not more:
                return None
            seen += more
        took = time.perf_counter() - begun
        s.sendall(b"X\0\0\0\4")
        return took


def bystander(stop, times):
    while not stop.wait(0.01):
        took = connect_once()
        if took is not None:
            times.append(took * 1e3)


def run(channel):
    dsn = f"host={host} port={port} user=lido dbname=lido " + ("sslmode=require allow_unverified_tls=1" if tls else "sslmode=disable")
    stop, times = threading.Event(), []
    other = threading.Thread(target=bystander, args=(stop, times))
    before = server_cpu()
    other.start()
    out = subprocess.run([storm, "--dsn", dsn, "--tasks", "64", "--connections", "32", "--cancel-ratio", "1", "--cancel-after-ms", "1..5",
                          "--operations", str(operations), "--cancel-channel", channel, "--json", "-", "--quiet"], stdout=subprocess.PIPE, check=False)
    stop.set()
    other.join()
    result = json.loads(out.stdout)
    sent = result["cancels"]["sent"]
    cpu = server_cpu() - before
    times.sort()
    return (channel, result["cancelled"], sent, result["stray_cancels"] + result["unexpected"], cpu, cpu / max(sent, 1) * 1e3, statistics.median(times),
            times[int(len(times) * 0.99)], result["recovery_latency_us"]["p50"] / 1e3, result["recovery_latency_us"]["p99"] / 1e3, result["seconds"])


print("| channel | tasks cancelled | cancels sent | wrong | server CPU | per cancel | another's connect p50 | p99 | time to usable p50 | p99 | took |")
print("|---|---|---|---|---|---|---|---|---|---|---|")
for name in ("request", "session"):
    c, cancelled, sent, wrong, cpu, each, p50, p99, u50, u99, took = run(name)
    print(f"| `{c}` | {cancelled} | {sent} | {wrong} | {cpu:.1f} s | {each:.2f} ms | {p50:.1f} ms | {p99:.1f} ms | {u50:.2f} ms | {u99:.2f} ms | {took:.1f} s |", flush=True)
