// Now, for the shell of the pool; its core is told the time.
#pragma once

#include "pool/core/types.hpp"

#include <chrono>
#include <cstdint>

#ifdef __x86_64__
#include <x86intrin.h>
#endif

namespace lido {
inline namespace v0 {
namespace detail {

inline core::time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

// The last reading of this thread's, and what the processor's time stamp counter said just before it.
struct clock_reading {
  std::uint64_t counter = 0;
  core::time_point time;
};
extern constinit thread_local clock_reading last_reading;
// So many cycles may pass until the clock is read again: half a microsecond at 4 GHz, one at 2 GHz. 0 where the counter
// does not count at one rate, in sleep, too; all servers' do.
extern const std::uint64_t cycles_of_a_reading;
[[gnu::hot]] core::time_point read_again(std::uint64_t counter) noexcept;

/// Now, or up to a microsecond ago: this thread's last reading, when the processor says that no more has passed since.
/// For what happens millions of times a second and is told in buckets of a microsecond; a third of the price of a
/// reading. Never later than the truth. Of two threads either may be behind.
[[gnu::always_inline]] inline core::time_point recent_now() noexcept {
#ifdef __x86_64__
  // On a processor whose counter is behind the last one's the difference is large, as an unsigned number.
  const std::uint64_t counter = __rdtsc();
  if (counter - last_reading.counter < cycles_of_a_reading) [[likely]]
    return last_reading.time;
  return read_again(counter);
#else
  return steady_now();
#endif
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
