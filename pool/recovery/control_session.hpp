// The control session of one server: performs what control_channel decides. A session like any other, but the pool's
// own: same user, same TLS, same address; one statement at a time. Any thread; what it calls is called without its
// lock, so a session may ask for a cancel while it holds its own.
#pragma once

#include "driver/sync.hpp"
#include "pool/recovery/control_channel.hpp"
#include "pool/stats/pool_counters.hpp"

#include <lido/driver/connection.hpp>
#include <lido/driver/detail/session.hpp>
#include <lido/pool/config.hpp>
#include <lido/pool/stats.hpp>

#include <asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

namespace lido::inline v0::recovery {

control_channel::limits channel_limits(const pool_config& config);

// Who a new session goes as, or why it cannot.
struct credentials {
  std::shared_ptr<const detail::session_settings> settings;
  std::error_code error;
  diagnostics diag;
};

// What a control session is connected with and tells of itself. The counters live as long as `keeps`.
struct control_surroundings {
  asio::any_io_executor executor;
  std::shared_ptr<detail::deadline_queue> deadlines;
  std::function<void(std::function<void(credentials)> done)> credentials_now;
  std::shared_ptr<const detail::session_peer> peer;
  std::chrono::nanoseconds close_timeout{};
  std::weak_ptr<void> keeps;
  stats::pool_counters* counters = nullptr;
  std::function<void(const std::string&)> log;  // called while `keeps` is held
};

class control_session final : public detail::session_observer,
                              public detail::deadline_target,
                              public std::enable_shared_from_this<control_session> {
 public:
  using name = control_channel::member;

  control_session(control_surroundings around, const control_channel::limits& bounds);
  void start();  // once, right after make_shared

  // ---- connections to the same server ----
  // May a new connection with this pid be used? wait: `later` is told, once.
  control_channel::admission admits(std::int32_t pid, std::function<void(bool use)> later);
  name enrol(const detail::managed_session& session);  // 0: its socket tells nothing, it cannot be cancelled this way
  void leave(name who) noexcept;
  bool is_needed() const noexcept;  // somebody is enrolled, or an unanswered statement must be remembered

  // ---- cancels ----
  bool available(name who) noexcept;
  std::uint64_t submit(name who, std::weak_ptr<detail::control_client> client) noexcept;
  void withdraw(std::uint64_t ticket) noexcept;

  // ---- the end ----
  void adjust(const control_channel::limits& bounds) noexcept;
  void retire() noexcept;                  // nobody new is enrolled: closed when the last connection has left
  void close(std::function<void()> done);  // the pool's last connection is closed
  void abandon() noexcept;                 // its io_context stands still or goes: nothing will be heard any more
  control_state state() const noexcept;

  void on_revoked(std::uint64_t /*tenure*/) noexcept override {}
  void on_disconnected(std::error_code ec, bool endpoint) noexcept override;
  void on_cancel(detail::cancel_event, detail::cancel_via) noexcept override {}
  void on_stray_cancel() noexcept override {}
  void on_notice(const diagnostics&) noexcept override {}  // "PID ... is not a PostgreSQL backend": it has just ended
  bool admit_cancel() noexcept override { return false; }
  void cancel_ended() noexcept override {}
  void on_deadline(time_point now) noexcept override;

 private:
  using rows = std::vector<control_channel::row>;
  struct call {  // for whoever is to be told, without the lock
    std::shared_ptr<detail::control_client> who;
    detail::control_outcome how;
  };

  void kick() LIDO_REQUIRES(mutex_);
  void rearm() noexcept LIDO_REQUIRES(mutex_);
  void pump() noexcept;
  bool one_round();
  void open();
  void connect(std::uint64_t generation, credentials as);
  void on_opened(detail::connect_result made);
  void close_session() LIDO_REQUIRES(mutex_);
  void write();
  void send(const rows& what, std::uint64_t generation);
  // An event names the lock as its own object's: clang cannot see that it is this one.
  template <class Event>
  void tell(Event event) LIDO_THREAD_ATTRIBUTE(no_thread_safety_analysis);
  void count_refusals(control_channel::state before) noexcept LIDO_REQUIRES(mutex_);
  void report(const std::string& what);

  const control_surroundings around_;
  mutable detail::mutex mutex_;
  control_channel channel_ LIDO_GUARDED_BY(mutex_);
  std::map<control_channel::ticket, std::weak_ptr<detail::control_client>> clients_ LIDO_GUARDED_BY(mutex_);
  std::map<std::uint64_t, std::function<void(bool)>> waiting_ LIDO_GUARDED_BY(mutex_);
  std::uint64_t last_name_ LIDO_GUARDED_BY(mutex_) = 0;
  bool pumping_ LIDO_GUARDED_BY(mutex_) = false;
  bool abandoned_ LIDO_GUARDED_BY(mutex_) = false;
  std::uint64_t generation_ LIDO_GUARDED_BY(mutex_) = 0;  // of the session: what an earlier one says is not heard
  std::shared_ptr<detail::connect_attempt> attempt_ LIDO_GUARDED_BY(mutex_);
  std::shared_ptr<detail::managed_session> session_ LIDO_GUARDED_BY(mutex_);
  connection db_ LIDO_GUARDED_BY(mutex_);            // the same, to run statements with
  std::size_t closing_ LIDO_GUARDED_BY(mutex_) = 0;  // sessions that say goodbye
  std::vector<std::function<void()>> closers_ LIDO_GUARDED_BY(mutex_);
  std::size_t batches_ LIDO_GUARDED_BY(mutex_) = 0;
  detail::deadline_entry deadline_entry_;
};

}  // namespace lido::inline v0::recovery
