// The pool's bookkeeping as a pure state machine: slots, waiters, generations, back-off, limits. The refinement of the
// model-checked design (docs/architecture.md).
//
// Rules for the shell that drives it:
// - One mutex around every call. Events append actions; leave the mutex, perform them in order, clear the list.
// - Time is monotonic and comes in as an argument; never smaller than in the call before (an older one is harmless).
// - After every call: next_deadline() earlier than the armed timer? Re-arm; when it fires, expire(). It is a lower
// bound:
//   waking up for nothing is possible, oversleeping is not. expire() right after construction fills up to min_size.
// - A waiter named in an action stays alive until the action is performed. `fail`: the core has forgotten it. `grant`:
//   its handler calls resume() before anything else.
// - An event of a connection carries the slot_id of the action that began it; an event of a lease the lease_id that
//   try_acquire() or the waiter gave. Late, double or foreign events change nothing and are counted (stale_events).
//
//   state       legal events                                          leads to
//   connecting  connected                                             idle | leased | closing
//               connect_failed, connect_given_up, disconnected        absent
//               closes                                                closing
//   validating  validated                                             idle | leased | closing
//               disconnected, closes                                  closing
//   idle        (acquire)                                             leased | validating
//               disconnected, (expire), closes                        closing
//   leased      release, revoked, disconnected, force_close, (cancel) any but connecting; keeps its slot if dead
//   recovering  recovered                                             idle | leased | closing
//               disconnected                                          closing
//   closing     closed (or the end of an aborted connect)             absent
#pragma once

#include "pool/core/action.hpp"
#include "pool/core/admission.hpp"
#include "pool/core/breaker.hpp"
#include "pool/core/endpoints.hpp"
#include "pool/core/goal.hpp"
#include "pool/core/idle_stack.hpp"
#include "pool/core/lifecycle.hpp"
#include "pool/core/limits.hpp"
#include "pool/core/nesting.hpp"
#include "pool/core/random.hpp"
#include "pool/core/slot_table.hpp"
#include "pool/core/stats.hpp"
#include "pool/core/types.hpp"
#include "pool/core/waiter.hpp"
#include "pool/core/waiter_queue.hpp"

#include <array>
#include <optional>
#include <vector>

namespace lido::inline v0::core {

class pool_core {
 public:
  pool_core(const limits& l, time_point now);
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;

  // --- users ---

  // The fast path: a connection that is idle, young and beyond doubt, and nobody waits. No actions, no allocation.
  // The preference picks among idle connections, one of another shard is better than none (I10). Of normal priority.
  [[nodiscard]] bool try_acquire(shard_id preference, time_point now, lease_id& out) noexcept;

  // granted: w.lease() is set aside; no grant action; call resume() now or when the handler runs.
  // queued: a grant or fail action will name w, unless it is cancelled; it may be among those of this very call. The
  // others: w stays detached, no action names it. breaker_open: connects keep failing, and there is no connection that
  // could become free.
  [[gnu::hot]] acquire_result acquire(waiter& w, time_point now, action_list& out);

  // True when w was known (queued or granted); it is detached now. A queued one leaves without trace, a granted
  // one's connection goes to the next waiter or to idle; a connect that it started goes on for others (I10, I11).
  bool cancel(waiter& w, time_point now, action_list& out);

  // resume() without the time, for the usual case; false: ask resume().
  [[nodiscard]] bool resume_at_once(waiter& w) noexcept;
  // The granted waiter's handler is about to run. True: it has w.lease(), w is detached. False: the connection died
  // first, and there is no other one idle: w is queued, back in its place with its own deadline, and will be named in
  // an action again; or, when its deadline has passed or the pool is closing, detached, and a fail action names it.
  [[nodiscard]] bool resume(waiter& w, time_point now, action_list& out);

  // The lease ends. `clean`: to the first waiter, to idle, or closed when it is retired.
  void release(const lease_id& lease, condition how, time_point now, action_list& out);

  // The lease ended by a terminal cancel or a deadline: the connection is the pool's from here (I13).
  void revoked(const lease_id& lease, time_point now, action_list& out);

  // Leases that began with a connection which the shell had kept from the one before, without asking here.
  void lent_again(std::uint64_t leases) noexcept { counters_.acquires += leases; }
  // When the present one of those began, which is what its length is measured by. Nothing when it is over.
  void leased_since(const lease_id& lease, time_point when) noexcept {
    slot* const s = slots_.find(lease);
    if (s != nullptr && s->state == slot_state::leased && s->tenure == lease.tenure && s->granted_to == nullptr)
      s->lent_at = when;
  }

  // What the connection of this lease has been through, told before the lease ends: it is retired when that is enough.
  void wear(const lease_id& lease, std::uint64_t bytes_received) noexcept;

  // --- connections ---

  void connected(slot_id id, time_point now, action_list& out) { connected(id, 0, now, out); }
  // `where`: the host that it is to. When that was retired since the connect began, it is closed.
  void connected(slot_id id, endpoint_id where, time_point now, action_list& out);
  // permanent: to try again is pointless until somebody changes something (wrong password, no such database): who
  // waits now is told at once. Else they wait on, to their own deadlines, until the breaker opens (see hopeless()).
  // Either way the next connect backs off.
  void connect_failed(slot_id id, bool permanent, time_point now, action_list& out);
  // It came, and is not to be used, for a reason that is none of its server's: another one takes its place at once.
  void connect_given_up(slot_id id, time_point now, action_list& out);
  // why: counted when it is not ok. A veto of a connection that was never lent counts as a failed connect, so that a
  // check that nothing passes does not connect in a busy loop.
  void validated(slot_id id, bool ok, time_point now, action_list& out, close_reason why = close_reason::ping_failed);
  // why: counted when it is not usable.
  void recovered(slot_id id, bool usable, close_reason why, time_point now, action_list& out);
  // The connection is gone, by itself. Any state; a close action follows (for a leased one when it is released).
  // scope endpoint, from a connection of the current generation, begins a new generation of its host; news from an
  // older one is old news, so that the stragglers of one outage do not condemn the connections made after it.
  void disconnected(slot_id id, disconnect_scope scope, time_point now, action_list& out);
  // The server's EOF came, or (orphaned) the close deadline passed without it: only now is the slot free (I9).
  void closed(slot_id id, bool orphaned, time_point now, action_list& out);

  // --- time and administration ---

  void expire(time_point now, action_list& out);
  [[nodiscard]] time_point next_deadline() const noexcept { return next_deadline_; }
  // The machine was suspended: validate what is idle before use (I28).
  void time_was_lost(time_point now) noexcept;
  // All connections made so far are to be replaced: the idle ones now, others when they come back.
  void new_generation(time_point now, action_list& out);
  // The same for the connections to one host: it is not what it was.
  void retire_endpoint(endpoint_id where, time_point now, action_list& out);
  // The same for one connection.
  void retire(slot_id id, time_point now, action_list& out);
  // A smaller max_size takes effect as connections become free; live() may exceed it until then.
  void reconfigure(const limits& l, time_point now, action_list& out);

  // Acquires wait from here, leases end as ever; connections are kept. Idempotent, and nothing while the pool closes.
  void pause(time_point now, action_list& out);
  void unpause(time_point now, action_list& out);
  // goal_ended will name it; not before the call has returned its actions. A warm goal is a floor for the number of
  // connections while it lasts.
  void await(goal& g, time_point now, action_list& out);
  void forget(goal& g) noexcept;

  // No new work; who waits gets pool_closed; what nobody uses (idle, connecting, validating) is closed. Idempotent.
  void begin_close(time_point now, action_list& out);
  // The close deadline has passed: leases are taken away (recover), grants not resumed yet are void. Idempotent.
  void force_close(time_point now, action_list& out);

  [[nodiscard]] std::uint32_t idle_count() const noexcept { return slots_.count(slot_state::idle); }
  // Fewer idle than min_idle, and none on its way: expire() mends it.
  [[nodiscard]] bool wants_stock() const noexcept {
    return slots_.count(slot_state::idle) < limits_.min_idle && spare() < limits_.min_idle &&
           slots_.live() < limits_.max_size;
  }
  // Whether wear() has to be told.
  [[nodiscard]] bool wears_out() const noexcept { return wears_out_; }
  [[nodiscard]] std::uint32_t ready_count() const noexcept;  // connections that are neither being opened nor closed
  // Whether a connection exists that may become free.
  [[nodiscard]] bool can_serve() const noexcept;
  [[nodiscard]] bool is_closed() const noexcept { return state_ == pool_state::closed; }
  [[nodiscard]] pool_state state() const noexcept { return state_; }
  [[nodiscard]] stats statistics() const noexcept;

  // For checks: the parts, read-only.
  [[nodiscard]] const slot_table& slots() const noexcept { return slots_; }
  [[nodiscard]] const waiter_queue& waiters() const noexcept { return waiters_; }
  [[nodiscard]] const idle_stack& idle() const noexcept { return idle_; }
  [[nodiscard]] const limits& settings() const noexcept { return limits_; }
  [[nodiscard]] const breaker& connect_breaker() const noexcept { return breaker_; }
  [[nodiscard]] bool usable_at_once(std::uint32_t index, time_point now) const noexcept;
  // Classes that may have one more connection now: all, unless the reserved slots are all that is left.
  // One that is about to come back counts as free.
  [[nodiscard]] class_set admitted(std::uint32_t coming_back = 0) const noexcept {
    return limits_.reserved_slots == 0 || room_for_ordinary(coming_back) > 0 ? every_class
                                                                             : only(class_of(priority::high));
  }
  // How many of those who wait may have a connection as soon as there is one.
  [[nodiscard]] std::size_t servable() const noexcept;

  // How long somebody of that class who came now would wait; zero: not known.
  [[nodiscard]] duration expected_wait(waiter_class c, time_point now) const noexcept;
  [[nodiscard]] duration expected_hold() const noexcept { return admission_.hold(); }
  // Whose lease it is, if it has a name.
  [[nodiscard]] task_id task_of(std::uint32_t index) const noexcept { return nesting_.task_of(index); }
  // A connection that this task holds, or no_slot.
  [[nodiscard]] std::uint32_t held_by(task_id task) const noexcept { return nesting_.held_by(task); }

 private:
  // lending.hpp, supply.cpp: who gets what
  void offer(std::uint32_t index, time_point now, action_list& out);
  void pass_on(std::uint32_t index, time_point now, action_list& out);
  void set_aside(std::uint32_t index, time_point now, action_list& out);
  [[gnu::hot]] void serve(time_point now, action_list& out);
  void serve_waiters(time_point now, action_list& out);
  void serve_idle(time_point now, action_list& out);
  void stock_up(time_point now, action_list& out);
  std::uint32_t pick_fresh(shard_id preference, time_point now, action_list& out);
  bool validate_idle(shard_id preference, time_point now, action_list& out);
  bool connect_new(shard_id preference, time_point now, action_list& out);
  [[nodiscard]] bool may_connect(time_point now) noexcept;
  [[nodiscard]] bool hopeless(time_point now) const noexcept;
  // Nothing is idle, and nothing may be opened: under load the usual case, in which there is nothing to decide.
  [[nodiscard]] bool exhausted() const noexcept {
    return slots_.count(slot_state::idle) == 0 && slots_.occupied() >= limits_.max_size;
  }
  void lend(std::uint32_t index, time_point now) noexcept;
  [[gnu::hot]] void grant(std::uint32_t index, waiter& to, time_point now) noexcept;
  [[gnu::hot]] bool grant_idle(waiter& w, time_point now, action_list& out);
  [[gnu::hot]] void hand_over(std::uint32_t index, time_point now, action_list& out);
  [[gnu::hot]] void grant_queued(std::uint32_t index, waiter& to, class_set of, time_point now, action_list& out);
  void make_idle(std::uint32_t index) noexcept;
  void validate(std::uint32_t index, time_point now, action_list& out);
  void recover(std::uint32_t index, action_list& out);
  void close(std::uint32_t index, close_reason why, action_list& out);
  void vacate(std::uint32_t index, action_list& out);
  void fail(waiter& w, fail_reason why, action_list& out);
  void fail_all(fail_reason why, action_list& out);
  void no_longer_privileged(slot& s) noexcept {
    if (s.privileged) [[unlikely]] {
      s.privileged = false;
      --privileged_;
    }
  }
  [[nodiscard]] std::uint32_t in_use() const noexcept;
  [[nodiscard]] std::size_t room_for_ordinary(std::uint32_t coming_back = 0) const noexcept;
  [[nodiscard]] std::uint32_t fresh_idle(shard_id preference, time_point now) const noexcept;
  [[nodiscard]] std::uint32_t supply() const noexcept;
  [[nodiscard]] std::uint32_t spare() const noexcept { return slots_.count(slot_state::idle) + supply(); }
  // Why this connection must not be handed out again, if so.
  [[nodiscard]] std::optional<close_reason> retired(const slot& s, time_point now) const noexcept;

  // pool_core.cpp
  [[gnu::hot]] acquire_result admit(waiter& w, time_point now, action_list& out);
  [[gnu::hot]] void count(acquire_result r) noexcept;
  void refuse(refusal why) noexcept { ++counters_.refused[static_cast<std::size_t>(why)]; }

  // demand.cpp: who waits
  [[gnu::hot]] void queue(waiter& w, action_list& out);
  void leave_queue(waiter& w);
  [[nodiscard]] std::size_t place_in(waiter_class c) const noexcept { return waiters_.size(up_to(c)) + 1; }
  void break_deadlock(action_list& out);
  [[nodiscard]] waiter* deadlocked(std::uint32_t& holds) const noexcept;
  void expire_leases(time_point now, action_list& out);
  [[nodiscard]] time_point next_long_hold(time_point now) const noexcept;
  [[nodiscard]] duration soonest_long_hold() const noexcept;
  [[nodiscard]] slot* current(slot_id id, slot_state expected) noexcept;
  [[nodiscard]] slot* current(const lease_id& id) noexcept;
  [[nodiscard]] bool holds(const waiter& w) noexcept;
  bool requeue(waiter& w, time_point now, action_list& out);
  void check_failed(const slot& s, std::uint32_t index, close_reason why, time_point now, action_list& out);
  void kept_alive(std::uint32_t index, time_point now, action_list& out);
  void round_failed(time_point now, action_list& out);
  void connect_ended(std::uint32_t index, time_point now, action_list& out);
  bool aborted_connect_ended(slot_id id, time_point now, action_list& out);
  void drop(slot& s, std::uint32_t index, action_list& out);

  // maintenance.cpp
  void observe_time(time_point now) noexcept {
    if (now > stalled_after_) [[unlikely]]
      time_was_lost(now);
  }
  void wake_at(time_point t) noexcept {
    if (t < next_deadline_) set_deadline(t);
  }
  void set_deadline(time_point t) noexcept;
  void plan_next_deadline(time_point now) noexcept;
  void expire_waiters(time_point now, action_list& out);
  void expire_idle(time_point now, action_list& out);
  [[nodiscard]] bool is_surplus(const slot& s, time_point now) const noexcept;
  [[nodiscard]] std::uint32_t prune_quota(time_point now) noexcept;
  void keep_alive(time_point now, action_list& out);
  [[nodiscard]] bool may_keep_alive() const noexcept;
  [[nodiscard]] bool may_shrink() const noexcept;
  void replace_older(action_list& out);
  void replace_older(endpoint_id where, action_list& out);  // endpoint_retirement.cpp
  void settle_generation(slot& s, endpoint_id where) noexcept;
  void close_surplus(action_list& out);
  void finish_if_empty(action_list& out);

  // goals.cpp
  [[nodiscard]] goal_end verdict_on(const goal& g, time_point now) const noexcept;
  void check_goals(time_point now, action_list& out);
  void fail_impatient(action_list& out);
  void end_goal(std::size_t at, goal_end how, action_list& out);
  void set_warm_floor() noexcept;

  limits limits_;
  slot_table slots_;
  idle_stack idle_;
  waiter_queue waiters_;
  breaker breaker_;
  random random_;
  lifecycle lifecycle_;
  admission admission_;
  nesting nesting_;
  stats counters_;
  std::uint32_t dead_leases_ = 0;
  std::vector<goal*> goals_;
  std::uint32_t warm_floor_ = 0;  // the highest of the warm goals
  time_point next_prune_ = time_point::min();
  bool wears_out_ = false;        // max_uses or max_bytes_received is set
  std::uint32_t privileged_ = 0;  // slots with that mark
  std::uint32_t generation_ = 0;
  std::uint32_t all_retired_ = 0;                           // the generation that began when all were
  std::array<std::uint32_t, most_endpoints> retired_in_{};  // and the ones that began when one host's were
  shard_id next_shard_ = 0;                                 // for connects that no shard asked for
  pool_state state_ = pool_state::open;
  time_point next_deadline_ = never;
  time_point stalled_after_ = never;  // next_deadline_ + stall_gap
};

}  // namespace lido::inline v0::core

#include "pool/core/lending.hpp"
