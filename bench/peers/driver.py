#!/usr/bin/env python3
"""Runs the benchmark programs beside each other against the server of B_* and prints tables. Called by run.sh."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
JARS = ":".join(f"/usr/share/java/{jar}.jar" for jar in ("HikariCP", "postgresql", "slf4j-api", "slf4j-nop"))

# workload: (count, warm-up, environment)
WORKLOADS = {
    "W1a": (2_000_000, 200_000, {}), "W1b": (400_000, 50_000, {}),
    "W2": (40_000, 10_000, {}), "W3": (40_000, 10_000, {"B_TLS": "1"}),
    "W2p": (10_000, 2_500, {}),
    "W4": (1_000, 100, {}),
    "W5": (500, 50, {"B_NCONN": "1"}),
    "W6": (2_000, 0, {}), "W6s": (200, 0, {}),
    "W7": (10_000, 0, {"B_NCONN": "10"}),
    "W9i": (1_000_000, 0, {}), "W9o": (1_000_000, 0, {}),
    "W8p": (400, 0, {}), "W8t": (400, 0, {"B_TLS": "1"}),
    "W10p": (300, 20, {}), "W10t": (300, 20, {"B_TLS": "1"}),
}
PER_COUNT = {"W5": 100, "W2p": 4}  # queries in one of them
ASKED_OF_OTHERS = {"W2p": "W2"}  # beside what a workload of ours alone is paired
# peer: the workloads that it has
PEERS = {
    "lido": tuple(WORKLOADS),
    "libpq": ("W2", "W2p", "W3", "W4", "W5", "W7", "W9i", "W9o", "W8p", "W8t", "W10p", "W10t"),
    "raw-epoll": ("W2", "W3", "W8p", "W8t"),
    "asio-proto": ("W1a", "W1b", "W2"),
    "asyncpg": tuple(w for w in WORKLOADS if w not in ("W2p", "W4", "W5", "W10p", "W10t")),
    "hikari": ("W1a", "W1b", "W2", "W3"),
}
# With whom Lido is paired, and in which figure.
PAIRS = {"W1a": ("hikari", "ns_op"), "W1b": ("asio-proto", "ns_op"), "W2": ("libpq", "cpu_kop"), "W3": ("libpq", "cpu_kop"), "W2p": ("libpq", "cpu_kop"),
         "W4": ("libpq", "cpu_kop"), "W5": ("libpq", "cpu_kop"), "W9i": ("libpq", "cpu_kop"), "W9o": ("libpq", "cpu_kop"),
         "W10p": ("libpq", "p50_us"), "W10t": ("libpq", "p50_us"), "W6": ("asyncpg", "usable_p50_us"), "W6s": ("asyncpg", "usable_p50_us")}


def command(peer, programs):
    names = {"lido": "lido-bench", "libpq": "libpq-bench", "raw-epoll": "raw-bench", "asio-proto": "asio-bench"}
    if peer in names:
        return [os.path.join(programs, names[peer])]
    if peer == "asyncpg":
        return ["/usr/bin/python3", os.path.join(HERE, "asyncpg_bench.py")]
    return ["java", "-XX:+UseSerialGC", "-Xmx512m", "-cp", JARS, os.path.join(HERE, "HikariBench.java")]


def psql(query):
    done = subprocess.run(["psql", "-XAtq", "-h", os.environ["B_SOCK"], "-p", os.environ["B_PORT"], "-U", os.environ["B_USER"],
                           os.environ["B_DB"], "-c", query], capture_output=True, text=True, check=False)
    return int(done.stdout.strip() or 0)


def left_behind():
    """Statements still running after the client has gone; then waits for all its sessions to end."""
    others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    count = psql(f"SELECT count(*) {others} AND query LIKE '%pg_sleep%' AND state = 'active'")
    deadline = time.monotonic() + 30
    while psql(f"SELECT count(*) {others}") > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    return count


def run(peer, workload, args):
    asked = workload if peer == "lido" else ASKED_OF_OTHERS.get(workload, workload)
    count, warmup, env = WORKLOADS[asked]
    if args.quick:
        count, warmup = max(count // 20, 100), warmup // 20
    if peer == "asyncpg" and workload.startswith("W1"):
        count, warmup = count // 20, warmup // 20
    if peer == "hikari":
        warmup = max(warmup, count)  # the JVM compiles
    try:
        done = subprocess.run(command(peer, args.programs) + [asked, str(count), str(warmup)], env=os.environ | env,
                              capture_output=True, text=True, timeout=300, check=False)
    except (subprocess.TimeoutExpired, OSError) as error:
        return {"peer": peer, "w": workload, "error": str(error)}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        return {"peer": peer, "w": workload, "error": (done.stderr.strip().splitlines() or ["no output"])[-1][:160]}
    figures = json.loads(lines[-1])
    figures["w"] = workload
    figures["left"] = left_behind()
    return figures


COLUMNS = [("ops/s", "ops_s", 1, 0), ("ns/op", "ns_op", 1, 0), ("cpu us/op", "cpu_kop", 1000, 2), ("p50 us", "p50_us", 1, 1),
           ("p99 us", "p99_us", 1, 1), ("p99.9 us", "p999_us", 1, 1), ("usable p50", "usable_p50_us", 1, 0), ("re-created", "recreated", 1, 0),
           ("unexpected", "unexpected", 1, 0), ("re-sent", "resent", 1, 0), ("left", "left", 1, 0), ("B/waiter", "b_waiter", 1, 0),
           ("max/mean", "max_mean", 1, 2), ("KiB/conn", "kb_conn", 1, 1)]


def table(rows, workload):
    rows = [r for r in rows if r["w"] == workload and "error" not in r]
    shown = [c for c in COLUMNS if any(c[1] in r for r in rows)]
    print(f"\n{workload}: " + f"{'peer':<11} runs " + " ".join(f"{c[0]:>11}" for c in shown))
    for peer in dict.fromkeys(r["peer"] for r in rows):
        of = [r for r in rows if r["peer"] == peer]
        cells = []
        for _, key, factor, digits in shown:
            values = [r[key] * factor for r in of if key in r]
            cells.append(f"{statistics.median(values):>11.{digits}f}" if values else f"{'-':>11}")
        print(" " * (len(workload) + 2) + f"{peer:<11} {len(of):>4} " + " ".join(cells))


def rounds(args):
    rows = []
    for _ in range(args.rounds):
        for workload in args.workloads:
            for peer in args.peers:
                if workload in PEERS[peer]:
                    rows.append(run(peer, workload, args))
                    if "error" in rows[-1]:
                        print(f"! {peer} {workload}: {rows[-1]['error']}", flush=True)
    for workload in args.workloads:
        table(rows, workload)
    return rows


def paired(args):
    """Neighbouring runs, each first in turn: of all ratios the one that a busy machine spoils least."""
    rows = []
    for workload in args.workloads:
        if workload not in PAIRS:
            continue
        other, figure = PAIRS[workload]
        ratios = []
        for i in range(args.paired):
            pair = [run(peer, workload, args) for peer in (("lido", other) if i % 2 else (other, "lido"))]
            rows += pair
            bad = [r for r in pair if "error" in r]
            for r in bad:
                print(f"! {r['peer']} {workload}: {r['error']}", flush=True)
            if not bad:
                by = {r["peer"]: r[figure] for r in pair}
                ratios.append(by["lido"] / by[other])
        if ratios:
            print(f"{workload:<4} lido / {other:<10} {figure:<13} n={len(ratios)}  median {statistics.median(ratios):.2f}"
                  f"  ({min(ratios):.2f}..{max(ratios):.2f})", flush=True)
    for workload in args.workloads:
        if workload in PAIRS:
            table(rows, workload)
    return rows


def collected(program, workload, count, env):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *program, workload, str(count), "10"],
                          env=os.environ | env, capture_output=True, text=True, check=False)
    return int(re.search(r"Collected\s*:\s*(\d+)", done.stderr).group(1))


def by_source(program, workload, count, env):
    """Instructions by the source file that they come from, inlined ones included."""
    files, costs, here, skip = {}, {}, "", False
    with tempfile.NamedTemporaryFile("r") as out:
        subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", *program, workload, str(count), "10"],
                       env=os.environ | env, capture_output=True, text=True, check=True)
        for line in out:
            place = re.match(r"f[lie]=(\(\d+\))(?: (.*))?", line)
            if place:
                here = files.setdefault(place.group(1), place.group(2) or "?")
            elif line.startswith("calls="):
                skip = True  # what follows is the callee's cost
            elif re.match(r"[+*\d-]", line):
                if not skip:
                    costs[here] = costs.get(here, 0) + int(line.split()[1])
                skip = False
    return costs


def recording(args, low, high):
    """How much of an acquire and release is what pool/stats records: counters and histograms, all of them always on."""
    few, many = (by_source(command("lido", args.programs), "W1a", n, WORKLOADS["W1a"][2]) for n in (low, high))
    left_behind()
    each = {file: (cost - few.get(file, 0)) / (high - low) for file, cost in many.items()}
    mine = sum(cost for file, cost in each.items() if "/pool/stats/" in file or file.startswith("pool/stats/"))
    whole = sum(each.values())
    for file, cost in sorted(each.items(), key=lambda item: -item[1])[:12]:
        print(f"     {cost:>8.1f} {file}")
    print(f"W1a  lido: {mine:.1f} of {whole:.1f} instructions are recording, {100 * mine / whole:.1f} %", flush=True)


def system_calls(program, workload, count, env):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-o", out.name, *program, workload, str(count), "10"],
                       env=os.environ | env, capture_output=True, text=True, check=False)
        with open(out.name) as text:
            return next(int(line.split(",")[0]) for line in text if "sys_enter" in line)


def exact(args, name, count_of, workloads, low, high):
    """What an operation costs is the difference of two counts: start-up and connecting cancel out."""
    for workload in workloads:
        for peer in ("lido", "libpq", "raw-epoll", "asio-proto"):
            if workload in PEERS[peer] and peer in args.peers:
                env = WORKLOADS[workload][2]
                few, many = (count_of(command(peer, args.programs), workload, n, env) for n in (low, high))
                left_behind()
                each = (many - few) / (high - low) / PER_COUNT.get(workload, 1)
                print(f"{workload:<4} {peer:<11} {each:>10.2f} {name}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--paired", type=int, default=0, help="neighbouring pairs instead of rounds; the number of pairs")
    parser.add_argument("--peers", type=lambda s: s.split(","), default=list(PEERS))
    parser.add_argument("--workloads", type=lambda s: s.split(","), default=list(WORKLOADS))
    parser.add_argument("--instructions", action="store_true", help="user instructions an operation, by callgrind")
    parser.add_argument("--syscalls", action="store_true", help="system calls an operation, by perf")
    parser.add_argument("--recording", action="store_true", help="the share of W1a's instructions that metrics cost, by callgrind")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the operations")
    parser.add_argument("--json", help="a file for all figures")
    args = parser.parse_args()
    if args.instructions:
        exact(args, "instructions", collected, [w for w in args.workloads if w in ("W1a", "W2", "W3")], 1_000, 3_000)
        exact(args, "instructions", collected, [w for w in args.workloads if w == "W4"], 50, 150)
        exact(args, "instructions", collected, [w for w in args.workloads if w.startswith("W9")], 10_000, 60_000)
        exact(args, "instructions", collected, [w for w in args.workloads if w == "W5"], 100, 300)
    if args.syscalls:
        exact(args, "system calls", system_calls, [w for w in args.workloads if w in ("W2", "W3")], 5_000, 25_000)
    if args.recording:
        recording(args, 1_000, 11_000)
    if args.instructions or args.syscalls or args.recording:
        return 0
    rows = paired(args) if args.paired else rounds(args)
    if args.json:
        with open(args.json, "w") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
    return 1 if any("error" in row for row in rows) else 0


sys.exit(main())
