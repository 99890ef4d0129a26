// Turns snapshots into metric families: names after OpenTelemetry's db.client.connection.*, Lido's own under lido_*.
// Every label but the pool's name comes from a fixed enum, so the number of series is known beforehand.
#pragma once

#include <lido/metrics/collector.hpp>

#include <prometheus/metric_family.h>

#include <cstdint>
#include <vector>

namespace lido::inline v0::metrics {

enum class resolution {
  exposed,       // the usual Prometheus bounds
  every_bucket,  // all bounds that the pool keeps
};

[[nodiscard]] std::vector<prometheus::MetricFamily> render(const std::vector<pool_sample>& pools,
                                                           resolution buckets = resolution::exposed);

[[nodiscard]] prometheus::MetricFamily scrape_errors(std::uint64_t count);

}  // namespace lido::inline v0::metrics
