// A statement and its arguments become a request that owns everything: when the operation runs, the caller's arguments
// may be gone.
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/await_safe.hpp>
#include <lido/driver/detail/request.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace lido {
inline namespace v0 {
namespace detail {

inline constexpr std::size_t max_parameters = 65535;  // Bind counts them in 16 bits

// The first line of the compiler's error is one of these.
template <class T>
consteval void check_parameter() {
  using type = without_optional_t<parameter_t<T>>;
  static_assert(!std::is_null_pointer_v<type>, "lido: NULL is written std::nullopt");
  static_assert(!std::unsigned_integral<type> || std::same_as<type, bool> || is_character<type>,
                "lido: PostgreSQL has no unsigned integers; say which one is meant, e.g. std::int64_t{n}");
  static_assert(!is_character<type>, "lido: a character is not a parameter; pass a std::string_view, or an integer");
  static_assert(encodable<T>,
                "lido: this type cannot be a parameter; specialise lido::codec<T> (see <lido/driver/codec.hpp>)");
}

[[gnu::hot]] request begin_request(std::string_view sql);       // refuses what cannot be sent, without a copy
std::size_t begin_value(request& out);                          // room for the length; where it is
void end_value(request& out, std::size_t where, bool encoded);  // writes the length, or fails the request
void add_null(request& out);

// The most frequent of all, without a codec's detour: its length and itself in one piece.
template <class T>
concept plain_integer = sql_integer<T> && codec<T>::binary;
template <plain_integer T>
void append_integer(std::string& values, T value) {
  const std::int32_t length = big_endian(static_cast<std::int32_t>(sizeof(T)));
  const T wire = big_endian(value);
  char both[sizeof length + sizeof wire];
  std::memcpy(both, &length, sizeof length);
  std::memcpy(both + sizeof length, &wire, sizeof wire);
  values.append(both, sizeof both);
}

template <class T>
[[gnu::hot]] void add_parameter(request& out, const T& value) {
  using type = parameter_t<T>;
  if constexpr (std::same_as<type, std::nullopt_t>) {
    out.add_type(oid::inferred, false);
    add_null(out);
  } else if constexpr (is_optional<type>) {
    using inner = without_optional_t<type>;
    if (value) return add_parameter<inner>(out, *value);
    if constexpr (is_named<inner>) out.add_named_type(type_ref_of<inner>());
    out.add_type(codec<inner>::type, codec<inner>::binary);
    add_null(out);
  } else if constexpr (plain_integer<type>) {
    out.add_type(codec<type>::type, true);
    append_integer<type>(out.values(), value);
  } else {
    if constexpr (is_named<type>) out.add_named_type(type_ref_of<type>());
    out.add_type(codec<type>::type, codec<type>::binary);
    const std::size_t where = begin_value(out);
    value_writer writer(out.values(), is_named<type> ? &out.uses() : nullptr);
    const bool encoded = codec<type>::encode(value, writer);
    end_value(out, where, encoded && writer.ok());
  }
}

template <class... Args>
consteval void check_awaited() {
  static_assert((await_safe<Args> && ...),
                "lido: name the aggregate first, g++ 12 destroys such a temporary twice inside co_await");
}

/// The statement and its parameters $1, $2 ... `error()` of what comes back says whether it can be sent.
template <class... Args>
[[gnu::hot]] request make_request(std::string_view sql, const Args&... args) {
  static_assert(sizeof...(Args) <= max_parameters, "lido: PostgreSQL takes at most 65535 parameters");
  (check_parameter<Args>(), ...);
  request out = begin_request(sql);
  if constexpr ((encodable<Args> && ...)) {  // else the assertion above is the only error shown
    if (!out.error()) (add_parameter<Args>(out, args), ...);
  }
  return out;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
