// Whether the machine was suspended: the monotonic clock stands still meanwhile, so nothing that it times has noticed,
// but connections may have died (contract I28).
#pragma once

#include "pool/core/types.hpp"

#include <chrono>

namespace lido::inline v0::detail {

/// How long the machine has been suspended since it was started.
std::chrono::nanoseconds time_asleep() noexcept;
/// For tests: what time_asleep() answers from now on, besides the truth.
void pretend_sleep(std::chrono::nanoseconds more) noexcept;

class sleep_watch {
 public:
  // True once for each suspension. Looks ten times a second at most: the usual call is a comparison.
  bool slept(core::time_point now) noexcept {
    if (now < next_look_) [[likely]]
      return false;
    return look(now);
  }

 private:
  bool look(core::time_point now) noexcept;

  core::time_point next_look_{};
  std::chrono::nanoseconds asleep_ = time_asleep();
};

}  // namespace lido::inline v0::detail
