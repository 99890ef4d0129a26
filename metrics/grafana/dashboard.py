#!/usr/bin/env python3
"""dashboard.py [--check]: writes lido.json, Grafana's dashboard of Lido's pools, from the tables below; --check only compares.

A panel is a line here: title, what it tells, queries. Every query yields a number also when nothing happened, so that an empty panel means one thing:
no data. tests/metrics runs each of them against a real Prometheus.
"""
import json
import sys
from pathlib import Path

POOL = 'pool_name=~"$pool_name"'
WINDOW = "[$__rate_interval]"


def per_second(family, by="pool_name", where=""):
    return f"sum by ({by}) (rate({family}{{{POOL}{where}}}{WINDOW}))"


def now(family, by="pool_name", where=""):
    return f"sum by ({by}) ({family}{{{POOL}{where}}})"


def quantile(q, family):
    """0 where nothing was observed: the comparison drops the NaN."""
    return (f"(histogram_quantile({q}, sum by (pool_name, le) (rate({family}_bucket{{{POOL}}}{WINDOW}))) >= 0)"
            f" or sum by (pool_name) (0 * db_client_connection_max{{{POOL}}})")


def by_host(family):
    """Pools of several hosts alone have these; a pool of one is a 0 without a host."""
    return f"(max by (pool_name, endpoint) ({family}{{{POOL}}}) >= 0) or on (pool_name) sum by (pool_name) (0 * db_client_connection_max{{{POOL}}})"


HOST = "{{pool_name}} {{endpoint}}"


def quantiles(family):
    return [(quantile(q, family), f"{{{{pool_name}}}} p{100 * q:.0f}") for q in (0.5, 0.99)]


def stat(title, tells, query, unit="short", steps=()):
    return {"type": "stat", "title": title, "tells": tells, "queries": [(query, "")], "unit": unit, "steps": steps, "width": 4, "height": 4}


def graph(title, tells, queries, unit="short", stacked=False, width=8):
    return {"type": "timeseries", "title": title, "tells": tells, "queries": queries, "unit": unit, "stacked": stacked, "width": width, "height": 8}


USED = 'db_client_connections{%s, state="used"}' % POOL
P99_WAIT = ("(max(histogram_quantile(0.99, sum by (pool_name, le) (rate(db_client_connection_wait_time_seconds_bucket{%s}%s))) >= 0)) or vector(0)" % (POOL, WINDOW))

ROWS = [
    ("At a glance", [
        stat("In use", "Share of all connections that are lent to tasks. Near 100 % with tasks waiting: the pool is too small, or leases are kept.",
             f"sum({USED}) / sum(db_client_connection_max{{{POOL}}})", "percentunit", [("orange", 0.8), ("red", 0.95)]),
        stat("Waiting", "Tasks that wait for a connection now.", f"sum(db_client_connection_pending_requests{{{POOL}}})", "short", [("orange", 1), ("red", 50)]),
        stat("Leases", "Connections given out a second: the load.", f"sum(rate(lido_acquires_total{{{POOL}}}{WINDOW}))", "ops"),
        stat("Wait p99", "The slowest hundredth of acquires, of the worst pool.", P99_WAIT, "s", [("orange", 0.1), ("red", 1)]),
        stat("Turned away", "Acquires a second that timed out or were refused.",
             f"sum(rate(db_client_connection_timeouts_total{{{POOL}}}{WINDOW})) + sum(rate(lido_acquires_refused_total{{{POOL}}}{WINDOW}))", "ops", [("red", 0.001)]),
        stat("Stray cancels", "In 15 minutes. Above 0: something between answers for the server; no task was harmed.",
             f"sum(increase(lido_stray_cancels_total{{{POOL}}}[15m])) or vector(0)", "short", [("red", 0.5)]),
        graph("Connections by state", "All states together stay within max_size.",
              [(now("db_client_connections", "state"), "{{state}}"), (f"sum(db_client_connection_max{{{POOL}}})", "max_size")], stacked=True, width=16),
        graph("In use, by pool", "Share of each pool's max_size.",
              [(f"sum by (pool_name) ({USED}) / sum by (pool_name) (db_client_connection_max{{{POOL}}})", "{{pool_name}}")], "percentunit"),
    ]),
    ("Demand", [
        graph("Waiting tasks", "Above 0 for long: raise max_size if the server has room, else find who keeps leases.",
              [(now("db_client_connection_pending_requests"), "{{pool_name}}")]),
        graph("Leases", "Given; of them after a wait.",
              [(per_second("lido_acquires_total"), "{{pool_name}} given"), (per_second("lido_acquires_queued_total"), "{{pool_name}} queued")], "ops"),
        graph("Went away without one", "Timed out, refused at once, or cancelled by the task itself.",
              [(per_second("db_client_connection_timeouts_total"), "{{pool_name}} timed out"), (per_second("lido_acquires_refused_total"), "{{pool_name}} refused"),
               (per_second("lido_acquires_cancelled_total"), "{{pool_name}} cancelled")], "ops"),
        graph("Refused, by reason", "max_waiters, admission: more load than the pool carries. breaker, connect: the server. nested: tasks that take a second connection.",
              [(per_second("lido_acquires_refused_total", "reason"), "{{reason}}")], "ops", stacked=True),
        graph("Waiting, by priority", "high for long: reserved_slots is too small, or more than health checks calls itself high.",
              [(now("lido_waiting_tasks", "priority"), "{{priority}}")], stacked=True),
        graph("Slow, long, nested", "Acquires beyond slow_acquire_threshold, leases beyond leak_threshold and those taken away, tasks that wait while they hold one.",
              [(per_second("lido_slow_acquires_total"), "{{pool_name}} slow acquires"), (per_second("lido_long_leases_total"), "{{pool_name}} long leases"),
               (per_second("lido_leases_reclaimed_total"), "{{pool_name}} reclaimed"), (per_second("lido_nested_waits_total"), "{{pool_name}} nested waits")], "ops"),
        graph("Wait", "From the acquire until a connection is set aside.", quantiles("db_client_connection_wait_time_seconds"), "s", width=12),
        graph("Hold", "How long leases are kept. A long tail here is what makes others wait.", quantiles("db_client_connection_use_time_seconds"), "s", width=12),
    ]),
    ("Supply", [
        graph("Connects", "Opened and failed. Opened steadily without a deployment: churn, see the reasons.",
              [(per_second("lido_connections_opened_total"), "{{pool_name}} opened"), (per_second("lido_connect_failures_total"), "{{pool_name}} failed")], "ops"),
        graph("Closed, by reason", "idle_timeout, max_lifetime, shrunk and pool_closed are housekeeping.",
              [(per_second("lido_connections_closed_total", "reason"), "{{reason}}")], "ops", stacked=True),
        graph("Create", "DNS, TCP, TLS and authentication together.", quantiles("db_client_connection_create_time_seconds"), "s"),
        graph("Breaker", "0 closed, 1 half open: one connect asks whether the server is back, 2 open: tasks that nothing can serve are refused at once.",
              [(now("lido_breaker_state"), "{{pool_name}}")]),
        graph("Connects held back", "By connect_rate, and tasks refused while the breaker was open: an outage, and the server is being spared.",
              [(per_second("lido_connects_throttled_total"), "{{pool_name}} held back"), (per_second("lido_acquires_failed_fast_total"), "{{pool_name}} refused at once")], "ops"),
        graph("Generation", "Each step condemned all connections at once: a restart or failover of the server, or a new configuration.",
              [(f"max by (pool_name) (lido_pool_generation{{{POOL}}})", "{{pool_name}}")]),
        graph("Pings", "Before use of a connection that had been idle; failed ones were replaced unnoticed.",
              [(per_second("lido_pings_total"), "{{pool_name}} pings"), (per_second("lido_ping_failures_total"), "{{pool_name}} failed")], "ops"),
        graph("Ping", "Round trips that check idle connections; failed ones included.", quantiles("lido_ping_seconds"), "s"),
        graph("Resets, by kind", "Leases that left something behind. exact, discard_all: a round trip between two users. rollback: a commit was forgotten, or the task cancelled.",
              [(per_second("lido_pool_resets_total", "kind"), "{{kind}}")], "ops", stacked=True),
        graph("Reset", "How long that round trip takes; the slot is out of use meanwhile.", quantiles("lido_reset_seconds"), "s"),
        graph("Orphaned", "Closed here, the end of the server's side not seen: look into pg_stat_activity.",
              [(f"sum by (pool_name) (increase(lido_connections_orphaned_total{{{POOL}}}{WINDOW}))", "{{pool_name}}")]),
    ]),
    ("Cancellation", [
        graph("Cancels", "Requested by tasks; sent to the server; confirmed by it. Unknown ones cost a connection.",
              [(per_second("lido_cancels_requested_total"), "{{pool_name}} requested"), (per_second("lido_cancels_sent_total"), "{{pool_name}} sent"),
               (per_second("lido_cancels_eof_total"), "{{pool_name}} confirmed"), (per_second("lido_cancels_unknown_total"), "{{pool_name}} unknown")], "ops"),
        graph("Not sent, by reason", "unsent and overtaken are harmless; budget: raise cancel.concurrency or cancel.rate; no_key costs a connection.",
              [(per_second("lido_cancels_suppressed_total", "reason"), "{{reason}}")], "ops", stacked=True),
        graph("Failed, by phase", "Where the cancel connection breaks.", [(per_second("lido_cancels_failed_total", "phase"), "{{phase}}")], "ops", stacked=True),
        graph("Slot back", "From the abandoned query to the connection's next use or close. Near cancel.timeout: the cancel path is broken.",
              quantiles("lido_fence_seconds"), "s"),
        graph("Recoveries", "Connections taken over from cancelled tasks, and those of them in use again.",
              [(per_second("lido_recoveries_total"), "{{pool_name}} taken over"), (per_second("lido_connections_recovered_total"), "{{pool_name}} in use again")], "ops"),
        graph("Second attempts and strays", "About one second attempt in 1,000 cancels is normal, a stray one is not.",
              [(per_second("lido_cancels_retried_total"), "{{pool_name}} second attempts"), (per_second("lido_stray_cancels_total"), "{{pool_name}} stray")], "ops"),
    ]),
    ("Cancel channels", [
        graph("Sent, by channel", "session: pg_cancel_backend() on a standing control session. request: a CancelRequest, which costs the server a process.",
              [(per_second("lido_cancels_sent_total", "channel"), "{{channel}}")], "ops", stacked=True),
        graph("Control sessions", "One a server, by state. refused, untrusted: cancels are CancelRequests meanwhile.",
              [(now("lido_control_sessions", "state"), "{{state}}")], stacked=True),
        graph("Fallen back, missed, refused", "Cancels that went from the control session to a CancelRequest; that found no backend; control sessions lost or not to be had.",
              [(per_second("lido_cancels_fell_back_total"), "{{pool_name}} fell back"), (per_second("lido_cancels_missed_total"), "{{pool_name}} missed"),
               (per_second("lido_control_refused_total"), "{{pool_name}} sessions refused")], "ops"),
    ]),
    ("Hosts", [
        graph("Connections, by host", "Of pools with several hosts; a host is its place in the configuration's list, from 0.",
              [(by_host("lido_endpoint_connections"), HOST)], stacked=True, width=6),
        graph("State, by host", "0 not seen yet, 1 up, 2 down, 3 barred: an old primary, or a standby too far behind.",
              [(by_host("lido_endpoint_state"), HOST)], width=6),
        graph("Primaries", "Hosts that say that they are one. More than 1: fence off the one that is not in use.",
              [(f"count by (pool_name) (lido_endpoint_role{{{POOL}}} == 1) or sum by (pool_name) (0 * db_client_connection_max{{{POOL}}})", "{{pool_name}}")], width=6),
        graph("Behind by", "How far what a standby shows is behind; a host of which it is not known is left out.",
              [(by_host("lido_endpoint_lag_seconds"), HOST)], "s", width=6),
    ]),
    ("Server and application", [
        graph("Statements", "Operations sent to the server.", [(per_second("lido_statements_total"), "{{pool_name}}")], "ops"),
        graph("Traffic", "Bytes of the protocol, without TLS.",
              [(per_second("lido_sent_bytes_total"), "{{pool_name}} sent"), (per_second("lido_received_bytes_total"), "{{pool_name}} received")], "Bps"),
        graph("Received a statement", "Growing: a query reads more than it used to.",
              [(f"sum by (pool_name) (rate(lido_received_bytes_total{{{POOL}}}{WINDOW})) / (sum by (pool_name) (rate(lido_statements_total{{{POOL}}}{WINDOW})) > 0)"
                f" or sum by (pool_name) (0 * db_client_connection_max{{{POOL}}})", "{{pool_name}}")], "bytes"),
        graph("Server certificate ends in", "Connects fail from that moment on. 0: no TLS.",
              [(f"min by (pool_name) ((lido_server_certificate_expiry_timestamp_seconds{{{POOL}}} > 0) - time())"
                f" or sum by (pool_name) (0 * db_client_connection_max{{{POOL}}})", "{{pool_name}}")], "s"),
        graph("Hooks that failed", "The application's own, by hook: threw, or took longer than hook_timeout; contained.",
              [(per_second("lido_hook_errors_total", "hook"), "{{hook}}")], "ops", stacked=True),
        graph("Configuration", "1: the latest reading of the file was taken. 0: it was refused and the one before still runs. -1: no registry, nothing is reloaded.",
              [("min(lido_config_reload_success) or vector(-1)", "taken"), (f"sum(rate(lido_config_reloads_total{WINDOW})) or vector(0)", "readings a second")]),
        graph("The application's own code", "Log sinks, callbacks of reloads and statistics sources that threw; contained.",
              [(per_second("lido_sink_errors_total"), "{{pool_name}} sinks"), (f"sum(rate(lido_config_sink_errors_total{WINDOW})) or vector(0)", "reloads"),
               (f"sum(rate(lido_scrape_errors_total{WINDOW}))", "scrapes")], "ops"),
        graph("Notices not handed on", "NOTICE messages above 1,000 a second of one connection. Whoever sends them is in a loop.",
              [(per_second("lido_notices_dropped_total"), "{{pool_name}}")], "ops"),
    ]),
]


def target(index, query, legend):
    return {"refId": chr(ord("A") + index), "datasource": {"type": "prometheus", "uid": "${datasource}"}, "expr": query,
            "legendFormat": legend or "__auto", "range": True}


def panel_json(panel, number, x, y):
    defaults = {"unit": panel["unit"]} if "vector(-1)" in panel["queries"][0][0] else {"unit": panel["unit"], "min": 0}
    options = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}
    if panel["type"] == "stat":
        steps = [{"color": "green", "value": None}] + [{"color": c, "value": v} for c, v in panel["steps"]]
        defaults |= {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
        options = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "textMode": "value"}
    else:
        custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 50 if panel["stacked"] else 8, "showPoints": "never", "spanNulls": False}
        if panel["stacked"]:
            custom["stacking"] = {"mode": "normal", "group": "A"}
        defaults["custom"] = custom
    overrides = []
    if any(legend == "max_size" for _, legend in panel["queries"]):  # a line over the stack, not a part of it
        overrides = [{"matcher": {"id": "byName", "options": "max_size"}, "properties": [
            {"id": "custom.stacking", "value": {"mode": "none"}}, {"id": "custom.fillOpacity", "value": 0},
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}]}]
    return {"id": number, "type": panel["type"], "title": panel["title"], "description": panel["tells"],
            "datasource": {"type": "prometheus", "uid": "${datasource}"}, "gridPos": {"x": x, "y": y, "w": panel["width"], "h": panel["height"]},
            "fieldConfig": {"defaults": defaults, "overrides": overrides}, "options": options,
            "targets": [target(i, query, legend) for i, (query, legend) in enumerate(panel["queries"])]}


def laid_out():
    panels, y, number = [], 0, 1
    for title, contents in ROWS:
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in contents:
            if x + panel["width"] > 24:
                x, y, height = 0, y + height, 0
            panels.append(panel_json(panel, number, x, y))
            number, x, height = number + 1, x + panel["width"], max(height, panel["height"])
        y += height
    return panels


def variables():
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0},
        {"name": "pool_name", "label": "Pool", "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"},
         "definition": "label_values(db_client_connection_max, pool_name)",
         "query": {"query": "label_values(db_client_connection_max, pool_name)", "refId": "pools"},
         "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".+", "current": {"text": "All", "value": "$__all"}},
    ]


def dashboard():
    return {"uid": "lido-pools", "title": "Lido connection pools", "tags": ["postgresql", "lido"], "schemaVersion": 38, "version": 1, "editable": True,
            "graphTooltip": 1, "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
            "description": "Pools of one or many processes. What each family means: docs/metrics.md.",
            "templating": {"list": variables()}, "annotations": {"list": []}, "links": [], "panels": laid_out()}


def main():
    text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    file = Path(__file__).with_name("lido.json")
    if "--check" in sys.argv[1:]:
        if not file.exists() or file.read_text() != text:
            print("metrics/grafana/lido.json is not what dashboard.py makes: run python3 metrics/grafana/dashboard.py")
            return 1
        return 0
    file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
