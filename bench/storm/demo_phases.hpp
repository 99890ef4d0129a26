// What is broken in the demo, one thing at a time.
#pragma once

#include "bench/storm/demo_record.hpp"
#include "bench/storm/demo_world.hpp"
#include "bench/storm/storm_engine.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace lido::storm {

struct phase {
  std::string name;
  std::string broken;
  bool may_disconnect = false;
  std::function<void(demo_world&)> begin;  // breaks it; may be empty
  std::function<void(demo_world&)> again;  // does more harm, every now and then while the load runs; may be empty
  std::function<void(demo_world&)> end;    // mends it; may be empty
  bool silent = false;  // the fault is an answer that never comes: the pool is not to wait for it as long as else
  bool answers = true;  // the server takes new sessions meanwhile, so that its backends can be counted
};

[[nodiscard]] std::vector<phase> all_phases();

/// How long a statement sleeps that is to be cancelled. Longer than any delay before a cancel, shorter than
/// drain.timeout: one whose cancel never arrives ends by itself within the budget.
inline constexpr std::chrono::milliseconds victim_sleep{150};

/// The load of every phase: short queries, and sleeping ones that are cancelled.
[[nodiscard]] load_settings demo_load(std::uint64_t seed);

[[nodiscard]] phase_record run_phase(demo_world& world, const phase& p, std::chrono::nanoseconds duration,
                                     std::uint64_t seed);

}  // namespace lido::storm
