#include "pool/core/lifecycle.hpp"

namespace lido::inline v0::core {

void lifecycle::limits_changed() noexcept {
  unseen_for_ = limits_.inspect ? duration{-1} : limits_.validate_after_idle;
  attention_ = limits_.idle_timeout;
  const duration keepalive = limits_.keepalive_interval;
  if (keepalive > duration::zero() && (attention_ <= duration::zero() || keepalive < attention_))
    attention_ = keepalive;
}

time_point lifecycle::retirement(random& r, time_point connected_at) const noexcept {
  if (limits_.max_lifetime <= duration::zero()) return never;
  const double part = 1.0 - limits_.max_lifetime_jitter * r.fraction();
  const double length = static_cast<double>(limits_.max_lifetime.count()) * part;
  return add(connected_at, duration{static_cast<duration::rep>(length)});
}

}  // namespace lido::inline v0::core
