// /pools.json: the families of a scrape, arranged by pool, for the page and for scripts. Its shape is in
// docs/metrics.md; `version` changes when a reader of it would break.
#pragma once

#include <lido/metrics/collector.hpp>

#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lido::inline v0::metrics {

inline constexpr int pools_json_version = 1;

struct pools_json_frame {
  std::int64_t unix_ms = 0;       // of the wall clock, for people
  std::int64_t monotonic_ms = 0;  // for rates
  bool ready = true;              // as /healthz says
  std::string reason;
};

/// Rows of "who holds what" for each pool; those longest in use are shown.
inline constexpr std::size_t most_holders = 20;

/// `families` are those of collector::Collect() with finer buckets; every series but the collector's own has pool_name.
[[nodiscard]] std::string pools_json(const std::vector<prometheus::MetricFamily>& families,
                                     const pools_json_frame& frame, const std::vector<pool_holders>& holders = {});

}  // namespace lido::inline v0::metrics
