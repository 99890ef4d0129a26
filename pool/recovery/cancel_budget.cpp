#include "pool/recovery/cancel_budget.hpp"

#include <algorithm>

namespace lido::inline v0::recovery {

namespace {

std::int64_t interval_of(double rate) noexcept {
  return rate > 0 ? std::max<std::int64_t>(1, static_cast<std::int64_t>(1e9 / rate)) : 0;
}

}  // namespace

cancel_budget::cancel_budget(std::size_t concurrency, double rate) noexcept
    : concurrency_(concurrency), interval_ns_(interval_of(rate)) {}

void cancel_budget::adjust(std::size_t concurrency, double rate) noexcept {
  concurrency_.store(concurrency, std::memory_order_relaxed);
  interval_ns_.store(interval_of(rate), std::memory_order_relaxed);
}

bool cancel_budget::admit(time_point now) noexcept {
  if (under_way_.fetch_add(1, std::memory_order_acq_rel) < concurrency_.load(std::memory_order_relaxed) &&
      within_rate(now.time_since_epoch().count()))
    return true;
  ended();
  return false;
}

bool cancel_budget::within_rate(std::int64_t now) noexcept {
  const std::int64_t interval = interval_ns_.load(std::memory_order_relaxed);
  if (interval == 0) return true;
  const std::int64_t burst = interval * static_cast<std::int64_t>(concurrency_.load(std::memory_order_relaxed));
  std::int64_t next = next_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t begin = std::max(next, now);
    if (begin - now + interval > burst) return false;
    if (next_ns_.compare_exchange_weak(next, begin + interval, std::memory_order_acq_rel)) return true;
  }
}

void cancel_budget::ended() noexcept { under_way_.fetch_sub(1, std::memory_order_acq_rel); }

}  // namespace lido::inline v0::recovery
