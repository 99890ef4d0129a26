// Those who want connections: for whom there is room, who waits and whether it is worth it, who has had his for too
// long, and who waits for himself.
#include "pool/core/pool_core.hpp"

#include <algorithm>

namespace lido::inline v0::core {

namespace {

constexpr class_set privileged_class = only(class_of(priority::high));

}  // namespace

// --- reserved slots ---

// What nobody can have before somebody gives something back.
std::uint32_t pool_core::in_use() const noexcept {
  return slots_.count(slot_state::leased) + slots_.count(slot_state::recovering) + slots_.count(slot_state::closing);
}

// As many as leave the reserved ones: those that priority::high has taken of them are not wanted twice.
std::size_t pool_core::room_for_ordinary(std::uint32_t coming_back) const noexcept {
  const std::uint32_t taken = in_use() - coming_back - std::min(privileged_, limits_.reserved_slots);
  const std::uint32_t most = limits_.max_size - limits_.reserved_slots;
  return taken < most ? most - taken : 0;
}

std::size_t pool_core::servable() const noexcept {
  if (limits_.reserved_slots == 0) return waiters_.size();
  const std::size_t ordinary = waiters_.size(every_class & ~privileged_class);
  return waiters_.size(privileged_class) + std::min(ordinary, room_for_ordinary());
}

// --- waiting ---

duration pool_core::expected_wait(waiter_class c, time_point now) const noexcept {
  return admission_.wait(place_in(c), in_use(), now);
}

void pool_core::queue(waiter& w, action_list& out) {
  wake_at(w.deadline_);
  if (w.task_ == 0) return;
  nesting_.waits(w);
  if (nesting_.held_by(w.task_) == no_slot) return;
  ++counters_.nested_waits;
  break_deadlock(out);
}

void pool_core::leave_queue(waiter& w) {
  waiters_.remove(w);
  if (w.task_ != 0) nesting_.left(w);
}

// --- a dead-lock of tasks that wait for one another ---

// Told to the one whose deadline comes first: he would have waited for nothing, as long as nobody intervenes; any other
// may be served by what he gives back.
void pool_core::break_deadlock(action_list& out) {
  std::uint32_t holds = no_slot;
  waiter* const victim = deadlocked(holds);
  if (victim == nullptr) return;
  leave_queue(*victim);
  victim->state_ = waiter_state::detached;
  refuse(refusal::nested);
  out.add({.kind = action_kind::fail, .failure = fail_reason::nested_acquire, .slot = slots_.id(holds), .who = victim});
}

// The victim, when every connection that ordinary waiters could ever get is held by a task that waits itself. What
// priority::high holds of the reserved ones does not matter to them.
waiter* pool_core::deadlocked(std::uint32_t& holds) const noexcept {
  if (privileged_ > limits_.reserved_slots && limits_.reserved_slots != 0) return nullptr;
  waiter* first = nullptr;
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const slot& s = slots_[i];
    if (s.state == slot_state::absent) continue;
    if (limits_.reserved_slots != 0 && (s.privileged || s.state == slot_state::idle)) continue;
    waiter* const w = nesting_.waiter_of(i);
    if (w == nullptr || (limits_.reserved_slots != 0 && !w->is_ordinary())) return nullptr;
    ++found;
    if (first != nullptr && first->deadline_ <= w->deadline_) continue;
    first = w;
    holds = i;
  }
  return found >= limits_.max_size - limits_.reserved_slots ? first : nullptr;
}

// --- leases that last too long ---

duration pool_core::soonest_long_hold() const noexcept {
  const duration tell = limits_.leak_threshold;
  const duration take = limits_.leak_reclaim;
  if (tell <= duration::zero() || take <= duration::zero()) return std::max(tell, take);
  return std::min(tell, take);
}

void pool_core::expire_leases(time_point now, action_list& out) {
  if (soonest_long_hold() <= duration::zero()) return;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    slot& s = slots_[i];
    if (s.state != slot_state::leased || s.granted_to != nullptr) continue;
    const duration held = now - s.lent_at;
    if (limits_.leak_reclaim > duration::zero() && held >= limits_.leak_reclaim) {
      ++counters_.reclaimed;
      out.add({.kind = action_kind::reclaim, .slot = slots_.id(i)});
      s.dead ? close(i, close_reason::disconnected, out) : recover(i, out);
    } else if (limits_.leak_threshold > duration::zero() && held >= limits_.leak_threshold &&
               s.told_tenure != s.tenure) {
      s.told_tenure = s.tenure;
      ++counters_.long_holds;
      out.add({.kind = action_kind::long_hold, .slot = slots_.id(i)});
    }
  }
}

// No lease that begins after now is due before now + the shorter of the two: so a lease needs no deadline of its own
// when it begins.
time_point pool_core::next_long_hold(time_point now) const noexcept {
  const duration soonest = soonest_long_hold();
  if (soonest <= duration::zero() || slots_.occupied() == 0) return never;
  time_point t = add(now, soonest);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const slot& s = slots_[i];
    if (s.state != slot_state::leased) continue;
    if (limits_.leak_reclaim > duration::zero()) t = std::min(t, add(s.lent_at, limits_.leak_reclaim));
    if (limits_.leak_threshold > duration::zero() && s.told_tenure != s.tenure)
      t = std::min(t, add(s.lent_at, limits_.leak_threshold));
  }
  return t;
}

}  // namespace lido::inline v0::core
