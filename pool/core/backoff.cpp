#include "pool/core/backoff.hpp"

#include "pool/core/lifecycle.hpp"

#include <algorithm>

namespace lido::inline v0::core {

void backoff::failed(const limits& l, random& r, time_point now) noexcept {
  if (pausing(now)) return;
  const duration doubled = ceiling_ > l.connect_backoff_max / 2 ? l.connect_backoff_max : ceiling_ * 2;
  ceiling_ = std::clamp(doubled, l.connect_backoff_min, l.connect_backoff_max);
  const double part = static_cast<double>(ceiling_.count()) * r.fraction();
  until_ = add(now, duration{static_cast<duration::rep>(part)});
}

void backoff::succeeded() noexcept {
  ceiling_ = duration::zero();
  until_ = time_point::min();
}

}  // namespace lido::inline v0::core
