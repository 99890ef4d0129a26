#include "pool/recovery/recovery.hpp"

#include <utility>

namespace lido::inline v0::recovery {

using detail::recovery_failure;
using detail::session_condition;
using detail::session_reset;

settings settings_of(const pool_config& config) {
  settings out;
  out.budgets.cancel_timeout = config.cancel.timeout;
  out.budgets.cancel_retry_after = config.cancel.retry_after;
  out.budgets.drain_timeout = config.drain.timeout;
  out.budgets.drain_max_bytes = config.drain.max_bytes;
  switch (config.cancel.after) {
    case after_cancel::recover: out.budgets.after = detail::cancel_policy::recover; break;
    case after_cancel::discard: out.budgets.after = detail::cancel_policy::discard; break;
    case after_cancel::never: out.budgets.after = detail::cancel_policy::never; break;
  }
  out.reset = config.reset.mode;
  out.reset_timeout = config.reset.timeout;
  return out;
}

close_reason reason_of(recovery_failure why) noexcept {
  switch (why) {
    case recovery_failure::none: return close_reason::recovery_failed;
    case recovery_failure::no_key: return close_reason::no_cancel_key;
    case recovery_failure::policy:
    case recovery_failure::discarded: return close_reason::discarded;
    case recovery_failure::cancel_unknown: return close_reason::cancel_unknown;
    case recovery_failure::cancel_failed: return close_reason::cancel_failed;
    case recovery_failure::drain_timeout: return close_reason::recovery_timeout;
    case recovery_failure::write_stalled: return close_reason::write_stalled;
    case recovery_failure::drain_bytes: return close_reason::drain_bytes;
    case recovery_failure::lost: return close_reason::disconnected;
  }
  return close_reason::recovery_failed;
}

recovery::recovery(std::shared_ptr<detail::managed_session> session, const settings& how, handler done)
    : session_(std::move(session)), how_(how), done_(std::move(done)) {}

void recovery::start() {
  session_->recover(how_.budgets, [self = shared_from_this()](recovery_failure why) { self->on_settled(why); });
}

void recovery::on_settled(recovery_failure why) {
  if (why != recovery_failure::none) return finish(false, reason_of(why));
  begun_ = std::chrono::steady_clock::now();
  deadline_ = within(how_.reset_timeout).deadline;
  next();
}

void recovery::next() {
  switch (step_) {
    case step::roll_back:
      if (session_->condition() == session_condition::dirty) return roll_back();
      step_ = step::reset;
      [[fallthrough]];
    case step::reset:
      if (how_.reset != reset_mode::none) return reset();
      step_ = step::finished;
      [[fallthrough]];
    case step::finished: {
      const session_condition now = session_->condition();
      return finish(now == session_condition::clean ||
                    (now == session_condition::soiled && how_.reset == reset_mode::none));
    }
  }
}

void recovery::roll_back() {
  verdict_.resets[static_cast<std::size_t>(reset_kind::rollback)] = true;
  session_->run_internal("ROLLBACK", deadline_, answer());
}

void recovery::reset() {
  switch (session_->reset(how_.reset == reset_mode::discard_all, deadline_, answer())) {
    case session_reset::none: step_ = step::finished; return next();
    case session_reset::exact: verdict_.resets[static_cast<std::size_t>(reset_kind::exact)] = true; return;
    case session_reset::discard_all: verdict_.resets[static_cast<std::size_t>(reset_kind::discard_all)] = true; return;
    case session_reset::impossible: return finish(false, close_reason::left_state);
  }
}

std::function<void(std::error_code, bool)> recovery::answer() {
  return [self = shared_from_this()](const std::error_code& ec, bool idle) { self->on_answer(ec, idle); };
}

void recovery::on_answer(std::error_code ec, bool idle) {
  if (ec == condition::query_canceled && !absorbed_) {
    absorbed_ = true;  // a cancel that was still under way has hit us instead of the next user
    return next();
  }
  if (ec || !idle)
    return finish(false, ec == errc::timeout ? close_reason::recovery_timeout : close_reason::recovery_failed);
  step_ = step_ == step::roll_back ? step::reset : step::finished;
  next();
}

void recovery::finish(bool usable, close_reason reason) {
  verdict_.usable = usable;
  verdict_.reason = reason;
  if (begun_ != time_point{}) verdict_.reset_time = std::chrono::steady_clock::now() - begun_;
  if (done_) std::exchange(done_, nullptr)(verdict_);
}

}  // namespace lido::inline v0::recovery
