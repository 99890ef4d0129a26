// The events: what users and connections report, checked for being current and turned into moves of slots and waiters.
#include "pool/core/pool_core.hpp"

#include <algorithm>
#include <utility>

namespace lido::inline v0::core {

namespace {

limits sane(limits l) {
  l.max_size = std::max(l.max_size, 1U);
  l.min_size = std::min(l.min_size, l.max_size);
  l.min_idle = std::min(l.min_idle, l.max_size);
  l.reserved_slots = std::min(l.reserved_slots, l.max_size - 1);
  l.connect_concurrency = std::max(l.connect_concurrency, 1U);
  l.shards = std::clamp<std::uint16_t>(l.shards, 1, any_shard - 1);
  l.max_lifetime_jitter = std::clamp(l.max_lifetime_jitter, 0.0, 1.0);
  l.connect_backoff_min = std::max(l.connect_backoff_min, duration{1});
  l.connect_backoff_max = std::max(l.connect_backoff_max, l.connect_backoff_min);
  return l;
}

}  // namespace

pool_core::pool_core(const limits& l, time_point now)
    : limits_(sane(l)),
      slots_(limits_.max_size),
      idle_(slots_, limits_.shards),
      random_(l.seed),
      lifecycle_(limits_),
      nesting_(slots_),
      wears_out_(limits_.max_uses != 0 || limits_.max_bytes_received != 0) {
  nesting_.grow();
  if (limits_.min_size > 0 || limits_.min_idle > 0) wake_at(now);
}

void pool_core::reconfigure(const limits& l, time_point now, action_list& out) {
  observe_time(now);
  limits_ = sane(l);
  lifecycle_.limits_changed();
  wears_out_ = limits_.max_uses != 0 || limits_.max_bytes_received != 0;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].state != slot_state::validating) slots_[i].inspected = false;
  }
  slots_.grow(limits_.max_size);
  idle_.grow(limits_.shards);
  nesting_.grow();
  if (next_shard_ >= limits_.shards) next_shard_ = 0;
  if (state_ <= pool_state::paused) close_surplus(out);
  set_warm_floor();
  serve(now, out);
  expire(now, out);
}

// --- users ---

acquire_result pool_core::acquire(waiter& w, time_point now, action_list& out) {
  observe_time(now);
  w.enqueued_at_ = now;
  waiters_.arrive(w);
  const acquire_result result = admit(w, now, out);
  count(result);
  serve(now, out);
  return result;
}

void pool_core::count(acquire_result r) noexcept {
  switch (r) {
    case acquire_result::granted: return;
    case acquire_result::queued: ++counters_.waits; return;
    case acquire_result::timeout: ++counters_.timeouts; return;
    case acquire_result::pool_closed: return refuse(refusal::pool_closed);
    case acquire_result::too_many_waiters: return refuse(refusal::max_waiters);
    case acquire_result::breaker_open: return refuse(refusal::breaker);
    case acquire_result::overloaded: return refuse(refusal::admission);
  }
}

acquire_result pool_core::admit(waiter& w, time_point now, action_list& out) {
  if (state_ > pool_state::paused) return acquire_result::pool_closed;
  if (grant_idle(w, now, out)) return acquire_result::granted;
  if (w.deadline_ <= now) return acquire_result::timeout;
  if (breaker_.tripped() && state_ == pool_state::open && hopeless(now)) return acquire_result::breaker_open;
  if (waiters_.size() >= limits_.max_waiters) return acquire_result::too_many_waiters;
  const bool asks = limits_.refuse_hopeless && state_ == pool_state::open;  // how long a pause lasts, nobody knows
  if (asks && admission_.hopeless(place_in(w.class_), in_use(), w.deadline_, now)) return acquire_result::overloaded;
  waiters_.push_back(w);
  queue(w, out);
  return acquire_result::queued;
}

bool pool_core::cancel(waiter& w, time_point now, action_list& out) {
  observe_time(now);
  if (w.state_ == waiter_state::detached) return false;
  ++counters_.cancelled_acquires;
  const bool passes = holds(w);
  if (w.state_ == waiter_state::queued) leave_queue(w);
  w.state_ = waiter_state::detached;
  if (passes) pass_on(w.lease_.index, now, out);
  return true;
}

bool pool_core::resume(waiter& w, time_point now, action_list& out) {
  if (w.state_ != waiter_state::granted) return false;
  return resume_at_once(w) || (requeue(w, now, out) && resume_at_once(w));
}

// The connection died in between: another idle one, or back to where it was in the queue.
bool pool_core::requeue(waiter& w, time_point now, action_list& out) {
  observe_time(now);
  ++counters_.voided_grants;
  if (state_ > pool_state::paused) {
    fail(w, fail_reason::pool_closed, out);
    return false;
  }
  const bool again = grant_idle(w, now, out);
  if (again) {
    // he will not notice
  } else if (w.deadline_ <= now) {
    fail(w, fail_reason::timeout, out);
  } else {
    waiters_.put_back(w);
    queue(w, out);
  }
  serve(now, out);
  return again;
}

void pool_core::wear(const lease_id& lease, std::uint64_t bytes_received) noexcept {
  slot* s = slots_.find(lease);
  if (s == nullptr || s->tenure != lease.tenure) return;
  const bool used_up = limits_.max_uses != 0 && s->tenure - s->first_tenure >= limits_.max_uses;
  const bool swollen = limits_.max_bytes_received != 0 && bytes_received >= limits_.max_bytes_received;
  if (!used_up && !swollen) return;
  s->retire_at = time_point::min();
  s->retire_why = used_up ? close_reason::max_uses : close_reason::max_bytes;
}

void pool_core::revoked(const lease_id& lease, time_point now, action_list& out) {
  release(lease, condition::needs_recovery, now, out);
}

// --- connections ---

void pool_core::connected(slot_id id, endpoint_id where, time_point now, action_list& out) {
  observe_time(now);
  slot* s = current(id, slot_state::connecting);
  if (s == nullptr) return;
  ++counters_.created;
  breaker_.succeeded(limits_);
  s->retire_at = lifecycle_.retirement(random_, now);
  settle_generation(*s, where);
  wake_at(next_long_hold(now));
  offer(id.index, now, out);
  serve(now, out);
}

void pool_core::connect_failed(slot_id id, bool permanent, time_point now, action_list& out) {
  observe_time(now);
  if (aborted_connect_ended(id, now, out) || current(id, slot_state::connecting) == nullptr) return;
  if (permanent) fail_all(fail_reason::connect_refused, out);
  connect_ended(id.index, now, out);
}

// The server has proven that it is there: nothing for the breaker, and nobody who waits is told.
void pool_core::connect_given_up(slot_id id, time_point now, action_list& out) {
  observe_time(now);
  if (aborted_connect_ended(id, now, out) || current(id, slot_state::connecting) == nullptr) return;
  ++counters_.connect_failures;
  breaker_.succeeded(limits_);
  vacate(id.index, out);
  serve(now, out);
}

bool pool_core::aborted_connect_ended(slot_id id, time_point now, action_list& out) {
  const slot* const s = slots_.find(id);
  if (s == nullptr || s->state != slot_state::closing || !s->aborted) return false;
  vacate(id.index, out);
  serve(now, out);
  return true;
}

void pool_core::connect_ended(std::uint32_t index, time_point now, action_list& out) {
  ++counters_.connect_failures;
  round_failed(now, out);
  vacate(index, out);
  serve(now, out);
}

void pool_core::round_failed(time_point now, action_list& out) {
  if (breaker_.failed(limits_, random_, now)) ++counters_.breaker_opened;
  const bool open = state_ == pool_state::open && breaker_.state() == breaker_state::open;
  if (open && !can_serve()) fail_all(fail_reason::breaker_open, out);
  fail_impatient(out);
  wake_at(breaker_.ready_at());
}

void pool_core::validated(slot_id id, bool ok, time_point now, action_list& out, close_reason why) {
  observe_time(now);
  slot* s = current(id, slot_state::validating);
  if (s == nullptr) return;
  if (limits_.keepalive_interval > duration::zero()) wake_at(now);  // others may have had to wait for this one
  if (!ok) {
    check_failed(*s, id.index, why, now, out);
  } else if (std::exchange(s->for_its_own_sake, false) && servable() == 0) {
    kept_alive(id.index, now, out);
  } else {
    offer(id.index, now, out);
  }
}

void pool_core::check_failed(const slot& s, std::uint32_t index, close_reason why, time_point now, action_list& out) {
  const bool newborn = why == close_reason::vetoed && s.tenure == s.first_tenure;
  ++(why == close_reason::vetoed ? counters_.vetoes : counters_.ping_failures);
  close(index, why, out);
  if (newborn) round_failed(now, out);
  serve(now, out);
}

// Back to its place: it lives, and has not been used.
void pool_core::kept_alive(std::uint32_t index, time_point now, action_list& out) {
  slots_[index].lent_at = now;
  if (const auto why = retired(slots_[index], now)) {
    close(index, *why, out);
  } else {
    make_idle(index);
  }
  serve(now, out);
}

void pool_core::recovered(slot_id id, bool usable, close_reason why, time_point now, action_list& out) {
  observe_time(now);
  if (current(id, slot_state::recovering) == nullptr) return;
  if (usable) {
    ++counters_.recovered;
    offer(id.index, now, out);
    return;
  }
  close(id.index, why, out);
  serve(now, out);
}

void pool_core::disconnected(slot_id id, disconnect_scope scope, time_point now, action_list& out) {
  observe_time(now);
  slot* s = slots_.find(id);
  if (s == nullptr || s->state == slot_state::closing || s->dead) {
    ++counters_.stale_events;
    return;
  }
  if (s->state == slot_state::connecting) {
    connect_ended(id.index, now, out);
    return;
  }
  const bool news = s->generation == generation_;
  const endpoint_id where = s->endpoint;
  drop(*s, id.index, out);
  if (scope == disconnect_scope::endpoint && news) replace_older(where, out);
  serve(now, out);
}

// A user's lease keeps the slot until he lets go of it; a grant that nobody has picked up yet is void.
void pool_core::drop(slot& s, std::uint32_t index, action_list& out) {
  if (s.state == slot_state::leased && s.granted_to == nullptr) {
    s.dead = true;
    ++dead_leases_;
  } else {
    close(index, close_reason::disconnected, out);
  }
}

void pool_core::closed(slot_id id, bool orphaned, time_point now, action_list& out) {
  observe_time(now);
  if (current(id, slot_state::closing) == nullptr) return;
  if (orphaned) ++counters_.orphaned;
  vacate(id.index, out);
  serve(now, out);
}

slot* pool_core::current(slot_id id, slot_state expected) noexcept {
  slot* s = slots_.find(id);
  if (s != nullptr && s->state == expected) return s;
  ++counters_.stale_events;
  return nullptr;
}

}  // namespace lido::inline v0::core
