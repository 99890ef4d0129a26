// Families of pools that have several hosts, one series a host. The label is the host's place in the configuration,
// never its name (S13): at most 32, and nothing that a stranger at the port may not read.
#pragma once

#include <lido/metrics/collector.hpp>

#include <prometheus/metric_family.h>

#include <vector>

namespace lido::inline v0::metrics {

/// Nothing when no pool has several hosts.
void add_endpoints(std::vector<prometheus::MetricFamily>& families, const std::vector<pool_sample>& pools);

}  // namespace lido::inline v0::metrics
