// Decoders under fuzz: the first byte says whether the value came in binary or as text, the rest is the value.
#pragma once

#include "tests/fuzz/target.hpp"

#include <lido/driver/detail/decode.hpp>
#include <lido/driver/encode.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace lido::fuzz {

// What is read once is written and read again: a decoder may not hand out what its own encoder refuses or changes. A
// second reading suffices to say so, also for a NaN, which is not equal to itself.
template <class T>
void decode(std::uint32_t type, std::string_view bytes, bool binary) {
  if (!lido::detail::reads<T>(type, binary)) return;
  column col;
  col.type_oid = type;
  col.binary = binary;
  T value{};
  const lido::detail::cell from{bytes.data(), static_cast<std::int32_t>(bytes.size())};
  if (lido::detail::decode_cell(from, col, value) != lido::detail::decode_status::ok) return;
  if constexpr (lido::detail::has_encoder<T>) {
    const auto again = lido::detail::make_request("", value);
    require(!again.error() && again.count() == 1);
  }
}

template <class T>
void decode(std::uint32_t type, std::string_view input) {
  if (input.empty()) return;
  const bool binary = input.front() % 2 == 0;
  decode<T>(type, input.substr(1), binary);
}

}  // namespace lido::fuzz
