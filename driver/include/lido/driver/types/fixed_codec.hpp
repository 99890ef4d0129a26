// What the codecs of types that travel in binary have in common: built-in ones have a number, others only a name.
#pragma once

#include <lido/driver/codec.hpp>

#include <cstdint>

namespace lido {
inline namespace v0 {
namespace detail {

template <std::uint32_t Type>
struct fixed_codec {
  static constexpr std::uint32_t type = Type;
  static constexpr bool binary = true;
  static bool accepts(std::uint32_t column) noexcept { return column == Type; }
};

// A codec with a member `type_name`: the type's number is looked up before its first use. Where nobody can be asked, a
// column of it is known by its bytes.
struct named_codec {
  static constexpr std::uint32_t type = oid::inferred;
  static constexpr bool binary = true;
  static bool accepts(std::uint32_t column) noexcept { return column >= oid::first_user_defined; }
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
