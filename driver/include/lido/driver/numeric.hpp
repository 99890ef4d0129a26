// numeric, exactly: the decimal text that PostgreSQL itself would print, "-12.3400", "NaN", "Infinity". No arithmetic;
// hand `text()` to the decimal library that you like.
#pragma once

#include <lido/driver/codec.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {

class numeric {
 public:
  numeric() = default;  ///< 0
  /// Exact.
  template <std::signed_integral Int>
  explicit numeric(Int value) : text_(std::to_string(value)) {}
  /// Throws lido::error (errc::not_encodable) for what `parse` does not know.
  explicit numeric(std::string_view text);

  /// Digits with sign, point and exponent as in SQL, or NaN, Infinity, -Infinity; nullopt for anything else.
  static std::optional<numeric> parse(std::string_view text);

  const std::string& text() const noexcept { return text_; }
  /// The nearest double; infinite beyond its range.
  double to_double() const noexcept;

  /// Same text: 1.0 and 1.00 differ, as they do on a price list.
  friend bool operator==(const numeric&, const numeric&) = default;

 private:
  friend struct codec<numeric>;
  std::string text_ = "0";
};

template <>
struct codec<numeric> {
  static constexpr std::string_view name = "lido::numeric";
  static constexpr std::uint32_t type = oid::numeric;
  static constexpr bool binary =
      false;  // the server's parser is the one that knows all of it, and costs what ours would
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept {
    return column == oid::numeric || column == oid::int2 || column == oid::int4 || column == oid::int8;
  }
  static bool encode(const numeric& value, value_writer& out);
  static bool encode_binary(const numeric& value, value_writer& out);  // inside arrays, ranges and composites
  static bool decode(value_reader& in, numeric& out);
};

}  // namespace v0
}  // namespace lido
