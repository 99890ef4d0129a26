// bit(n) and bit varying: a row of bits, the first one first.
#pragma once

#include <lido/driver/types/fixed_codec.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// Reads both types; as a parameter it is a bit varying, which the server takes for a bit(n) of that length, too.
struct bit_string {
  std::vector<bool> bits;

  bit_string() = default;
  explicit bit_string(std::vector<bool> values) : bits(std::move(values)) {}
  static std::optional<bit_string> parse(std::string_view zeros_and_ones);  ///< "1011"
  std::string to_string() const;
  friend bool operator==(const bit_string&, const bit_string&) = default;
};

template <>
struct codec<bit_string> {
  static constexpr std::string_view name = "lido::bit_string";
  static constexpr std::uint32_t type = oid::varbit;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::varbit || column == oid::bit; }
  static bool encode(const bit_string& value, value_writer& out);
  static bool decode(value_reader& in, bit_string& out);
};

}  // namespace v0
}  // namespace lido
