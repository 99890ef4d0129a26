// Two threads on one pool.
#pragma once

#include "bench/peers/measure.hpp"

#include <lido/pool/pool.hpp>

#include <cstddef>

namespace lido::bench {

// Prints what an acquire and release costs a thread of two, and alone; one line for each way of running two threads.
void two_threads(const lido::pool_config& config, std::size_t count);

}  // namespace lido::bench
