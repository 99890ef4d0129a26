// The user's sinks, contained: what they throw is counted and goes no further (contract I27), and a storm of failures
// is one line a second (I23).
#pragma once

#include "pool/stats/pool_counters.hpp"

#include <lido/driver/error.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace lido::inline v0::stats {

class sink {
 public:
  using clock = std::chrono::steady_clock;

  sink(std::function<void(std::string_view)> log, std::function<void(const diagnostics&)> notices,
       pool_counters& counters)
      : log_(std::move(log)), notices_(std::move(notices)), counters_(counters) {}

  void line(std::string_view text, clock::time_point now) noexcept;
  void notice(const diagnostics& note) noexcept;

 private:
  static constexpr std::chrono::nanoseconds interval = std::chrono::seconds(1);

  const std::function<void(std::string_view)> log_;
  const std::function<void(const diagnostics&)> notices_;
  pool_counters& counters_;
  std::atomic<std::int64_t> next_ns_{0};
  std::atomic<std::uint64_t> swallowed_{0};
};

}  // namespace lido::inline v0::stats
