// What must hold after every event.
#include "tests/simulation/world.hpp"

#include <algorithm>
#include <bit>
#include <ostream>

namespace simulation {

void world::begin(event e) {
  ++events_;
  now_happening_ = e;
  actions_.clear();
  occupied_before_ = seen().slots().occupied();
  connecting_before_ = seen().slots().count(core::slot_state::connecting);
  deadline_before_ = seen().next_deadline();
  for (std::uint32_t i = 0; i < seen().slots().size(); ++i) {
    before_[i] = {view_of(i), seen().slots()[i].incarnation, seen().slots()[i].tenure};
  }
  // I28: the timer should have fired long ago, so the process did not run.
  if (deadline_before_ != noticed_ && timer_is_late()) {
    doubted_ = now_;
    noticed_ = deadline_before_;
  }
  note(event_names[static_cast<std::size_t>(e)]);
}

void world::end() {
  pool_.meddle(now_, actions_);
  for (std::uint32_t i = 0; i < seen().slots().size(); ++i) {
    const core::slot& s = seen().slots()[i];
    const view to = view_of(i);
    if (before_[i].is == to && before_[i].incarnation == s.incarnation && before_[i].tenure == s.tenure) continue;
    table_.take(before_[i].is, now_happening_, to);
    if (!transition_table::legal(before_[i].is, now_happening_, to)) {
      throw violation{std::string{"illegal transition: "} + view_names[static_cast<std::size_t>(before_[i].is)] +
                      " -> " + view_names[static_cast<std::size_t>(to)] + " by " +
                      event_names[static_cast<std::size_t>(now_happening_)]};
    }
  }
  for (const core::action& a : actions_) perform(a);
  for (backend& b : backends_) b.lent_high = b.lent_high && in_use(b);
  check_slots();
  check_idle_stacks();
  check_queue();
  check_owners();
  check_supply();
  check_deadlines();
  check_goals();
  check_holds();
  check_closing();
}

void world::note(const char* what, core::slot_id id) const {
  if (trace_ == nullptr) return;
  *trace_ << "  #" << events_ << " t=" << (now_.time_since_epoch() - std::chrono::seconds{1000}).count() / 1000 << "us "
          << what;
  if (id.incarnation != 0) *trace_ << " slot " << id.index << '.' << id.incarnation;
  *trace_ << "  [";
  for (std::uint32_t i = 0; i < seen().slots().size(); ++i) {
    *trace_ << (i == 0 ? "" : " ") << view_names[static_cast<std::size_t>(view_of(i))];
  }
  *trace_ << " | waiting " << waiting() << "]\n";
}

view world::view_of(std::uint32_t index) const {
  const core::slot& s = seen().slots()[index];
  switch (s.state) {
    case core::slot_state::absent: return view::absent;
    case core::slot_state::connecting: return view::connecting;
    case core::slot_state::validating: return view::validating;
    case core::slot_state::idle: return view::idle;
    case core::slot_state::leased: return s.granted_to != nullptr ? view::granted : s.dead ? view::dead : view::leased;
    case core::slot_state::recovering: return view::recovering;
    case core::slot_state::closing: return s.aborted ? view::aborting : view::closing;
  }
  throw violation{"a slot in no state"};
}

// Everybody who is given a connection gets one that is alive, current, young and beyond doubt.
void world::check_grant(std::uint32_t index) {
  backend& b = backends_[index];
  require(!limits_.inspect || b.passed, "granted without the user's check");
  b.passed = false;
  b.lent = true;
  require(!b.worn, "granted, though it was to retire after its last use");
  require(b.is == phase::open && !b.dead, "granted a connection that is not there");
  require(is_current(b), "granted a connection of an older generation");
  require(seen().slots()[index].retire_at > now_, "granted a connection past its lifetime");
  if (b.last_ok == now_) return;
  require(b.last_ok > doubted_, "I28: granted a connection that was idle while time was lost");
  const core::duration limit = limits_.validate_after_idle;
  require(limit == core::duration::zero() || now_ - b.last_ok <= limit, "granted unseen, idle for too long");
}

// I9, and each slot as the driver knows it.
void world::check_slots() const {
  const core::slot_table& slots = seen().slots();
  std::array<std::uint32_t, core::slot_state_count> counts{};
  for (std::uint32_t i = 0; i < slots.size(); ++i) {
    ++counts[static_cast<std::size_t>(slots[i].state)];
    const backend& b = backends_[i];
    constexpr std::array<phase, view_count> expected{
        phase::none, phase::connecting, phase::pinging,    phase::open,    phase::open,
        phase::open, phase::open,       phase::recovering, phase::closing, phase::closing};
    const view v = view_of(i);
    require(b.is == expected[static_cast<std::size_t>(v)], "a slot is not what its connection is");
    if (v == view::absent) continue;
    require(b.id.incarnation == slots[i].incarnation, "a slot with another's connection");
    require((b.is == phase::open && b.dead) == (v == view::dead), "a death was missed or invented");
    require((b.is == phase::closing && b.aborted) == (v == view::aborting), "an abort was missed or invented");
  }
  for (std::size_t s = 0; s < counts.size(); ++s) {
    require(counts[s] == slots.count(static_cast<core::slot_state>(s)), "I9: the counts are wrong");
  }
  require(slots.occupied() <= std::max(limits_.max_size, occupied_before_), "I9: more connections than max_size");
}

void world::check_idle_stacks() const {
  std::uint32_t found = 0;
  for (core::shard_id shard = 0; shard < seen().idle().shards(); ++shard) {
    std::uint32_t above = core::no_slot;
    for (std::uint32_t i = seen().idle().top(shard); i != core::no_slot; i = seen().slots()[i].next) {
      const core::slot& s = seen().slots()[i];
      require(s.state == core::slot_state::idle && s.shard == shard && s.prev == above, "an idle stack is broken");
      require(above == core::no_slot || seen().slots()[above].quiet_since >= s.quiet_since,
              "an idle stack is not LIFO");
      require(++found <= max_backends, "an idle stack is a circle");
      above = i;
    }
  }
  require(found == seen().slots().count(core::slot_state::idle), "an idle connection is in no stack");
}

void world::check_queue() const {
  require(seen().waiters().size() == waiting(), "I10: the queue has lost or invented somebody");
  const core::waiter* w = seen().waiters().first();
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const auto number = static_cast<core::waiter_class>(i);
    require(seen().waiters().passed_over(number) == passed_over_[i], "starvation: who is passed over is not counted");
    for (const client* c : lines_[i]) {
      require(w == &c->node && w->state() == core::waiter_state::queued, "I10 FIFO: the queue is out of order");
      w = seen().waiters().after(*w);
      if (now_happening_ == event::expire) require(c->node.deadline() > now_, "a waiter outlived its deadline");
    }
  }
  require(w == nullptr, "I10: the queue has no end");
}

// Each leased slot has one owner, who knows it.
void world::check_owners() const {
  std::uint32_t owned = 0;
  for (const client& c : clients_) {
    const core::waiter_state node = c.node.state();
    require((c.state == client_state::waiting) == (node == core::waiter_state::queued), "I10: waiting means queued");
    require((c.state == client_state::granted) == (node == core::waiter_state::granted), "I10: granted means granted");
    if (c.state != client_state::granted && c.state != client_state::holding) continue;
    const core::slot& s = seen().slots()[c.lease.index];
    const backend& b = backends_[c.lease.index];
    const bool current = s.incarnation == c.lease.incarnation && s.tenure == c.lease.tenure;
    const bool held = current && s.state == core::slot_state::leased;
    if (c.state == client_state::holding) require(held && s.granted_to == nullptr, "I9: a lease without its slot");
    if (c.state == client_state::granted && held) require(s.granted_to == &c.node, "I9: a grant without its slot");
    if (c.state == client_state::granted && !held) {
      require(!(b.id == c.lease) || b.is == phase::none || b.is == phase::closing, "I10: a grant was lost");
    }
    if (!held) continue;
    require((owned & (1U << c.lease.index)) == 0, "I9: two owners of one connection");
    owned |= 1U << c.lease.index;
  }
  const auto leased = seen().slots().count(core::slot_state::leased);
  require(static_cast<std::uint32_t>(std::popcount(owned)) == leased, "I9: a leased connection without an owner");
}

bool world::usable_idle() const {
  for (std::uint32_t i = 0; i < seen().slots().size(); ++i) {
    if (seen().usable_at_once(i, now_)) return true;
  }
  return false;
}

bool world::timer_is_late() const {
  const core::duration gap = limits_.stall_gap;
  return gap > core::duration::zero() && now_ > core::add(seen().next_deadline(), gap);
}

bool world::past_lifetime() const {
  for (std::uint32_t i = 0; i < seen().slots().size(); ++i) {
    const core::slot& s = seen().slots()[i];
    if (s.state == core::slot_state::idle && s.retire_at <= now_) return true;
  }
  return false;
}

bool world::any_live() const {
  return std::any_of(backends_.begin(), backends_.end(), [](const backend& b) {
    return (b.is == phase::open && !b.dead) || b.is == phase::pinging || b.is == phase::recovering;
  });
}

// Somebody was told at once that there is no server: connects must be failing, and nothing else may be there to serve.
void world::check_refusal() const {
  require(unwell_, "the breaker is open, and the last connect was good");
  require(!any_live(), "failed fast, though a connection could have come back");
}

// What is waited for beside connections.
void world::check_goals() const {
  const core::slot_table& slots = seen().slots();
  const bool at_rest = slots.count(core::slot_state::leased) + slots.count(core::slot_state::recovering) == 0;
  for (const errand& e : errands_) {
    if (!e.goal) continue;
    require(e.told == (e.goal->end != core::goal_end::pending), "somebody was not told the end of his goal");
    if (e.told) continue;
    require(seen().state() <= core::pool_state::paused, "I21: a goal outlives the pool");
    require(seen().next_deadline() <= e.goal->deadline, "the timer oversleeps a goal's deadline");
    if (e.goal->kind == core::goal_kind::rest) {
      require(seen().state() == core::pool_state::paused && !at_rest, "at rest, and nobody was told");
    } else {
      require(seen().ready_count() < std::min(e.goal->target, limits_.max_size), "warm, and nobody was told");
    }
  }
}

// I10: nobody waits who could be served, and whoever waits has something under way, or there is a reason why not.
void world::check_supply() const {
  if (seen().state() != core::pool_state::open) return;
  const std::size_t wanted = servable();
  require(wanted == seen().servable(), "priorities: who may be served is not who is counted");
  require(wanted == 0 || !usable_idle(), "I10 lost wake-up: idle while somebody waits");
  const bool timer_due = seen().next_deadline() <= now_;
  const core::slot_table& slots = seen().slots();
  const std::uint32_t connecting = slots.count(core::slot_state::connecting);
  const core::breaker& breaker = seen().connect_breaker();
  require(connecting <= std::max(limits_.connect_concurrency, connecting_before_), "too many connects at once");
  require(connecting <= std::max(breaker.width(limits_), connecting_before_), "slow start: too many connects at once");
  const bool blocked =
      slots.occupied() >= limits_.max_size || timer_due || !breaker.may_begin(limits_, connecting, now_);
  const bool pausing = breaker.state() == core::breaker_state::open && now_ < breaker.ready_at();
  require(!pausing || any_live() || waiting() == 0, "the breaker is open, and somebody waits for nothing");
  const std::uint32_t validating = slots.count(core::slot_state::validating);
  const bool none_idle = slots.count(core::slot_state::idle) == 0;
  require(none_idle || validating >= wanted, "I10 lost wake-up: idle and not even pinged");
  require(blocked || connecting + validating >= wanted, "I10 lost wake-up: no connection on its way");
  require(slots.live() >= limits_.min_size || blocked, "min_size is not being restored");
  if (now_happening_ == event::expire) {
    const std::size_t spare = slots.count(core::slot_state::idle) + validating + connecting;
    require(spare >= limits_.min_idle + wanted || blocked, "min_idle is not being restored");
  }
}

// The timer is never later than what it is for.
void world::check_deadlines() const {
  const core::time_point timer = pool_.next_deadline();
  for (const line& l : lines_) {
    for (const client* c : l) require(timer <= c->node.deadline(), "the timer oversleeps a waiter's deadline");
  }
  const core::slot_table& slots = seen().slots();
  const auto coming = slots.count(core::slot_state::connecting) + slots.count(core::slot_state::validating);
  const bool wanted = coming < servable() || slots.live() < limits_.min_size;
  const bool room = seen().state() == core::pool_state::open && slots.occupied() < limits_.max_size;
  const core::time_point ready = seen().connect_breaker().ready_at();
  if (wanted && room && ready > now_) require(timer <= ready, "the timer oversleeps the end of the back-off");
  for (std::uint32_t i = 0; i < seen().slots().size(); ++i) {
    const core::slot& s = seen().slots()[i];
    if (s.state == core::slot_state::idle) require(timer <= s.retire_at, "the timer oversleeps a lifetime");
  }
}

// I21.
void world::check_closing() const {
  if (seen().state() <= core::pool_state::paused) return;
  const core::slot_table& slots = seen().slots();
  require(waiting() == 0, "I21: somebody waits for a closed pool");
  const std::uint32_t unused = slots.count(core::slot_state::connecting) + slots.count(core::slot_state::validating) +
                               slots.count(core::slot_state::idle);
  require(unused == 0, "I21: an unused connection outlives close");
  if (seen().state() == core::pool_state::forced) {
    require(slots.count(core::slot_state::leased) == 0, "I21: a lease outlives the deadline of close");
  }
  require(seen().is_closed() == (slots.occupied() == 0), "I21: closed means that no slot is left");
}

}  // namespace simulation
