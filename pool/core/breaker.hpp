// How a pool treats a server that refuses connections: leave it alone for a while, ask one at a time whether it is
// back, tell the users at once, and come back gently. One place decides when the next connect may begin and how many
// may be under way.
//
//   closed     ──threshold failed rounds──►  open         connects as many as are wanted; after a failure one at a time
//   open       ──pause over, a connect───►   half_open    nobody connects; who cannot be served is refused at once
//   half_open  ──it fails────────────────►   open         one prober; the next pause is longer
//   half_open  ──it succeeds─────────────►   closed       slow start: each success allows one more at a time (1, 2, 4
//   ...) open       ──a straggler succeeds────►   closed
#pragma once

#include "pool/core/backoff.hpp"
#include "pool/core/types.hpp"

#include <cstdint>

namespace lido::inline v0::core {

class breaker {
 public:
  [[nodiscard]] breaker_state state() const noexcept { return state_; }
  [[nodiscard]] bool tripped() const noexcept { return state_ != breaker_state::closed; }

  // A connect begins: call only when may_begin().
  void began(const limits& l, time_point now) noexcept;
  void succeeded(const limits& l) noexcept;
  // Failures of connects that were under way together are one round: they count once. True when it has just opened.
  bool failed(const limits& l, random& r, time_point now) noexcept;

  // Not before this: the pause after a failure, and the distance that connect_rate keeps while things are not well.
  [[nodiscard]] time_point ready_at() const noexcept;
  // Whether it is connect_rate, and not the pause, that decides when the next one begins; true once for each.
  bool newly_throttled(time_point now) noexcept;
  // How many connects may be under way at one time.
  [[nodiscard]] std::uint32_t width(const limits& l) const noexcept;
  [[nodiscard]] bool may_begin(const limits& l, std::uint32_t under_way, time_point now) const noexcept {
    return under_way < width(l) && now >= ready_at();
  }

  [[nodiscard]] bool pausing(time_point now) const noexcept { return pause_.pausing(now); }
  [[nodiscard]] std::uint32_t failed_rounds() const noexcept { return rounds_; }
  [[nodiscard]] const backoff& pause() const noexcept { return pause_; }

 private:
  static constexpr std::uint32_t full_width = 0xffff'ffff;

  [[nodiscard]] bool cautious() const noexcept { return width_ != full_width; }

  breaker_state state_ = breaker_state::closed;
  std::uint32_t rounds_ = 0;                  // failed in a row
  std::uint32_t width_ = full_width;          // slow start
  time_point spaced_at_ = time_point::min();  // the last connect + 1 / connect_rate
  bool throttling_told_ = false;              // since then
  backoff pause_;
};

}  // namespace lido::inline v0::core
