// The part of pool_stats that the bookkeeping counts itself, carried over from its own vocabulary.
#pragma once

#include "pool/core/endpoints.hpp"
#include "pool/core/stats.hpp"

#include <lido/pool/stats.hpp>

namespace lido::inline v0::stats {

/// The same reason in the public vocabulary. Recovery may know a finer one: see pool/recovery.
[[nodiscard]] constexpr close_reason to_public(core::close_reason r) noexcept {
  switch (r) {
    case core::close_reason::disconnected: return close_reason::disconnected;
    case core::close_reason::broken: return close_reason::broken;
    case core::close_reason::ping_failed: return close_reason::ping_failed;
    case core::close_reason::recovery_failed: return close_reason::recovery_failed;
    case core::close_reason::recovery_timeout: return close_reason::recovery_timeout;
    case core::close_reason::discarded: return close_reason::discarded;
    case core::close_reason::idle_timeout: return close_reason::idle_timeout;
    case core::close_reason::max_lifetime: return close_reason::max_lifetime;
    case core::close_reason::stale_generation: return close_reason::stale_generation;
    case core::close_reason::shrunk: return close_reason::shrunk;
    case core::close_reason::pool_closed: return close_reason::pool_closed;
    case core::close_reason::max_uses: return close_reason::max_uses;
    case core::close_reason::max_bytes: return close_reason::max_bytes;
    case core::close_reason::vetoed: return close_reason::vetoed;
  }
  return close_reason::broken;
}

[[nodiscard]] constexpr breaker_state to_public(core::breaker_state s) noexcept {
  switch (s) {
    case core::breaker_state::closed: return breaker_state::closed;
    case core::breaker_state::half_open: return breaker_state::half_open;
    case core::breaker_state::open: return breaker_state::open;
  }
  return breaker_state::closed;
}

[[nodiscard]] constexpr pool_phase to_public(core::pool_state s) noexcept {
  switch (s) {
    case core::pool_state::open: return pool_phase::open;
    case core::pool_state::paused: return pool_phase::paused;
    case core::pool_state::lingering: return pool_phase::draining;
    case core::pool_state::forced: return pool_phase::forcing;
    case core::pool_state::closed: return pool_phase::closed;
  }
  return pool_phase::closed;
}

[[nodiscard]] constexpr endpoint_role to_public(core::endpoint_role r) noexcept {
  switch (r) {
    case core::endpoint_role::unknown: return endpoint_role::unknown;
    case core::endpoint_role::primary: return endpoint_role::primary;
    case core::endpoint_role::standby: return endpoint_role::standby;
  }
  return endpoint_role::unknown;
}

[[nodiscard]] constexpr endpoint_state to_public(core::endpoint_state s, bool barred) noexcept {
  switch (s) {
    case core::endpoint_state::unseen: return endpoint_state::unseen;
    case core::endpoint_state::up: return barred ? endpoint_state::barred : endpoint_state::up;
    case core::endpoint_state::down: return endpoint_state::down;
  }
  return endpoint_state::unseen;
}

/// Writes everything that `from` knows except `closed`, which pool_counters keeps with recovery's finer reasons.
void copy(const core::stats& from, pool_stats& to) noexcept;

}  // namespace lido::inline v0::stats
