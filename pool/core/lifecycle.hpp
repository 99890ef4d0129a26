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
  explicit lifecycle(const limits& l) noexcept : limits_(l) { limits_changed(); }

  void limits_changed() noexcept;

  [[nodiscard]] time_point retirement(random& r, time_point connected_at) const noexcept;
  // Hand it out without a round trip?
  [[nodiscard]] bool fresh(const slot& s, time_point now) const noexcept {
    return s.quiet_since > doubted_until_ && within(unseen_for_, s, now);
  }
  // A check before use: with a round trip, or is the user's own check enough?
  [[nodiscard]] bool needs_ping(const slot& s, time_point now) const noexcept {
    return s.quiet_since <= doubted_until_ || !within(limits_.validate_after_idle, s, now);
  }
  // Everything that is idle up to now is doubted (I28).
  void doubt(time_point now) noexcept { doubted_until_ = now; }
  [[nodiscard]] time_point idle_deadline(const slot& s) const noexcept {
    return limits_.idle_timeout > duration::zero() ? add(s.quiet_since, limits_.idle_timeout) : never;
  }

  // The next background ping. While idle, `lent_at` is when it was lent or pinged last.
  [[nodiscard]] time_point keepalive_at(const slot& s) const noexcept {
    if (limits_.keepalive_interval <= duration::zero()) return never;
    return add(s.lent_at > s.quiet_since ? s.lent_at : s.quiet_since, limits_.keepalive_interval);
  }
  // Not later than idle_deadline() and keepalive_at().
  [[nodiscard]] time_point attend_at(const slot& s) const noexcept {
    return attention_ > duration::zero() ? add(s.quiet_since, attention_) : never;
  }

 private:
  [[nodiscard]] static bool within(duration limit, const slot& s, time_point now) noexcept {
    return limit == duration::zero() || now - s.quiet_since <= limit;
  }

  const limits& limits_;
  duration unseen_for_{};  // validate_after_idle; always, when the user wants to see every connection
  duration attention_{};   // the shorter of idle_timeout and keepalive_interval
  time_point doubted_until_ = time_point::min();
};

}  // namespace lido::inline v0::core
