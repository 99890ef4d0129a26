// One connection, as the pool sees it through the seam.
#pragma once

#include "tests/simulation/real/server.hpp"

#include <functional>
#include <optional>

namespace simulation {

namespace detail = lido::detail;

class simulated_session final : public detail::managed_session, public std::enable_shared_from_this<simulated_session> {
 public:
  simulated_session(server& s, asio::any_io_executor executor, std::weak_ptr<detail::session_observer> observer,
                    unsigned epoch);

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
  detail::session_condition end_tenure(std::uint64_t tenure) noexcept override;
  void ping(lido::time_point deadline, std::function<void(std::error_code)> done) override;
  void recover(const detail::recovery_budgets& budgets, std::function<void(detail::recovery_failure)> done) override;
  void hurry(const detail::recovery_budgets&) noexcept override {}
  void run_internal(std::string_view sql, lido::time_point deadline,
                    std::function<void(std::error_code, bool)> done) override;
  detail::session_reset reset(bool all, lido::time_point deadline,
                              std::function<void(std::error_code, bool)> done) override;
  void keep_state() noexcept override {}
  void close(lido::time_point deadline, std::function<void(bool)> done) override;
  void close_now() noexcept override;
  int process_id() const noexcept override { return 4711; }
  bool secure() const noexcept override { return true; }
  const std::string* parameter_copy(std::string_view, std::string&) const override { return nullptr; }

  void die(std::error_code ec, bool endpoint) noexcept;

 private:
  enum class link : std::uint8_t { open, lost, closing, closed };
  using action = void (simulated_session::*)();

  void soon(std::chrono::nanoseconds most, std::function<void(simulated_session&)> what);
  void launch(detail::op_ptr op);
  void answer();
  void launch_next();
  void end_current(std::error_code ec);
  void settled(detail::recovery_failure how);
  void closed(bool orphaned);
  void effects_of(const std::string& sql);
  void leave_something();

  server& server_;
  const asio::any_io_executor executor_;
  const std::weak_ptr<detail::session_observer> observer_;
  const unsigned epoch_;
  detail::recovery_budgets budgets_;
  link link_ = link::open;
  std::uint64_t tenure_ = 1;
  detail::op_ptr current_;  // on the wire, or its answer is owed
  detail::op_ptr queued_;
  bool rolling_back_ = false;
  bool soft_ = false;
  bool in_transaction_ = false;
  detail::session_reset left_ = detail::session_reset::none;  // what it takes to undo what leases did
  bool recovering_ = false;
  bool admitted_ = false;
  unsigned turn_ = 0;  // of answers: a late one is of no interest
  std::function<void(detail::recovery_failure)> recovered_;
  std::vector<std::function<void(bool)>> closers_;
};

}  // namespace simulation
