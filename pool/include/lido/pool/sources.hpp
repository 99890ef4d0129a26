// A pool as collectors see it: what they may ask, from any thread, without keeping it alive.
#pragma once

#include <lido/pool/holders.hpp>
#include <lido/pool/stats.hpp>

#include <functional>
#include <optional>
#include <vector>

namespace lido {
inline namespace v0 {

/// Each answers nullopt once the pool has gone. What is empty is not asked.
struct pool_sources {
  std::function<std::optional<pool_stats>()> stats;
  std::function<std::optional<std::vector<lease_holder>>()> holders;
  std::function<std::optional<pool_readiness>()> readiness;
};

}  // namespace v0
}  // namespace lido
