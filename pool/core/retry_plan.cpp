#include "pool/core/retry_plan.hpp"

#include <algorithm>

namespace lido::inline v0::core {

retry_step retry_plan::after(attempt_end how, time_point now) noexcept {
  switch (how) {
    case attempt_end::committed:
    case attempt_end::found_committed: return retry_step::succeed;
    case attempt_end::conflict:
    case attempt_end::lost:
    case attempt_end::found_aborted: return again(now);
    case attempt_end::in_doubt:
      if (!limits_.can_ask || now >= limits_.deadline) return retry_step::give_up;
      until_ = std::min(limits_.deadline, add(now, limits_.resolve_timeout));
      return retry_step::ask;
    case attempt_end::failed:
    case attempt_end::not_found_out: break;
  }
  return retry_step::give_up;
}

// Full jitter under a ceiling that doubles: those who got into each other's way come back at different times.
retry_step retry_plan::again(time_point now) noexcept {
  if (attempt_ >= limits_.attempts) return retry_step::give_up;
  const duration doubled = ceiling_ > limits_.backoff_max / 2 ? limits_.backoff_max : ceiling_ * 2;
  ceiling_ = std::max(std::min(std::max(doubled, limits_.backoff_min), limits_.backoff_max), duration::zero());
  const double part = static_cast<double>(ceiling_.count()) * random_.fraction();
  until_ = add(now, duration{static_cast<duration::rep>(part)});
  if (until_ >= limits_.deadline) return retry_step::give_up;  // it would begin too late
  ++attempt_;
  return retry_step::again;
}

}  // namespace lido::inline v0::core
