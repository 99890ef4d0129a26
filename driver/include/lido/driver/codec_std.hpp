// Codecs of the basic types:
//
//   bool                                bool
//   std::int16_t, int32_t, int64_t      int2, int4, int8; a wider one reads a narrower column, int64_t also oid
//   float, double                       float4, float8; double reads float4 too
//   std::string, std::string_view       any parameter in text form, its type inferred by the server; reads text,
//   varchar, char(n), name, json, jsonb, xml, const char*                         types of your own such as enums, and
//   everything in text form. A view lives as long as the result. std::vector<std::byte>              bytea;
//   std::span<const std::byte> too, a view that lives as long as the result
//
// PostgreSQL has no unsigned integers: they do not compile as parameters, since int8 cannot hold each std::uint64_t and
// a silently chosen wider type defeats an index. Say which one is meant: std::int64_t{n}.
#pragma once

#include <lido/driver/codec.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

bool bool_from_text(std::string_view text, bool& out) noexcept;
bool int_from_text(std::string_view text, std::int64_t& out) noexcept;
bool float_from_text(std::string_view text, float& out) noexcept;
bool double_from_text(std::string_view text, double& out) noexcept;
bool bytea_from_text(std::string_view text, std::vector<std::byte>& out);  // "\x0a1b"
bool is_text_type(std::uint32_t type) noexcept;
// Strips what a binary text-like value has around its text (jsonb's version byte); false if it cannot be text.
bool text_of_value(value_reader& in, std::string_view& out) noexcept;
bool put_text(std::string_view text, value_writer& out);  // false for a NUL, which PostgreSQL's text cannot hold

template <class T>
inline constexpr bool is_character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
                                     std::same_as<T, char16_t> || std::same_as<T, char32_t>;

template <class T>
concept sql_integer =
    std::signed_integral<T> && !is_character<T> && (sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8);

inline std::string_view chars_of(std::span<const std::byte> bytes) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): std::byte and char may alias everything
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> bytes_of(std::string_view chars) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): std::byte and char may alias everything
  return {reinterpret_cast<const std::byte*>(chars.data()), chars.size()};
}

}  // namespace detail

template <>
struct codec<bool> {
  static constexpr std::string_view name = "bool";
  static constexpr std::uint32_t type = oid::boolean;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::boolean; }
  static bool encode(bool value, value_writer& out) {
    out.put(static_cast<std::uint8_t>(value));
    return true;
  }
  static bool decode(value_reader& in, bool& out) noexcept {
    if (!in.binary()) return detail::bool_from_text(in.take_all(), out);
    const auto byte = in.take<std::uint8_t>();
    out = byte == 1;
    return byte <= 1;
  }
};

template <detail::sql_integer Int>
struct codec<Int> {
  static constexpr std::string_view name = sizeof(Int) == 2   ? "std::int16_t"
                                           : sizeof(Int) == 4 ? "std::int32_t"
                                                              : "std::int64_t";
  static constexpr std::uint32_t type = sizeof(Int) == 2 ? oid::int2 : sizeof(Int) == 4 ? oid::int4 : oid::int8;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept {
    if (column == oid::int2) return true;
    if (column == oid::int4) return sizeof(Int) >= 4;
    return sizeof(Int) == 8 && (column == oid::int8 || column == oid::object_id);
  }
  static bool encode(Int value, value_writer& out) {
    out.put(value);
    return true;
  }
  static bool decode(value_reader& in, Int& out) noexcept {
    if (!in.binary()) return from_text(in.take_all(), out);
    // The type says the width, so that a column of another width than its type is refused and never reinterpreted.
    switch (in.type()) {
      case oid::int2: out = static_cast<Int>(in.take<std::int16_t>()); return true;
      case oid::int4: out = static_cast<Int>(in.take<std::int32_t>()); return true;
      case oid::object_id: out = static_cast<Int>(in.take<std::uint32_t>()); return true;
      default: out = static_cast<Int>(in.take<std::int64_t>()); return true;
    }
  }

 private:
  static bool from_text(std::string_view digits, Int& out) noexcept {
    std::int64_t wide = 0;
    if (!detail::int_from_text(digits, wide)) return false;
    out = static_cast<Int>(wide);
    return out == wide;
  }
};

template <>
struct codec<float> {
  static constexpr std::string_view name = "float";
  static constexpr std::uint32_t type = oid::float4;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::float4; }
  static bool encode(float value, value_writer& out) {
    out.put(std::bit_cast<std::uint32_t>(value));
    return true;
  }
  static bool decode(value_reader& in, float& out) noexcept {
    if (!in.binary()) return detail::float_from_text(in.take_all(), out);
    out = std::bit_cast<float>(in.take<std::uint32_t>());
    return true;
  }
};

template <>
struct codec<double> {
  static constexpr std::string_view name = "double";
  static constexpr std::uint32_t type = oid::float8;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::float8 || column == oid::float4; }
  static bool encode(double value, value_writer& out) {
    out.put(std::bit_cast<std::uint64_t>(value));
    return true;
  }
  static bool decode(value_reader& in, double& out) noexcept {
    if (!in.binary()) return detail::double_from_text(in.take_all(), out);
    if (in.type() == oid::float4) {
      out = static_cast<double>(std::bit_cast<float>(in.take<std::uint32_t>()));
    } else {
      out = std::bit_cast<double>(in.take<std::uint64_t>());
    }
    return true;
  }
};

template <>
struct codec<std::string_view> {
  static constexpr std::string_view name = "std::string_view";
  static constexpr std::uint32_t type = oid::inferred;
  static constexpr bool binary = false;
  static constexpr text_form text = text_form::any_type;
  static bool accepts(std::uint32_t column) noexcept { return detail::is_text_type(column); }
  static bool encode(std::string_view value, value_writer& out) { return detail::put_text(value, out); }
  // Inside a composite: text.
  static constexpr detail::type_ref binary_type{oid::text};
  static bool encode_binary(std::string_view value, value_writer& out) { return detail::put_text(value, out); }
  static bool decode(value_reader& in, std::string_view& out) noexcept { return detail::text_of_value(in, out); }
};

template <>
struct codec<std::string> : codec<std::string_view> {
  static constexpr std::string_view name = "std::string";
  static bool decode(value_reader& in, std::string& out) {
    std::string_view view;
    if (!detail::text_of_value(in, view)) return false;
    out.assign(view);
    return true;
  }
};

template <>
struct codec<const char*> {
  static constexpr std::string_view name = "const char*";
  static constexpr std::uint32_t type = oid::inferred;
  static constexpr bool binary = false;
  static bool encode(const char* value, value_writer& out) { return value != nullptr && detail::put_text(value, out); }
};
template <>
struct codec<char*> : codec<const char*> {};

template <>
struct codec<std::span<const std::byte>> {
  static constexpr std::string_view name = "std::span<const std::byte>";
  static constexpr std::uint32_t type = oid::bytea;
  static constexpr bool binary = true;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::bytea; }
  static bool encode(std::span<const std::byte> value, value_writer& out) {
    out.put_bytes(detail::chars_of(value));
    return true;
  }
  static bool decode(value_reader& in, std::span<const std::byte>& out) noexcept {
    out = detail::bytes_of(in.take_all());
    return true;
  }
};

template <>
struct codec<std::span<std::byte>> {
  static constexpr std::string_view name = "std::span<std::byte>";
  static constexpr std::uint32_t type = oid::bytea;
  static constexpr bool binary = true;
  static bool encode(std::span<std::byte> value, value_writer& out) {
    return codec<std::span<const std::byte>>::encode(value, out);
  }
};

template <>
struct codec<std::vector<std::byte>> {
  static constexpr std::string_view name = "std::vector<std::byte>";
  static constexpr std::uint32_t type = oid::bytea;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::bytea; }
  static bool encode(const std::vector<std::byte>& value, value_writer& out) {
    return codec<std::span<const std::byte>>::encode(value, out);
  }
  static bool decode(value_reader& in, std::vector<std::byte>& out) {
    if (!in.binary()) return detail::bytea_from_text(in.take_all(), out);
    const auto bytes = detail::bytes_of(in.take_all());
    out.assign(bytes.begin(), bytes.end());
    return true;
  }
};

}  // namespace v0
}  // namespace lido
