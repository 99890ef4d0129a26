#include "metrics/health.hpp"

namespace lido::inline v0::metrics {

void health_watch::remember(memory_of_pool& m, const pool_stats& s, time_point now) {
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

readiness_state health_watch::state_of(const pool_sample& pool, const memory_of_pool& m, time_point now) {
  if (pool.readiness) return pool.readiness->state;
  const pool_stats& s = pool.stats;
  if (s.phase == pool_phase::paused) return readiness_state::paused;
  if (s.phase > pool_phase::paused) return readiness_state::closing;
  const bool usable = s.idle + s.leased + s.validating + s.recovering > 0;
  if (usable || m.failed_since_opened == 0 || now - m.last_failure > memory) return readiness_state::ready;
  return readiness_state::unreachable;
}

health health_watch::judge(const std::vector<pool_sample>& pools, time_point now) {
  if (pools.empty()) return {false, "no pool is registered"};
  std::map<std::string, memory_of_pool, std::less<>> still_there;
  health verdict;
  for (const pool_sample& pool : pools) {
    memory_of_pool& m = still_there[pool.pool_name] = pools_[pool.pool_name];
    remember(m, pool.stats, now);
    if (!verdict.ready) continue;  // one reason is enough
    const std::string which = "pool " + pool.pool_name;
    switch (state_of(pool, m, now)) {
      case readiness_state::ready: break;
      case readiness_state::paused: verdict = {false, which + " is paused"}; break;
      case readiness_state::closing: verdict = {false, which + " is closing"}; break;
      case readiness_state::unreachable:
        verdict = {false, which + ": no connection, and " + std::to_string(m.failed_since_opened) +
                              " connects failed since one last succeeded"};
        break;
    }
  }
  pools_ = std::move(still_there);
  return verdict;
}

}  // namespace lido::inline v0::metrics
