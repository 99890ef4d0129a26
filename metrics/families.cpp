#include "metrics/families.hpp"

#include "metrics/endpoint_families.hpp"

#include <lido/pool/acquire_options.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <limits>
#include <string_view>

// One table a shape of family. HELP is for whoever is woken up by it: what it is, then what to do.
namespace lido::inline v0::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct value_family {
  const char* name;
  const char* help;
  MetricType type;
  double (*read)(const pool_stats&);
};

constexpr auto number = [](auto n) { return static_cast<double>(n); };

constexpr value_family values[] = {
    {"db_client_connection_max",
     "Most connections this pool may have (max_size). Times the number of processes it must stay below the server's "
     "max_connections.",
     MetricType::Gauge, [](const pool_stats& s) { return number(s.max_size); }},
    {"db_client_connection_idle_min", "Connections the pool keeps open even when nobody needs them (min_size).",
     MetricType::Gauge, [](const pool_stats& s) { return number(s.min_size); }},
    {"db_client_connection_pending_requests",
     "Tasks that wait for a connection now. Above 0 for long: raise max_size if the server has room, else look for "
     "slow queries and for leases kept across other work (db_client_connection_use_time_seconds).",
     MetricType::Gauge, [](const pool_stats& s) { return number(s.waiting); }},
    {"db_client_connection_timeouts_total",
     "Acquires that got no connection within their deadline. Rising: as for pending_requests; if connect failures rise "
     "too, the server is the cause.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.acquire_timeouts); }},
    {"lido_acquires_total",
     "Leases given out: the load. A sudden stop while requests still come means that every connection is held, see "
     "pending_requests.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.acquires); }},
    {"lido_acquires_queued_total",
     "Acquires that found no idle connection and waited. A large share of lido_acquires_total: the pool is small for "
     "its load.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.acquires_queued); }},
    {"lido_acquires_cancelled_total",
     "Tasks that were cancelled while they waited for a connection. Harmless for others; many mean that callers give "
     "up sooner than the pool can serve.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.acquires_cancelled); }},
    {"lido_slow_acquires_total",
     "Acquires that waited for slow_acquire_threshold or longer. The log names their places; see pending_requests for "
     "what "
     "to do.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.slow_acquires); }},
    {"lido_nested_waits_total",
     "Times that a task, named by its task_scope, waited for a connection while it held one. Each can become a "
     "dead-lock "
     "when the pool is exhausted: let the task finish with the first one before it takes another.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.nested_waits); }},
    {"lido_long_leases_total",
     "Leases that lasted longer than leak_threshold. The log names where they were acquired: a leak, or work that "
     "needs "
     "no connection done while one is held.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.long_holds); }},
    {"lido_leases_reclaimed_total",
     "Leases that were taken away after leak_reclaim. Each was a bug of its holder; the log names the place.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.reclaimed); }},
    {"lido_connects_total",
     "Connects started. A steady rate without a restart of anything means churn: see lido_connections_closed_total by "
     "reason.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.connects); }},
    {"lido_connections_opened_total", "Connects that ended in a usable connection.", MetricType::Counter,
     [](const pool_stats& s) { return number(s.created); }},
    {"lido_connect_failures_total",
     "Connects that failed. Check that the server is up, DNS, certificates, password and max_connections; the pool "
     "retries with back-off.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.connect_failures); }},
    {"lido_connects_throttled_total",
     "Connects that connect_rate held back while connects failed or had just failed. Normal in an outage; the server "
     "is "
     "being spared.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.connects_throttled); }},
    {"lido_breaker_state",
     "0 closed: connects as needed. 1 half open: one connect finds out whether the server is back. 2 open: "
     "breaker_threshold rounds of connects have failed. Not 0: the server or the way to it is down, see "
     "lido_connect_failures_total and the application's log.",
     MetricType::Gauge, [](const pool_stats& s) { return number(static_cast<int>(s.breaker)); }},
    {"lido_breaker_opened_total", "Times that the breaker opened: outages.", MetricType::Counter,
     [](const pool_stats& s) { return number(s.breaker_opened); }},
    {"lido_acquires_failed_fast_total",
     "Of lido_acquires_refused_total, those refused because the breaker was open and no connection was left that could "
     "have served them.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.acquires_failed_fast); }},
    {"lido_pool_phase",
     "0 open, 1 paused (acquires wait), 2 draining (closing, leases may end), 3 forcing (leases are cancelled), 4 "
     "closed. 1 for long: somebody forgot resume().",
     MetricType::Gauge, [](const pool_stats& s) { return number(static_cast<int>(s.phase)); }},
    {"lido_pool_min_idle", "Connections kept open beside those in use (min_idle).", MetricType::Gauge,
     [](const pool_stats& s) { return number(s.min_idle); }},
    {"lido_keepalives_total", "Of lido_pings_total, those of idle connections in the background (keepalive_interval).",
     MetricType::Counter, [](const pool_stats& s) { return number(s.keepalives); }},
    {"lido_pings_total", "Round trips to check a connection that had been idle before it was used.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.pings); }},
    {"lido_ping_failures_total",
     "Connections found dead by a ping before use; the callers noticed nothing. Many: something between drops idle "
     "connections, so shorten idle_timeout or switch on keepalives.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.ping_failures); }},
    {"lido_recoveries_total",
     "Connections that the pool took over from a cancelled or timed-out task, or with a transaction left open.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.recoveries); }},
    {"lido_connections_recovered_total",
     "Of lido_recoveries_total, those in use again without a reconnect. The rest were closed: see "
     "lido_connections_closed_total by reason.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.recovered); }},
    {"lido_connections_orphaned_total",
     "Connections closed here whose server side was not seen to end within the close deadline. Look for their backends "
     "in pg_stat_activity: they count against max_connections until they end.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.orphaned); }},
    {"lido_pool_generation",
     "How often all connections were condemned together, by an outage or a new configuration. Each step without a "
     "deployment was a restart or failover of the server.",
     MetricType::Gauge, [](const pool_stats& s) { return number(s.generation); }},
    {"lido_cancels_requested_total", "Running operations that were abandoned by a cancel or a deadline.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.cancels.requested); }},
    {"lido_cancels_retried_total",
     "Second attempts because the query went on. About 1 in 1,000 is normal; many mean that something between swallows "
     "CancelRequests.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.cancels.retried); }},
    {"lido_cancels_missed_total",
     "Cancels by the control session that found no such backend of ours, or whose statement failed; a CancelRequest "
     "followed. Many: connections die while they are cancelled, or the role may not call pg_cancel_backend.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.cancels.missed); }},
    {"lido_cancels_fell_back_total",
     "Cancels that went from the control session to a CancelRequest. Steadily rising: see lido_control_sessions by "
     "state.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.cancels.fell_back); }},
    {"lido_control_batches_total",
     "Statements of control sessions that cancelled something: so many round trips in place of so many processes.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.cancels.batches); }},
    {"lido_control_opened_total", "Control sessions connected.", MetricType::Counter,
     [](const pool_stats& s) { return number(s.cancels.control_opened); }},
    {"lido_control_refused_total",
     "Control sessions that could not be opened, were lost, or could not be trusted. Read the log: no room on the "
     "server (one connection more than max_size is needed for each server), no privilege, or a pooler in between, "
     "behind which cancel.channel = request is right.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.cancels.control_refused); }},
    {"lido_stray_cancels_total",
     "Cancels that hit the pool's own first message after a recovery and were absorbed there: no task was harmed. "
     "Above 0: something between answers for the server; use cancel.after = discard behind it.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.stray_cancels); }},
    {"lido_statements_total",
     "Operations that were sent to the server. Falls while lido_acquires_total does not: leases are held for something "
     "else than the database.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.statements); }},
    {"lido_sent_bytes_total", "Bytes of the protocol sent to the server, before TLS.", MetricType::Counter,
     [](const pool_stats& s) { return number(s.bytes_sent); }},
    {"lido_received_bytes_total",
     "Bytes of the protocol received, after TLS. Grows faster than lido_statements_total: some query reads more than "
     "it "
     "used to, look for a lost LIMIT.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.bytes_received); }},
    {"lido_server_certificate_expiry_timestamp_seconds",
     "When the server's certificate ends, the earliest among the open connections; 0 without TLS. Near: renew it on "
     "the "
     "server; connects fail from that moment on while open connections go on.",
     MetricType::Gauge, [](const pool_stats& s) { return number(s.server_certificate_end); }},
    {"lido_client_certificate_expiry_timestamp_seconds",
     "When the pool's own certificate (sslcert) ends; 0 when it has none. Near: renew the file and reload.",
     MetricType::Gauge, [](const pool_stats& s) { return number(s.client_certificate_end); }},
    {"lido_notices_dropped_total",
     "Notices of the server beyond 1,000 a second of one connection, which on_notice was not given. Rising: some "
     "statement raises them in a loop, which costs the server and the network more than the pool.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.notices_dropped); }},
    {"lido_sink_errors_total",
     "Exceptions thrown by the application's log sink or its callback for notices, contained. Fix it.",
     MetricType::Counter, [](const pool_stats& s) { return number(s.sink_errors); }},
};

struct histogram_family {
  const char* name;
  const char* help;
  const histogram_snapshot pool_stats::* read;
};

constexpr histogram_family histograms[] = {
    {"db_client_connection_wait_time_seconds",
     "From the acquire until a connection is set aside for it. Growing: the pool is too small for the load or leases "
     "are kept too long.",
     &pool_stats::wait_time},
    {"db_client_connection_use_time_seconds",
     "From being set aside for a task to its return. Long: slow queries, work that needs no connection done while one "
     "is held, or an executor too busy to get round to the task.",
     &pool_stats::use_time},
    {"db_client_connection_create_time_seconds",
     "From the start of a connect to a usable connection: DNS, TCP, TLS and authentication.", &pool_stats::create_time},
    {"lido_fence_seconds",
     "From the moment a running operation was abandoned until its connection was usable again or closed. The slot is "
     "out of use for so long: if it nears cancel.timeout, the cancel path is broken; see lido_cancels_failed_total by "
     "phase.",
     &pool_stats::fence_time},
    {"lido_reset_seconds",
     "Of the statements that undo what a lease left in its session, between two users. The slot is out of use for so "
     "long; near reset.timeout: the server is overloaded, or a lease leaves very many temporary tables.",
     &pool_stats::reset_time},
    {"lido_ping_seconds",
     "Of the round trips that check an idle connection, before its use or in the background; failed ones included. "
     "Near validation_timeout: connections die unnoticed, and each costs its acquire so long; switch on "
     "keepalive_interval.",
     &pool_stats::ping_time},
};

// OpenTelemetry's bounds and some below, since a wait or a fence is often shorter than its least.
constexpr std::chrono::microseconds exposed_bounds[] = {
    std::chrono::microseconds{100}, std::chrono::microseconds{250},  std::chrono::microseconds{500},
    std::chrono::milliseconds{1},   std::chrono::microseconds{2500}, std::chrono::milliseconds{5},
    std::chrono::milliseconds{10},  std::chrono::milliseconds{25},   std::chrono::milliseconds{50},
    std::chrono::milliseconds{100}, std::chrono::milliseconds{250},  std::chrono::milliseconds{500},
    std::chrono::seconds{1},        std::chrono::milliseconds{2500}, std::chrono::seconds{5},
    std::chrono::seconds{10},       std::chrono::seconds{50},
};

ClientMetric labelled(const pool_sample& pool) {
  ClientMetric m;
  m.label.push_back({"pool_name", pool.pool_name});
  return m;
}

ClientMetric labelled(const pool_sample& pool, const char* label, std::string_view value) {
  ClientMetric m = labelled(pool);
  m.label.push_back({label, std::string{value}});
  return m;
}

void set(ClientMetric& m, MetricType type, double value) {
  (type == MetricType::Counter ? m.counter.value : m.gauge.value) = value;
}

MetricFamily render_values(const value_family& f, const std::vector<pool_sample>& pools) {
  MetricFamily family{f.name, f.help, f.type, {}};
  for (const pool_sample& pool : pools) set(family.metric.emplace_back(labelled(pool)), f.type, f.read(pool.stats));
  return family;
}

double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

MetricFamily render_histogram(const histogram_family& f, const std::vector<pool_sample>& pools, resolution buckets) {
  MetricFamily family{f.name, f.help, MetricType::Histogram, {}};
  for (const pool_sample& pool : pools) {
    const histogram_snapshot& from = pool.stats.*f.read;
    ClientMetric::Histogram& to = family.metric.emplace_back(labelled(pool)).histogram;
    to.sample_count = from.count();
    to.sample_sum = seconds(from.sum);
    const auto add = [&](std::chrono::nanoseconds bound) {
      to.bucket.push_back({from.count_up_to(bound), seconds(bound)});
    };
    if (buckets == resolution::exposed) {
      for (const auto bound : exposed_bounds) add(bound);
    } else {
      for (const auto bound : histogram_snapshot::bounds()) add(bound);
    }
    to.bucket.push_back({to.sample_count, std::numeric_limits<double>::infinity()});
  }
  return family;
}

// Not OpenTelemetry's db.client.connection.count: in Prometheus the suffix _count belongs to histograms, and promtool
// refuses it.
MetricFamily render_states(const std::vector<pool_sample>& pools) {
  MetricFamily family{"db_client_connections",
                      "Connections by state; all together stay within db_client_connection_max. Many used: see "
                      "pending_requests. Many recovering: cancels are slow, see lido_fence_seconds. Many connecting or "
                      "closing: see lido_connections_closed_total.",
                      MetricType::Gauge,
                      {}};
  const auto add = [&family](const pool_sample& pool, std::string_view state, std::uint32_t n) {
    family.metric.emplace_back(labelled(pool, "state", state)).gauge.value = n;
  };
  for (const pool_sample& pool : pools) {
    add(pool, "idle", pool.stats.idle);
    add(pool, "used", pool.stats.leased);
    add(pool, "connecting", pool.stats.connecting);
    add(pool, "validating", pool.stats.validating);
    add(pool, "recovering", pool.stats.recovering);
    add(pool, "closing", pool.stats.closing);
  }
  return family;
}

// A counter for each value of an enum, zeros included: an alert on a series that does not exist yet never fires.
template <class Enum, std::size_t N, class Read>
MetricFamily render_by(const char* name, const char* help, const char* label, const std::vector<pool_sample>& pools,
                       Read read) {
  MetricFamily family{name, help, MetricType::Counter, {}};
  for (const pool_sample& pool : pools) {
    const std::array<std::uint64_t, N>& counts = read(pool.stats);
    for (std::size_t i = 0; i < N; ++i) {
      family.metric.emplace_back(labelled(pool, label, to_string(static_cast<Enum>(i)))).counter.value =
          number(counts[i]);
    }
  }
  return family;
}

constexpr std::array channels{cancel_channel::request, cancel_channel::session};

MetricFamily render_by_channel(const char* name, const char* help, const std::vector<pool_sample>& pools,
                               std::uint64_t cancel_channel_stats::* read) {
  MetricFamily family{name, help, MetricType::Counter, {}};
  for (const pool_sample& pool : pools) {
    for (const cancel_channel c : channels) {
      family.metric.emplace_back(labelled(pool, "channel", to_string(c))).counter.value =
          number(pool.stats.cancels.of(c).*read);
    }
  }
  return family;
}

MetricFamily render_failed_cancels(const std::vector<pool_sample>& pools) {
  MetricFamily family{
      "lido_cancels_failed_total",
      "Cancels that failed, by channel and phase. On channel request: resolve, connect: a firewall or a full listen "
      "queue lets main connections live but no new ones in. tls: a proxy or certificate differs for new connections. "
      "write, eof: something cuts or delays short connections. On channel session, eof: the control session was lost "
      "or stood still with a cancel under way.",
      MetricType::Counter,
      {}};
  for (const pool_sample& pool : pools) {
    for (const cancel_channel c : channels) {
      for (std::size_t i = 0; i < cancel_phase_count; ++i) {
        ClientMetric m = labelled(pool, "channel", to_string(c));
        m.label.push_back({"phase", std::string{to_string(static_cast<cancel_phase>(i))}});
        m.counter.value = number(pool.stats.cancels.of(c).failed[i]);
        family.metric.push_back(std::move(m));
      }
    }
  }
  return family;
}

MetricFamily render_control_sessions(const std::vector<pool_sample>& pools) {
  MetricFamily family{"lido_control_sessions",
                      "Control sessions by state, one for each server that something was cancelled on. They come on "
                      "top of db_client_connection_max. refused, untrusted: cancels are CancelRequests meanwhile, see "
                      "lido_control_refused_total.",
                      MetricType::Gauge,
                      {}};
  for (const pool_sample& pool : pools) {
    for (std::size_t i = 0; i < control_state_count; ++i) {
      family.metric.emplace_back(labelled(pool, "state", to_string(static_cast<control_state>(i)))).gauge.value =
          pool.stats.cancels.control[i];
    }
  }
  return family;
}

MetricFamily render_waiting(const std::vector<pool_sample>& pools) {
  MetricFamily family{"lido_waiting_tasks",
                      "Tasks that wait for a connection now, by priority. high above 0 for long: reserved_slots is too "
                      "small, or more than health checks calls itself high.",
                      MetricType::Gauge,
                      {}};
  for (const pool_sample& pool : pools) {
    for (std::size_t i = 0; i < pool.stats.waiting_by_priority.size(); ++i) {
      family.metric.emplace_back(labelled(pool, "priority", to_string(static_cast<priority>(i)))).gauge.value =
          number(pool.stats.waiting_by_priority[i]);
    }
  }
  return family;
}

// By tag: absent until somebody gives one.
template <class Read>
void add_by_tag(std::vector<MetricFamily>& families, const char* name, const char* help,
                const std::vector<pool_sample>& pools, Read read) {
  MetricFamily family{name, help, MetricType::Counter, {}};
  for (const pool_sample& pool : pools) {
    for (const tag_stats& tag : pool.stats.tags)
      family.metric.emplace_back(labelled(pool, "tag", tag.name)).counter.value = read(tag);
  }
  if (!family.metric.empty()) families.push_back(std::move(family));
}

void add_tags(std::vector<MetricFamily>& families, const std::vector<pool_sample>& pools) {
  add_by_tag(families, "lido_tag_acquires_total", "Leases given out, by the tag of the acquire.", pools,
             [](const tag_stats& t) { return number(t.wait_time.count()); });
  add_by_tag(families, "lido_tag_failures_total",
             "Acquires that ended late or refused, by tag: who suffers when the pool is exhausted.", pools,
             [](const tag_stats& t) { return number(t.failures); });
  add_by_tag(families, "lido_tag_wait_seconds_total",
             "Time that acquires waited, by tag. Divided by lido_tag_acquires_total: the mean wait.", pools,
             [](const tag_stats& t) { return seconds(t.wait_time.sum); });
  add_by_tag(
      families, "lido_tag_use_seconds_total",
      "Time that leases lasted, by tag. Its rate is the number of connections that the tag occupies: who has the "
      "pool.",
      pools, [](const tag_stats& t) { return seconds(t.use_time.sum); });
}

}  // namespace

std::vector<MetricFamily> render(const std::vector<pool_sample>& pools, resolution buckets) {
  std::vector<MetricFamily> families;
  if (pools.empty()) return families;  // a family without a series is not valid exposition
  families.push_back(render_states(pools));
  for (const value_family& f : values) families.push_back(render_values(f, pools));
  for (const histogram_family& f : histograms) families.push_back(render_histogram(f, pools, buckets));
  families.push_back(render_by<acquire_refusal, acquire_refusal_count>(
      "lido_acquires_refused_total",
      "Acquires that ended without a connection before their deadline, by reason. max_waiters, admission: more load "
      "than "
      "the pool can carry, see pending_requests. connect: the server refuses this configuration, read the error in the "
      "application's log. breaker: connects keep failing, see lido_breaker_state. nested: tasks take a second "
      "connection while they hold one; let them finish with the first, "
      "or "
      "raise max_size. pool_closed: shutdown.",
      "reason", pools, [](const pool_stats& s) -> auto& { return s.refused; }));
  families.push_back(render_waiting(pools));
  families.push_back(render_by<close_reason, close_reason_count>(
      "lido_connections_closed_total",
      "Connections closed, by reason. cancel_unknown, recovery_timeout: the cancel path is slow or broken, see "
      "lido_cancels_failed_total. disconnected, stale_generation: the server or the network ended them. ping_failed: "
      "idle connections die unnoticed. left_state: a lease did what no reset undoes (LOAD, dblink_connect). vetoed, "
      "hook_failed: the application's hooks. idle_timeout, max_lifetime, max_uses, max_bytes, shrunk, pool_closed are "
      "housekeeping.",
      "reason", pools, [](const pool_stats& s) -> auto& { return s.closed; }));
  families.push_back(render_by<reset_kind, reset_kind_count>(
      "lido_pool_resets_total",
      "Leases that left something behind, by what undid it. exact, discard_all: a round trip between two users that "
      "leases without SET, temporary tables, session locks and the like do not cost; see the page on resets for how to "
      "avoid it. rollback: leases that end inside a transaction, a commit was forgotten or the task was cancelled.",
      "kind", pools, [](const pool_stats& s) -> auto& { return s.resets; }));
  families.push_back(render_by<cancel_suppression, cancel_suppression_count>(
      "lido_cancels_suppressed_total",
      "Cancels that needed no CancelRequest (unsent, overtaken: harmless) or were not allowed one (budget: raise "
      "cancel.concurrency or cancel.rate; no_key: the server or a pooler gives no cancel key, each one costs a "
      "connection).",
      "reason", pools, [](const pool_stats& s) -> auto& { return s.cancels.suppressed; }));
  families.push_back(
      render_by_channel("lido_cancels_sent_total",
                        "Cancels written to the server, second attempts included. Each on channel request costs it a "
                        "process: if the rate "
                        "hurts, set cancel.rate, or see why the control session is not used (lido_control_sessions).",
                        pools, &cancel_channel_stats::sent));
  families.push_back(render_by_channel("lido_cancels_eof_total",
                                       "Cancels that the server confirmed, by closing the cancel connection or in the "
                                       "control session's answer: the good "
                                       "case.",
                                       pools, &cancel_channel_stats::eof));
  families.push_back(render_by_channel(
      "lido_cancels_unknown_total",
      "Cancels that may have been sent and were not confirmed; each cost a connection. Rising: something between "
      "breaks "
      "or delays the cancel connections, try with cancel.after = discard and see lido_cancels_failed_total by phase.",
      pools, &cancel_channel_stats::unknown));
  families.push_back(render_failed_cancels(pools));
  families.push_back(render_control_sessions(pools));
  families.push_back(render_by<pool_hook, pool_hook_count>(
      "lido_hook_errors_total",
      "Runs of the application's hooks that threw or took longer than hook_timeout, by hook; contained. Fix the hook: "
      "see pool_hooks for what each failure leads to.",
      "hook", pools, [](const pool_stats& s) -> auto& { return s.hook_errors; }));
  add_endpoints(families, pools);
  add_tags(families, pools);
  return families;
}

MetricFamily scrape_errors(std::uint64_t count) {
  MetricFamily family{
      "lido_scrape_errors_total",
      "Times that a pool's statistics could not be read: the source threw. Its pool is missing from those scrapes.",
      MetricType::Counter,
      {}};
  family.metric.emplace_back().counter.value = number(count);
  return family;
}

}  // namespace lido::inline v0::metrics
