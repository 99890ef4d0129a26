// Warming up and coming to rest: what is waited for beside connections.
#include "pool/core/pool_core.hpp"

#include <algorithm>

namespace lido::inline v0::core {

void pool_core::await(goal& g, time_point now, action_list& out) {
  observe_time(now);
  goals_.push_back(&g);
  set_warm_floor();
  wake_at(g.deadline);
  serve(now, out);
}

void pool_core::forget(goal& g) noexcept {
  std::erase(goals_, &g);
  set_warm_floor();
}

void pool_core::pause(time_point now, action_list& out) {
  observe_time(now);
  if (state_ == pool_state::open) state_ = pool_state::paused;
  serve(now, out);
}

void pool_core::unpause(time_point now, action_list& out) {
  observe_time(now);
  if (state_ == pool_state::paused) state_ = pool_state::open;
  serve(now, out);
}

std::uint32_t pool_core::ready_count() const noexcept {
  return slots_.live() - slots_.count(slot_state::connecting) - dead_leases_;
}

goal_end pool_core::verdict_on(const goal& g, time_point now) const noexcept {
  if (state_ > pool_state::paused) return goal_end::pool_closed;
  if (g.kind == goal_kind::warm && ready_count() >= std::min(g.target, limits_.max_size)) return goal_end::reached;
  if (g.kind == goal_kind::rest) {
    if (state_ == pool_state::open) return goal_end::failed;
    if (slots_.count(slot_state::leased) + slots_.count(slot_state::recovering) == 0) return goal_end::reached;
  }
  return g.deadline <= now ? goal_end::timeout : goal_end::pending;
}

void pool_core::check_goals(time_point now, action_list& out) {
  for (std::size_t i = 0; i < goals_.size();) {
    goal& g = *goals_[i];
    const goal_end end = verdict_on(g, now);
    if (end == goal_end::pending) {
      ++i;
    } else {
      end_goal(i, end, out);
    }
  }
}

// A connect has failed: who wants to know at once is told.
void pool_core::fail_impatient(action_list& out) {
  for (std::size_t i = 0; i < goals_.size();) {
    if (goals_[i]->kind == goal_kind::warm && goals_[i]->impatient) {
      end_goal(i, goal_end::failed, out);
    } else {
      ++i;
    }
  }
}

void pool_core::end_goal(std::size_t at, goal_end how, action_list& out) {
  goal& g = *goals_[at];
  g.end = how;
  goals_.erase(goals_.begin() + static_cast<std::ptrdiff_t>(at));
  set_warm_floor();
  out.add({.kind = action_kind::goal_ended, .what = &g});
}

void pool_core::set_warm_floor() noexcept {
  warm_floor_ = 0;
  for (const goal* g : goals_) {
    if (g->kind == goal_kind::warm) warm_floor_ = std::max(warm_floor_, std::min(g->target, limits_.max_size));
  }
}

}  // namespace lido::inline v0::core
