#include "pool/core/admission.hpp"

#include <algorithm>
#include <cmath>

namespace lido::inline v0::core {

namespace {

// The last 64 or so decide: a wait is a sum of many leases, and under a heavy load whoever comes finds the moment when
// the estimate is too low.
constexpr int memory = 64;

// Returns are as irregular as leases are. No return for as long as this many of them usually take is no accident.
constexpr int silence_that_tells = 8;

// Deviations on top of what is expected: nine of ten cases for waits (a sum of many), and for leases that last
// exponentially long.
constexpr double safety = 2.0;

}  // namespace

void admission::returned(duration hold, time_point now) noexcept {
  last_return_ = now;
  hold = std::max(hold, duration{1});
  if (hold_ == duration::zero()) {
    hold_ = hold;
    deviation_ = hold / 2;
    seen_ = 1;
    return;
  }
  seen_ = std::min(seen_ + 1, memory);
  const duration off = hold - hold_;
  hold_ = std::max(hold_ + off / seen_, duration{1});
  deviation_ += ((off < duration::zero() ? -off : off) - deviation_) / seen_;
}

double admission::gap(std::size_t in_use, time_point now) const noexcept {
  const auto usual = static_cast<double>(hold_.count()) / static_cast<double>(in_use);
  const auto silence = static_cast<double>((now - last_return_).count()) / silence_that_tells;
  return std::max(usual, silence);
}

duration admission::wait(std::size_t place, std::size_t in_use, time_point now) const noexcept {
  if (hold_ == duration::zero() || in_use == 0) return {};
  const double longest = std::chrono::duration<double, duration::period>(std::chrono::hours{24}).count();
  return duration{static_cast<duration::rep>(std::min(static_cast<double>(place) * gap(in_use, now), longest))};
}

bool admission::hopeless(std::size_t place, std::size_t in_use, time_point deadline, time_point now) const noexcept {
  if (hold_ == duration::zero() || in_use == 0 || deadline == never) return false;
  const auto places = static_cast<double>(place);
  const double waits = (places + safety * std::sqrt(places)) * gap(in_use, now);
  const double uses = static_cast<double>(hold_.count()) + safety * static_cast<double>(deviation_.count());
  return waits + uses > static_cast<double>((deadline - now).count());
}

}  // namespace lido::inline v0::core
