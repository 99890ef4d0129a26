// Who waits and who is next, in the world's own books: classes in their order, a class that was passed over too often
// before the others, and the reserved slots.
#include "tests/simulation/world.hpp"

#include <algorithm>

namespace simulation {

namespace {

constexpr std::size_t high = static_cast<std::size_t>(core::priority::high);
constexpr unsigned patience = 8;

}  // namespace

std::size_t world::waiting() const {
  std::size_t n = 0;
  for (const line& l : lines_) n += l.size();
  return n;
}

bool world::anybody_before(core::priority p) const {
  const auto end = lines_.begin() + static_cast<std::ptrdiff_t>(p) + 1;
  return std::any_of(lines_.begin(), end, [](const line& l) { return !l.empty(); });
}

const client* world::owner(const backend& b) const {
  for (const client& c : clients_) {
    const bool has = c.state == client_state::granted || c.state == client_state::holding;
    if (has && b.id == c.lease) return &c;
  }
  return nullptr;
}

bool world::in_use(const backend& b) const {
  if (b.is == phase::recovering || b.is == phase::closing) return true;
  return b.is == phase::open && owner(b) != nullptr;
}

std::size_t world::room_for_ordinary() const {
  std::uint32_t used = 0;
  std::uint32_t privileged = 0;
  for (const backend& b : backends_) {
    if (!in_use(b)) continue;
    ++used;
    if (b.lent_high) ++privileged;
  }
  const std::uint32_t taken = used - std::min(privileged, limits_.reserved_slots);
  const std::uint32_t most = limits_.max_size - limits_.reserved_slots;
  return taken < most ? most - taken : 0;
}

bool world::has_room(core::priority p) const {
  return p == core::priority::high || limits_.reserved_slots == 0 || room_for_ordinary() > 0;
}

std::size_t world::servable() const {
  if (limits_.reserved_slots == 0) return waiting();
  return lines_[high].size() + std::min(waiting() - lines_[high].size(), room_for_ordinary());
}

// The promise to those who wait in a later class: after so many connections that went past it, it is its turn.
const client* world::next_in_turn() const {
  const client* first = nullptr;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i].empty() || !has_room(static_cast<core::priority>(i))) continue;
    if (passed_over_[i] >= patience) return lines_[i].front();
    if (first == nullptr) first = lines_[i].front();
  }
  return first;
}

void world::join(client& c) {
  c.state = client_state::waiting;
  line& l = line_of(c);
  const auto later = [&c](const client* other) { return other->arrival > c.arrival; };
  l.insert(std::find_if(l.begin(), l.end(), later), &c);
}

void world::leave(client& c) {
  line& l = line_of(c);
  std::erase(l, &c);
  if (l.empty()) passed_over_[static_cast<std::size_t>(c.worth)] = 0;
}

void world::serve(client& c) {
  const auto own = static_cast<std::size_t>(c.worth);
  for (std::size_t i = own + 1; i < lines_.size(); ++i) {
    if (!lines_[i].empty() && has_room(static_cast<core::priority>(i))) ++passed_over_[i];
  }
  passed_over_[own] = 0;
  leave(c);
}

void world::lend(client& c, const core::lease_id& lease) {
  check_grant(lease.index);
  if (c.worth != core::priority::high) require(has_room(c.worth), "priorities: a reserved slot was lent to the many");
  c.lease = lease;
  c.since = now_;
  c.told = false;
  backends_[lease.index].lent_high = c.worth == core::priority::high;
}

// --- leases that last too long ---

void world::long_hold(const core::action& a) {
  const bool takes = a.kind == core::action_kind::reclaim;
  const core::duration limit = takes ? limits_.leak_reclaim : limits_.leak_threshold;
  for (client& c : clients_) {
    if (c.state != client_state::holding || !(backends_[a.slot.index].id == c.lease) || !(c.lease == a.slot)) continue;
    require(limit > core::duration::zero() && now_ - c.since >= limit, "a lease was called long too early");
    require(takes || !c.told, "a lease was called long twice");
    c.told = true;
    if (takes) reclaimed_ = a.slot;
    return;
  }
  require(false, "nobody's lease was called long");
}

void world::check_holds() const {
  const core::time_point timer = pool_.next_deadline();
  for (const client& c : clients_) {
    if (c.state != client_state::holding) continue;
    if (limits_.leak_threshold > core::duration::zero() && !c.told) {
      require(timer <= core::add(c.since, limits_.leak_threshold), "the timer oversleeps a lease that lasts too long");
    }
    if (limits_.leak_reclaim > core::duration::zero()) {
      require(timer <= core::add(c.since, limits_.leak_reclaim),
              "the timer oversleeps a lease that is to be reclaimed");
    }
  }
}

// --- tasks that wait for themselves ---

// Told only when nothing but one of those who wait could end the waiting.
void world::check_nested(const client& victim, const core::action& a) const {
  const auto waits = [this, &victim](core::task_id task) {
    return std::any_of(clients_.begin(), clients_.end(), [task, &victim](const client& c) {
      return (c.state == client_state::waiting || &c == &victim) && c.task == task;
    });
  };
  require(victim.task != 0, "nested: a task without a name");
  const client* const holder = owner(backends_[a.slot.index]);
  require(holder != nullptr && holder->task == victim.task, "nested: the victim does not hold what it is said to hold");
  std::uint32_t held = 0;
  for (const backend& b : backends_) {
    if (b.is == phase::none || (limits_.reserved_slots > 0 && (b.lent_high || !in_use(b)))) continue;
    const client* const c = owner(b);
    require(c != nullptr && c->state == client_state::holding && c->task != 0 && waits(c->task),
            "nested: somebody could have given a connection back");
    ++held;
  }
  require(held >= limits_.max_size - limits_.reserved_slots, "nested: a connection could have been made");
}

}  // namespace simulation
