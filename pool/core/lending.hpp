// The short way of a connection: from idle to a user and back, when nobody waits and nothing is due. It is walked for
// every acquire and release, under the pool's mutex: each instruction here is paid by all threads. Inline for that
// reason; a part of pool_core.hpp, which alone includes it.
#pragma once

namespace lido::inline v0::core {

inline bool pool_core::usable_at_once(std::uint32_t index, time_point now) const noexcept {
  const slot& s = slots_[index];
  return s.state == slot_state::idle && s.retire_at > now && lifecycle_.fresh(s, now);
}

inline std::uint32_t pool_core::fresh_idle(shard_id preference, time_point now) const noexcept {
  const std::uint32_t own = idle_.top(preference);
  if (own != no_slot && usable_at_once(own, now)) return own;
  const std::uint32_t other = idle_.youngest();
  return other != no_slot && usable_at_once(other, now) ? other : no_slot;
}

inline void pool_core::lend(std::uint32_t index, time_point now) noexcept {
  slots_.set_state(index, slot_state::leased);
  slots_[index].lent_at = now;
  ++slots_[index].tenure;
}

[[gnu::always_inline]] inline bool pool_core::try_acquire(shard_id preference, time_point now, lease_id& out) noexcept {
  if (state_ != pool_state::open || !waiters_.empty() || now > stalled_after_) return false;
  if (limits_.reserved_slots != 0 && room_for_ordinary() == 0) return false;
  const std::uint32_t index = fresh_idle(preference, now);
  if (index == no_slot) return false;
  idle_.remove(index);
  lend(index, now);
  ++counters_.acquires;
  out = {slots_.id(index), slots_[index].tenure};
  return true;
}

inline slot* pool_core::current(const lease_id& id) noexcept {
  slot* s = slots_.find(id);
  if (s != nullptr && s->state == slot_state::leased && s->tenure == id.tenure && s->granted_to == nullptr) return s;
  ++counters_.stale_events;
  return nullptr;
}

inline std::optional<close_reason> pool_core::retired(const slot& s, time_point now) const noexcept {
  if (s.generation != generation_) return close_reason::stale_generation;
  if (s.retire_at <= now) return s.retire_why;
  if (slots_.live() > limits_.max_size) return close_reason::shrunk;
  return std::nullopt;
}

[[gnu::always_inline]] inline void pool_core::make_idle(std::uint32_t index) noexcept {
  slots_.set_state(index, slot_state::idle);
  slots_[index].granted_to = nullptr;
  idle_.push(index);
  wake_at(slots_[index].retire_at);
  wake_at(lifecycle_.attend_at(slots_[index]));
}

// A connection that has just worked is free.
[[gnu::always_inline]] inline void pool_core::offer(std::uint32_t index, time_point now, action_list& out) {
  slots_[index].quiet_since = now;
  if (state_ != pool_state::open) [[unlikely]]
    return set_aside(index, now, out);
  if (const auto why = retired(slots_[index], now)) [[unlikely]] {
    close(index, *why, out);
    serve(now, out);
    return;
  }
  no_longer_privileged(slots_[index]);
  if (waiters_.empty()) {
    make_idle(index);
  } else {
    hand_over(index, now, out);
  }
}

[[gnu::always_inline]] inline void pool_core::release(const lease_id& lease, condition how, time_point now,
                                                      action_list& out) {
  observe_time(now);
  slot* s = current(lease);
  if (s == nullptr) return;
  if (how == condition::clean && !s->dead) {
    offer(lease.index, now, out);
    return;
  }
  if (s->dead) {
    close(lease.index, close_reason::disconnected, out);
  } else if (how == condition::needs_recovery) {
    recover(lease.index, out);
  } else {
    close(lease.index, close_reason::broken, out);
  }
  serve(now, out);
}

inline bool pool_core::holds(const waiter& w) noexcept {
  const slot* s = w.state_ == waiter_state::granted ? slots_.find(w.lease_) : nullptr;
  return s != nullptr && s->granted_to == &w;
}

inline bool pool_core::resume_at_once(waiter& w) noexcept {
  if (!holds(w)) return false;
  slots_[w.lease_.index].granted_to = nullptr;
  w.state_ = waiter_state::detached;
  ++counters_.acquires;
  return true;
}

}  // namespace lido::inline v0::core
