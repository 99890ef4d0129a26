// Who gets what: the hand-over of connections to waiters, and the supply of connections for those who still wait.
#include "pool/core/pool_core.hpp"

#include <algorithm>
#include <utility>

namespace lido::inline v0::core {

// A connection comes back that was set aside and not used: it is not younger than it was (I10: the baton).
void pool_core::pass_on(std::uint32_t index, time_point now, action_list& out) {
  slot& s = slots_[index];
  if (state_ != pool_state::open) return set_aside(index, now, out);
  if (const auto why = retired(s, now)) {
    close(index, *why, out);
  } else {
    no_longer_privileged(s);
    make_idle(index);
  }
  serve(now, out);
}

// A connection is free, and nobody gets it: the pool is paused, or closing.
void pool_core::set_aside(std::uint32_t index, time_point now, action_list& out) {
  const auto why = state_ == pool_state::paused ? retired(slots_[index], now) : close_reason::pool_closed;
  if (why) {
    close(index, *why, out);
  } else {
    no_longer_privileged(slots_[index]);
    make_idle(index);
  }
  serve(now, out);
}

// Somebody waits, and here is a connection that works: to him whose turn it is; through the user's check, when he has
// one and this connection has not just passed it.
void pool_core::hand_over(std::uint32_t index, time_point now, action_list& out) {
  slot& s = slots_[index];
  const bool was_used = s.state == slot_state::leased || s.state == slot_state::recovering;
  if (was_used && limits_.refuse_hopeless) admission_.returned(now - s.lent_at, now);
  const bool has_passed = std::exchange(s.inspected, false);
  const class_set of = admitted(was_used ? 1 : 0);
  waiter* const next = waiters_.next(of);
  if (next == nullptr) {
    make_idle(index);  // reserved, and not for any of those
  } else if (limits_.inspect && !has_passed) {
    validate(index, now, out);
  } else {
    grant_queued(index, *next, of, now, out);
  }
}

// Leaves no one waiting who could be served, and no one without a connection on its way while one may be made.
void pool_core::serve(time_point now, action_list& out) {
  if (!exhausted() || breaker_.tripped()) {
    if (state_ == pool_state::open && !waiters_.empty()) serve_waiters(now, out);
    stock_up(now, out);
  }
  if (!goals_.empty()) check_goals(now, out);
}

void pool_core::serve_waiters(time_point now, action_list& out) {
  serve_idle(now, out);
  const std::size_t wanted = servable();
  const shard_id preference = wanted != 0 ? waiters_.last(admitted())->preference() : any_shard;
  // A ping is sooner back than a connect, even one that is under way already.
  while (slots_.count(slot_state::validating) < wanted && validate_idle(preference, now, out)) {
  }
  // Only now: what was idle may have turned out to be too old.
  if (breaker_.state() == breaker_state::open && hopeless(now)) return fail_all(fail_reason::breaker_open, out);
  while (supply() < wanted && connect_new(preference, now, out)) {
  }
}

void pool_core::serve_idle(time_point now, action_list& out) {
  while (slots_.count(slot_state::idle) != 0) {
    const class_set of = admitted();
    waiter* const next = waiters_.next(of);
    if (next == nullptr) return;
    const std::uint32_t index = pick_fresh(next->preference(), now, out);
    if (index == no_slot) return;
    if (admitted() != of) continue;  // what it closed on the way counts
    idle_.remove(index);
    grant_queued(index, *next, of, now, out);
  }
}

// The connections that are kept whether somebody waits or not.
void pool_core::stock_up(time_point now, action_list& out) {
  const std::uint32_t floor = std::max(limits_.min_size, warm_floor_);
  while (slots_.live() < floor && connect_new(any_shard, now, out)) {
  }
  if (limits_.min_idle == 0) return;
  while (spare() < limits_.min_idle + servable() && connect_new(any_shard, now, out)) {
  }
}

// As fresh_idle(), but a connection past its lifetime that is in the way is closed. The stacks are ordered by
// quiet_since, so when their tops are in doubt all below are.
std::uint32_t pool_core::pick_fresh(shard_id preference, time_point now, action_list& out) {
  for (;;) {
    const std::uint32_t found = fresh_idle(preference, now);
    if (found != no_slot) return found;
    std::uint32_t top = idle_.top(preference);
    if (top == no_slot || slots_[top].retire_at > now) top = idle_.youngest();
    if (top == no_slot || slots_[top].retire_at > now) return no_slot;
    close(top, slots_[top].retire_why, out);
  }
}

bool pool_core::validate_idle(shard_id preference, time_point now, action_list& out) {
  std::uint32_t index = idle_.top(preference);
  if (index == no_slot) index = idle_.youngest();
  if (index == no_slot) return false;
  idle_.remove(index);
  validate(index, now, out);
  return true;
}

bool pool_core::connect_new(shard_id preference, time_point now, action_list& out) {
  if (!may_connect(now)) return false;
  shard_id shard = preference;
  if (shard >= limits_.shards) {
    shard = next_shard_;
    next_shard_ = static_cast<shard_id>((next_shard_ + 1) % limits_.shards);
  }
  const std::uint32_t index = slots_.open(shard, generation_);
  breaker_.began(limits_, now);
  ++counters_.connects;
  out.add({.kind = action_kind::connect, .shard = shard, .slot = slots_.id(index)});
  return true;
}

bool pool_core::may_connect(time_point now) noexcept {
  if (state_ > pool_state::paused || slots_.occupied() >= limits_.max_size) return false;
  if (breaker_.may_begin(limits_, slots_.count(slot_state::connecting), now)) return true;
  if (breaker_.ready_at() <= now) return false;
  if (breaker_.newly_throttled(now)) ++counters_.connects_throttled;
  wake_at(breaker_.ready_at());
  return false;
}

// Whether a connection exists that may become free: idle, or in use and alive. One that is being opened is none yet,
// one that is closing never will be.
bool pool_core::can_serve() const noexcept {
  return slots_.count(slot_state::idle) + slots_.count(slot_state::validating) + slots_.count(slot_state::recovering) +
             slots_.count(slot_state::leased) >
         dead_leases_;
}

// The breaker is open and nothing else could serve: who asks now is told at once, while the pause lasts and while the
// prober is out. Between the two, with the pause over and no prober yet, he who asks sends it and waits for its answer.
bool pool_core::hopeless(time_point now) const noexcept {
  if (can_serve()) return false;
  return breaker_.state() == breaker_state::half_open || now < breaker_.ready_at();
}

// Connections that are on their way to the queue.
std::uint32_t pool_core::supply() const noexcept {
  return slots_.count(slot_state::connecting) + slots_.count(slot_state::validating);
}

void pool_core::grant(std::uint32_t index, waiter& to, time_point now) noexcept {
  lend(index, now);
  slots_[index].granted_to = &to;
  to.lease_ = {slots_.id(index), slots_[index].tenure};
  to.state_ = waiter_state::granted;
  if (!to.is_ordinary()) {
    slots_[index].privileged = true;
    ++privileged_;
  }
  if (to.task_ != 0) nesting_.lent(index, to.task_);
}

// An idle connection for somebody who does not wait yet: only when nobody does who goes before him.
bool pool_core::grant_idle(waiter& w, time_point now, action_list& out) {
  if (slots_.count(slot_state::idle) == 0) return false;
  const auto may = [&] { return state_ == pool_state::open && (admitted() & only(w.class_)) != 0; };
  if (waiters_.any(up_to(w.class_)) || !may()) return false;
  const std::uint32_t index = pick_fresh(w.preference_, now, out);
  if (index == no_slot || !may()) return false;  // asked again: what it closed on the way counts
  idle_.remove(index);
  grant(index, w, now);
  return true;
}

void pool_core::grant_queued(std::uint32_t index, waiter& to, class_set of, time_point now, action_list& out) {
  waiters_.serve(to, of);
  if (to.task_ != 0) nesting_.left(to);
  grant(index, to, now);
  out.add({.kind = action_kind::grant, .slot = slots_.id(index), .who = &to});
}

void pool_core::validate(std::uint32_t index, time_point now, action_list& out) {
  slots_.set_state(index, slot_state::validating);
  slot& s = slots_[index];
  s.granted_to = nullptr;
  s.inspected = limits_.inspect && !s.for_its_own_sake;
  const bool ping = s.for_its_own_sake || lifecycle_.needs_ping(s, now);
  if (ping) ++counters_.pings;
  out.add({.kind = action_kind::validate, .ping = ping, .inspect = s.inspected, .slot = slots_.id(index)});
}

void pool_core::recover(std::uint32_t index, action_list& out) {
  slots_.set_state(index, slot_state::recovering);
  ++counters_.recoveries;
  out.add({.kind = action_kind::recover, .slot = slots_.id(index)});
}

// From any state. The slot stays occupied until closed(): max_size holds as the server counts (I9).
void pool_core::close(std::uint32_t index, close_reason why, action_list& out) {
  slot& s = slots_[index];
  if (s.state == slot_state::idle) idle_.remove(index);
  if (std::exchange(s.dead, false)) --dead_leases_;
  s.granted_to = nullptr;
  slots_.set_state(index, slot_state::closing);
  ++counters_.closed[static_cast<std::size_t>(why)];
  out.add({.kind = action_kind::close, .reason = why, .slot = slots_.id(index)});
}

void pool_core::vacate(std::uint32_t index, action_list& out) {
  no_longer_privileged(slots_[index]);
  slots_.vacate(index);
  finish_if_empty(out);
}

void pool_core::fail(waiter& w, fail_reason why, action_list& out) {
  if (w.state_ == waiter_state::queued) leave_queue(w);
  w.state_ = waiter_state::detached;
  switch (why) {
    case fail_reason::timeout: ++counters_.timeouts; break;
    case fail_reason::pool_closed: refuse(refusal::pool_closed); break;
    case fail_reason::connect_refused: refuse(refusal::connect); break;
    case fail_reason::breaker_open: refuse(refusal::breaker); break;
    case fail_reason::nested_acquire: refuse(refusal::nested); break;
  }
  out.add({.kind = action_kind::fail, .failure = why, .slot = {}, .who = &w});
}

void pool_core::fail_all(fail_reason why, action_list& out) {
  while (!waiters_.empty()) fail(*waiters_.first(), why, out);
}

}  // namespace lido::inline v0::core
