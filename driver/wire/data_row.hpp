// The check of a DataRow. Inline and apart from the other messages: it runs once for every row.
#pragma once

#include "driver/wire/byte_order.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lido::wire {

// Whether `body` is a DataRow of exactly `columns` fields whose lengths add up (B63-B65).
inline bool is_data_row(std::string_view body, std::size_t columns) noexcept {
  constexpr std::size_t count_size = 2;
  constexpr std::size_t length_size = 4;
  if (body.size() < count_size + columns * length_size || load_u16(body.data()) != columns) return false;
  const char* at = body.data() + count_size;
  // What there is for values, when each has its length: while none takes more than that, the next length is there.
  std::size_t spare = body.size() - count_size - columns * length_size;
  for (; columns > 0; --columns) {
    const std::uint32_t length = load_u32(at);
    at += length_size;
    if (length > spare) [[unlikely]] {
      // NULL; any other negative length is above what is left, since a body is below 2^31 bytes
      if (length != UINT32_MAX) return false;
    } else {
      at += length;
      spare -= length;
    }
  }
  return spare == 0;
}

}  // namespace lido::wire
