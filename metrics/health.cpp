#include "metrics/health.hpp"

namespace lido::inline v0::metrics {

void health_watch::remember(memory_of_pool& m, const pool_stats& s, time_point now) const {
  if (s.created != m.opened) {
    m.opened = s.created;
    m.failures = s.connect_failures;
    m.failed_since_opened = 0;
  }
  if (s.connect_failures > m.failures) {
    m.failed_since_opened += s.connect_failures - m.failures;
    m.last_failure = now;
  }
  m.failures = s.connect_failures;
}

health health_watch::judge(const std::vector<pool_sample>& pools, time_point now) {
  if (pools.empty()) return {false, "no pool is registered"};
  std::map<std::string, memory_of_pool, std::less<>> still_there;
  health verdict;
  for (const pool_sample& pool : pools) {
    memory_of_pool& m = still_there[pool.pool_name] = pools_[pool.pool_name];
    remember(m, pool.stats, now);
    const pool_stats& s = pool.stats;
    const bool usable = s.idle + s.leased + s.validating + s.recovering > 0;
    if (usable || m.failed_since_opened == 0 || now - m.last_failure > memory) continue;
    if (!verdict.ready) continue;  // one reason is enough
    verdict = {false, "pool " + pool.pool_name + ": no connection, and " + std::to_string(m.failed_since_opened) +
                          " connects failed since one last succeeded"};
  }
  pools_ = std::move(still_there);
  return verdict;
}

}  // namespace lido::inline v0::metrics
