// The end of a run: does the pool come to rest, and does it give every slot back?
#pragma once

#include <lido/pool/config.hpp>
#include <lido/pool/pool.hpp>

#include <chrono>
#include <cstdint>

namespace lido::storm {

/// As long as the pool may take, by its own configuration, to recover or discard its last connection.
[[nodiscard]] std::chrono::nanoseconds longest_recovery(const pool_config& c);

/// Waits, with no task left, until no connection is leased, recovering or closing; answers how many still are at the
/// end of the budget.
[[nodiscard]] std::uint64_t slots_in_use(const pool& p, std::chrono::nanoseconds budget);

/// Closes the pool and answers how many slots it has not given back. Not on a thread that runs the pool.
[[nodiscard]] std::uint64_t slots_left_by_close(pool& p, std::chrono::nanoseconds budget);

}  // namespace lido::storm
