// How many CancelRequests may be under way, and how many a second may begin (contract I8). Beyond: no queue, the
// connection is drained or closed instead.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lido::inline v0::recovery {

class cancel_budget {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  // `rate` a second, 0: unlimited. A burst of `concurrency` is allowed.
  cancel_budget(std::size_t concurrency, double rate) noexcept;

  bool admit(time_point now) noexcept;                         // any thread, lock-free
  void adjust(std::size_t concurrency, double rate) noexcept;  // for those to come; any thread
  void ended() noexcept;
  std::size_t under_way() const noexcept { return under_way_.load(std::memory_order_relaxed); }

 private:
  bool within_rate(std::int64_t now) noexcept;

  std::atomic<std::size_t> concurrency_;
  std::atomic<std::int64_t> interval_ns_;  // between two cancels at the rate; 0: unlimited
  std::atomic<std::size_t> under_way_{0};
  std::atomic<std::int64_t> next_ns_{0};  // when the bucket would be empty (generic cell rate algorithm)
};

}  // namespace lido::inline v0::recovery
