// Which rule of the pool's is broken on purpose, in the copies that mutants.py makes of its sources.
#pragma once

#include <string_view>

namespace simulation {

inline std::string_view mutant;

inline bool is_mutant(std::string_view name) noexcept { return mutant == name; }

}  // namespace simulation
