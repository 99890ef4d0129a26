// The fence of an abandoned operation over simulated bytes: the driver's state machine, driven as its engine drives it.
#include "driver/cancel/control_attempt.hpp"
#include "tests/simulation/real/cancel.hpp"
#include "tests/simulation/real/session.hpp"

#include <asio/post.hpp>

#include <utility>

namespace simulation {

using detail::cancel_event;
using detail::cancel_via;
using detail::control_outcome;
using detail::recovery_failure;
using lido::session::cancel_permission;
using lido::session::give_up;

namespace {

lido::session::settle_budgets in_session_terms(const detail::recovery_budgets& b) {
  lido::session::settle_budgets out;
  out.cancel_timeout = b.cancel_timeout;
  out.retry_after = b.cancel_retry_after;
  out.drain_timeout = b.drain_timeout;
  out.drain_max_bytes = b.drain_max_bytes;
  out.after = static_cast<lido::session::cancel_after>(b.after);
  return out;
}

}  // namespace

void simulated_session::recover(const detail::recovery_budgets& budgets, std::function<void(recovery_failure)> done) {
  server_.require(!recovered_, "a connection is recovered twice at once");
  recovered_ = std::move(done);
  if (link_ != link::open) return settled(give_up::lost);
  if (settle_.active()) return perform(settle_.hurry(in_session_terms(budgets), server_.time().now()));
  begin_settle(budgets);
}

void simulated_session::hurry(const detail::recovery_budgets& smaller) noexcept {
  if (settle_.active()) perform(settle_.hurry(in_session_terms(smaller), server_.time().now()));
}

void simulated_session::begin_settle(const detail::recovery_budgets& budgets) {
  const cancel_permission allowed = permission(budgets);
  perform(settle_.begin(in_session_terms(budgets), allowed, outstanding(), flushed_, server_.time().now()));
}

cancel_permission simulated_session::permission(const detail::recovery_budgets& budgets) {
  const bool asked_for = std::exchange(abandoned_, false);
  if (outstanding() == 0) {
    if (asked_for) count(cancel_event::requested);
    return cancel_permission::allowed;
  }
  if (traffic_ == traffic::internal || (current_ && current_->kind == detail::op_kind::commit))
    return cancel_permission::drain_only;
  count(cancel_event::requested);
  if (budgets.after == detail::cancel_policy::never) return cancel_permission::forbidden;
  const auto observer = observer_.lock();
  via_ = observer && observer->prefers_control() ? cancel_via::session : cancel_via::request;
  if (via_ == cancel_via::session) return cancel_permission::allowed;
  if (observer && !observer->admit_cancel()) {
    count(cancel_event::suppressed_budget);
    return cancel_permission::drain_only;
  }
  admitted_ = observer != nullptr;
  return cancel_permission::allowed;
}

void simulated_session::perform(const lido::session::settle_step& step) {
  if (step.start_cancel) start_cancel();
  if (step.drop_cancel) release_cancel(false);
  if (step.park_cancel) release_cancel(true);
  if (step.quiet || step.close != give_up::none) return settled(step.close);
  arm();
}

void simulated_session::arm() {
  if (!settle_.active()) return;
  const instant next = settle_.next_deadline();
  if (next >= armed_) return;
  armed_ = next;
  server_.time().at(next, [weak = weak_from_this(), next] {
    const auto me = weak.lock();
    if (!me || me->armed_ != next) return;
    me->armed_ = instant::max();
    asio::post(me->executor_, [me] {
      if (!me->settle_.active()) return;
      const instant now = me->server_.time().now();
      if (me->settle_.next_deadline() <= now) return me->perform(me->settle_.tick(now));
      me->arm();
    });
  });
}

// ---- the two ways ----

void simulated_session::start_cancel() {
  ++attempt_;
  if (via_ == cancel_via::session) {
    if (!start_control()) fall_back();
    return;
  }
  simulated_request::owner who;
  who.may_write = [weak = weak_from_this(), attempt = attempt_] {
    const auto me = weak.lock();
    return me && me->may_write(attempt);
  };
  who.ended = [weak = weak_from_this(), attempt = attempt_](const lido::cancel::outcome& out) {
    if (const auto me = weak.lock()) me->request_ended(attempt, out.eof, out.phase);
  };
  const auto made =
      std::make_shared<simulated_request>(server_, postmaster_, born_.backend, born_.lane, std::move(who));
  cancel_ = made;
  made->start();
}

bool simulated_session::start_control() {
  const auto observer = observer_.lock();
  if (!observer) return false;
  lido::cancel::control_attempt::owner who;
  who.may_write = [weak = weak_from_this(), attempt = attempt_] {
    const auto me = weak.lock();
    return me && me->may_write(attempt);
  };
  who.ended = [weak = weak_from_this(), attempt = attempt_](control_outcome how) {
    if (const auto me = weak.lock()) me->control_ended(attempt, how);
  };
  cancel_ = lido::cancel::control_attempt::start(observer, std::move(who));
  return cancel_ != nullptr;
}

void simulated_session::fall_back() {
  const auto observer = observer_.lock();
  bool again = observer && observer->allows_request();
  if (again && !admitted_ && !observer->admit_cancel()) {
    count(cancel_event::suppressed_budget);
    again = false;
  } else if (again) {
    admitted_ = true;
    count(cancel_event::fell_back);
    via_ = cancel_via::request;
  }
  perform(settle_.cancel_missed(again, server_.time().now()));
}

bool simulated_session::may_write(std::uint64_t attempt) {
  const bool allowed = settle_.active() && cancel_ && attempt == attempt_ && settle_.may_write();
  if (allowed) count(cancel_event::sent);
  return allowed;
}

void simulated_session::control_ended(std::uint64_t attempt, control_outcome how) {
  if (!settle_.active() || !cancel_ || attempt != attempt_) return;
  cancel_.reset();
  const instant now = server_.time().now();
  switch (how) {
    case control_outcome::signalled: count(cancel_event::eof); return perform(settle_.cancel_eof(now));
    case control_outcome::missed:
      if (outstanding() == 0) return perform(settle_.cancel_missed(false, now));
      return fall_back();
    case control_outcome::unknown: return perform(settle_.cancel_failed(lido::session::cancel_phase::eof, now));
  }
}

void simulated_session::request_ended(std::uint64_t attempt, bool eof, lido::session::cancel_phase phase) {
  if (!settle_.active() || !cancel_ || attempt != attempt_) return;
  cancel_.reset();
  const instant now = server_.time().now();
  perform(eof ? settle_.cancel_eof(now) : settle_.cancel_failed(phase, now));
}

void simulated_session::release_cancel(bool park) {
  const auto cancel = std::exchange(cancel_, nullptr);
  if (!cancel) return;
  park ? cancel->park() : cancel->drop();
}

void simulated_session::settled(give_up why) {
  if (why == give_up::cancel_unknown) {
    count(cancel_event::unknown);
    ++server_.seen.unanswered;
  }
  release_cancel(false);
  const auto observer = observer_.lock();
  if (std::exchange(admitted_, false) && observer) observer->cancel_ended();
  if (outstanding() == 0 && current_) {
    const detail::op_ptr op = std::exchange(current_, {});
    // A partial cancel has come to its end: the reason was noted when it began.
    if (std::exchange(soft_, false) && op->win(detail::op_latch::completed)) op->post();
  }
  if (recovered_) {
    // give_up and recovery_failure name the same things in the same order
    const auto failure = static_cast<recovery_failure>(why);
    asio::post(executor_, [done = std::exchange(recovered_, nullptr), failure] { done(failure); });
  } else if (why != give_up::none && link_ == link::open) {
    ++tenure_;
    die(lido::errc::connection_lost, false);
  }
  if (why == give_up::none) launch_next();
}

void simulated_session::count(cancel_event what) {
  if (const auto observer = observer_.lock()) observer->on_cancel(what, via_);
}

}  // namespace simulation
