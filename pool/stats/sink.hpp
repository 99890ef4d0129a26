// The user's sinks, contained: what they throw is counted and goes no further (contract I27), and a storm of failures
// is one line a second of each kind (I23): slow acquires do not hide why connects fail.
#pragma once

#include "driver/sync.hpp"
#include "pool/stats/pool_counters.hpp"

#include <lido/driver/error.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::inline v0::stats {

// What a line is about.
enum class topic : std::uint8_t {
  connect,
  rejected,  // a new connection that is not used
  tls_files,
  cancel,
  control_session,
  hook,
  slow_acquire,
  nested_wait,
  long_lease,
  taken_lease,
};
inline constexpr std::size_t topic_count = 10;

class sink {
 public:
  using clock = std::chrono::steady_clock;
  static constexpr std::size_t most_gathered = 16;  // holders that one line names

  sink(std::string_view pool, std::function<void(std::string_view)> log,
       std::function<void(const diagnostics&)> notices, pool_counters& counters)
      : pool_(pool), log_(std::move(log)), notices_(std::move(notices)), counters_(counters) {}

  // What the limit swallows is told as a number, with the next line about the same.
  void line(topic about, std::string_view text, clock::time_point now) noexcept;
  void notice(const diagnostics& note) noexcept;

  // A lease is told of once, so that a line about it must not be swallowed: what the limit holds back is kept, and told
  // by the next call. Returns when that is due; max(): nothing is kept.
  clock::time_point lease(topic about, std::string holder, clock::time_point now) noexcept;
  clock::time_point tell_leases(clock::time_point now) noexcept;
  // Whatever the limit says: the pool ends.
  void tell_last_leases() noexcept;

 private:
  static constexpr std::chrono::nanoseconds interval = std::chrono::seconds(1);

  struct limiter {
    std::atomic<std::int64_t> next_ns{0};
    std::atomic<std::uint64_t> swallowed{0};
  };
  struct gathering {
    std::vector<std::string> holders;
    std::uint64_t more = 0;
  };

  limiter& limit_of(topic about) noexcept { return limits_[static_cast<std::size_t>(about)]; }
  bool passes(topic about, clock::time_point now) noexcept;
  void say(std::string_view text) noexcept;
  void tell(topic about) noexcept;
  gathering& gathered(topic about) noexcept LIDO_REQUIRES(mutex_) {
    return about == topic::long_lease ? long_ : taken_;
  }
  [[nodiscard]] bool has_gathered(topic about) noexcept;

  const std::string pool_;
  const std::function<void(std::string_view)> log_;
  const std::function<void(const diagnostics&)> notices_;
  pool_counters& counters_;
  std::array<limiter, topic_count> limits_;
  detail::mutex mutex_;
  gathering long_ LIDO_GUARDED_BY(mutex_);
  gathering taken_ LIDO_GUARDED_BY(mutex_);
};

}  // namespace lido::inline v0::stats
