// The one seam between whoever owns connections (a pool, or a lido::connection on its own) and the driver: start
// operations, find out in what state a session is, win it back, close it. Thread-safe; nothing here blocks; callbacks
// run without locks.
#pragma once

#include <lido/driver/config.hpp>
#include <lido/driver/detail/operation.hpp>
#include <lido/driver/detail/session_reset.hpp>
#include <lido/driver/error.hpp>

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lido::types {
class type_catalogue;
}

namespace lido {
inline namespace v0 {
namespace detail {

enum class session_condition : std::uint8_t {
  clean,   // quiet, ReadyForQuery 'I', nothing under way
  in_use,  // an operation is running or owed
  dirty,   // quiet, but inside a transaction
  soiled,  // quiet, but its user left something behind: reset() before another one has it (I14)
  unfit,   // quiet, but in another encoding or string syntax: not for another user (B48)
  dead,    // the socket is gone or going
};

// What a server is in a cluster, as far as it has said so.
enum class server_role : std::uint8_t { unknown, primary, standby };

// Which hosts of the list a connect may go to, and which one first.
struct host_choice {
  bool has_first = false;
  std::size_t first = 0;
  std::uint32_t barred = 0;  // a bit for each host
};

// What happened to cancels, for counters (I23). `phase` as in the metric label.
enum class cancel_event : std::uint8_t {
  requested,
  suppressed_unsent,
  suppressed_overtaken,
  suppressed_budget,
  suppressed_no_key,
  sent,
  retried,
  eof,
  failed_resolve,
  failed_connect,
  failed_tls,
  failed_write,
  failed_eof,
  unknown,
  missed,     // by the control session: it found nothing to signal, or failed before it could
  fell_back,  // from the control session to a CancelRequest
};
// The way that a cancel took.
enum class cancel_via : std::uint8_t { request, session };

// How a cancel through the owner's control session ended. signalled: as good as the EOF of a CancelRequest. missed:
// nothing was sent, or everything that was has arrived. unknown: written, and no answer came.
enum class control_outcome : std::uint8_t { signalled, missed, unknown };

// Who wants a statement cancelled through the owner's control session.
class control_client {
 public:
  virtual bool may_write() noexcept = 0;                 // asked once, right before the statement that names it
  virtual void ended(control_outcome how) noexcept = 0;  // at most once; `missed` may come without may_write()

 protected:
  ~control_client() = default;
};

// Who hears about a session; held weakly. Called without locks, from any thread. Must not throw.
class session_observer {
 public:
  // A terminal cancel or a deadline ended the lease of this tenure: recover() is wanted. By the time it is told, the
  // lease may have been given back and another one begun.
  virtual void on_revoked(std::uint64_t tenure) noexcept = 0;
  virtual void on_disconnected(
      std::error_code ec,
      bool endpoint) noexcept = 0;  // the session died by itself; endpoint: others of that server are suspect
  virtual void on_cancel(cancel_event what, cancel_via by) noexcept = 0;
  virtual void
  on_stray_cancel() noexcept = 0;  // a 57014 where no cancel was armed by us and an operation of the pool's was hit
  virtual void on_notice(const diagnostics& note) noexcept = 0;
  // Of NOTIFY; views of the moment.
  virtual void on_notification(std::string_view /*channel*/, std::string_view /*payload*/, int /*process*/) noexcept {}
  // The server said that it was promoted or demoted, or that its transactions are read-only by default now.
  virtual void on_role(server_role /*now*/, bool /*read_only*/) noexcept {}
  // A statement was refused with 25006, which a server's role may explain, or the user's own transaction.
  virtual void on_read_only_refusal() noexcept {}
  // Called under the session's lock, so these two must not lock or call back: is there budget for one more cancel (I8)?
  // And its return.
  virtual bool admit_cancel() noexcept = 0;
  virtual void cancel_ended() noexcept = 0;
  // The second way to cancel. Called under the session's lock, too: must not call back, and may lock only what is never
  // held while a session is called.
  virtual bool prefers_control() noexcept { return false; }  // it is there, or is the only way that is allowed
  virtual bool allows_request() noexcept { return true; }    // a CancelRequest where it is not
  // Calls back later, never from inside. 0: not this way.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): who overrides it keeps it
  virtual std::uint64_t submit_control(std::weak_ptr<control_client>) noexcept { return 0; }
  virtual void withdraw_control(std::uint64_t /*ticket*/) noexcept {}  // without the lock

 protected:
  ~session_observer() = default;
};

enum class cancel_policy : std::uint8_t { recover, discard, never };

struct recovery_budgets {
  std::chrono::nanoseconds cancel_timeout = std::chrono::seconds(5);
  std::chrono::nanoseconds cancel_retry_after = std::chrono::milliseconds(500);
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(5);
  std::size_t drain_max_bytes = 16U << 20;
  cancel_policy after = cancel_policy::recover;
};

// Why a session could not be won back; names are metric labels.
enum class recovery_failure : std::uint8_t {
  none,
  no_key,
  policy,
  cancel_unknown,
  cancel_failed,
  drain_timeout,
  drain_bytes,
  write_stalled,
  discarded,
  lost,
};

// A deadline queue shared by the sessions of one executor (design decision 8).
class deadline_queue;
std::shared_ptr<deadline_queue> make_deadline_queue(asio::any_io_executor executor);

// Something with deadlines. One entry a target: it says when it wants to be looked at, and is asked again each time.
class deadline_target {
 public:
  virtual void on_deadline(time_point now) noexcept = 0;  // without locks; on the queue's executor

 protected:
  ~deadline_target() = default;
};
// The entry itself; lives in the target, leaves the queue when it is destroyed. Arming is lazy: only an earlier time
// touches the queue.
class deadline_entry {
 public:
  deadline_entry() = default;
  deadline_entry(const deadline_entry&) = delete;
  deadline_entry& operator=(const deadline_entry&) = delete;
  ~deadline_entry() { detach(); }
  void attach(std::shared_ptr<deadline_queue> queue, std::weak_ptr<deadline_target> target) noexcept;
  void arm(time_point when) noexcept;
  void detach() noexcept;  // out of the queue; may be armed again

 private:
  friend class deadline_queue;
  std::shared_ptr<deadline_queue> queue_;
  std::weak_ptr<deadline_target> target_;
  time_point when_ = time_point::max();  // guarded by the queue
  std::size_t place_ = 0;                // in the queue's heap, from 1; 0: not in it
};

// Where a session's server was found: what another connection to the same one must repeat. Opaque.
struct session_peer;
std::string describe(const session_peer& where);

// Our end of a session's socket, as the server sees it if nothing stands between. A Unix socket has port -1 and no
// address; 0: unknown.
struct socket_name {
  std::string address;
  int port = 0;
};

// What a session has done since it lives, and when its certificates end. For counters.
struct session_usage {
  std::uint64_t bytes_sent = 0;  // of the protocol, before TLS
  std::uint64_t bytes_received = 0;
  std::uint64_t statements = 0;       // operations of users that were sent
  std::uint64_t notices_dropped = 0;  // beyond what a callback is given a second
  std::uint64_t callback_errors = 0;  // exceptions of connect_config's callbacks, contained (I27)
};
struct certificate_expiry {  // seconds since 1970; 0: no certificate
  std::int64_t server = 0;
  std::int64_t client = 0;
};

// What a lease leaves.
struct tenure_end {
  session_condition condition = session_condition::clean;  // tells what is left to do
  bool end_may_hide = false;                               // see look_for_end()
  bool was_current = false;                                // nobody has taken it away before
};

class managed_session : public operation_owner {
 public:
  virtual ~managed_session() = default;

  // ---- for operations ----
  // Takes over; completes through op's handler, never inside this call. `op` must hold a reference.
  virtual void start(op_ptr op) noexcept = 0;
  virtual void cancel_running(std::uint64_t tenure) noexcept = 0;  // terminal cancel of whatever that lease runs
  virtual void roll_back_later(
      std::uint64_t tenure) noexcept = 0;  // a transaction left without commit: ROLLBACK before anything else
  // A savepoint left without release: the same to its beginning, and the transaction goes on.
  virtual void roll_back_to_later(std::uint64_t /*tenure*/, std::uint32_t /*savepoint*/) noexcept {}
  virtual void set_budgets(const recovery_budgets& budgets) noexcept = 0;  // for partial cancels, whose lease stays
  // Whether the server is told of deadlines, as statement_timeout in the same flush.
  virtual void set_server_deadlines(bool on) noexcept = 0;
  // No operation of that lease that starts from now on lasts longer than this.
  virtual void set_deadline(std::uint64_t tenure, time_point deadline) noexcept = 0;
  // Whoever has the stream or COPY of this number wants no more of it: the session is brought back in step.
  virtual void leave_exchange(std::uint64_t /*id*/) noexcept {}
  virtual bool holds(std::uint64_t tenure) const noexcept = 0;
  virtual asio::any_io_executor executor() const noexcept = 0;

  // ---- for owners ----
  virtual session_condition condition() const noexcept = 0;  // wait-free
  virtual std::uint64_t begin_tenure() noexcept = 0;         // a new lease: earlier handles are void from here
  // The lease ends. Cancels what it still runs.
  virtual tenure_end end_tenure(std::uint64_t tenure) noexcept = 0;
  // An end of the stream that came with the last bytes of an answer costs a system call to be heard. An owner that says
  // the first of these saves it, and calls look_for_end() when a lease is over and nobody takes the session: then, or
  // when the next operation is written, the end is heard as ever.
  virtual void leave_looking_to_owner() noexcept {}
  virtual void look_for_end() noexcept {}
  virtual void ping(time_point deadline, std::function<void(std::error_code)> done) = 0;
  // Wins the session back: cancel and drain until quiet, within the budgets. `cancel_allowed` false: drain only.
  virtual void recover(const recovery_budgets& budgets, std::function<void(recovery_failure)> done) = 0;
  virtual void hurry(const recovery_budgets& smaller) noexcept = 0;
  // A pool-owned statement on a quiet session. Done gets the error and whether the session is idle ('I') afterwards.
  virtual void run_internal(std::string_view sql, time_point deadline,
                            std::function<void(std::error_code, bool idle)> done) = 0;
  // Undoes what leases left (I14) on a quiet session outside a transaction; `all`: DISCARD ALL whatever was seen. For
  // none and impossible nothing is sent and `done` is not called; else it is, as run_internal()'s.
  virtual session_reset reset(bool all, time_point deadline, std::function<void(std::error_code, bool idle)> done) = 0;
  // What was left so far is the owner's own set-up: it stays, and a reset that would undo it is impossible.
  virtual void keep_state() noexcept = 0;
  // Terminate, then wait for the server's own EOF until the deadline. `orphaned`: it did not come. Idempotent; done is
  // called once. What was abandoned and still runs is cancelled first, in at most as much time for each step; an
  // owner that recovers the session has done with that before it closes.
  virtual void close(time_point deadline, std::function<void(bool orphaned)> done) = 0;
  virtual std::chrono::nanoseconds close_timeout() const noexcept { return std::chrono::seconds(2); }  // as configured
  virtual void close_now() noexcept = 0;  // no farewell; everything that runs ends with connection_closed
  virtual session_usage usage() const noexcept { return {}; }  // wait-free
  virtual certificate_expiry certificates() const noexcept { return {}; }
  virtual int process_id() const noexcept = 0;
  virtual bool secure() const noexcept = 0;
  virtual std::shared_ptr<const session_peer> peer() const { return nullptr; }
  virtual socket_name local_end() const { return {}; }
  virtual std::size_t host() const noexcept { return 0; }  // which of the configuration's hosts
  virtual server_role role() const noexcept { return server_role::unknown; }
  virtual std::string address() const { return {}; }  // of the peer, as looked_up_addresses() writes it
  virtual types::type_catalogue* catalogue() const noexcept { return nullptr; }  // of its database; lives as long
  virtual const std::string* parameter_copy(std::string_view name, std::string& into) const = 0;
};

// `action` runs when the executor's io_context is destroyed, unless `owner` is gone by then: the moment to let go of
// handlers (contract I28).
void on_context_shutdown(const asio::any_io_executor& executor, std::weak_ptr<void> owner,
                         std::function<void()> action);

// Start-up, for owners.
struct session_settings;  // a validated connect_config with its TLS context; shared by all connections of a pool
std::shared_ptr<const session_settings> make_session_settings(connect_config config, std::error_code& ec,
                                                              std::string& context);

// The same with another user and password, TLS context shared. Null, with an error, when those cannot be.
std::shared_ptr<const session_settings> with_credentials(const session_settings& base, const connect_config& changed,
                                                         std::error_code& ec, std::string& context);

class connect_attempt {
 public:
  virtual ~connect_attempt() = default;
  virtual void cancel() noexcept = 0;  // any thread; `done` is not called after it has returned
};
struct connect_result {
  std::error_code error;
  diagnostics diag;  // context: every host that was tried, and what it met there
  std::shared_ptr<managed_session> session;
};
// `done` runs on `executor`, once, never inside this call. `beside`: to exactly this server, in exactly this way,
// without a second look-up.
std::shared_ptr<connect_attempt> connect_session(asio::any_io_executor executor,
                                                 std::shared_ptr<const session_settings> settings,
                                                 std::shared_ptr<deadline_queue> deadlines,
                                                 std::weak_ptr<session_observer> observer,
                                                 std::function<void(connect_result)> done,
                                                 const host_choice& choice = {},
                                                 std::shared_ptr<const session_peer> beside = nullptr);

}  // namespace detail
}  // namespace v0
}  // namespace lido
