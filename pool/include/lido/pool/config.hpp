// How a pool behaves. Fill the fields, read a file, or take everything from a DSN:
//
//   lido::pool_config cfg = lido::pool_config::load("lido.toml");              // [pool.default]
//   lido::pool_config cfg = lido::pool_config::from_dsn("postgresql://app@db.example/app?pool_max_size=20");
//
//   [pool.default]                      # names are those of the fields below and of connect_config
//   dsn = "postgresql://app@db.example/app"
//   max_size = 20
//   acquire_timeout = "500ms"
//   cancel.timeout = "3s"
//   drain.max_bytes = "4MiB"
#pragma once

#include <lido/driver/config.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/knob_class.hpp>
#include <lido/pool/hooks.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {

namespace detail {
struct config_origins;
}

/// A knob as it is in force. `value` is what a file would say, "(secret)" for a secret that is set.
struct effective_knob {
  std::string name;
  std::string value;
  std::string source;  ///< "default", "lido.toml:7", the name of an environment variable, "DSN", "code"
  knob_class applies = knob_class::live;
};
/// What a new configuration changes. Secrets are shown as "(secret)".
struct knob_change {
  std::string name;
  std::string before;
  std::string after;
  knob_class applies = knob_class::live;
  std::string source;  ///< of the new value
};
[[nodiscard]] std::string_view to_string(knob_class c) noexcept;
/// One line a knob: max_size = 20  # lido.toml:7, live
[[nodiscard]] std::string to_text(const std::vector<effective_knob>& knobs);
/// max_size: 10 -> 20 (live, lido.toml:7)
[[nodiscard]] std::string to_text(const knob_change& change);

struct pool_config;

/// Where a configuration comes from, later over earlier: defaults, the file's [pool.NAME], PG* (PGHOST, PGUSER, ...),
/// LIDO__NAME__* (LIDO__WEB__MAX_SIZE, LIDO__WEB__CANCEL__TIMEOUT), the DSN, code. In a file NAME_file, in the
/// environment NAME_FILE gives a secret by the file that holds it: password_file, LIDO__WEB__PASSWORD_FILE,
/// PGPASSWORD_FILE, dsn_file.
struct config_sources {
  std::string file;                        ///< empty: none
  bool environment = true;                 ///< read the process's environment
  secret dsn;                              ///< empty: none
  std::function<void(pool_config&)> code;  ///< the last word, for what no file can say (log, hooks) too
};

/// What is undone between two leases (contract I14). An open transaction is rolled back in each mode.
enum class reset_mode {
  automatic,    ///< "auto": what the lease visibly left, and nothing else; a clean lease costs no round trip
  discard_all,  ///< DISCARD ALL after every lease: one round trip, also for what no text shows
  none,         ///< nothing: settings, temporary tables, locks of one lease are found by the next
};

/// What the pool does with a connection whose operation was cancelled in flight.
enum class after_cancel {
  recover,  ///< CancelRequest, drain, roll back, use again
  discard,  ///< CancelRequest, then close: for middleboxes whose EOF lies
  never,    ///< no CancelRequest at all: close
};

/// How a running operation is cancelled on the server.
enum class cancel_channel_choice {
  automatic,  ///< "auto": by the control session where it is there and can be trusted, else by a CancelRequest
  session,    ///< by the control session only: pg_cancel_backend() on one standing session
  request,    ///< by a CancelRequest only: a connection and a process of the server for each
};

/// Who serves role::replica when no replica can be reached.
enum class replica_fallback {
  primary,  ///< the primary
  none,     ///< nobody: the acquire ends with what the connects met, or by its deadline
};

/// Whether an acquire that will come too late for its deadline is refused when it begins.
enum class admission_mode {
  off,       ///< it waits, and fails at its deadline
  deadline,  ///< it completes with errc::overloaded at once, by how long leases last and how many are ahead of it
};

/// Every duration is a bound: none may be infinite (contract I5).
struct pool_config {
  connect_config connect;
  /// Label `pool_name` of the metrics, part of the names of environment variables: of a-z, 0-9 and _, without "__".
  std::string name = "default";

  std::size_t max_size = 10;  ///< connections at every instant, those being opened and closed included (contract I9)
  std::size_t min_size = 0;   ///< kept open
  std::size_t min_idle = 0;   ///< kept open beside those in use, up to max_size
  std::size_t max_waiters = 10'000;  ///< tasks that may wait for a connection; the next one gets errc::too_many_waiters

  std::size_t reserved_slots = 0;  ///< of max_size, for priority::high alone: health checks get in
  admission_mode admission = admission_mode::off;
  std::size_t max_tags = 16;  ///< tags of acquires that are kept apart; the rest is "other"

  /// An acquire that waited as long as this is told to the log. 0: none.
  std::chrono::nanoseconds slow_acquire_threshold{0};
  /// A lease that lasts longer is told to the log once, with the place where it was acquired. 0: none.
  std::chrono::nanoseconds leak_threshold{0};
  /// A lease that lasts longer is taken away: it is revoked as by a terminal cancel, its connection recovers. 0: none.
  std::chrono::nanoseconds leak_reclaim{0};

  std::chrono::nanoseconds acquire_timeout =
      std::chrono::seconds(30);                                      ///< when the caller gives no deadline of its own
  std::chrono::nanoseconds max_lifetime = std::chrono::minutes(30);  ///< 0: unlimited
  double max_lifetime_jitter = 0.1;  ///< a connection lives between (1 - jitter) x max_lifetime and max_lifetime
  std::chrono::nanoseconds idle_timeout = std::chrono::minutes(10);  ///< 0: idle connections stay

  /// At most a quarter of those idle for too long is closed, and at least one, each so often. 0: all at once.
  std::chrono::nanoseconds prune_interval = std::chrono::seconds(0);
  std::size_t max_uses = 0;            ///< leases, after which a connection is replaced; 0: any number
  std::size_t max_bytes_received = 0;  ///< from the server, after which a connection is replaced; 0: any number

  /// An idle connection that nothing was heard of for so long gets a round trip in the background. It does not count as
  /// use: idle_timeout goes on. 0: none.
  std::chrono::nanoseconds keepalive_interval = std::chrono::seconds(0);
  /// Idle for longer than this: one round trip before it is handed out. 0: never (a closed connection is noticed
  /// anyway, a silently dead peer is not).
  std::chrono::nanoseconds validate_after_idle = std::chrono::seconds(1);
  std::chrono::nanoseconds validation_timeout = std::chrono::seconds(2);

  std::size_t connect_concurrency = 4;  ///< connections being opened at one time
  double connect_rate = 20;             ///< connects a second at most while they fail, and in slow start; 0: no bound
  /// So many failed rounds of connects in a row open the breaker: one connect at a time asks whether the server is
  /// back, and an acquire that no existing connection could serve fails at once with the last connect's error. 0:
  /// acquires wait to their deadlines.
  std::size_t breaker_threshold = 8;
  std::chrono::nanoseconds connect_backoff_min = std::chrono::milliseconds(100);
  std::chrono::nanoseconds connect_backoff_max = std::chrono::seconds(5);

  /// Tells the server of deadlines: an operation with one is preceded, in the same flush and with no further round
  /// trip, by SET statement_timeout to a little more than is left. So a server whose client became unreachable stops by
  /// itself. statement_timeout then belongs to the pool, except while a lease sets its own. Not behind a pooler that
  /// gives transactions of one session to several servers.
  bool statement_timeout_from_deadline = false;

  /// With several hosts, or a `target_session_attrs` other than any: each host is looked at this often, over a session
  /// of the pool's own (one a host, beside max_size): primary or standby, how far behind, which addresses. 0: never.
  std::chrono::nanoseconds role_probe_interval = std::chrono::seconds(1);
  /// A standby that is further behind than this is not used where a standby is wanted. 0: however far.
  std::chrono::nanoseconds max_lag = std::chrono::nanoseconds(0);

  /// Replicas as a role of the pool: connections to the standbys among the same hosts, in random order, for
  /// async_acquire(role::replica). They are other servers with limits of their own, so they have a cap and a queue of
  /// their own. With replicas the pool's other connections are to the primary.
  struct replica_config {
    std::size_t max_size = 0;  ///< connections to replicas, beside max_size; 0: the primary serves role::replica
    replica_fallback fallback = replica_fallback::primary;
  };
  replica_config replica;

  struct reset_config {
    reset_mode mode = reset_mode::automatic;
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);  ///< for all of it
  };
  reset_config reset;

  struct cancel_config {
    std::chrono::nanoseconds timeout =
        std::chrono::seconds(5);  ///< over connect, TLS, CancelRequest and the server's EOF
    std::chrono::nanoseconds retry_after =
        std::chrono::milliseconds(500);  ///< EOF seen, but the statement runs on: once more
    std::size_t concurrency = 16;        ///< CancelRequests under way at one time; beyond: drain or close
    double rate = 0;                     ///< CancelRequests a second; 0: unlimited
    after_cancel after = after_cancel::recover;
    /// The control session is one more connection of the same user for each server that the pool is connected to. It is
    /// opened when something is first cancelled, does not count in max_size, and is closed when unused for five
    /// minutes.
    cancel_channel_choice channel = cancel_channel_choice::automatic;
    std::size_t batch = 64;  ///< most cancels in one statement of the control session, 1 to 1024
  };
  cancel_config cancel;

  struct drain_config {
    std::chrono::nanoseconds timeout = std::chrono::seconds(5);  ///< from the cancel to ReadyForQuery
    std::size_t max_bytes = 16U << 20;                           ///< of a result that nobody wants
  };
  drain_config drain;

  pool_hooks hooks;
  std::chrono::nanoseconds hook_timeout = std::chrono::seconds(5);  ///< for each run of a hook

  /// Called with one line when something fails behind the users' backs: a connect, a cancel connection. At most one
  /// line a second of each kind, and the next one says how many were swallowed; long leases are all told, several in a
  /// line. Never a secret. Any thread, no lock held; what it throws is counted (lido_sink_errors_total) and swallowed.
  std::function<void(std::string_view)> log;
  /// Called for each NOTICE and WARNING of the server, on the io thread. Same rules, but at most
  /// 1,000 a second of one connection (lido_notices_dropped_total).
  std::function<void(const diagnostics&)> on_notice;

  /// Reads [pool.NAME] of a TOML file, and what the environment says over it (config_sources). Throws lido::error
  /// (errc::invalid_config) with file and line or the variable's name and, for an unknown key, the nearest one; never
  /// with a value. A file that holds a secret itself, beside others in files of their own or not, must be readable by
  /// its owner alone.
  static pool_config load(const std::string& path, std::string_view pool_name = "default");
  static pool_config load(const config_sources& sources, std::string_view pool_name = "default");
  /// From text, without the environment; `origin` takes the file's place in messages.
  static pool_config parse_toml(std::string_view text, std::string_view origin, std::string_view pool_name = "default");
  /// A DSN as connect_config::parse reads it, plus these fields with the prefix `pool_`: pool_max_size=20,
  /// pool_cancel.timeout=3s.
  static pool_config from_dsn(std::string_view dsn);

  /// Throws lido::error (errc::invalid_config) that names the knob and says what to do. The pool calls it.
  void validate() const;

  /// Every knob with its value, where it came from, and when a change of it takes effect. Secrets redacted.
  [[nodiscard]] std::vector<effective_knob> effective() const;
  /// What `next` would change. Callbacks are not compared.
  [[nodiscard]] std::vector<knob_change> changes_to(const pool_config& next) const;
  /// The files that it was read from, those of TLS included: what a watcher watches.
  [[nodiscard]] std::vector<std::string> files() const;

  std::shared_ptr<const detail::config_origins> origins;  ///< for effective(); set by load(), parse_toml(), from_dsn()
};

}  // namespace v0
}  // namespace lido
