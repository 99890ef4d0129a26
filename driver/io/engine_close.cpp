// How a session ends: farewell and the server's EOF, or loss. Every owner of something pending hears of it once.
#include "driver/io/engine.hpp"
#include "driver/wire/frontend.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lido::io {

using detail::lock;
using detail::op_kind;
using detail::op_latch;
using detail::op_outcome;
using detail::op_ptr;

namespace {

// Failures that say something of the whole endpoint, not of this one connection: the server crashed, the database is
// gone, the host is unreachable.
bool speaks_for_endpoint(const std::error_code& ec) {
  static const std::array codes{make_sqlstate("57P02"), make_sqlstate("57P03"), make_sqlstate("57P04"),
                                make_sqlstate("25006")};
  if (std::find(codes.begin(), codes.end(), ec) != codes.end()) return true;
  if (ec.category() != std::system_category() && ec.category() != asio::error::get_system_category()) return false;
  const int e = ec.value();
  return e == ETIMEDOUT || e == EHOSTUNREACH || e == ENETUNREACH || e == EHOSTDOWN || e == ENETDOWN;
}

// One vocabulary (I25): what the socket says becomes Lido's connection_lost, with the cause in words.
std::error_code in_user_terms(const std::error_code& ec) {
  if (ec.category() == lido_category() || ec.category() == sqlstate_category()) return ec;
  return errc::connection_lost;
}

op_outcome lost_outcome(const std::error_code& ec, const std::error_code& cause, const diagnostics& farewell,
                        bool outcome_known) {
  op_outcome out = op_outcome::failed(ec, outcome_known);
  *out.diag = farewell;
  out.diag->outcome_known = outcome_known;
  if (farewell.empty() && cause && cause != ec) out.diag->context = cause.message();
  return out;
}

}  // namespace

bool engine::in_parent() const noexcept { return ::getpid() == owner_process_; }

// Best effort: what the socket does not take now is not sent. In a forked child nothing is: the session is the parent's
// (I28).
void engine::say_goodbye() noexcept {
  if (!in_parent()) return;
  const bool quiet = traffic_ == traffic::none && out_sent_ == out_.size();
  if (quiet && write_failed_ == time_point::max()) {
    std::string terminate;
    wire::append_terminate(terminate);
    stream_.write_some(terminate);
  }
  stream_.shutdown_write();
}

// Everybody who waits for this session, once.
void engine::fail_operations(std::error_code ec, aftermath& after) {
  const std::error_code said = in_user_terms(ec);
  if (current_) {
    const op_ptr op = std::exchange(current_, {});
    if (op->win(op_latch::completed)) {
      const bool in_doubt = op->kind == op_kind::commit;
      // a partial cancel keeps its own reason (I1)
      if (!soft_)
        op->outcome = lost_outcome(in_doubt ? make_error_code(errc::outcome_unknown) : said, ec, farewell_, false);
      if (!soft_ && pipeline_) pipeline_lost(op->outcome);
      after.finish(op);
    }
    soft_ = false;
  }
  if (queued_) {
    const op_ptr op = std::exchange(queued_, {});
    if (op->win(op_latch::completed)) {
      op->outcome = lost_outcome(said, ec, farewell_, true);
      after.finish(op);
    }
  }
  if (job_) {
    if (job_->done) after.calls.emplace_back([done = std::move(job_->done), said] { done(said, false); });
    job_.reset();
  }
  forget_exchange();
  pipeline_.reset();
  traffic_ = traffic::none;
  undo_ = nothing_to_undo;
}

void engine::lost(std::error_code ec, aftermath& after) {
  if (link_ == link_state::closed) return;
  if (link_ == link_state::closing) return finish_close(false, after);
  const auto keep = weak_from_this().lock();
  link_ = link_state::closed;
  end_ = in_user_terms(ec);
  stream_.close();
  deadline_entry_.detach();  // run() need not wait for the deadline of what is over
  if (settle_.active()) perform(settle_.lost(steady_now()), after);
  fail_operations(ec, after);
  publish();
  tell(after, [said = end_, endpoint = speaks_for_endpoint(ec)](detail::session_observer& o) {
    o.on_disconnected(said, endpoint);
  });
  if (keep) after.calls.emplace_back([keep] {});  // not destroyed under its own lock
  alive_.reset();
}

void engine::close(time_point deadline, std::function<void(bool)> done) {
  aftermath after;
  {
    const lock guard(mutex_);
    if (link_ == link_state::closed) {
      after.calls.emplace_back([done = std::move(done)] { done(false); });
    } else {
      if (closed_) {
        done = [first = std::move(closed_), second = std::move(done)](bool orphaned) {
          first(orphaned);
          second(orphaned);
        };
      }
      closed_ = std::move(done);
      if (link_ == link_state::open) interrupt(after);
      if (link_ == link_state::open) runs_on() ? close_when_settled(deadline, after) : begin_close(deadline, after);
    }
  }
  after.run_from_user();
}

// A pool that is closed by force may close upon what a hook runs: the hook hears of it now, the server is told to stop.
void engine::interrupt(aftermath& after) {
  if (!current_ || traffic_ == traffic::internal || settle_.active() || !current_->win(op_latch::completed)) return;
  const errc said = current_->kind == op_kind::commit ? errc::outcome_unknown : errc::connection_closed;
  current_->outcome = op_outcome::failed(said, false);
  tenure_.fetch_add(1, std::memory_order_acq_rel);
  abandoned_ = true;
  after.finish(current_);
}

// Something was abandoned and has not been brought to an end: a statement of nobody's, or of a hook whose time was
// over. Of a lease the pool has done that before it closes.
bool engine::runs_on() const {
  if (settle_.active()) return observer_.expired();
  return abandoned_ && protocol_.outstanding() > 0;
}

// What runs is cancelled on the server first (I9).
void engine::close_when_settled(time_point deadline, aftermath& after) {
  const auto patience = std::max(deadline - steady_now(), time_point::duration::zero());
  alive_ = shared_from_this();
  recovered_ = [this, patience](detail::recovery_failure) { on_settled_for_close(patience); };
  detail::recovery_budgets budgets = budgets_;
  budgets.cancel_timeout = std::min<std::chrono::nanoseconds>(budgets.cancel_timeout, patience);
  budgets.drain_timeout = std::min<std::chrono::nanoseconds>(budgets.drain_timeout, patience);
  if (budgets.after == detail::cancel_policy::recover) budgets.after = detail::cancel_policy::discard;
  settle_.active() ? hurry_settle(budgets, after) : begin_settle(budgets, after);
}

void engine::on_settled_for_close(time_point::duration patience) {
  const auto keep = shared_from_this();
  aftermath after;
  {
    const lock guard(mutex_);
    if (link_ == link_state::open) {
      begin_close(within(patience).deadline, after);
    } else if (link_ == link_state::closed) {
      finish_close(false, after);  // lost meanwhile
    }
  }
  after.run_from_user();
}

void engine::begin_close(time_point deadline, aftermath& after) {
  say_goodbye();
  look();
  link_ = link_state::closing;
  end_ = errc::connection_closed;
  close_deadline_ = deadline;
  alive_ = shared_from_this();
  if (settle_.active()) perform(settle_.lost(steady_now()), after);
  fail_operations(errc::connection_closed, after);
  publish();
  rearm();
}

void engine::finish_close(bool orphaned, aftermath& after) {
  link_ = link_state::closed;
  stream_.close();
  deadline_entry_.detach();
  publish();
  if (closed_) {
    after.calls.emplace_back([done = std::move(closed_), orphaned] { done(orphaned); });
    closed_ = nullptr;
  }
  if (alive_) after.calls.emplace_back([keep = std::move(alive_)] {});
  alive_.reset();
}

void engine::close_now() noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    if (link_ == link_state::open) {
      say_goodbye();
      end_ = errc::connection_closed;
      link_ = link_state::closing;
      if (settle_.active()) perform(settle_.lost(steady_now()), after);
      fail_operations(errc::connection_closed, after);
    }
    if (link_ == link_state::closing) finish_close(false, after);
  }
  after.run_from_user();
}

void engine::context_is_going() noexcept {
  op_ptr current;
  op_ptr queued;
  std::optional<internal_job> job;
  std::function<void(detail::recovery_failure)> recovered;
  std::function<void(bool)> closed;
  std::shared_ptr<cancel::attempt> cancel;
  std::shared_ptr<engine> alive;
  std::unique_ptr<session::pipeline> pipeline;
  const lock guard(mutex_);  // declared after what it releases: handlers are destroyed without the lock
  current = std::move(current_);
  queued = std::move(queued_);
  job = std::exchange(job_, std::nullopt);
  recovered = std::move(recovered_);
  closed = std::move(closed_);
  cancel = std::move(cancel_);
  alive = std::move(alive_);
  pipeline = std::move(pipeline_);
  if (link_ == link_state::open) say_goodbye();
  link_ = link_state::closed;
  end_ = errc::connection_closed;
  stream_.close();
  stream_ = transport::stream{};  // the socket object must not outlive its io_context; we may
  publish();
}

// ---- pool-owned traffic ----

void engine::ping(time_point deadline, std::function<void(std::error_code)> done) {
  run_internal({}, deadline, [done = std::move(done)](const std::error_code& ec, bool) { done(ec); });
}

void engine::run_internal(std::string_view sql, time_point deadline, std::function<void(std::error_code, bool)> done) {
  aftermath after;
  {
    const lock guard(mutex_);
    if (link_ != link_state::open || traffic_ != traffic::none || settle_.active()) {
      const std::error_code ec = link_ == link_state::open ? make_error_code(errc::connection_busy) : end_;
      after.calls.emplace_back([done = std::move(done), ec] { done(ec, false); });
    } else {
      job_ = internal_job{std::string(sql), deadline, std::move(done), {}};
      launch_internal(after);
    }
  }
  after.run_from_user();
}

}  // namespace lido::io
