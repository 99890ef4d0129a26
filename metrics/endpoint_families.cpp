#include "metrics/endpoint_families.hpp"

#include <chrono>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace lido::inline v0::metrics {

namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

struct endpoint_family {
  const char* name;
  const char* help;
  double (*read)(const endpoint_stats&);
};

constexpr endpoint_family all[] = {
    {"lido_endpoint_connections",
     "Of a pool of several hosts: open connections by host, `endpoint` being its place in the list, from 0. All on one "
     "that is not the primary, or none on one that is up: see lido_endpoint_state.",
     [](const endpoint_stats& e) { return static_cast<double>(e.connections); }},
    {"lido_endpoint_state",
     "0 not seen yet, 1 up, 2 down: could not be reached when it was last looked at, 3 barred: an old primary, or a "
     "standby more than max_lag behind. 2 or 3 for long: that host needs somebody; the pool goes on with the others.",
     [](const endpoint_stats& e) { return static_cast<double>(e.state); }},
    {"lido_endpoint_role",
     "0 unknown, 1 primary, 2 standby, as last seen. Two primaries: see lido_endpoint_preferred for the one that is "
     "used, and fence the other off.",
     [](const endpoint_stats& e) { return static_cast<double>(e.role); }},
    {"lido_endpoint_preferred",
     "1 for the primary that this pool goes to. A step to another endpoint was a failover. None for long: no host says "
     "that it is the primary.",
     [](const endpoint_stats& e) { return e.preferred ? 1.0 : 0.0; }},
    {"lido_endpoint_lag_seconds",
     "How far what a standby shows is behind; 0 of a primary, NaN when it is not known. Growing: its replication has "
     "stopped or cannot keep up; acquires with a max_lag go elsewhere.",
     [](const endpoint_stats& e) {
       return e.lag == std::chrono::nanoseconds::max() ? std::numeric_limits<double>::quiet_NaN()
                                                       : std::chrono::duration<double>(e.lag).count();
     }},
};

}  // namespace

void add_endpoints(std::vector<MetricFamily>& families, const std::vector<pool_sample>& pools) {
  for (const endpoint_family& f : all) {
    MetricFamily family{f.name, f.help, MetricType::Gauge, {}};
    for (const pool_sample& pool : pools) {
      for (std::size_t i = 0; i < pool.stats.endpoints.size(); ++i) {
        auto& m = family.metric.emplace_back();
        m.label = {{"pool_name", pool.pool_name}, {"endpoint", std::to_string(i)}};
        m.gauge.value = f.read(pool.stats.endpoints[i]);
      }
    }
    if (!family.metric.empty()) families.push_back(std::move(family));
  }
}

}  // namespace lido::inline v0::metrics
