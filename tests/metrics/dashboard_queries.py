#!/usr/bin/env python3
"""dashboard_queries.py PROMETHEUS DASHBOARD: waits until Prometheus has scraped often enough, then runs every query of the dashboard as Grafana would
send it and looks at every rule. Prints what has no answer, or one that is not a number; exits 1 if there is any.
"""
import json
import math
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SCRAPES = 8
DEADLINE = 90.0


def ask(base, path, **parameters):
    url = f"{base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as e:
        return {"error": e.read().decode(errors="replace")}


def values(answer):
    if "error" in answer:
        return answer["error"]
    return [(s["metric"], float(s["value"][1])) for s in answer["result"]]


def wait_for(base, what, holds):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (OSError, KeyError, IndexError):
            pass  # not there yet
        time.sleep(0.2)
    sys.exit(f"{what}: not within {DEADLINE:.0f} s")


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$pool_name", ".+").replace("$__rate_interval", "30s")
            yield panel["title"], query


def complaints(base, dashboard):
    seen = 0
    for title, query in queries(dashboard):
        seen += 1
        got = values(ask(base, "query", query=query))
        if isinstance(got, str):
            yield f"{title}: {query}: {got}"
        elif not got:
            yield f"{title}: no answer to {query}"
        elif not all(math.isfinite(v) for _, v in got):
            yield f"{title}: not a number in {got}"
    if seen < 30:
        yield f"only {seen} queries in the dashboard"
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query" and not ask(base, "label/pool_name/values"):
            yield f"variable {variable['name']} has no values"
    for group in ask(base, "rules")["groups"]:
        for rule in group["rules"]:
            if rule["health"] != "ok":
                yield f"rule {rule['name']}: {rule['health']} {rule.get('lastError', '')}"


def main():
    base, file = sys.argv[1:3]
    with open(file) as f:
        dashboard = json.load(f)
    wait_for(base, "scrapes", lambda: values(ask(base, "query", query="min(count_over_time(lido_acquires_total[5m]))"))[0][1] >= SCRAPES)
    wait_for(base, "closed connections", lambda: values(ask(base, "query", query="sum(increase(lido_connections_closed_total[1m]))"))[0][1] > 0)
    wait_for(base, "rules", lambda: all(r["health"] != "unknown" for g in ask(base, "rules")["groups"] for r in g["rules"]))
    found = list(complaints(base, dashboard))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
