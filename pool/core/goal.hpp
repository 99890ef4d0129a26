// What somebody waits for who wants no connection: that the pool is warm, or that it has come to rest. The node belongs
// to the caller and stays alive until its `goal_ended` action is performed, or forget() was called.
#pragma once

#include "pool/core/types.hpp"

#include <cstdint>

namespace lido::inline v0::core {

enum class goal_kind : std::uint8_t {
  warm,  // so many connections exist
  rest,  // paused, no lease is out and no recovery is under way
};

enum class goal_end : std::uint8_t {
  pending,
  reached,
  failed,   // warm: a connect failed, and the goal is impatient; rest: the pool was resumed
  timeout,  // its deadline came first
  pool_closed,
};

class goal {
 public:
  goal(goal_kind what, std::uint32_t connections, time_point until, bool in_a_hurry = false) noexcept
      : kind(what), impatient(in_a_hurry), target(connections), deadline(until) {}
  goal(const goal&) = delete;
  goal& operator=(const goal&) = delete;

  const goal_kind kind;
  const bool impatient;        // warm: the first failed connect ends it
  const std::uint32_t target;  // warm: connections
  const time_point deadline;
  goal_end end = goal_end::pending;
};

}  // namespace lido::inline v0::core
