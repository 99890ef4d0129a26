// A live session: the one loop that performs what session::protocol and session::settle decide. An actor behind its own
// mutex: whatever happens (bytes, a user's start or cancel, a deadline, the end of a cancel request) takes the lock,
// moves the state machines, and calls out only after the lock is released. A mutex instead of a strand: a strand costs
// a hop and an allocation each way (268 ns), and nothing may stand between a cancel and its latch (I2).
//
//   link:     open ──close()──► closing ──EOF or deadline──► closed          open/closing ──lost──► closed
//   traffic:  none ─launch─► user ─ReadyForQuery─► none                      (an abandoned user operation stays `user`
//   until its ReadyForQuery)
//             none ─ping, run_internal, rollback─► internal ─ReadyForQuery─► none
//             none ─launch of a stream or COPY─► exchange ─ReadyForQuery─► none        (several operations, one
//             segment)
#pragma once

#include "driver/cancel/cancel_request.hpp"
#include "driver/cancel/control_attempt.hpp"
#include "driver/io/input_buffer.hpp"
#include "driver/io/settings.hpp"
#include "driver/session/dirt.hpp"
#include "driver/session/exchange.hpp"
#include "driver/session/notice_limit.hpp"
#include "driver/session/pipeline.hpp"
#include "driver/session/protocol.hpp"
#include "driver/session/server_timeout.hpp"
#include "driver/session/settle.hpp"
#include "driver/session/startup.hpp"
#include "driver/session/statement_cache.hpp"
#include "driver/session/target.hpp"
#include "driver/sync.hpp"
#include "driver/transport/address.hpp"
#include "driver/transport/dialler.hpp"

#include <lido/driver/detail/handler_tail.hpp>
#include <lido/driver/detail/session.hpp>

#include <asio/any_io_executor.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lido::io {

inline time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

// What a finished start-up hands over.
struct link {
  transport::stream stream;
  transport::peer peer;
  input_buffer in;
  session::server_identity identity;
  std::size_t host = 0;        // of settings.hosts
  session::standing standing;  // as asked for, where the parameters do not tell
};

class engine final : public detail::managed_session,
                     public detail::deadline_target,
                     public std::enable_shared_from_this<engine> {
 public:
  static std::shared_ptr<engine> adopt(asio::any_io_executor executor,
                                       std::shared_ptr<const detail::session_settings> settings,
                                       std::shared_ptr<detail::deadline_queue> deadlines,
                                       std::weak_ptr<detail::session_observer> observer, link l);
  engine(asio::any_io_executor executor, std::shared_ptr<const detail::session_settings> settings,
         std::weak_ptr<detail::session_observer> observer, link l);
  ~engine() override;

  [[gnu::hot]] void start(detail::op_ptr op) noexcept override;
  void abandon(detail::operation& op) noexcept override;
  void soft_cancel(detail::operation& op) noexcept override;
  void cancel_running(std::uint64_t tenure) noexcept override;
  void roll_back_later(std::uint64_t tenure) noexcept override { roll_back_to_later(tenure, 0); }
  void roll_back_to_later(std::uint64_t tenure, std::uint32_t savepoint) noexcept override;
  void set_budgets(const detail::recovery_budgets& budgets) noexcept override;
  void set_server_deadlines(bool on) noexcept override;
  void set_deadline(std::uint64_t tenure, time_point deadline) noexcept override;
  void leave_exchange(std::uint64_t id) noexcept override;
  void leave_looking_to_owner() noexcept override;
  void look_for_end() noexcept override;
  bool holds(std::uint64_t tenure) const noexcept override;
  asio::any_io_executor executor() const noexcept override { return executor_; }

  detail::session_condition condition() const noexcept override { return condition_.load(std::memory_order_acquire); }
  [[gnu::hot]] std::uint64_t begin_tenure() noexcept override;
  [[gnu::hot]] detail::tenure_end end_tenure(std::uint64_t tenure) noexcept override;
  void ping(time_point deadline, std::function<void(std::error_code)> done) override;
  void recover(const detail::recovery_budgets& budgets, std::function<void(detail::recovery_failure)> done) override;
  void hurry(const detail::recovery_budgets& smaller) noexcept override;
  void run_internal(std::string_view sql, time_point deadline,
                    std::function<void(std::error_code, bool)> done) override;
  detail::session_reset reset(bool all, time_point deadline, std::function<void(std::error_code, bool)> done) override;
  void keep_state() noexcept override;
  void close(time_point deadline, std::function<void(bool)> done) override;
  std::chrono::nanoseconds close_timeout() const noexcept override { return settings_->config.close_timeout; }
  void close_now() noexcept override;
  detail::session_usage usage() const noexcept override {
    return {bytes_sent_.get(), bytes_received_.get(), statements_.get(), notices_dropped_.get(),
            callback_errors_.load(std::memory_order_relaxed)};
  }
  detail::certificate_expiry certificates() const noexcept override { return certificates_; }
  int process_id() const noexcept override { return static_cast<int>(process_id_); }
  bool secure() const noexcept override { return peer_.secure; }
  std::shared_ptr<const detail::session_peer> peer() const override;
  detail::socket_name local_end() const override;
  std::size_t host() const noexcept override { return host_; }
  types::type_catalogue* catalogue() const noexcept override { return settings_->catalogues[host_].get(); }
  detail::server_role role() const noexcept override { return role_.load(std::memory_order_relaxed); }
  std::string address() const override { return transport::describe(peer_.endpoint); }
  const std::string* parameter_copy(std::string_view name, std::string& into) const override;

  void on_deadline(time_point now) noexcept override;
  void context_is_going() noexcept;  // its io_context is being destroyed: destroy handlers, close, call nobody (I28)

 private:
  enum class link_state : std::uint8_t { open, closing, closed };
  enum class traffic : std::uint8_t { none, user, internal, exchange };
  enum class writer : std::uint8_t { idle, waiting };

  // A statement or ping of the pool's or the engine's own.
  struct internal_job {
    std::string sql;  // empty: ping
    time_point deadline;
    std::function<void(std::error_code, bool)> done;
    std::error_code error;
    detail::session_reset resets = detail::session_reset::none;
    bool inside = false;  // of a transaction, which goes on behind it
  };

  // What is to be done once the lock is released: observers first, handlers last, so that a throwing handler finds all
  // consistent (I27).
  struct aftermath {
    std::vector<std::function<void()>> calls;  // rare things
    detail::op_ptr ended;                      // dispatched last
    detail::op_ptr ended_too;                  // posted
    detail::op_ptr timed_out;

    aftermath() = default;
    [[gnu::always_inline]] ~aftermath() = default;  // nearly always of nothing: in every turn of a query
    void finish(detail::op_ptr op) { (ended ? ended_too : ended) = std::move(op); }
    [[gnu::hot]] void run();            // from a completion handler of ours: the user's may run at once
    [[gnu::hot]] void run_from_user();  // from inside a call of the user's: his handlers are posted
  };

  // engine.cpp: operations and bytes
  [[gnu::hot]] std::error_code refusal(detail::operation& op) const LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void launch(const detail::op_ptr& op, aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void encode(detail::operation& op) LIDO_REQUIRES(mutex_);
  session::statement_cache::entry* admit(const detail::request& statement) LIDO_REQUIRES(mutex_);
  session::statement_cache::entry* keep(const detail::request& statement, session::dirt left) LIDO_REQUIRES(mutex_);
  void encode_description(const detail::operation& op) LIDO_REQUIRES(mutex_);
  void take_description() noexcept LIDO_REQUIRES(mutex_);
  unsigned close_evicted() LIDO_REQUIRES(mutex_);
  [[gnu::hot]] std::string_view encode_statement(detail::operation& op) LIDO_REQUIRES(mutex_);
  void launch_internal(aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void launch_next(aftermath& after) LIDO_REQUIRES(mutex_);
  bool launch_undo(aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void flush(aftermath& after) LIDO_REQUIRES(mutex_);
  void await_writable() LIDO_REQUIRES(mutex_);
  void on_writable();
  [[gnu::hot]] void process(aftermath& after) LIDO_REQUIRES(mutex_);
  void on_event(session::event_kind kind, const wire::frame& frame, aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void on_complete(aftermath& after) LIDO_REQUIRES(mutex_);
  void on_other_event(session::event_kind kind, const wire::frame& frame, aftermath& after) LIDO_REQUIRES(mutex_);
  void on_row(std::string_view body, aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void take_rows(aftermath& after) LIDO_REQUIRES(mutex_);
  std::size_t most_result_bytes() const LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void check_size(aftermath& after) LIDO_REQUIRES(mutex_);
  void stop_collecting(std::error_code why, aftermath& after) LIDO_REQUIRES(mutex_);
  void on_server_error(aftermath& after) LIDO_REQUIRES(mutex_);
  void on_notice(aftermath& after) LIDO_REQUIRES(mutex_);
  void hand_on_notice(const diagnostics& diag, aftermath& after) LIDO_REQUIRES(mutex_);
  void on_notification(aftermath& after) LIDO_REQUIRES(mutex_);
  void on_fatal(aftermath& after) LIDO_REQUIRES(mutex_);
  void on_parameter(aftermath& after) LIDO_REQUIRES(mutex_);
  void refuse_copy(aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void on_ready(aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] bool settle_statement() LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void user_segment_over(aftermath& after) LIDO_REQUIRES(mutex_);
  void internal_segment_over(aftermath& after) LIDO_REQUIRES(mutex_);
  bool collects() const LIDO_REQUIRES(mutex_);  // somebody still wants what comes
  [[gnu::hot]] void publish() noexcept LIDO_REQUIRES(mutex_);
  void rearm() noexcept LIDO_REQUIRES(mutex_);

  // engine_reading.cpp: receives
  [[gnu::hot]] void receive() LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void on_received(std::error_code ec, std::size_t n);
  [[gnu::hot]] void take_bytes(transport::io_result r, aftermath& after) LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void read_on(aftermath& after) LIDO_REQUIRES(mutex_);
  bool is_owed() const LIDO_REQUIRES(mutex_);
  void read_later() LIDO_REQUIRES(mutex_);
  void on_turn_to_read();
  bool holds_reading() LIDO_REQUIRES(mutex_);
  void resume_reading() LIDO_REQUIRES(mutex_);
  bool end_may_hide() const noexcept { return end_may_hide_.load(std::memory_order_relaxed); }
  void look() noexcept LIDO_REQUIRES(mutex_);
  void ask_again() noexcept LIDO_REQUIRES(mutex_);

  // engine_stream.cpp: streams and COPY
  void open_exchange(const detail::operation& op) LIDO_REQUIRES(mutex_);
  std::error_code step_refusal(detail::operation& op) const LIDO_REQUIRES(mutex_);
  void step(const detail::op_ptr& op, aftermath& after) LIDO_REQUIRES(mutex_);
  bool offer(detail::exchange_part& part) LIDO_REQUIRES(mutex_);
  void perform(session::exchange_move move, aftermath& after) LIDO_REQUIRES(mutex_);
  void put(session::exchange_move::message what) LIDO_REQUIRES(mutex_);
  void complete_step(aftermath& after) LIDO_REQUIRES(mutex_);
  void take_stream_rows(aftermath& after) LIDO_REQUIRES(mutex_);
  void take_copy_data(std::string_view first, aftermath& after) LIDO_REQUIRES(mutex_);
  void exchange_over(aftermath& after) LIDO_REQUIRES(mutex_);
  void bytes_went_out(aftermath& after) LIDO_REQUIRES(mutex_);
  void end_exchange(aftermath& after) LIDO_REQUIRES(mutex_);
  void wind_up(aftermath& after) LIDO_REQUIRES(mutex_);
  void forget_exchange() LIDO_REQUIRES(mutex_);
  bool in_exchange() const LIDO_REQUIRES(mutex_) { return traffic_ == traffic::exchange; }

  // engine_statements.cpp: the statement cache and what the server knows
  static std::string next_statement_prefix();
  bool is_stale(const std::string& state) const LIDO_REQUIRES(mutex_);
  void run_again(aftermath& after) LIDO_REQUIRES(mutex_);

  // engine_pipeline.cpp: many statements in one operation
  void encode_pipeline(detail::operation& op) LIDO_REQUIRES(mutex_);
  bool feed_pipeline() LIDO_REQUIRES(mutex_);
  void cut_pipeline(aftermath& after) LIDO_REQUIRES(mutex_);
  void pipeline_lost(const detail::op_outcome& whole) noexcept LIDO_REQUIRES(mutex_);
  void take_answers(aftermath& after) LIDO_REQUIRES(mutex_);
  void on_pipeline_event(session::event_kind kind, const wire::frame& frame, aftermath& after) LIDO_REQUIRES(mutex_);
  void on_pipeline_error(aftermath& after) LIDO_REQUIRES(mutex_);
  void run_pipeline_again(aftermath& after) LIDO_REQUIRES(mutex_);

  // engine_deadline.cpp: the server's own timeout
  std::error_code keep_to_bound(detail::operation& op) const LIDO_REQUIRES(mutex_);
  bool tell_server(const detail::operation& op) LIDO_REQUIRES(mutex_);
  bool tell_server_of_none() LIDO_REQUIRES(mutex_);
  void on_prologue(aftermath& after) LIDO_REQUIRES(mutex_);
  bool was_our_deadline(std::error_code ec) const LIDO_REQUIRES(mutex_);

  // engine_reset.cpp: what a lease leaves behind
  void note(session::dirt left) LIDO_REQUIRES(mutex_);
  session::dirt reported() const LIDO_REQUIRES(mutex_);
  void was_reset(detail::session_reset how) LIDO_REQUIRES(mutex_);

  // engine_recovery.cpp: the fence
  void revoke(std::uint64_t tenure, aftermath& after) LIDO_REQUIRES(mutex_);
  void begin_settle(const detail::recovery_budgets& budgets, aftermath& after) LIDO_REQUIRES(mutex_);
  void hurry_settle(const detail::recovery_budgets& smaller, aftermath& after) LIDO_REQUIRES(mutex_);
  session::cancel_permission permission(const detail::recovery_budgets& budgets, aftermath& after)
      LIDO_REQUIRES(mutex_);
  void perform(const session::settle_step& step, aftermath& after) LIDO_REQUIRES(mutex_);
  void start_cancel(aftermath& after) LIDO_REQUIRES(mutex_);
  bool start_control(aftermath& after) LIDO_REQUIRES(mutex_);
  void fall_back(aftermath& after) LIDO_REQUIRES(mutex_);
  bool is_current(std::uint64_t attempt) const LIDO_REQUIRES(mutex_) {
    return settle_.active() && cancel_ && attempt == attempt_;
  }
  void on_cancel_ended(std::uint64_t attempt, const cancel::outcome& out);
  void on_control_ended(std::uint64_t attempt, detail::control_outcome how);
  bool on_may_write(std::uint64_t attempt);
  void release_cancel(aftermath& after, bool park) LIDO_REQUIRES(mutex_);
  void settled(session::give_up why, aftermath& after) LIDO_REQUIRES(mutex_);
  void finish_soft(aftermath& after) LIDO_REQUIRES(mutex_);
  template <class Call>
  void tell(aftermath& after, Call call);  // the observer, later, if there still is one
  void count(detail::cancel_event what, aftermath& after) LIDO_REQUIRES(mutex_);

  // engine_close.cpp: the end
  void lost(std::error_code ec, aftermath& after) LIDO_REQUIRES(mutex_);
  void fail_operations(std::error_code ec, aftermath& after) LIDO_REQUIRES(mutex_);
  void say_goodbye() noexcept LIDO_REQUIRES(mutex_);
  void begin_close(time_point deadline, aftermath& after) LIDO_REQUIRES(mutex_);
  void interrupt(aftermath& after) LIDO_REQUIRES(mutex_);
  bool runs_on() const LIDO_REQUIRES(mutex_);
  void close_when_settled(time_point deadline, aftermath& after) LIDO_REQUIRES(mutex_);
  void on_settled_for_close(time_point::duration patience);
  void finish_close(bool orphaned, aftermath& after) LIDO_REQUIRES(mutex_);
  bool in_parent() const noexcept;  // false in a forked child

  // First, beside the virtual table's address: all that a lease touches which asks nothing.
  std::atomic<std::uint64_t> tenure_{0};
  std::atomic<detail::session_condition> condition_{detail::session_condition::clean};
  std::atomic<bool> end_may_hide_{false};  // behind the last answer nobody has asked; written under the mutex

  const asio::any_io_executor executor_;
  detail::handler_place& place_;  // lives as long as the io_context: for its handlers alone
  const std::shared_ptr<const detail::session_settings> settings_;
  const transport::peer peer_;
  const detail::certificate_expiry certificates_;
  const std::size_t host_;
  const std::uint32_t process_id_;
  const int owner_process_;

  std::atomic<detail::server_role> role_;

  // Written under the mutex, read by anybody: an addition costs no bus lock.
  class lone_counter {
   public:
    void add(std::uint64_t n) noexcept {
      value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<std::uint64_t> value_{0};
  };
  lone_counter bytes_sent_;
  lone_counter bytes_received_;
  lone_counter statements_;
  lone_counter notices_dropped_;
  std::atomic<std::uint64_t> callback_errors_{0};  // added to without the mutex

  mutable detail::mutex mutex_;
  const std::weak_ptr<detail::session_observer> observer_;
  secret cancel_key_ LIDO_GUARDED_BY(mutex_);
  session::protocol protocol_ LIDO_GUARDED_BY(mutex_);
  session::statement_cache cache_ LIDO_GUARDED_BY(mutex_);
  session::leftovers leftovers_ LIDO_GUARDED_BY(mutex_);
  session::server_timeout server_timeout_ LIDO_GUARDED_BY(mutex_);
  session::notice_limit notice_limit_ LIDO_GUARDED_BY(mutex_);
  std::uint64_t bounded_tenure_ LIDO_GUARDED_BY(mutex_) = 0;  // whose operations end at bound_; 0: nobody's
  time_point bound_ LIDO_GUARDED_BY(mutex_) = time_point::max();
  session::statement_cache::entry* entry_ LIDO_GUARDED_BY(mutex_) = nullptr;  // of the statement under way
  std::unique_ptr<session::pipeline> pipeline_ LIDO_GUARDED_BY(mutex_);       // under way
  input_buffer in_ LIDO_GUARDED_BY(mutex_);
  std::string out_ LIDO_GUARDED_BY(mutex_);
  std::size_t out_sent_ LIDO_GUARDED_BY(mutex_) = 0;

  link_state link_ LIDO_GUARDED_BY(mutex_) = link_state::open;
  traffic traffic_ LIDO_GUARDED_BY(mutex_) = traffic::none;
  writer writer_ LIDO_GUARDED_BY(mutex_) = writer::idle;
  unsigned fed_in_a_row_ LIDO_GUARDED_BY(mutex_) = 0;  // pieces of a pipeline, since others had their turn
  std::error_code end_ LIDO_GUARDED_BY(mutex_);        // why the link is not open
  diagnostics farewell_ LIDO_GUARDED_BY(mutex_);       // the server's FATAL, if it sent one
  time_point write_failed_ LIDO_GUARDED_BY(mutex_) = time_point::max();

  detail::op_ptr current_ LIDO_GUARDED_BY(mutex_);
  detail::op_ptr queued_ LIDO_GUARDED_BY(mutex_);
  std::optional<internal_job> job_ LIDO_GUARDED_BY(mutex_);
  std::unique_ptr<session::exchange> exchange_ LIDO_GUARDED_BY(mutex_);  // also one that is over, until it is left
  bool reading_held_ LIDO_GUARDED_BY(mutex_) = false;                    // no receive is pending: exchange_ was full
  bool owner_looks_ LIDO_GUARDED_BY(mutex_) = false;
  bool asks_ LIDO_GUARDED_BY(mutex_) = false;  // the reader is to ask, whatever came last
  // What goes first once the wire is quiet: a ROLLBACK of the transaction (0), or to one of its savepoints.
  static constexpr std::uint32_t nothing_to_undo = UINT32_MAX;
  std::uint32_t undo_ LIDO_GUARDED_BY(mutex_) = nothing_to_undo;

  session::settle settle_ LIDO_GUARDED_BY(mutex_);
  detail::recovery_budgets budgets_ LIDO_GUARDED_BY(mutex_);
  std::shared_ptr<cancel::attempt> cancel_ LIDO_GUARDED_BY(mutex_);
  std::uint64_t attempt_ LIDO_GUARDED_BY(mutex_) = 0;  // number of cancel_: what an earlier one says late is not heard
  detail::cancel_via via_ LIDO_GUARDED_BY(mutex_) = detail::cancel_via::request;  // the way of this fence's cancels
  std::function<void(detail::recovery_failure)> recovered_ LIDO_GUARDED_BY(mutex_);
  bool soft_ LIDO_GUARDED_BY(mutex_) = false;       // a partial cancel: the lease stays
  bool abandoned_ LIDO_GUARDED_BY(mutex_) = false;  // an operation was sent and given up since the last fence
  bool admitted_ LIDO_GUARDED_BY(mutex_) = false;   // a cancel of ours counts against the observer's budget

  std::function<void(bool)> closed_ LIDO_GUARDED_BY(mutex_);
  time_point close_deadline_ LIDO_GUARDED_BY(mutex_) = time_point::max();
  std::shared_ptr<engine> alive_ LIDO_GUARDED_BY(mutex_);  // while recovering or closing nobody else need hold us

  detail::deadline_entry deadline_entry_;
  transport::stream stream_
      LIDO_GUARDED_BY(mutex_);  // last: closed before the buffers that a receive may still point to
};

template <class Call>
void engine::tell(aftermath& after, Call call) {
  after.calls.emplace_back([observer = observer_, call = std::move(call)] {
    if (const auto one = observer.lock()) call(*one);
  });
}

}  // namespace lido::io
