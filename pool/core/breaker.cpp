#include "pool/core/breaker.hpp"

#include "pool/core/lifecycle.hpp"

#include <algorithm>
#include <utility>

namespace lido::inline v0::core {

void breaker::began(const limits& l, time_point now) noexcept {
  if (l.connect_rate > 0) spaced_at_ = add(now, duration{static_cast<duration::rep>(1e9 / l.connect_rate)});
  throttling_told_ = false;
  if (state_ == breaker_state::open) state_ = breaker_state::half_open;
}

void breaker::succeeded(const limits& l) noexcept {
  state_ = breaker_state::closed;
  rounds_ = 0;
  pause_.succeeded();
  if (cautious() && ++width_ >= l.connect_concurrency) width_ = full_width;
}

bool breaker::failed(const limits& l, random& r, time_point now) noexcept {
  width_ = 1;
  if (pausing(now)) return false;
  pause_.failed(l, r, now);
  ++rounds_;
  switch (state_) {
    case breaker_state::closed:
      if (l.breaker_threshold == 0 || rounds_ < l.breaker_threshold) return false;
      state_ = breaker_state::open;
      return true;
    case breaker_state::half_open: state_ = breaker_state::open; return false;
    case breaker_state::open: return false;
  }
  return false;
}

time_point breaker::ready_at() const noexcept {
  return cautious() ? std::max(pause_.until(), spaced_at_) : time_point::min();
}

bool breaker::newly_throttled(time_point now) noexcept {
  return cautious() && now < spaced_at_ && spaced_at_ > pause_.until() && !std::exchange(throttling_told_, true);
}

std::uint32_t breaker::width(const limits& l) const noexcept {
  return pause_.failing() ? 1 : std::min(width_, l.connect_concurrency);
}

}  // namespace lido::inline v0::core
