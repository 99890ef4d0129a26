// Decoders under fuzz: the lowest bit of the first byte says whether the value came in binary (0) or as text, the
// others which of a target's types it is of; the rest is the value.
#pragma once

#include "tests/fuzz/target.hpp"

#include <lido/driver/detail/decode.hpp>
#include <lido/driver/encode.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lido::fuzz {

// What is read is written again: the encoder meets every value that a decoder lets through. It may refuse it - a text
// with a NUL in it is read, since it harms nobody, and not sent.
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
    require(again.error() || again.count() == 1);
  }
}

// A column of `type`, read as a T.
template <class T>
struct as {
  std::uint32_t type;
};

template <class... T>
void decode_one_of(std::string_view input, const as<T>&... choices) {
  if (input.empty()) return;
  const auto first = static_cast<unsigned char>(input.front());
  const std::size_t chosen = first / 2 % sizeof...(T);
  std::size_t index = 0;
  ((index++ == chosen ? decode<T>(choices.type, input.substr(1), first % 2 == 0) : void()), ...);
}

}  // namespace lido::fuzz
