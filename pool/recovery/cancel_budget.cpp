#include "pool/recovery/cancel_budget.hpp"

#include <algorithm>

namespace lido::inline v0::recovery {

cancel_budget::cancel_budget(std::size_t concurrency, double rate) noexcept
    : concurrency_(concurrency),
      interval_ns_(rate > 0 ? std::max<std::int64_t>(1, static_cast<std::int64_t>(1e9 / rate)) : 0) {}

bool cancel_budget::admit(time_point now) noexcept {
  if (under_way_.fetch_add(1, std::memory_order_acq_rel) < concurrency_ && within_rate(now.time_since_epoch().count()))
    return true;
  ended();
  return false;
}

bool cancel_budget::within_rate(std::int64_t now) noexcept {
  if (interval_ns_ == 0) return true;
  const std::int64_t burst = interval_ns_ * static_cast<std::int64_t>(concurrency_);
  std::int64_t next = next_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t begin = std::max(next, now);
    if (begin - now + interval_ns_ > burst) return false;
    if (next_ns_.compare_exchange_weak(next, begin + interval_ns_, std::memory_order_acq_rel)) return true;
  }
}

void cancel_budget::ended() noexcept { under_way_.fetch_sub(1, std::memory_order_acq_rel); }

}  // namespace lido::inline v0::recovery
