// Whether a probe should send traffic here: a pure function of what the pools say and of time.
//
// A pool is not ready when it has no connection in use or idle and its latest connects, within `memory`, all failed.
// The memory is short on purpose: a process that gets no traffic opens no connection, so that a verdict which lasted
// would never be lifted.
#pragma once

#include <lido/metrics/collector.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lido::inline v0::metrics {

struct health {
  bool ready = true;
  std::string reason = "ready";
};

class health_watch {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds memory{30};

  /// `now` does not go back.
  [[nodiscard]] health judge(const std::vector<pool_sample>& pools, time_point now);

 private:
  struct memory_of_pool {
    std::uint64_t opened = 0;
    std::uint64_t failures = 0;
    std::uint64_t failed_since_opened = 0;
    time_point last_failure{};
  };

  void remember(memory_of_pool& m, const pool_stats& s, time_point now) const;

  std::map<std::string, memory_of_pool, std::less<>> pools_;
};

}  // namespace lido::inline v0::metrics
