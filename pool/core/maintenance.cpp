// Time and administration: deadlines, ageing, generations, closing; and the numbers for those who watch.
#include "pool/core/pool_core.hpp"

#include <algorithm>

namespace lido::inline v0::core {

void pool_core::expire(time_point now, action_list& out) {
  observe_time(now);
  expire_waiters(now, out);
  expire_idle(now, out);
  expire_leases(now, out);
  keep_alive(now, out);
  serve(now, out);
  plan_next_deadline(now);
}

void pool_core::expire_waiters(time_point now, action_list& out) {
  while (waiter* w = waiters_.first_expired(now)) fail(*w, fail_reason::timeout, out);
}

// How the surplus goes: the last used is lent first, so a connection that was not used for idle_timeout was not needed
// by any demand since; of those, a quarter each prune_interval.
void pool_core::expire_idle(time_point now, action_list& out) {
  std::uint32_t quota = prune_quota(now);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const slot& s = slots_[i];
    if (s.state != slot_state::idle) continue;
    if (s.retire_at <= now) {
      close(i, s.retire_why, out);
    } else if (quota > 0 && is_surplus(s, now)) {
      close(i, close_reason::idle_timeout, out);
      --quota;
    }
  }
}

bool pool_core::may_shrink() const noexcept {
  return slots_.live() > std::max(limits_.min_size, warm_floor_) && slots_.count(slot_state::idle) > limits_.min_idle;
}

bool pool_core::is_surplus(const slot& s, time_point now) const noexcept {
  return s.state == slot_state::idle && lifecycle_.idle_deadline(s) <= now && may_shrink();
}

std::uint32_t pool_core::prune_quota(time_point now) noexcept {
  if (limits_.idle_timeout <= duration::zero() || !may_shrink()) return 0;
  if (limits_.prune_interval <= duration::zero()) return slots_.size();
  if (now < next_prune_) return 0;
  std::uint32_t surplus = 0;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) surplus += is_surplus(slots_[i], now) ? 1 : 0;
  if (surplus > 0) next_prune_ = add(now, limits_.prune_interval);
  return (surplus + 3) / 4;
}

// Half of what is idle at most is away for this at one time.
bool pool_core::may_keep_alive() const noexcept {
  const std::uint32_t away = slots_.count(slot_state::validating);
  return away < std::max(1U, (slots_.count(slot_state::idle) + away) / 2);
}

void pool_core::keep_alive(time_point now, action_list& out) {
  if (limits_.keepalive_interval <= duration::zero()) return;
  for (std::uint32_t i = 0; i < slots_.size() && may_keep_alive(); ++i) {
    slot& s = slots_[i];
    if (s.state != slot_state::idle || lifecycle_.keepalive_at(s) > now) continue;
    idle_.remove(i);
    s.for_its_own_sake = true;
    ++counters_.keepalives;
    validate(i, now, out);
  }
}

// Exact again: everything that calls wake_at() in between may only have made it earlier.
void pool_core::plan_next_deadline(time_point now) noexcept {
  time_point t = waiters_.next_deadline();
  if (breaker_.ready_at() > now) t = std::min(t, breaker_.ready_at());
  for (const goal* g : goals_) t = std::min(t, g->deadline);
  const bool shrinks = may_shrink();
  const bool pings = may_keep_alive();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const slot& s = slots_[i];
    if (s.state != slot_state::idle) continue;
    t = std::min(t, s.retire_at);
    if (shrinks) t = std::min(t, std::max(lifecycle_.idle_deadline(s), next_prune_));
    // When enough are away, the first that comes back wakes us; or at the latest after one more interval.
    if (const time_point due = lifecycle_.keepalive_at(s); due != never)
      t = std::min(t, pings ? due : add(now, limits_.keepalive_interval));
  }
  set_deadline(std::min(t, next_long_hold(now)));
}

void pool_core::set_deadline(time_point t) noexcept {
  next_deadline_ = t;
  stalled_after_ = limits_.stall_gap > duration::zero() ? add(t, limits_.stall_gap) : never;
}

void pool_core::time_was_lost(time_point now) noexcept {
  lifecycle_.doubt(now);
  stalled_after_ = never;  // noticed; expire() sets it anew
  ++counters_.stalls;
}

void pool_core::new_generation(time_point now, action_list& out) {
  observe_time(now);
  replace_older(out);
  serve(now, out);
}

// What no user holds goes now; what he holds, and what is recovering or connecting, when it comes back.
void pool_core::replace_older(action_list& out) {
  all_retired_ = ++generation_;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const slot& s = slots_[i];
    const bool unused = s.state == slot_state::idle || s.state == slot_state::validating || s.granted_to != nullptr;
    if (unused) close(i, close_reason::stale_generation, out);
  }
}

void pool_core::close_surplus(action_list& out) {
  while (slots_.live() > limits_.max_size) {
    std::uint32_t oldest = no_slot;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].state != slot_state::idle) continue;
      if (oldest == no_slot || slots_[i].quiet_since < slots_[oldest].quiet_since) oldest = i;
    }
    if (oldest == no_slot) return;
    close(oldest, close_reason::shrunk, out);
  }
}

void pool_core::begin_close(time_point now, action_list& out) {
  observe_time(now);
  if (state_ > pool_state::paused) return;
  state_ = pool_state::lingering;
  fail_all(fail_reason::pool_closed, out);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const slot_state s = slots_[i].state;
    if (s == slot_state::idle || s == slot_state::validating || s == slot_state::connecting) {
      slots_[i].aborted = s == slot_state::connecting;
      close(i, close_reason::pool_closed, out);
    }
  }
  if (!goals_.empty()) check_goals(now, out);
  finish_if_empty(out);
}

void pool_core::force_close(time_point now, action_list& out) {
  begin_close(now, out);
  if (state_ != pool_state::lingering) return;
  state_ = pool_state::forced;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const slot& s = slots_[i];
    if (s.state != slot_state::leased) continue;
    if (s.granted_to != nullptr || s.dead) {
      close(i, s.dead ? close_reason::disconnected : close_reason::pool_closed, out);
    } else {
      recover(i, out);
    }
  }
}

void pool_core::finish_if_empty(action_list& out) {
  if (state_ != pool_state::lingering && state_ != pool_state::forced) return;
  if (slots_.occupied() != 0) return;
  state_ = pool_state::closed;
  out.add({.kind = action_kind::finished});
}

stats pool_core::statistics() const noexcept {
  stats s = counters_;
  s.generation = generation_;
  for (std::size_t i = 0; i < slot_state_count; ++i) s.slots[i] = slots_.count(static_cast<slot_state>(i));
  s.waiting = waiters_.size();
  for (std::size_t c = 0; c < waiter_class_count; ++c)
    s.waiting_in[c] = waiters_.size(only(static_cast<waiter_class>(c)));
  s.max_size = limits_.max_size;
  s.breaker = breaker_.state();
  s.state = state_;
  return s;
}

}  // namespace lido::inline v0::core
