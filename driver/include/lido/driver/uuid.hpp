// A UUID: 16 bytes and their usual text.
#pragma once

#include <lido/driver/codec.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {

struct uuid {
  std::array<std::byte, 16> bytes{};

  /// "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", in either case; nullopt for anything else.
  static std::optional<uuid> parse(std::string_view text) noexcept;
  std::string to_string() const;

  friend auto operator<=>(const uuid&, const uuid&) = default;
};

template <>
struct codec<uuid> {
  static constexpr std::string_view name = "lido::uuid";
  static constexpr std::uint32_t type = oid::uuid;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::uuid; }
  static bool encode(const uuid& value, value_writer& out);
  static bool decode(value_reader& in, uuid& out) noexcept;
};

}  // namespace v0
}  // namespace lido
