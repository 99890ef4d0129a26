// Whether it is worth waiting. While somebody waits, every connection that comes back tells how long a lease lasts;
// from that, the number of connections in use and the place in the queue follows how long the wait will be (Little's
// law). A wait that would end too late for the connection to be of use is refused when it begins: so the queue never
// gets so long that all who are served are served too late, which is what first come, first served does under overload.
#pragma once

#include "pool/core/types.hpp"

#include <cstddef>

namespace lido::inline v0::core {

class admission {
 public:
  // A lease that lasted that long, its recovery included, has made room for somebody who waits.
  void returned(duration hold, time_point now) noexcept;

  // How long the one at this place (1: the first) will wait, with so many connections in use; zero when nothing is
  // known yet.
  [[nodiscard]] duration wait(std::size_t place, std::size_t in_use, time_point now) const noexcept;
  // Nine times in ten he would get the connection too late to use it before the deadline.
  [[nodiscard]] bool hopeless(std::size_t place, std::size_t in_use, time_point deadline,
                              time_point now) const noexcept;
  // How long leases last.
  [[nodiscard]] duration hold() const noexcept { return hold_; }

 private:
  // From one return to the next.
  [[nodiscard]] double gap(std::size_t in_use, time_point now) const noexcept;

  duration hold_{};       // smoothed; zero: nothing seen yet
  duration deviation_{};  // mean deviation from it
  time_point last_return_{};
  int seen_ = 0;  // as far as it matters
};

}  // namespace lido::inline v0::core
