// One schedule of the real pool, as seeds.hpp wants it.
#pragma once

#include "tests/simulation/real/world.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace simulation {

inline std::optional<std::string> run_world(std::uint64_t seed, tally& into, std::ostream* trace) {
  std::optional<std::string> broken;
  world w(seed, trace);
  try {
    w.run();
  } catch (const violation& v) {
    broken = v.what();
  }
  into.add(w.counts());
  return broken;
}

}  // namespace simulation
