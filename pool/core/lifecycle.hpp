// When a connection is too old, too long idle, or to be doubted. Pure questions: they change nothing.
#pragma once

#include "pool/core/limits.hpp"
#include "pool/core/random.hpp"
#include "pool/core/slot_table.hpp"

namespace lido::inline v0::core {

// t + d, but never past `never`.
[[nodiscard]] constexpr time_point add(time_point t, duration d) noexcept {
  return d > duration::zero() && t > never - d ? never : t + d;
}

class lifecycle {
 public:
  explicit lifecycle(const limits& l) noexcept : limits_(l) {}

  [[nodiscard]] time_point retirement(random& r, time_point connected_at) const noexcept;
  // Hand it out without a round trip?
  [[nodiscard]] bool fresh(const slot& s, time_point now) const noexcept {
    if (s.quiet_since <= doubted_until_) return false;
    const duration limit = limits_.validate_after_idle;
    return limit == duration::zero() || now - s.quiet_since <= limit;
  }
  // Everything that is idle up to now is doubted (I28).
  void doubt(time_point now) noexcept { doubted_until_ = now; }
  [[nodiscard]] time_point idle_deadline(const slot& s) const noexcept {
    return limits_.idle_timeout > duration::zero() ? add(s.quiet_since, limits_.idle_timeout) : never;
  }

 private:
  const limits& limits_;
  time_point doubted_until_ = time_point::min();
};

}  // namespace lido::inline v0::core
