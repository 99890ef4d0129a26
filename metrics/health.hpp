// Whether a probe should send traffic here: a pure function of what the pools say and of time.
//
// A pool says itself whether it is ready: pool::readiness(). Of one of which there are only statistics this is said: it
// is not ready while it is paused or closing, nor when it has no connection in use or idle and its latest connects,
// within `memory`, all failed. The memory is short on purpose: a process that gets no traffic opens no connection, so
// that a verdict which lasted would never be lifted.
//
// The words are the probe's own. What the pool knows beyond them - the server's name, what it answered - is for the
// application's log, not for whoever reaches the port (S13).
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

  static void remember(memory_of_pool& m, const pool_stats& s, time_point now);
  static readiness_state state_of(const pool_sample& pool, const memory_of_pool& m, time_point now);

  std::map<std::string, memory_of_pool, std::less<>> pools_;
};

}  // namespace lido::inline v0::metrics
