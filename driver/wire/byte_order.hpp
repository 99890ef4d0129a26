// Integers of the protocol: big-endian, unaligned.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace lido::wire {

static_assert(std::endian::native == std::endian::little, "written for little-endian machines: x86-64 and arm64");

inline std::uint16_t load_u16(const char* from) noexcept {
  std::uint16_t raw;
  std::memcpy(&raw, from, sizeof raw);
  return __builtin_bswap16(raw);
}

inline std::uint32_t load_u32(const char* from) noexcept {
  std::uint32_t raw;
  std::memcpy(&raw, from, sizeof raw);
  return __builtin_bswap32(raw);
}

// Both answer the position behind what they wrote.
inline char* store_u16(char* to, std::uint16_t value) noexcept {
  const std::uint16_t raw = __builtin_bswap16(value);
  std::memcpy(to, &raw, sizeof raw);
  return to + sizeof raw;
}

inline char* store_u32(char* to, std::uint32_t value) noexcept {
  const std::uint32_t raw = __builtin_bswap32(value);
  std::memcpy(to, &raw, sizeof raw);
  return to + sizeof raw;
}

}  // namespace lido::wire
