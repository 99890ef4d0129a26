// How many of a server's notices are handed on: so many a second, and the rest is only counted (B90). A statement that
// raises a million of them must not keep its user's callback busy with nothing else. Sans-io: the time is an argument.
#pragma once

#include <chrono>
#include <cstdint>

namespace lido::session {

class notice_limit {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr std::uint32_t most_a_second = 1000;

  // May one that came now be handed on?
  bool admit(time_point now) noexcept {
    if (given_ == 0 || now - since_ >= std::chrono::seconds(1)) {
      since_ = now;
      given_ = 0;
    }
    if (given_ == most_a_second) return false;
    ++given_;
    return true;
  }

 private:
  time_point since_{};
  std::uint32_t given_ = 0;
};

}  // namespace lido::session
