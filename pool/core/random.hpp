// A small seeded generator for jitter: the same seed gives the same schedule, which is what the simulator replays.
#pragma once

#include <cstdint>

namespace lido::inline v0::core {

// splitmix64 (Steele, Lea, Flood 2014).
class random {
 public:
  explicit constexpr random(std::uint64_t seed) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e37'79b9'7f4a'7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11ebULL;
    return z ^ (z >> 31);
  }
  // In [0, 1).
  constexpr double fraction() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace lido::inline v0::core
