// The workloads of many rows: one connection, no pool.
#pragma once

#include "bench/peers/measure.hpp"
#include "bench/peers/rows.hpp"

#include <lido/driver/connection.hpp>

#include <asio/io_context.hpp>

namespace lido::bench {

void many_rows(asio::io_context& io, const lido::connect_config& config, const options& opt);

}  // namespace lido::bench
