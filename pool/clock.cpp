#include "pool/clock.hpp"

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace lido::inline v0::detail {
namespace {

// CPUID 80000007H, EDX bit 8: the counter is invariant.
std::uint64_t cycles_that_may_pass() noexcept {
#ifdef __x86_64__
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(0x80000007U, &a, &b, &c, &d) != 0 && (d & 1U << 8U) != 0) return 2000;
#endif
  return 0;
}

}  // namespace

constinit thread_local clock_reading last_reading;
const std::uint64_t cycles_of_a_reading = cycles_that_may_pass();

core::time_point read_again(std::uint64_t counter) noexcept {
  const core::time_point now = steady_now();
  last_reading = {counter, now};
  return now;
}

}  // namespace lido::inline v0::detail
