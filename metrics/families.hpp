// Turns snapshots into metric families: names after OpenTelemetry's db.client.connection.*, Lido's own under lido_*.
// Every label but the pool's name comes from a fixed enum, so the number of series is known beforehand.
#pragma once

#include <lido/pool/stats.hpp>

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lido::inline v0::metrics {

struct pool_sample {
  std::string pool_name;
  pool_stats stats;
};

[[nodiscard]] std::vector<prometheus::MetricFamily> render(const std::vector<pool_sample>& pools);

[[nodiscard]] prometheus::MetricFamily scrape_errors(std::uint64_t count);

}  // namespace lido::inline v0::metrics
