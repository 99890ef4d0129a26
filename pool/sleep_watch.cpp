#include "pool/sleep_watch.hpp"

#include <time.h>

#include <atomic>
#include <utility>

namespace lido::inline v0::detail {

namespace {

constexpr auto look_interval = std::chrono::milliseconds(100);
// The two clocks are read one after the other: what a preempted thread sees between them is no suspension.
constexpr auto shortest_sleep = std::chrono::seconds(1);

constinit std::atomic<std::chrono::nanoseconds::rep> pretended{0};

std::chrono::nanoseconds read(clockid_t clock) noexcept {
  timespec t{};
  ::clock_gettime(clock, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

std::chrono::nanoseconds time_asleep() noexcept {
  const auto running = read(CLOCK_MONOTONIC);
  return read(CLOCK_BOOTTIME) - running + std::chrono::nanoseconds(pretended.load(std::memory_order_relaxed));
}

void pretend_sleep(std::chrono::nanoseconds more) noexcept {
  pretended.fetch_add(more.count(), std::memory_order_relaxed);
}

bool sleep_watch::look(core::time_point now) noexcept {
  next_look_ = now + look_interval;
  const auto before = std::exchange(asleep_, time_asleep());
  return asleep_ - before >= shortest_sleep;
}

}  // namespace lido::inline v0::detail
