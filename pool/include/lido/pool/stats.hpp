// What a pool tells about itself: a plain copy, taken at one moment, that needs neither the pool nor a metrics library
// to be read.
//
//   lido::pool_stats s = pool.stats();
//   if (s.waiting > 0 && s.leased == s.max_size) ...           // the pool is too small, or leases are kept too long
//   s.wait_time.quantile(0.99)                                 // how long an acquire waits
//
// Counters begin with 0 when the pool is made and only grow. lido::metrics renders all of it for Prometheus
// (contract I23).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {

/// Why a connection was closed.
enum class close_reason : std::uint8_t {
  disconnected,      ///< the server or the network ended it
  broken,            ///< it came back unusable: bytes that are not the protocol, a statement that cannot be drained
  ping_failed,       ///< it did not answer the ping before use
  recovery_failed,   ///< ROLLBACK or the reset of an abandoned connection failed
  recovery_timeout,  ///< `drain.timeout` or `reset.timeout` passed while it was being recovered
  discarded,         ///< `cancel.after` = discard or never: policy, not failure
  idle_timeout,      ///< unused for `idle_timeout`
  max_lifetime,      ///< older than `max_lifetime`
  stale_generation,  ///< older than an outage or a change of configuration that concerned all connections
  shrunk,            ///< `max_size` was made smaller
  pool_closed,       ///< the pool is closing
  cancel_unknown,    ///< a CancelRequest may have been sent and no EOF came: it could hit the next user (contract I4)
  cancel_failed,     ///< no CancelRequest reached the server, and its query did not end by itself in time
  no_cancel_key,     ///< the server gave no BackendKeyData, so its query could not be stopped (contract I7)
  drain_bytes,       ///< more than `drain.max_bytes` of an abandoned result came
  write_stalled,     ///< the server did not take the abandoned operation to its end within `drain.timeout`
  left_state,        ///< its lease left what no statement undoes: LOAD, dblink_connect(), setseed(), ... (contract I14)
  max_uses,          ///< lent `max_uses` times
  max_bytes,         ///< received `max_bytes_received`
  vetoed,            ///< the hook before_acquire did not want it
  hook_failed,       ///< after_connect or after_release threw, or took too long
};
inline constexpr std::size_t close_reason_count = 21;

/// The application's hooks.
enum class pool_hook : std::uint8_t { before_connect, after_connect, before_acquire, after_release, before_close };
inline constexpr std::size_t pool_hook_count = 5;

/// What the pool as a whole is about.
enum class pool_phase : std::uint8_t {
  open,
  paused,    ///< acquires wait, leases end
  draining,  ///< async_close() was called: no new work, leases may end by themselves
  forcing,   ///< its deadline has passed: what leases run is cancelled
  closed,    ///< no connection is left
};

/// How a connection was made fit for its next user (contract I14).
enum class reset_kind : std::uint8_t {
  rollback,     ///< its lease was left inside a transaction
  exact,        ///< what the lease visibly left was undone, and nothing else
  discard_all,  ///< DISCARD ALL, by choice or because nobody knows what the lease did (DO, CALL)
};
inline constexpr std::size_t reset_kind_count = 3;

/// Why an acquire ended without a connection before its deadline.
enum class acquire_refusal : std::uint8_t {
  max_waiters,  ///< the queue was full
  admission,    ///< it would have been served too late for its deadline (`admission` = deadline)
  pool_closed,  ///< the pool was closing, or closed while it waited
  connect,      ///< a connect error that waiting cannot cure: wrong password, no such database
  breaker,      ///< connects keep failing, and no other connection could have served it
  nested,       ///< every connection was held by a task that waited for another one, this one's included
};
inline constexpr std::size_t acquire_refusal_count = 6;

/// Why a cancel that somebody asked for was never sent.
enum class cancel_suppression : std::uint8_t {
  unsent,     ///< the operation had not been sent yet: nothing to cancel
  overtaken,  ///< the operation ended before the CancelRequest's first byte
  budget,     ///< `cancel.concurrency` or `cancel.rate` was used up
  no_key,     ///< no BackendKeyData, or policy `never`
};
inline constexpr std::size_t cancel_suppression_count = 4;

/// The step at which a cancel connection failed.
enum class cancel_phase : std::uint8_t {
  resolve,  ///< no address to go to
  connect,  ///< refused, unreachable, or too slow
  tls,      ///< SSLRequest, handshake or certificate
  write,    ///< the 16 bytes or more of the CancelRequest did not go out whole
  eof,      ///< written, and no proper end of stream within `cancel.timeout`
};
inline constexpr std::size_t cancel_phase_count = 5;

/// The way that a cancel took.
enum class cancel_channel : std::uint8_t {
  request,  ///< a CancelRequest on a connection of its own
  session,  ///< pg_cancel_backend() on the control session
};
inline constexpr std::size_t cancel_channel_count = 2;

/// What the control session of one server is doing.
enum class control_state : std::uint8_t {
  absent,     ///< not needed yet, or not for long
  opening,    ///< connecting
  ready,      ///< connected, nothing to do
  busy,       ///< a statement is under way
  refused,    ///< could not connect, or was lost; tried again later
  untrusted,  ///< a pooler, proxy or address translation stands between: pids mean nothing here
};
inline constexpr std::size_t control_state_count = 6;

/// Whether connects are tried freely.
enum class breaker_state : std::uint8_t {
  closed,     ///< all is well, or has not failed often enough
  half_open,  ///< one connect is under way to find out whether the server is back
  open,       ///< `breaker_threshold` rounds of connects have failed: no connect until the pause is over
};

/// What one of several hosts was last seen to be.
enum class endpoint_role : std::uint8_t {
  unknown,  ///< not asked yet, or it does not say
  primary,
  standby,
};

/// Whether a pool of several hosts uses this one.
enum class endpoint_state : std::uint8_t {
  unseen,  ///< nothing is known yet
  up,      ///< seen, and fit for this pool
  down,    ///< could not be reached when it was last looked at
  barred,  ///< seen, and not fit: an old primary, or a standby that is more than `max_lag` behind
};

/// Labels as they appear in metrics: the enumerator's own name.
[[nodiscard]] std::string_view to_string(close_reason r) noexcept;
[[nodiscard]] std::string_view to_string(breaker_state s) noexcept;
[[nodiscard]] std::string_view to_string(pool_hook h) noexcept;
[[nodiscard]] std::string_view to_string(pool_phase p) noexcept;
[[nodiscard]] std::string_view to_string(acquire_refusal r) noexcept;
[[nodiscard]] std::string_view to_string(cancel_suppression s) noexcept;
[[nodiscard]] std::string_view to_string(cancel_phase p) noexcept;
[[nodiscard]] std::string_view to_string(reset_kind k) noexcept;
[[nodiscard]] std::string_view to_string(cancel_channel c) noexcept;
[[nodiscard]] std::string_view to_string(control_state s) noexcept;

/// A distribution of durations: ten buckets a decade from 1 us to 100 s, so that a quantile is right within a bucket
/// (about 25 %) and the usual Prometheus bounds (1, 2.5 and 5 times a power of ten) are bucket bounds exactly.
struct histogram_snapshot {
  static constexpr std::size_t bound_count = 81;
  /// Upper bounds, inclusive, ascending. What is longer than the last one is counted in counts[bound_count].
  [[nodiscard]] static const std::array<std::chrono::nanoseconds, bound_count>& bounds() noexcept;

  std::array<std::uint64_t, bound_count + 1> counts{};  ///< not cumulative
  std::chrono::nanoseconds sum{0};
  std::chrono::nanoseconds max{0};

  [[nodiscard]] std::uint64_t count() const noexcept;
  /// How many were not longer than `bound`, which should be one of bounds().
  [[nodiscard]] std::uint64_t count_up_to(std::chrono::nanoseconds bound) const noexcept;
  /// Interpolated within its bucket, never above `max`; 0 when nothing was observed. `q` from 0 to 1.
  [[nodiscard]] std::chrono::nanoseconds quantile(double q) const noexcept;
};

/// One way's part of cancel_stats.
struct cancel_channel_stats {
  std::uint64_t sent = 0;
  std::uint64_t eof = 0;  ///< confirmed: by the server's EOF, or by the control session's answer
  std::array<std::uint64_t, cancel_phase_count> failed{};  ///< by cancel_phase
  std::uint64_t unknown = 0;

  [[nodiscard]] std::uint64_t of(cancel_phase p) const noexcept { return failed[static_cast<std::size_t>(p)]; }
};

/// CancelRequests (contract I23). After the dust has settled: requested = all suppressed + those of which at least one
/// attempt was begun; sent = eof + missed + failed{eof} + unknown attempts without a phase. A failure before the first
/// byte is harmless and says so in its phase.
struct cancel_stats {
  std::uint64_t requested = 0;                                       ///< operations abandoned by a cancel or a deadline
  std::array<std::uint64_t, cancel_suppression_count> suppressed{};  ///< by cancel_suppression
  std::uint64_t sent = 0;                                  ///< CancelRequests written whole, second attempts included
  std::uint64_t retried = 0;                               ///< second attempts: the server had lost the first
  std::uint64_t eof = 0;                                   ///< of those sent: the server's EOF came, the fence holds
  std::array<std::uint64_t, cancel_phase_count> failed{};  ///< by cancel_phase
  std::uint64_t unknown = 0;                               ///< may have been sent, no EOF: the connection was discarded

  std::array<cancel_channel_stats, cancel_channel_count> by_channel{};  ///< the same, by cancel_channel
  std::uint64_t missed = 0;     ///< by the control session, which found nothing to signal or failed before it could
  std::uint64_t fell_back = 0;  ///< from the control session to a CancelRequest
  std::uint64_t batches = 0;    ///< statements of control sessions that cancelled something
  std::uint64_t control_opened = 0;   ///< control sessions connected
  std::uint64_t control_refused = 0;  ///< control sessions that could not be opened, were lost, or could not be trusted
  std::array<std::uint32_t, control_state_count> control{};  ///< now: control sessions by control_state

  [[nodiscard]] const cancel_channel_stats& of(cancel_channel c) const noexcept {
    return by_channel[static_cast<std::size_t>(c)];
  }
  [[nodiscard]] std::uint32_t of(control_state s) const noexcept { return control[static_cast<std::size_t>(s)]; }
  [[nodiscard]] std::uint64_t of(cancel_suppression s) const noexcept {
    return suppressed[static_cast<std::size_t>(s)];
  }
  [[nodiscard]] std::uint64_t of(cancel_phase p) const noexcept { return failed[static_cast<std::size_t>(p)]; }
};

/// One of a pool's hosts.
struct endpoint_stats {
  endpoint_role role = endpoint_role::unknown;
  endpoint_state state = endpoint_state::unseen;
  bool preferred = false;         ///< the primary that this pool goes to
  std::uint32_t connections = 0;  ///< open ones of this pool, whatever they are doing
  /// How far what a standby shows is behind; 0 of a primary, max() when it is not known.
  std::chrono::nanoseconds lag = std::chrono::nanoseconds::max();
};

/// What one tag had of the pool.
struct tag_stats {
  std::string name;
  std::uint64_t failures = 0;    ///< acquires that ended without a connection: late, refused; not those cancelled
  histogram_snapshot wait_time;  ///< of those that got one
  histogram_snapshot use_time;   ///< of those that gave it back
};

struct pool_stats {
  // now
  std::uint32_t idle = 0;
  std::uint32_t leased = 0;
  std::uint32_t connecting = 0;
  std::uint32_t validating = 0;
  std::uint32_t recovering = 0;
  std::uint32_t closing = 0;
  std::uint64_t waiting = 0;                           ///< acquires in the queue
  std::array<std::uint64_t, 3> waiting_by_priority{};  ///< of them, by lido::priority
  std::uint32_t max_size = 0;
  std::uint32_t min_size = 0;
  std::uint32_t min_idle = 0;
  pool_phase phase = pool_phase::open;
  std::uint32_t generation = 0;  ///< how often all connections were condemned together

  // acquires
  std::uint64_t acquires = 0;         ///< leases given out
  std::uint64_t acquires_queued = 0;  ///< acquires that found no idle connection
  std::uint64_t acquire_timeouts = 0;
  std::uint64_t acquires_cancelled = 0;
  std::uint64_t acquires_failed_fast = 0;                      ///< of `refused`, those by an open breaker
  std::array<std::uint64_t, acquire_refusal_count> refused{};  ///< by acquire_refusal

  std::uint64_t slow_acquires = 0;  ///< waited for `slow_acquire_threshold` or longer
  std::uint64_t nested_waits = 0;   ///< a named task waited for a connection while it held one
  std::uint64_t long_holds = 0;     ///< leases that lasted longer than `leak_threshold`
  std::uint64_t reclaimed = 0;      ///< leases that were taken away after `leak_reclaim`

  // connections
  std::uint64_t connects = 0;  ///< started
  std::uint64_t created = 0;   ///< of them, ready for use
  std::uint64_t connect_failures = 0;
  std::uint64_t connects_throttled = 0;  ///< held back by connect_rate
  std::uint64_t breaker_opened = 0;
  lido::breaker_state breaker = breaker_state::closed;
  std::uint64_t pings = 0;
  std::uint64_t ping_failures = 0;
  std::uint64_t keepalives = 0;                            ///< of the pings, those in the background
  std::array<std::uint64_t, close_reason_count> closed{};  ///< by close_reason
  std::uint64_t recoveries = 0;                            ///< abandoned or dirty connections that the pool took on
  std::uint64_t recovered = 0;                             ///< of them, in use again
  std::array<std::uint64_t, reset_kind_count> resets{};    ///< by reset_kind; those that failed included
  std::uint64_t orphaned = 0;  ///< closed on our side, the server's end of it never seen (contract I9)

  // what went over them, those already closed included
  std::uint64_t statements = 0;  ///< operations of users that were sent
  std::uint64_t bytes_sent = 0;  ///< of the protocol, before TLS
  std::uint64_t bytes_received = 0;
  std::uint64_t notices_dropped = 0;  ///< beyond 1,000 a second of one connection: not given to on_notice
  /// When the earliest of the server's certificates and when the client's own ends, in seconds since 1970, as seen by
  /// the open connections, or by the last one; 0: no TLS, no certificate.
  std::int64_t server_certificate_end = 0;
  std::int64_t client_certificate_end = 0;

  // cancellation
  cancel_stats cancels;
  std::uint64_t stray_cancels = 0;  ///< 57014 that reached the pool's own first message and was absorbed there

  // foreign code that threw (contract I27)
  std::array<std::uint64_t, pool_hook_count> hook_errors{};  ///< by pool_hook; time-outs included
  std::uint64_t sink_errors = 0;  ///< of `log`, and of the pool's and the connections' on_notice

  histogram_snapshot wait_time;    ///< from the acquire until a connection is set aside for it
  histogram_snapshot use_time;     ///< from there to its end; the time until its executor gets round to it included
  histogram_snapshot create_time;  ///< connect to ready for use
  histogram_snapshot fence_time;   ///< operation abandoned to connection usable again, or closed
  histogram_snapshot reset_time;   ///< of the statements that undo what a lease left, its ROLLBACK included
  histogram_snapshot ping_time;    ///< of the round trips that check an idle connection; those that failed included

  [[nodiscard]] std::uint64_t of(pool_hook h) const noexcept { return hook_errors[static_cast<std::size_t>(h)]; }
  std::vector<tag_stats> tags;  ///< those seen so far, at most `max_tags` and "other"
  /// Of a pool of several hosts: in the order of its configuration, at most 32. Empty when there is one.
  std::vector<endpoint_stats> endpoints;

  [[nodiscard]] std::uint64_t of(acquire_refusal r) const noexcept { return refused[static_cast<std::size_t>(r)]; }
  /// All of `refused` together.
  [[nodiscard]] std::uint64_t acquires_refused() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : refused) sum += n;
    return sum;
  }
  [[nodiscard]] std::uint64_t of(close_reason r) const noexcept { return closed[static_cast<std::size_t>(r)]; }
  [[nodiscard]] std::uint64_t of(reset_kind k) const noexcept { return resets[static_cast<std::size_t>(k)]; }
  /// Slots in use, all states: never above max_size, except while the pool shrinks (contract I9).
  [[nodiscard]] std::uint32_t size() const noexcept {
    return idle + leased + connecting + validating + recovering + closing;
  }
};

enum class readiness_state : std::uint8_t {
  ready,
  paused,       ///< async_pause() was called
  closing,      ///< async_close() was called, or its io_context has gone
  unreachable,  ///< no connection is left, and connects fail; believed for 30 s after the last attempt
};

/// Whether the pool can be expected to serve, and why not: what a readiness probe wants to know.
struct pool_readiness {
  bool ready = false;
  std::string reason;  ///< for people: may name the server and what it said; never a secret
  readiness_state state = readiness_state::ready;
};

/// How far async_close() has come.
struct close_progress {
  pool_phase phase = pool_phase::open;
  std::uint32_t leased = 0;      ///< leases that have not ended
  std::uint32_t recovering = 0;  ///< connections that are being cleaned up
  std::uint32_t closing = 0;     ///< connections whose server side has not ended
  std::chrono::nanoseconds until_forced{
      0};  ///< until leases are cancelled; 0 before the close, and when it has happened
};

}  // namespace v0
}  // namespace lido
