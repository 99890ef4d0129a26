// Whether a pool can be expected to serve: what a readiness probe wants to know.
#pragma once

#include "pool/core/pool_core.hpp"

#include <chrono>
#include <cstdint>

namespace lido::inline v0::core {

enum class readiness : std::uint8_t {
  ready,
  paused,
  closing,
  unreachable,  // no connection is left, and connects fail
};

// How long a failed connect is believed after the pause that followed it. Without an end the verdict would never be
// lifted: whoever is not ready gets no traffic, and without traffic the pool tries no connect.
inline constexpr duration failure_is_news_for = std::chrono::seconds(30);

[[nodiscard]] readiness judge(const pool_core& c, time_point now) noexcept;

}  // namespace lido::inline v0::core
