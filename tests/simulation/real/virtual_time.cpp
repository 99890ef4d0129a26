#include "tests/simulation/real/virtual_time.hpp"

#include "pool/clock.hpp"

#include <sys/timerfd.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace simulation {

namespace {
thread_local virtual_time* in_force = nullptr;
}  // namespace

virtual_time::virtual_time() { in_force = this; }
virtual_time::~virtual_time() { in_force = nullptr; }
virtual_time* virtual_time::of_this_thread() noexcept { return in_force; }

virtual_time::key virtual_time::at(instant when, std::function<void()> what) {
  const key planned{std::max(when, now_), planned_++};
  events_.emplace(planned, std::move(what));
  return planned;
}

bool virtual_time::step(instant until) {
  if (events_.empty() || events_.begin()->first.first > until) {
    now_ = std::max(now_, until);
    return false;
  }
  auto next = events_.extract(events_.begin());
  now_ = next.key().first;
  ++happened_;
  next.mapped()();
  return true;
}

}  // namespace simulation

// The program's own definition goes before the one of the shared libstdc++.
std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept {
  if (const auto* const t = simulation::virtual_time::of_this_thread()) return t->now();
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return time_point(seconds(ts.tv_sec) + nanoseconds(ts.tv_nsec));
}

// In the place of pool/clock.cpp: the processor's counter knows nothing of virtual time.
namespace lido::detail {
constinit thread_local clock_reading last_reading;
const std::uint64_t cycles_of_a_reading = 0;
core::time_point read_again(std::uint64_t) noexcept { return steady_now(); }
}  // namespace lido::detail

// The wall clock goes along with it: what the pool compares with a server's.
std::chrono::system_clock::time_point std::chrono::system_clock::now() noexcept {
  if (const auto* const t = simulation::virtual_time::of_this_thread())
    return time_point(duration_cast<duration>(t->now().time_since_epoch()));
  timespec ts{};
  ::clock_gettime(CLOCK_REALTIME, &ts);
  return time_point(seconds(ts.tv_sec) + nanoseconds(ts.tv_nsec));
}

// Asio does without, and then looks at its timers only when it is woken: at virtual times, not at real ones.
extern "C" int timerfd_create(clockid_t, int) noexcept {
  errno = EINVAL;
  return -1;
}
