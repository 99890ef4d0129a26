#!/usr/bin/env python3
"""channels.py LIDO_STORM SOCKET_DIR PORT DATA_DIR [OPERATIONS]: one storm of cancels by each channel, and what it costs the others.

The server is one that trusts the role `lido` on its Unix socket (database `lido`), on this machine: its CPU time is read from /proc, and another client
connects again and again meanwhile and takes the time. Prints a Markdown table.
"""
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

storm, folder, port, data = sys.argv[1:5]
operations = int(sys.argv[5]) if len(sys.argv) > 5 else 10000
ticks = os.sysconf("SC_CLK_TCK")


def stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()


def server_cpu():
    """Seconds of the postmaster, its living children, and those it has waited for."""
    with open(os.path.join(data, "postmaster.pid")) as f:
        top = f.readline().strip()
    total = sum(int(n) for n in stat(top)[11:15])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = stat(pid)
        except OSError:
            continue
        if fields[1] == top:
            total += int(fields[11]) + int(fields[12])
    return total / ticks


def connect_once():
    with socket.socket(socket.AF_UNIX) as s:
        begun = time.perf_counter()
        s.connect(f"{folder}/.s.PGSQL.{port}")
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
    dsn = f"host={folder} port={port} user=lido dbname=lido"
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
