#include "tests/simulation/real/cluster.hpp"

#include "tests/simulation/real/session.hpp"

namespace simulation {

using namespace std::chrono_literals;

std::string machine::address() const {
  return "10.0." + std::to_string(number) + "." + std::to_string(moves) + ":5432";
}

void cluster::build(std::size_t hosts, bool virtual_address) {
  for (std::size_t i = 0; i < hosts; ++i) {
    machine& m = machines_.emplace_back(server_, i);
    if (i > 0) m.role = server_role::standby;
    if (virtual_address) m.processes.emplace_back(server_, static_cast<std::int64_t>(2 * i + 2));
  }
}

bool cluster::has_port(std::int32_t port) const {
  return std::ranges::any_of(machines_, [port](const machine& m) {
    return std::ranges::any_of(m.processes, [port](const postmaster& p) { return p.has_port(port); });
  });
}

postmaster& cluster::any_postmaster() {
  machine& m = machines_[server_.below(machines_.size())];
  return m.processes[server_.below(m.processes.size())];
}

machine* cluster::some(server_role role) {
  std::vector<machine*> those;
  for (machine& m : machines_) {
    if (m.up && m.role == role) those.push_back(&m);
  }
  return those.empty() ? nullptr : those[server_.below(those.size())];
}

void cluster::note(const machine& m, const char* what) const {
  if (server_.note) server_.note("host " + std::to_string(m.number) + what);
}

void cluster::take_down(machine& m) {
  note(m, " goes down");
  m.up = false;
  server_.crash(m.number);
}

void cluster::bring_up(machine& m, server_role as) {
  if (m.up) return;
  note(m, as == server_role::primary ? " is back, a primary" : " is back, a standby");
  m.up = true;
  m.role = as;
  m.lag = {};
}

// Sessions live on and are told, each when it hears.
void cluster::promote(machine& m) {
  note(m, " is promoted");
  m.role = server_role::primary;
  m.timeline = ++newest_timeline_;
  m.lag = {};
  server_.tell_role(m.number, server_role::primary);
}

// The old primary is gone, or it lives on for a while and does not know.
void cluster::fail_over() {
  machine* const old = some(server_role::primary);
  machine* const next = some(server_role::standby);
  const bool alive = server_.chance(40);
  if (old != nullptr && !alive) take_down(*old);
  if (next == nullptr) return;
  server_.time().after(server_.some(100ms), [this, next] {
    if (next->up && next->role == server_role::standby) promote(*next);
  });
  if (old == nullptr || !alive) return;
  server_.time().after(server_.some(500ms), [this, old] {
    if (old->up && old->role == server_role::primary && old->timeline < newest_timeline_) take_down(*old);
  });
}

void cluster::move_name(machine& m) {
  ++m.moves;
  note(m, "'s name has another address");
}

void cluster::something_changes() {
  machine& m = machines_[server_.below(machines_.size())];
  switch (server_.below(7)) {
    case 0:
    case 1: return fail_over();
    case 2:
      if (m.up) take_down(m);
      return;
    case 3:
    case 4: {
      const bool alone =
          std::ranges::none_of(machines_, [](const machine& o) { return o.up && o.role == server_role::primary; });
      const bool old = m.role == server_role::primary && (alone || server_.chance(25));
      return bring_up(m, old ? server_role::primary : server_role::standby);
    }
    case 5:
      if (m.role == server_role::standby) m.lag = server_.chance(50) ? 0ns : server_.some(2s);
      return;
    default: return move_name(m);
  }
}

// One on an earlier timeline cannot be it: the pool is right to wait until it follows.
void cluster::heal() {
  machine* primary = nullptr;
  for (machine& m : machines_) {
    if (m.up && m.role == server_role::primary && m.timeline == newest_timeline_) primary = &m;
  }
  for (machine& m : machines_) {
    const bool old = &m != primary && m.role == server_role::primary;
    if (m.up && old) take_down(m);
    if (!m.up) bring_up(m, server_role::standby);
    m.lag = {};
  }
  if (primary == nullptr) promote(machines_.front());
}

}  // namespace simulation
