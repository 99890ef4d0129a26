#include "pool/core/lifecycle.hpp"

namespace lido::inline v0::core {

time_point lifecycle::retirement(random& r, time_point connected_at) const noexcept {
  if (limits_.max_lifetime <= duration::zero()) return never;
  const double part = 1.0 - limits_.max_lifetime_jitter * r.fraction();
  const double length = static_cast<double>(limits_.max_lifetime.count()) * part;
  return add(connected_at, duration{static_cast<duration::rep>(length)});
}

}  // namespace lido::inline v0::core
