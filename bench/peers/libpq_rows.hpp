// The workloads of many rows: one connection, blocking.
#pragma once

#include "bench/peers/measure.hpp"

#include <libpq-fe.h>

namespace lido::bench {

void many_rows(PGconn* c, const options& opt);

}  // namespace lido::bench
