#include "driver/session/settle.hpp"

#include <algorithm>
#include <utility>

namespace lido::session {
namespace {

// Budgets come from configuration and may be huge; none may wrap.
time_point after(time_point now, duration budget) noexcept {
  if (budget <= duration::zero()) return now;
  return budget > time_point::max() - now ? time_point::max() : now + budget;
}

duration twice_the_sum(duration a, duration b) noexcept {
  constexpr duration quarter = duration::max() / 4;
  return 2 * (std::clamp(a, duration::zero(), quarter) + std::clamp(b, duration::zero(), quarter));
}

}  // namespace

// ---- ways on ----

void settle::arm(duration budget, time_point now) noexcept { deadline_ = std::min(after(now, budget), overall_); }

settle_step settle::start_attempt(time_point now) {
  ++attempt_;
  missed_ = false;
  stage_ = stage::connecting;
  cancel_ = cancel_state::connecting;
  retry_at_ = time_point::max();
  arm(budgets_.cancel_timeout, now);
  settle_step step;
  step.start_cancel = true;
  return step;
}

// A budget is gone while ReadyForQuery is owed. Unless a cancel was tried, the server is sent one before the connection
// closes, whatever becomes of it (I9).
settle_step settle::give_up_owed(give_up reason, time_point now) {
  const bool no_time = now >= overall_;
  if (attempt_ > 0 || no_time || permission_ == cancel_permission::drain_only) return over_with_cancel(reason);
  return start_doomed_attempt(reason, now);
}

settle_step settle::start_doomed_attempt(give_up reason, time_point now) {
  const settle_step step = start_attempt(now);
  stage_ = stage::doomed_connecting;
  doom_ = reason;
  return step;
}

// No cancel is under way: ReadyForQuery comes by itself, or the time runs out.
settle_step settle::drain(give_up reason, time_point now) {
  stage_ = stage::draining;
  drain_reason_ = reason;
  arm(budgets_.drain_timeout, now);
  // `cancel.after = discard` distrusts the peer's EOF. Where no cancel was sent (drain_only) there is nothing to
  // distrust.
  const bool cancel_was_tried = attempt_ > 0;
  if (cancel_was_tried && budgets_.after != cancel_after::recover) return over(give_up::discarded);
  return expire(now);
}

settle_step settle::after_eof(time_point now) {
  cancel_ = cancel_state::eof;
  if (many_ && budgets_.after != cancel_after::recover) return distrust(now);
  if (std::exchange(head_ended_, false)) return start_attempt(now);
  if (attempt_ == 1 || many_) retry_at_ = after(now, budgets_.retry_after);
  return drain(give_up::drain_timeout, now);
}

// The server has its signal, and the connection is to be closed. Of a pipeline the next segment may stand in the
// socket's buffers: it would begin, and nobody could stop it any more.
settle_step settle::after_doomed_eof(time_point now) {
  if (!many_ || over_bytes() || now >= overall_) return over(doom_);
  if (std::exchange(head_ended_, false)) return start_doomed_attempt(doom_, now);
  stage_ = stage::doomed_draining;
  retry_at_ = time_point::max();
  arm(budgets_.retry_after, now);
  return expire(now);
}

// cancel.after = discard: the peer's EOF says nothing, so the connection is closed.
settle_step settle::distrust(time_point now) {
  const bool none_arrived = stage_ == stage::draining && cancel_ != cancel_state::eof;
  if (!many_ || none_arrived || stage_ == stage::flushing_ready) return over_with_cancel(give_up::discarded);
  doom_ = give_up::discarded;
  if (stage_ != stage::connecting) return after_doomed_eof(now);
  stage_ = stage::doomed_connecting;
  return expire(now);
}

// ---- ways out ----

settle_step settle::over(give_up reason) noexcept {
  stage_ = stage::idle;
  deadline_ = retry_at_ = overall_ = time_point::max();
  settle_step step;
  step.close = reason;
  return step;
}

settle_step settle::finish_quiet() noexcept {
  settle_step step = over(give_up::none);
  step.quiet = true;
  return step;
}

// ReadyForQuery is here, and no signal is on its way. What the server did not want of our bytes still goes first.
settle_step settle::quiet_when_flushed(time_point now) {
  if (flushed_) return finish_quiet();
  stage_ = stage::flushing_ready;
  retry_at_ = time_point::max();
  arm(budgets_.drain_timeout, now);
  return expire(now);
}

// Closing while a cancel connection is open: before its first byte it goes too; afterwards it must stay until the
// peer's EOF (M3), and what it does is unknown.
settle_step settle::over_with_cancel(give_up reason) noexcept {
  const bool first_byte_out = cancel_ == cancel_state::written;
  const bool opening = cancel_ == cancel_state::connecting;
  if (first_byte_out) cancel_ = cancel_state::unknown;
  if (opening) cancel_ = cancel_state::none;
  settle_step step = over(reason);
  step.park_cancel = first_byte_out;
  step.drop_cancel = opening;
  return step;
}

// ---- time ----

// One deadline of the stage has passed.
settle_step settle::on_deadline(time_point now) {
  switch (stage_) {
    case stage::idle: return {};
    case stage::flushing: return give_up_owed(give_up::write_stalled, now);
    case stage::flushing_ready: return over(give_up::write_stalled);
    case stage::connecting: {
      cancel_ = cancel_state::none;
      settle_step step = drain(give_up::cancel_failed, now);
      step.drop_cancel = true;
      return step;
    }
    case stage::written:
    case stage::written_ready: return over_with_cancel(give_up::cancel_unknown);
    case stage::draining: return give_up_owed(drain_reason_, now);
    case stage::doomed_connecting:
    case stage::doomed_written: return over_with_cancel(doom_);
    case stage::doomed_draining:  // a signal between a statement's Parse and its Bind does nothing: once more
      if (std::exchange(repeats_, true) || now >= overall_) return over(doom_);
      return start_doomed_attempt(doom_, now);
  }
  return {};
}

settle_step settle::expire(time_point now) {
  if (stage_ == stage::idle) return {};
  if (now >= deadline_) return on_deadline(now);
  if (now >= retry_at_) return start_attempt(now);
  return {};
}

settle_step settle::tick(time_point now) { return expire(now); }

time_point settle::next_deadline() const noexcept { return std::min(deadline_, retry_at_); }

// ---- events ----

settle_step settle::begin(const settle_budgets& budgets, cancel_permission permission, unsigned owed,
                          bool flushed_already, time_point now) {
  *this = settle{};
  budgets_ = budgets;
  permission_ = permission;
  many_ = owed > 1;
  overall_ = after(now, twice_the_sum(budgets.cancel_timeout, budgets.drain_timeout));
  if (owed == 0 && flushed_already) return finish_quiet();
  if (owed == 0) {  // nothing to cancel, so nothing to forbid
    stage_ = stage::flushing_ready;
    arm(budgets.drain_timeout, now);
    return expire(now);
  }
  // COMMIT is drained whatever the policy: no cancel is sent, so `never` has nothing to forbid.
  const bool never = permission != cancel_permission::drain_only && budgets.after == cancel_after::never;
  if (never || permission == cancel_permission::forbidden) {
    return over(budgets.after == cancel_after::never ? give_up::policy : give_up::no_key);
  }
  stage_ = stage::flushing;
  const bool may_run = permission == cancel_permission::late || permission == cancel_permission::early;
  if (may_run) retry_at_ = after(now, budgets.retry_after);
  arm(budgets.drain_timeout, now);
  return flushed_already ? flushed(now) : expire(now);
}

settle_step settle::flushed(time_point now) {
  if (std::exchange(flushed_, true)) return {};
  switch (stage_) {
    case stage::flushing_ready: return finish_quiet();
    case stage::flushing:
      retry_at_ = permission_ == cancel_permission::late ? after(now, budgets_.retry_after) : time_point::max();
      if (!may_cancel()) return drain(give_up::drain_timeout, now);
      return start_attempt(now);
    case stage::draining:  // an attempt before the last byte may have met nothing, and does not count
      retry_at_ = after(now, budgets_.retry_after);
      return expire(now);
    default: return {};
  }
}

settle_step settle::ready(time_point now) {
  switch (stage_) {
    case stage::idle:
    case stage::flushing_ready:
    case stage::written_ready: return {};
    case stage::flushing:
      stage_ = stage::flushing_ready;
      retry_at_ = time_point::max();
      return expire(now);
    case stage::connecting: {  // overtaken: free and certain (I19)
      cancel_ = cancel_state::none;
      settle_step step = quiet_when_flushed(now);
      step.drop_cancel = true;
      return step;
    }
    case stage::written: stage_ = stage::written_ready; return expire(now);
    case stage::draining: return quiet_when_flushed(now);
    case stage::doomed_connecting:
    case stage::doomed_written:
    case stage::doomed_draining: return over_with_cancel(doom_);
  }
  return {};
}

settle_step settle::segment_over(time_point now) {
  repeats_ = false;
  head_ended_ = stage_ == stage::written || stage_ == stage::doomed_written;
  if (stage_ == stage::doomed_draining && now < overall_) return start_doomed_attempt(doom_, now);
  const bool spent = stage_ == stage::draining && cancel_ == cancel_state::eof;
  if (!spent || !may_cancel()) return expire(now);
  return start_attempt(now);
}

settle_step settle::received(std::size_t bytes, time_point now) {
  if (stage_ == stage::idle) return {};
  received_ = bytes > SIZE_MAX - received_ ? SIZE_MAX : received_ + bytes;
  if (!over_bytes()) return expire(now);
  switch (stage_) {
    case stage::connecting: stage_ = stage::doomed_connecting; return expire(now);
    case stage::written: stage_ = stage::doomed_written; return expire(now);
    case stage::doomed_connecting:
    case stage::doomed_written: return expire(now);
    case stage::doomed_draining: return over(doom_);
    case stage::flushing:
    case stage::draining: return give_up_owed(give_up::drain_bytes, now);
    default: return over_with_cancel(give_up::drain_bytes);
  }
}

bool settle::may_write() noexcept {
  if (stage_ != stage::connecting && stage_ != stage::doomed_connecting) return false;
  stage_ = stage_ == stage::connecting ? stage::written : stage::doomed_written;
  cancel_ = cancel_state::written;
  return true;
}

settle_step settle::cancel_eof(time_point now) {
  switch (stage_) {
    case stage::written: return after_eof(now);
    case stage::written_ready:
      cancel_ = cancel_state::eof;
      return budgets_.after == cancel_after::recover ? quiet_when_flushed(now) : over(give_up::discarded);
    case stage::doomed_written: cancel_ = cancel_state::eof; return after_doomed_eof(now);
    case stage::connecting:
    case stage::doomed_connecting:
      return cancel_failed(cancel_phase::connect, now);  // nothing was written: no EOF of ours
    default: return {};
  }
}

settle_step settle::cancel_failed(cancel_phase, time_point now) {
  switch (stage_) {
    case stage::connecting: cancel_ = cancel_state::none; return drain(give_up::cancel_failed, now);
    case stage::written:
    case stage::written_ready: cancel_ = cancel_state::unknown; return over(give_up::cancel_unknown);  // I4
    case stage::doomed_connecting: cancel_ = cancel_state::none; return over(doom_);
    case stage::doomed_written: cancel_ = cancel_state::unknown; return over(doom_);
    default: return {};
  }
}

settle_step settle::start_again(stage where) noexcept {
  missed_ = true;
  stage_ = where;
  cancel_ = cancel_state::connecting;
  settle_step step;
  step.start_cancel = true;
  return step;
}

settle_step settle::cancel_missed(bool again, time_point now) {
  const bool on = again && !missed_;
  switch (stage_) {
    case stage::connecting:
    case stage::written:
      if (on) return start_again(stage::connecting);
      cancel_ = cancel_state::none;
      return drain(give_up::cancel_failed, now);
    case stage::written_ready: return cancel_eof(now);
    case stage::doomed_connecting:
    case stage::doomed_written:
      if (on) return start_again(stage::doomed_connecting);
      cancel_ = cancel_state::none;
      return over(doom_);
    default: return {};
  }
}

settle_step settle::lost(time_point) { return stage_ == stage::idle ? settle_step{} : over_with_cancel(give_up::lost); }

settle_step settle::hurry(const settle_budgets& smaller, time_point now) {
  if (stage_ == stage::idle) return {};
  budgets_.cancel_timeout = std::min(budgets_.cancel_timeout, smaller.cancel_timeout);
  budgets_.retry_after = std::min(budgets_.retry_after, smaller.retry_after);
  budgets_.drain_timeout = std::min(budgets_.drain_timeout, smaller.drain_timeout);
  budgets_.drain_max_bytes = std::min(budgets_.drain_max_bytes, smaller.drain_max_bytes);
  budgets_.after = std::max(budgets_.after, smaller.after);
  overall_ = std::min(overall_, after(now, twice_the_sum(budgets_.cancel_timeout, budgets_.drain_timeout)));
  const bool cancel_open = cancel_ == cancel_state::connecting || cancel_ == cancel_state::written;
  deadline_ = std::min(deadline_, after(now, cancel_open ? budgets_.cancel_timeout : budgets_.drain_timeout));
  deadline_ = std::min(deadline_, overall_);
  if (retry_at_ != time_point::max()) retry_at_ = std::min(retry_at_, after(now, budgets_.retry_after));
  // From here on an EOF is distrusted, and one that came already was relied upon: while draining, and by a second
  // attempt.
  const bool relied_on_eof = (stage_ == stage::draining && attempt_ > 0) ||
                             (stage_ == stage::connecting && attempt_ > 1) ||
                             (stage_ == stage::flushing_ready && cancel_ == cancel_state::eof);
  if (relied_on_eof && budgets_.after != cancel_after::recover) return distrust(now);
  return received(0, now);
}

}  // namespace lido::session
