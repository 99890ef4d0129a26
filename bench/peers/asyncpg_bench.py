"""asyncpg on uvloop with its own pool. PROGRAM WORKLOAD COUNT WARMUP, environment as measure.hpp says: W1a, W1b, W2, W3, W6, W6s, W7, W8, W9i, W9o."""
import asyncio
import json
import os
import resource
import ssl
import sys
import time

import asyncpg
import uvloop

WORKLOAD, COUNT, WARMUP = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
CONNECTIONS = int(os.environ.get("B_NCONN", "16"))
TASKS = int(os.environ.get("B_NTASK", "64"))
now = time.perf_counter


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def percentile_us(values, q):
    return sorted(values)[int(q * (len(values) - 1) + 0.5)] * 1e6 if values else 0.0


class Progress:
    def __init__(self, count, warmup):
        self.total, self.warmup, self.started, self.done, self.latencies = count + warmup, warmup, 0, 0, []
        self.begin()

    def begin(self):
        self.t0, self.c0 = now(), cpu()

    def take(self):
        self.started += 1
        return self.started <= self.total

    def finished(self, latency):
        self.done += 1
        if self.done > self.warmup:
            self.latencies.append(latency)
        if self.done == self.warmup:
            self.begin()

    def report(self, **more):
        seconds, used = now() - self.t0, cpu() - self.c0
        line = {"peer": "asyncpg", "w": WORKLOAD, "n": COUNT, "secs": seconds, "ops_s": COUNT / seconds,
                "ns_op": seconds * 1e9 / COUNT, "cpu_kop": used / COUNT * 1000}
        for name, q in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)):
            line[name] = percentile_us(self.latencies, q)
        print(json.dumps(line | more), flush=True)


class Unreset(asyncpg.Connection):
    """Without the query that asyncpg runs on each release: a round trip that the others do not make."""
    __slots__ = ()

    def _get_reset_query(self):
        return ""


async def make_pool(size):
    tls = ssl.create_default_context(cafile=os.environ["B_CA"]) if os.environ.get("B_TLS", "0") == "1" else False
    return await asyncpg.create_pool(
        host=os.environ["B_HOST"], port=int(os.environ["B_PORT"]), user=os.environ["B_USER"], database=os.environ["B_DB"],
        ssl=tls, min_size=size, max_size=size, max_queries=10**9, connection_class=Unreset)


async def borrow(pool, p, give_way):
    while p.take():
        begun = now()
        db = await pool.acquire()
        if give_way:
            await asyncio.sleep(0)
        await pool.release(db)
        p.finished(now() - begun)


async def ask(pool, p):
    while p.take():
        begun, value = now(), p.started
        async with pool.acquire() as db:
            answer = await db.fetchval("SELECT $1::int", value)
        assert answer == value
        p.finished(now() - begun)


async def sleeper(pool, ended):
    async with pool.acquire() as db:
        try:
            await db.fetchval("SELECT pg_sleep(10)")
        finally:
            ended.append(now())  # the caller has gone on; the pool has the connection back later


async def cancel_and_ask(pool, p, tally):
    while p.take():
        ended = []
        task = asyncio.ensure_future(sleeper(pool, ended))
        await asyncio.sleep(0.005)
        cancelled = now()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        except Exception:
            tally["unexpected"] += 1
        p.finished((ended[0] if ended else now()) - cancelled)
        try:
            async with pool.acquire() as db:
                tally["processes"].add(await db.fetchval("SELECT pg_backend_pid()"))
            tally["usable"].append(now() - cancelled)
        except Exception:
            tally["unexpected"] += 1


async def cancels(pool):
    tally = {"unexpected": 0, "processes": set(), "usable": []}
    held = [await pool.acquire() for _ in range(CONNECTIONS)]
    first = {db.get_server_pid() for db in held}
    for db in held:
        await pool.release(db)
    p = Progress(COUNT, 0)
    await asyncio.gather(*[cancel_and_ask(pool, p, tally) for _ in range(1 if WORKLOAD == "W6s" else CONNECTIONS)])
    p.report(usable_p50_us=percentile_us(tally["usable"], 0.5), usable_p99_us=percentile_us(tally["usable"], 0.99),
             recreated=len(tally["processes"] - first), unexpected=tally["unexpected"])


async def crowd(pool):
    before = rss_kib()
    p = Progress(COUNT, 0)

    async def one(value):
        begun = now()
        async with pool.acquire() as db:
            p.finished(now() - begun)
            assert await db.fetchval("SELECT $1::int", value) == value

    tasks = [asyncio.ensure_future(one(i)) for i in range(COUNT)]
    await asyncio.sleep(0)
    grown = rss_kib() - before
    await asyncio.gather(*tasks)
    p.report(b_waiter=grown * 1024 / COUNT, max_mean=max(p.latencies) / (sum(p.latencies) / COUNT))


async def memory():
    first = await make_pool(1)
    await first.fetchval("SELECT $1::int", 1)
    before = rss_kib()
    p = Progress(COUNT, 0)
    pool = await make_pool(COUNT)
    held = [await pool.acquire() for _ in range(COUNT)]
    for db in held:
        await db.fetchval("SELECT $1::int", 1)
    p.report(kb_conn=(rss_kib() - before) / COUNT)
    pool.terminate()


COPY_LINE = b"1234567\t1234567890123\tname of the row\t1234.5\t2026-11-26 12:34:56+00\n"
COPY_OUT = ("SELECT i, i * 1000000, 'name of the row', 1234.5::float8, timestamptz '2026-11-26 12:34:56+00' "
            f"FROM generate_series(1, {COUNT}::int8) i")


async def copy_in(db):
    await db.execute("TRUNCATE copied")
    p = Progress(COUNT, 0)

    async def lines():
        while p.take():
            yield COPY_LINE

    assert await db.copy_to_table("copied", source=lines()) == f"COPY {COUNT}"
    p.report()


async def copy_out(db):
    p = Progress(COUNT, 0)
    rows = 0

    async def look(chunk):
        nonlocal rows
        rows += chunk.count(b"\n")

    await db.copy_from_query(COPY_OUT, output=look)
    assert rows == COUNT
    p.report()


async def main():
    if WORKLOAD.startswith("W9"):
        async with (await make_pool(1)).acquire() as db:
            return await (copy_in if WORKLOAD == "W9i" else copy_out)(db)
    if WORKLOAD.startswith("W8"):
        return await memory()
    pool = await make_pool(CONNECTIONS)
    if WORKLOAD.startswith("W6"):
        await cancels(pool)
    elif WORKLOAD == "W7":
        await crowd(pool)
    else:
        p = Progress(COUNT, WARMUP)
        tasks = {"W1a": lambda: [borrow(pool, p, False)],
                 "W1b": lambda: [borrow(pool, p, True) for _ in range(TASKS)]}
        await asyncio.gather(*tasks.get(WORKLOAD, lambda: [ask(pool, p) for _ in range(TASKS)])())
        p.report()
    pool.terminate()


uvloop.install()
asyncio.run(main())
