// Whether the configuration that runs is the one in the file (lido::pool_registry), for Prometheus.
//
//   auto reloads = std::make_shared<lido::metrics::reload_collector>(pools.reloads_source());
//   exposer.RegisterCollectable(reloads);
#pragma once

#include <lido/pool/registry.hpp>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <optional>
#include <vector>

namespace lido {
inline namespace v0 {
namespace metrics {

/// lido_config_reload_success, lido_config_last_reload_success_timestamp_seconds, lido_config_reloads_total{result},
/// lido_config_sink_errors_total.
/// Does not keep the registry alive; nothing once it is gone. Any thread.
class reload_collector final : public prometheus::Collectable {
 public:
  using source = std::function<std::optional<reload_stats>()>;
  explicit reload_collector(source stats) : stats_(std::move(stats)) {}

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  source stats_;
};

}  // namespace metrics
}  // namespace v0
}  // namespace lido
