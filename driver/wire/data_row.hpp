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
  const char* const end = body.data() + body.size();
  for (; columns > 0; --columns) {
    if (end - at < 4) return false;
    const std::uint32_t length = load_u32(at);
    at += 4;
    if (length <= static_cast<std::size_t>(end - at)) {
      at += length;
    } else if (length !=
               UINT32_MAX) {  // NULL; any other negative length is above what is left, since a body is below 2^31 bytes
      return false;
    }
  }
  return at == end;
}

}  // namespace lido::wire
