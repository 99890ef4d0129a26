// One connection, as the pool sees it through the seam: what a driver's session does, without its bytes. The fence is
// the driver's own (driver/session/settle.hpp, driver/cancel/control_attempt.hpp).
#pragma once

#include "driver/cancel/attempt.hpp"
#include "driver/session/settle.hpp"
#include "tests/simulation/real/server.hpp"

#include <functional>
#include <optional>
#include <string_view>

namespace simulation {

namespace detail = lido::detail;

// Whose a connection is: one of the pool's, its control session, or a watch's.
enum class purpose : std::uint8_t { pool, control, watch };

struct birth {
  purpose what = purpose::pool;
  unsigned epoch = 0;
  std::int32_t pid = 0;            // as the server, or who stands before it, told
  lido::recovery::socket_end end;  // ours
  process_ptr backend;
  std::size_t lane = 0;
  std::size_t host = 0;
  std::string address;
  instant at{};
  std::uint64_t begun = 0;  // its number among the connects
};

class simulated_session final : public detail::managed_session, public std::enable_shared_from_this<simulated_session> {
 public:
  simulated_session(server& s, postmaster& at, asio::any_io_executor executor,
                    std::weak_ptr<detail::session_observer> observer, birth born);

  // ---- operation_owner ----
  void abandon(detail::operation& op) noexcept override;
  void soft_cancel(detail::operation& op) noexcept override;

  // ---- managed_session ----
  void start(detail::op_ptr op) noexcept override;
  void cancel_running(std::uint64_t tenure) noexcept override;
  void roll_back_later(std::uint64_t tenure) noexcept override;
  void set_budgets(const detail::recovery_budgets& budgets) noexcept override { budgets_ = budgets; }
  void set_server_deadlines(bool) noexcept override {}
  void set_deadline(std::uint64_t, lido::time_point) noexcept override {}
  bool holds(std::uint64_t tenure) const noexcept override { return tenure == tenure_ && link_ == link::open; }
  asio::any_io_executor executor() const noexcept override { return executor_; }
  detail::session_condition condition() const noexcept override;
  std::uint64_t begin_tenure() noexcept override;
  detail::tenure_end end_tenure(std::uint64_t tenure) noexcept override;
  void ping(lido::time_point deadline, std::function<void(std::error_code)> done) override;
  void recover(const detail::recovery_budgets& budgets, std::function<void(detail::recovery_failure)> done) override;
  void hurry(const detail::recovery_budgets& smaller) noexcept override;
  void run_internal(std::string_view sql, lido::time_point deadline,
                    std::function<void(std::error_code, bool)> done) override;
  detail::session_reset reset(bool all, lido::time_point deadline,
                              std::function<void(std::error_code, bool)> done) override;
  void keep_state() noexcept override {}
  void close(lido::time_point deadline, std::function<void(bool)> done) override;
  void close_now() noexcept override;
  int process_id() const noexcept override { return born_.pid; }
  bool secure() const noexcept override { return true; }
  std::shared_ptr<const detail::session_peer> peer() const override;
  detail::socket_name local_end() const override { return {born_.end.address, born_.end.port}; }
  const std::string* parameter_copy(std::string_view, std::string&) const override { return nullptr; }

  std::size_t host() const noexcept override { return born_.host; }
  detail::server_role role() const noexcept override { return role_; }
  std::string address() const override { return born_.address; }

  // ---- the server's side ----
  void hear(server_role now);       // its host is something else
  void note_role(server_role now);  // the pool knows from here on
  void kill_backend() { postmaster_.kill(born_.backend); }
  [[nodiscard]] const birth& born() const noexcept { return born_; }
  void die(std::error_code ec, bool endpoint) noexcept;  // we see its end
  void vanish(std::error_code ec, bool endpoint);        // the process is killed; we see that some moments later
  void interrupt();                                      // a signal has arrived
  void named_by(control_ptr call) { calls_.push_back(std::move(call)); }
  [[nodiscard]] bool is_named() const;  // by a control statement whose answer we have not seen
  void control_answered(const control_ptr& call, bool forbidden);
  [[nodiscard]] const process_ptr& backend() const noexcept { return born_.backend; }
  [[nodiscard]] bool is_open() const noexcept { return link_ == link::open; }

 private:
  enum class link : std::uint8_t { open, lost, closing, closed };
  enum class traffic : std::uint8_t { none, user, internal };  // whose ReadyForQuery is owed

  void soon(std::chrono::nanoseconds most, std::function<void(simulated_session&)> what);
  void launch_next();
  void launch(detail::op_ptr op);
  void execute();
  void ask_control();
  void ask_role();
  void answer();
  void ready(std::error_code ec);
  void fill(detail::operation& op, std::error_code ec);
  void roll_back();
  void internal(std::string text, lido::time_point deadline, std::function<void(std::error_code)> done);
  void fail_operations(std::error_code ec) noexcept;
  void effects_of(std::string_view sql);
  void leave_something();
  void require_unthreatened();
  void leave_server(bool network_lost) noexcept;
  void closed(bool orphaned);

  // fence.cpp: what session::settle decides, performed as the engine does
  void begin_settle(const detail::recovery_budgets& budgets);
  lido::session::cancel_permission permission(const detail::recovery_budgets& budgets);
  void perform(const lido::session::settle_step& step);
  void start_cancel();
  bool start_control();
  void fall_back();
  bool may_write(std::uint64_t attempt);
  void control_ended(std::uint64_t attempt, detail::control_outcome how);
  void request_ended(std::uint64_t attempt, bool eof, lido::session::cancel_phase phase);
  void release_cancel(bool park);
  void settled(lido::session::give_up why);
  void arm();
  void count(detail::cancel_event what);
  [[nodiscard]] unsigned outstanding() const noexcept { return traffic_ == traffic::none ? 0 : 1; }

  server& server_;
  postmaster& postmaster_;
  const asio::any_io_executor executor_;
  const std::weak_ptr<detail::session_observer> observer_;
  const birth born_;
  detail::recovery_budgets budgets_;
  link link_ = link::open;
  std::uint64_t tenure_ = 1;
  server_role role_;

  // the wire
  traffic traffic_ = traffic::none;
  bool flushed_ = true;
  bool executing_ = false;
  unsigned turn_ = 0;       // of statements: what an earlier one plans is of no interest
  detail::op_ptr current_;  // on the wire, or its answer is owed
  detail::op_ptr queued_;
  bool rollback_wanted_ = false;
  bool in_transaction_ = false;
  detail::session_reset left_ = detail::session_reset::none;  // what it takes to undo what leases did
  std::vector<control_ptr> calls_;                            // that named this connection

  // the fence
  lido::session::settle settle_;
  std::shared_ptr<lido::cancel::attempt> cancel_;
  std::uint64_t attempt_ = 0;
  detail::cancel_via via_ = detail::cancel_via::request;
  bool admitted_ = false;
  bool abandoned_ = false;
  bool soft_ = false;
  instant armed_ = instant::max();
  std::function<void(detail::recovery_failure)> recovered_;

  std::vector<std::function<void(bool)>> closers_;
};

}  // namespace simulation
