#include "tests/simulation/transitions.hpp"

#include <ostream>
#include <sstream>

namespace simulation {

namespace {

struct transition {
  event by;
  view from;
  view to;
};

// What an event does to the slot that it is about, or for administration to all slots.
constexpr transition direct[] = {
    {event::acquire, view::idle, view::granted},
    {event::try_acquire, view::idle, view::leased},
    {event::resume, view::granted, view::leased},
    {event::resume, view::idle, view::leased},  // the granted one died, another was idle
    {event::cancel, view::granted, view::granted},
    {event::cancel, view::granted, view::idle},
    {event::cancel, view::granted, view::validating},
    {event::cancel, view::granted, view::closing},
    {event::release_clean, view::leased, view::idle},
    {event::release_clean, view::leased, view::granted},
    {event::release_clean, view::leased, view::closing},
    {event::release_clean, view::dead, view::closing},
    {event::release_dirty, view::leased, view::recovering},
    {event::release_dirty, view::dead, view::closing},
    {event::release_broken, view::leased, view::closing},
    {event::release_broken, view::dead, view::closing},
    {event::revoked, view::leased, view::recovering},
    {event::revoked, view::dead, view::closing},
    {event::connected, view::connecting, view::idle},
    {event::connected, view::connecting, view::granted},
    {event::connected, view::connecting, view::closing},
    {event::connect_failed, view::connecting, view::absent},
    {event::connect_failed, view::connecting, view::connecting},  // again at once: no pause drawn
    {event::connect_failed, view::aborting, view::absent},
    {event::connect_refused, view::connecting, view::absent},
    {event::connect_refused, view::connecting, view::connecting},
    {event::connect_refused, view::aborting, view::absent},
    {event::connect_given_up, view::connecting, view::absent},
    {event::connect_given_up, view::connecting, view::connecting},
    {event::connect_given_up, view::aborting, view::absent},
    {event::ping_ok, view::validating, view::idle},
    {event::ping_ok, view::validating, view::granted},
    {event::ping_ok, view::validating, view::closing},
    {event::ping_failed, view::validating, view::closing},
    {event::vetoed, view::validating, view::closing},
    {event::connected, view::connecting, view::validating},  // the user's check
    {event::release_clean, view::leased, view::validating},
    {event::recovered, view::recovering, view::validating},
    {event::unpause, view::idle, view::granted},
    {event::recovered, view::recovering, view::idle},
    {event::recovered, view::recovering, view::granted},
    {event::recovered, view::recovering, view::closing},
    {event::unrecoverable, view::recovering, view::closing},
    {event::disconnected, view::connecting, view::absent},
    {event::disconnected, view::connecting, view::connecting},
    {event::disconnected, view::validating, view::closing},
    {event::disconnected, view::idle, view::closing},
    {event::disconnected, view::granted, view::closing},
    {event::disconnected, view::leased, view::dead},
    {event::disconnected, view::recovering, view::closing},
    {event::endpoint_lost, view::connecting, view::absent},
    {event::endpoint_lost, view::connecting, view::connecting},
    {event::endpoint_lost, view::validating, view::closing},
    {event::endpoint_lost, view::idle, view::closing},
    {event::endpoint_lost, view::granted, view::closing},
    {event::endpoint_lost, view::leased, view::dead},
    {event::endpoint_lost, view::recovering, view::closing},
    {event::closed, view::closing, view::absent},
    {event::closed, view::closing, view::connecting},  // absent, and used again at once
    {event::closed, view::aborting, view::absent},
    {event::orphaned, view::closing, view::absent},
    {event::orphaned, view::closing, view::connecting},
    {event::orphaned, view::aborting, view::absent},
    {event::expire, view::idle, view::closing},
    {event::expire, view::leased, view::recovering},  // leak_reclaim
    {event::expire, view::dead, view::closing},
    {event::new_generation, view::validating, view::closing},
    {event::new_generation, view::idle, view::closing},
    {event::new_generation, view::granted, view::closing},
    {event::endpoint_changed, view::validating, view::closing},
    {event::endpoint_changed, view::idle, view::closing},
    {event::endpoint_changed, view::granted, view::closing},
    {event::reconfigure, view::idle, view::granted},
    {event::reconfigure, view::idle, view::closing},
    {event::reconfigure, view::leased, view::recovering},
    {event::reconfigure, view::dead, view::closing},
    {event::begin_close, view::connecting, view::aborting},
    {event::begin_close, view::validating, view::closing},
    {event::begin_close, view::idle, view::closing},
    {event::force_close, view::connecting, view::aborting},
    {event::force_close, view::validating, view::closing},
    {event::force_close, view::idle, view::closing},
    {event::force_close, view::granted, view::closing},
    {event::force_close, view::leased, view::recovering},
    {event::force_close, view::dead, view::closing},
};

// What an event may do to other slots: a connection is fetched, pinged, or found to be too old, for those who wait; one
// that was reserved is lent because another one is free now.
constexpr bool side_effect(view from, event e, view to) {
  if (e == event::try_acquire || e == event::time_lost || e == event::stale || e == event::begin_close ||
      e == event::force_close) {
    return false;
  }
  return (from == view::absent && to == view::connecting) ||
         (from == view::idle && (to == view::validating || to == view::closing || to == view::granted));
}

std::string text(view from, view to) {
  return std::string{view_names[static_cast<std::size_t>(from)]} + '>' + view_names[static_cast<std::size_t>(to)];
}

template <class F>
void for_each_pair(F&& f) {
  for (std::size_t from = 0; from < view_count; ++from) {
    for (std::size_t to = 0; to < view_count; ++to) f(static_cast<view>(from), static_cast<view>(to));
  }
}

}  // namespace

bool transition_table::legal(view from, event e, view to) {
  static constexpr auto all = [] {
    std::array<bool, event_count * view_count * view_count> set{};
    for (const transition& t : direct) set[cell(t.from, t.by, t.to)] = true;
    for (std::size_t i = 0; i < set.size(); ++i) {
      const auto row = static_cast<event>(i / (view_count * view_count));
      const auto before = static_cast<view>(i / view_count % view_count);
      if (side_effect(before, row, static_cast<view>(i % view_count))) set[i] = true;
    }
    return set;
  }();
  return all[cell(from, e, to)];
}

void transition_table::merge(const transition_table& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

std::string transition_table::missing() const {
  std::ostringstream out;
  for (const transition& t : direct) {
    if (at(t.from, t.by, t.to) == 0)
      out << event_names[static_cast<std::size_t>(t.by)] << ' ' << text(t.from, t.to) << '\n';
  }
  for_each_pair([&](view from, view to) {
    if (!side_effect(from, event::expire, to)) return;
    std::uint64_t taken = 0;
    for (std::size_t e = 0; e < event_count; ++e) taken += at(from, static_cast<event>(e), to);
    if (taken == 0) out << "any " << text(from, to) << '\n';
  });
  return out.str();
}

void transition_table::print(std::ostream& out) const {
  for (std::size_t e = 0; e < event_count; ++e) {
    std::ostringstream row;
    for_each_pair([&](view from, view to) {
      const std::uint64_t n = at(from, static_cast<event>(e), to);
      if (n != 0) row << "  " << text(from, to) << ' ' << n;
    });
    if (!row.str().empty()) out << "  " << event_names[e] << ':' << row.str() << '\n';
  }
}

std::size_t transition_table::required() { return std::size(direct); }

}  // namespace simulation
