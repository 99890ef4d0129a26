// The check of a DataRow. Inline and apart from the other messages: it runs once for every row.
#pragma once

#include "driver/wire/byte_order.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lido::wire {

// Whether `body` is a DataRow of exactly `columns` fields whose lengths add up (B63-B65).
inline bool is_data_row(std::string_view body, std::size_t columns) noexcept {
  if (body.size() < 2 || load_u16(body.data()) != columns) return false;
  const char* at = body.data() + 2;
  std::size_t left = body.size() - 2;
  for (; columns > 0; --columns) {
    if (left < 4) [[unlikely]]
      return false;
    const std::uint32_t length = load_u32(at);
    left -= 4;
    at += 4;
    if (length > left) [[unlikely]] {
      // NULL; any other negative length is above what is left, since a body is below 2^31 bytes
      if (length != UINT32_MAX) return false;
    } else {
      at += length;
      left -= length;
    }
  }
  return left == 0;
}

}  // namespace lido::wire
