// The fence of an abandoned operation: what session::settle decides, performed. Nothing in here can reach a user's
// operation but its end (contract I1).
#include "driver/io/engine.hpp"

#include <algorithm>
#include <utility>

namespace lido::io {

using detail::cancel_event;
using detail::cancel_via;
using detail::control_outcome;
using detail::lock;
using detail::op_kind;
using detail::op_latch;
using detail::op_outcome;
using detail::op_ptr;
using detail::recovery_failure;

namespace {

session::settle_budgets in_session_terms(const detail::recovery_budgets& b) {
  session::settle_budgets out;
  out.cancel_timeout = b.cancel_timeout;
  out.retry_after = b.cancel_retry_after;
  out.drain_timeout = b.drain_timeout;
  out.drain_max_bytes = b.drain_max_bytes;
  switch (b.after) {
    case detail::cancel_policy::recover: out.after = session::cancel_after::recover; break;
    case detail::cancel_policy::discard: out.after = session::cancel_after::discard; break;
    case detail::cancel_policy::never: out.after = session::cancel_after::never; break;
  }
  return out;
}

recovery_failure in_owner_terms(session::give_up why) {
  using session::give_up;
  switch (why) {
    case give_up::none: return recovery_failure::none;
    case give_up::no_key: return recovery_failure::no_key;
    case give_up::policy: return recovery_failure::policy;
    case give_up::cancel_unknown: return recovery_failure::cancel_unknown;
    case give_up::cancel_failed: return recovery_failure::cancel_failed;
    case give_up::drain_timeout: return recovery_failure::drain_timeout;
    case give_up::drain_bytes: return recovery_failure::drain_bytes;
    case give_up::write_stalled: return recovery_failure::write_stalled;
    case give_up::discarded: return recovery_failure::discarded;
    case give_up::lost: return recovery_failure::lost;
  }
  return recovery_failure::lost;
}

cancel_event failure_event(session::cancel_phase phase) {
  using session::cancel_phase;
  switch (phase) {
    case cancel_phase::resolve: return cancel_event::failed_resolve;
    case cancel_phase::connect: return cancel_event::failed_connect;
    case cancel_phase::tls: return cancel_event::failed_tls;
    case cancel_phase::write: return cancel_event::failed_write;
    case cancel_phase::eof: return cancel_event::failed_eof;
  }
  return cancel_event::failed_connect;
}

}  // namespace

// The latch was won by a cancel or a deadline, and the caller is on its way. What is left is the session's business.
void engine::abandon(detail::operation& op) noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    if (queued_.get() == &op) {
      queued_ = {};
      publish();
    }
    if (!op.was_sent()) {
      count(cancel_event::requested, after);
      count(cancel_event::suppressed_unsent, after);  // gone without trace; the lease stays (I19)
    } else {
      revoke(op.tenure, after);
    }
  }
  after.run_from_user();
}

// The lease is over, for each of its handles (I13). Unless it was given back in this very moment, by who need not wait
// for the mutex: then its connection is dealt with as any that comes back in use, and may be another's soon.
void engine::revoke(std::uint64_t tenure, aftermath& after) {
  std::uint64_t expected = tenure;
  if (!tenure_.compare_exchange_strong(expected, tenure + 1, std::memory_order_acq_rel)) return;
  abandoned_ = true;
  if (observer_.expired()) {
    alive_ = shared_from_this();  // a session of nobody's: stop the query on the server, then close
    detail::recovery_budgets budgets = budgets_;
    if (budgets.after == detail::cancel_policy::recover) budgets.after = detail::cancel_policy::discard;
    recovered_ = [this](recovery_failure) { close_now(); };
    begin_settle(budgets, after);
  } else {
    tell(after, [tenure](detail::session_observer& o) { o.on_revoked(tenure); });
  }
}

// Partial: stop it on the server, keep the lease, complete when the wire is quiet. Not for COMMIT (contract, table of
// types).
void engine::soft_cancel(detail::operation& op) noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    const bool running = current_.get() == &op && op.is_pending() && op.kind != op_kind::commit;
    if (running && !soft_ && !settle_.active()) {
      soft_ = true;
      op.outcome = op_outcome::failed(asio::error::operation_aborted, false);
      begin_settle(budgets_, after);
    }
  }
  after.run_from_user();
}

void engine::cancel_running(std::uint64_t tenure) noexcept {
  aftermath after;
  op_ptr waiting;
  op_ptr running;
  {
    const lock guard(mutex_);
    if (current_ && current_->tenure == tenure) running = current_;
    if (queued_ && queued_->tenure == tenure) waiting = queued_;
    // a stream or COPY between two of its steps
    const bool between = in_exchange() && !current_ && !exchange_->left();
    if (between && link_ == link_state::open) revoke(tenure, after);
  }
  after.run_from_user();
  if (waiting) waiting->cancel(asio::cancellation_type::terminal);
  if (running) running->cancel(asio::cancellation_type::terminal);
}

void engine::roll_back_to_later(std::uint64_t tenure, std::uint32_t savepoint) noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    if (tenure_.load(std::memory_order_acquire) != tenure || link_ != link_state::open) return;
    undo_ = std::min(undo_, savepoint);  // the outer one takes the inner ones along
    end_exchange(after);
    launch_next(after);
    publish();
  }
  after.run_from_user();
}

// The lease ends; no handle of it can start anything after the exchange.
detail::tenure_end engine::end_tenure(std::uint64_t tenure) noexcept {
  if (condition() == detail::session_condition::in_use) cancel_running(tenure);
  std::uint64_t expected = tenure;
  const bool was_current = tenure_.compare_exchange_strong(expected, tenure + 1, std::memory_order_acq_rel);
  return {condition(), end_may_hide(), was_current};
}

void engine::recover(const detail::recovery_budgets& budgets, std::function<void(recovery_failure)> done) {
  aftermath after;
  {
    const lock guard(mutex_);
    alive_ = shared_from_this();
    recovered_ = std::move(done);
    undo_ = nothing_to_undo;  // its owner will, and finds the session quiet for that
    if (link_ != link_state::open) {
      settled(session::give_up::lost, after);
    } else if (settle_.active()) {
      hurry_settle(budgets, after);  // a terminal cancel behind a partial one
    } else {
      begin_settle(budgets, after);
    }
  }
  after.run_from_user();
}

void engine::hurry(const detail::recovery_budgets& smaller) noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    if (settle_.active()) hurry_settle(smaller, after);
  }
  after.run_from_user();
}

void engine::hurry_settle(const detail::recovery_budgets& smaller, aftermath& after) {
  perform(settle_.hurry(in_session_terms(smaller), steady_now()), after);
}

void engine::begin_settle(const detail::recovery_budgets& budgets, aftermath& after) {
  wind_up(after);
  if (pipeline_) cut_pipeline(after);  // what was not written yet never will be
  const session::cancel_permission allowed = permission(budgets, after);
  const bool flushed = out_sent_ == out_.size();
  perform(settle_.begin(in_session_terms(budgets), allowed, protocol_.outstanding(), flushed, steady_now()), after);
  publish();
  if (settle_.active()) rearm();
}

session::cancel_permission engine::permission(const detail::recovery_budgets& budgets, aftermath& after) {
  using session::cancel_permission;
  const bool asked_for =
      std::exchange(abandoned_, false);  // else a lease that came back dirty: nobody cancelled anything
  if (protocol_.outstanding() == 0) {
    if (asked_for) count(cancel_event::requested, after);
    if (asked_for) count(cancel_event::suppressed_overtaken, after);
    return cancel_permission::allowed;  // nothing to cancel: quiet at once
  }
  if (traffic_ == traffic::internal || (current_ && current_->kind == op_kind::commit))
    return cancel_permission::drain_only;  // I15
  const bool late = in_exchange() && exchange_->ends_by_itself();
  if (late && !asked_for && (cancel_key_.empty() || budgets.after == detail::cancel_policy::never))
    return cancel_permission::drain_only;  // a stream closed early, not a cancel
  count(cancel_event::requested, after);
  if (cancel_key_.empty() || budgets.after == detail::cancel_policy::never) {
    count(cancel_event::suppressed_no_key, after);
    return cancel_permission::forbidden;  // I7
  }
  const cancel_permission permitted = late        ? cancel_permission::late
                                      : pipeline_ ? cancel_permission::early
                                                  : cancel_permission::allowed;
  const auto observer = observer_.lock();
  via_ = observer && observer->prefers_control() ? cancel_via::session : cancel_via::request;
  if (via_ == cancel_via::session) return permitted;  // bounded by its owner, and no fork
  if (observer && !observer->admit_cancel()) {
    count(cancel_event::suppressed_budget, after);
    return cancel_permission::drain_only;  // I8
  }
  admitted_ = observer != nullptr;
  return permitted;
}

void engine::perform(const session::settle_step& step, aftermath& after) {
  if (step.start_cancel) start_cancel(after);
  if (step.drop_cancel) {
    const auto reached = cancel_ ? cancel_->phase() : session::cancel_phase::connect;
    count(protocol_.outstanding() == 0 ? cancel_event::suppressed_overtaken : failure_event(reached), after);
    release_cancel(after, false);
  }
  if (step.park_cancel) {
    if (step.close == session::give_up::cancel_unknown) count(cancel_event::failed_eof, after);
    release_cancel(after, true);
  }
  if (step.quiet || step.close != session::give_up::none) return settled(step.close, after);
  if (settle_.active()) rearm();
}

void engine::start_cancel(aftermath& after) {
  ++attempt_;
  if (via_ == cancel_via::session) {
    if (!start_control(after)) fall_back(after);
    return;
  }
  cancel::cancel_request::owner who;
  who.may_write = [weak = weak_from_this(), attempt = attempt_] {
    const auto me = weak.lock();
    return me && me->on_may_write(attempt);
  };
  who.ended = [weak = weak_from_this(), attempt = attempt_](const cancel::outcome& out) {
    if (const auto me = weak.lock()) me->on_cancel_ended(attempt, out);
  };
  cancel_ = cancel::cancel_request::start(executor_, peer_, process_id_, cancel_key_, std::move(who));
}

// The owner's lock may be taken inside of ours, never the other way round.
bool engine::start_control(aftermath&) {
  const auto observer = observer_.lock();
  if (!observer) return false;
  cancel::control_attempt::owner who;
  who.may_write = [weak = weak_from_this(), attempt = attempt_] {
    const auto me = weak.lock();
    return me && me->on_may_write(attempt);
  };
  who.ended = [weak = weak_from_this(), attempt = attempt_](control_outcome how) {
    if (const auto me = weak.lock()) me->on_control_ended(attempt, how);
  };
  cancel_ = cancel::control_attempt::start(observer, std::move(who));
  return cancel_ != nullptr;
}

// Nothing is on its way from the control session, so a CancelRequest may follow, within its own budget (I8).
void engine::fall_back(aftermath& after) {
  const auto observer = observer_.lock();
  bool again = observer && observer->allows_request();
  if (again && !admitted_ && !observer->admit_cancel()) {
    count(cancel_event::suppressed_budget, after);
    again = false;
  } else if (again) {
    admitted_ = true;
    count(cancel_event::fell_back, after);
    via_ = cancel_via::request;
  }
  perform(settle_.cancel_missed(again, steady_now()), after);
}

bool engine::on_may_write(std::uint64_t attempt) {
  aftermath after;
  bool allowed = false;
  {
    const lock guard(mutex_);
    allowed = is_current(attempt) && settle_.may_write();
    if (allowed) count(cancel_event::sent, after);
    if (allowed && settle_.attempt() > 1) count(cancel_event::retried, after);
  }
  after.run();
  return allowed;
}

void engine::on_control_ended(std::uint64_t attempt, control_outcome how) {
  aftermath after;
  {
    const lock guard(mutex_);
    if (!is_current(attempt)) return;
    cancel_.reset();
    switch (how) {
      case control_outcome::signalled:
        count(cancel_event::eof, after);
        perform(settle_.cancel_eof(steady_now()), after);
        break;
      case control_outcome::missed:
        if (settle_.cancel() == session::cancel_state::written) count(cancel_event::missed, after);
        if (protocol_.outstanding() == 0) {
          perform(settle_.cancel_missed(false, steady_now()), after);
        } else {
          fall_back(after);
        }
        break;
      case control_outcome::unknown:
        count(cancel_event::failed_eof, after);
        perform(settle_.cancel_failed(session::cancel_phase::eof, steady_now()), after);
        break;
    }
  }
  after.run();
}

void engine::on_cancel_ended(std::uint64_t attempt, const cancel::outcome& out) {
  aftermath after;
  {
    const lock guard(mutex_);
    if (!is_current(attempt)) return;
    cancel_.reset();
    count(out.eof ? cancel_event::eof : failure_event(out.phase), after);
    perform(out.eof ? settle_.cancel_eof(steady_now()) : settle_.cancel_failed(out.phase, steady_now()), after);
  }
  after.run();
}

// The request itself is told without the lock: drop() and park() may wait for a handler of theirs that wants it.
void engine::release_cancel(aftermath& after, bool park) {
  if (!cancel_) return;
  after.calls.emplace_back([request = std::move(cancel_), park] { park ? request->park() : request->drop(); });
  cancel_.reset();
}

void engine::settled(session::give_up why, aftermath& after) {
  if (why == session::give_up::cancel_unknown) count(cancel_event::unknown, after);
  if (why == session::give_up::none && settle_.came_by_itself()) count(cancel_event::suppressed_overtaken, after);
  release_cancel(after, false);
  if (std::exchange(admitted_, false)) {
    if (const auto observer = observer_.lock()) observer->cancel_ended();
  }
  if (soft_) finish_soft(after);
  if (protocol_.outstanding() == 0 && current_) current_ = {};
  look();
  publish();
  if (recovered_) {
    after.calls.emplace_back([done = std::move(recovered_), failure = in_owner_terms(why)] { done(failure); });
    recovered_ = nullptr;
  } else if (why != session::give_up::none && link_ == link_state::open) {
    // a partial cancel whose budget ran out: the lease is lost with its session
    tenure_.fetch_add(1, std::memory_order_acq_rel);
    lost(errc::connection_lost, after);
  }
  if (why == session::give_up::none) launch_next(after);
  if (!closed_ && link_ != link_state::closing) alive_.reset();
}

// A partial cancel has come to its end: the user's operation completes now, with the reason that was noted when it
// began.
void engine::finish_soft(aftermath& after) {
  soft_ = false;
  const op_ptr op = std::exchange(current_, {});
  if (op && op->win(op_latch::completed)) after.finish(op);
}

void engine::count(cancel_event what, aftermath& after) {
  tell(after, [what, by = via_](detail::session_observer& o) { o.on_cancel(what, by); });
}

}  // namespace lido::io
