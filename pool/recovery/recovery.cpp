#include "pool/recovery/recovery.hpp"

#include <utility>

namespace lido::inline v0::recovery {

using detail::recovery_failure;
using detail::session_condition;

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
  if (why != recovery_failure::none) return finish({false, reason_of(why)});
  deadline_ = within(how_.reset_timeout).deadline;
  next();
}

void recovery::next() {
  switch (step_) {
    case step::roll_back:
      if (session_->condition() == session_condition::dirty) return run("ROLLBACK");
      step_ = step::discard_all;
      [[fallthrough]];
    case step::discard_all:
      if (how_.reset == reset_mode::discard_all) return run("DISCARD ALL");
      step_ = step::finished;
      [[fallthrough]];
    case step::finished:
      return finish({session_->condition() == session_condition::clean, close_reason::recovery_failed});
  }
}

void recovery::run(const char* sql) {
  session_->run_internal(
      sql, deadline_, [self = shared_from_this()](const std::error_code& ec, bool idle) { self->on_reset(ec, idle); });
}

void recovery::on_reset(std::error_code ec, bool idle) {
  if (ec == condition::query_canceled && !absorbed_) {
    absorbed_ = true;  // a cancel that was still under way has hit us instead of the next user
    return next();
  }
  if (ec || !idle)
    return finish({false, ec == errc::timeout ? close_reason::recovery_timeout : close_reason::recovery_failed});
  step_ = step_ == step::roll_back ? step::discard_all : step::finished;
  next();
}

void recovery::finish(verdict v) {
  if (done_) std::exchange(done_, nullptr)(v);
}

}  // namespace lido::inline v0::recovery
