// Pools as Prometheus sees them: a prometheus::Collectable that reads pool_stats when it is scraped, and costs nothing
// in between.
//
//   auto collector = std::make_shared<lido::metrics::collector>();
//   collector->add(orders);                      // a lido::pool; does not keep it alive
//   prometheus::Exposer exposer{"127.0.0.1:9187"};
//   exposer.RegisterCollectable(collector);
//
// Families, labels and what to do about each: docs/operations.md.
#pragma once

#include <lido/pool/sources.hpp>
#include <lido/pool/stats.hpp>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {
namespace metrics {

/// What a pool said at one moment.
struct pool_sample {
  std::string pool_name;
  pool_stats stats;
  std::optional<pool_readiness> readiness;  ///< when its source can say
};

/// Who had a pool's connections at one moment, those longest in use first.
struct pool_holders {
  std::string pool_name;
  std::vector<lease_holder> holders;
};

/// Any thread may add, remove and collect.
class collector final : public prometheus::Collectable {
 public:
  /// Called at each scrape, on the thread of the scrape, without a lock held. nullopt: the pool is gone, do not ask
  /// again. One that throws is left out of this scrape and counted in lido_scrape_errors_total (contract I27).
  using source = std::function<std::optional<pool_stats>()>;

  collector();
  ~collector() override;
  collector(const collector&) = delete;
  collector& operator=(const collector&) = delete;

  /// `pool_name` becomes the label of that name: [a-zA-Z0-9_]+, at most 64 characters, not in use here already; else
  /// throws lido::error (errc::invalid_config). At most 256 pools, so that the number of series has a bound.
  void add(std::string_view pool_name, source stats);
  /// The same with who holds what, for the exposer's page, and readiness, for its probe.
  void add(std::string_view pool_name, pool_sources sources);
  /// A lido::pool under its own name, its replicas as NAME_replica. Does not keep it alive: forgotten at the first
  /// scrape after its end.
  template <class Pool>
    requires requires(const Pool& p) { pool_sources{p.sources()}; }
  void add(const Pool& of) {
    add(of.name(), of.sources());
    if constexpr (requires { of.replica_sources(); }) {
      if (pool_sources replicas = of.replica_sources(); replicas.stats)
        add(of.name() + "_replica", std::move(replicas));
    }
  }
  /// Whether there was such a pool.
  bool remove(std::string_view pool_name);

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
  /// The same before it is rendered, in the order of add().
  [[nodiscard]] std::vector<pool_sample> samples() const;
  /// Of the pools whose source can say, in the order of add().
  [[nodiscard]] std::vector<pool_holders> holders() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace metrics
}  // namespace v0
}  // namespace lido
