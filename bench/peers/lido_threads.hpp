// Two threads on one pool.
#pragma once

#include "bench/peers/measure.hpp"

#include <lido/pool/pool.hpp>

#include <cstddef>

namespace lido::bench {

// Prints what an acquire and release costs each of two threads, and one alone; a line for one io_context, and one for
// two.
void two_threads(const lido::pool_config& config, std::size_t count);

}  // namespace lido::bench
