// How a C++ type travels to and from PostgreSQL: lido::codec<T>. Ready for what codec_std.hpp, numeric.hpp, uuid.hpp,
// json.hpp and timestamp.hpp name; a type of your own joins by a specialisation:
//
//   template <>
//   struct lido::codec<celsius> {
//     static constexpr std::string_view name = "celsius";                     // for error messages
//     static constexpr std::uint32_t type = lido::oid::int4;                  // as a parameter; 0: the server infers
//     it static constexpr bool binary = true;                                    // as a parameter: binary or text form
//     static bool encode(const celsius& c, lido::value_writer& out) { out.put(c.degrees); return true; }
//     static bool accepts(std::uint32_t type) { return type == lido::oid::int4; }
//     static bool decode(lido::value_reader& in, celsius& c) { c.degrees = in.take<std::int32_t>(); return true; }
//   };
//
// Both functions return false for a value that cannot be: the caller gets errc::not_encodable or
// errc::value_out_of_range. A decoder that leaves bytes unread, or wants more than there are, fails without saying so
// itself. NULL is std::optional's business, never a codec's. Half a codec is fine: a type that is only a parameter, or
// only a result.
#pragma once

#include <lido/driver/oid.hpp>
#include <lido/driver/value.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace lido {
inline namespace v0 {

template <class T>
struct codec;

/// Which columns in text form (results of the simple protocol) a codec reads. A codec without a member `text` reads
/// none.
enum class text_form {
  none,
  own_types,  ///< those that it accepts in binary
  any_type,   ///< any: it takes the text as it is
};

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
struct without_optional {
  using type = T;
};
template <class T>
struct without_optional<std::optional<T>> {
  using type = T;
};
template <class T>
using without_optional_t = typename without_optional<T>::type;

// Character arrays (literals) are parameters like const char*.
template <class T>
using parameter_t =
    std::conditional_t<std::is_array_v<T> && std::is_same_v<std::remove_cv_t<std::remove_extent_t<T>>, char>,
                       const char*, std::remove_cv_t<T>>;

template <class T>
concept has_encoder = requires(const T& value, value_writer& out) {
  { codec<T>::encode(value, out) } -> std::same_as<bool>;
  { codec<T>::type } -> std::convertible_to<std::uint32_t>;
  { codec<T>::binary } -> std::convertible_to<bool>;
};

template <class T>
concept has_decoder = requires(T& value, value_reader& in, std::uint32_t type) {
  { codec<T>::decode(in, value) } -> std::same_as<bool>;
  { codec<T>::accepts(type) } -> std::same_as<bool>;
};

// The server's type of a T as a parameter: of a container the codec says it, of a named type `type_name`.
template <class T>
constexpr type_ref type_ref_of() noexcept {
  if constexpr (requires { codec<T>::server_type; }) {
    return codec<T>::server_type;
  } else if constexpr (requires { codec<T>::type_name; }) {
    return {oid::inferred, codec<T>::type_name};
  } else {
    return {codec<T>::type};
  }
}

// The type that a T is read from, where a name says it; else nothing.
template <class T>
constexpr type_ref named_type_of() noexcept {
  type_ref found;
  if constexpr (requires { codec<T>::server_type; }) {
    found = codec<T>::server_type;
  } else if constexpr (requires { codec<T>::type_name; }) {
    found = {oid::inferred, codec<T>::type_name};
  }
  return found.named() ? found : type_ref{};
}

// All names that a T may need when it is sent within something else: its own and those of what is inside of it, which
// its codec's visit_parts(visitor) tells: it calls visitor.template operator()<Part>() for each.
template <class T, class Sink>
void each_name(Sink& sink) {
  using value = without_optional_t<T>;
  if constexpr (constexpr type_ref own = named_type_of<value>(); own.named()) sink(own.name);
  const auto inside = [&sink]<class Part>() { each_name<Part>(sink); };
  if constexpr (requires { codec<value>::visit_parts(inside); }) codec<value>::visit_parts(inside);
}

// Whether a parameter needs the number of a type that is known by name.
template <class T>
inline constexpr bool is_named = false;
template <has_encoder T>
inline constexpr bool is_named<T> = type_ref_of<T>().named();
template <class... Args>  // NOLINTNEXTLINE(misc-redundant-expression): two parameters of one type are none
inline constexpr bool uses_names = (is_named<without_optional_t<parameter_t<Args>>> || ...);

// Inside a container all is binary: what travels as text on its own has an `encode_binary` and a `binary_type` then.
template <class T>
concept has_binary_twin = requires(const T& value, value_writer& out) {
  { codec<T>::encode_binary(value, out) } -> std::same_as<bool>;
};
template <class T>
concept has_binary_encoder = has_encoder<T> && (codec<T>::binary || has_binary_twin<T>);

template <has_binary_encoder T>
constexpr type_ref binary_type_of() noexcept {
  if constexpr (requires { codec<T>::binary_type; }) {
    return codec<T>::binary_type;
  } else {
    return type_ref_of<T>();
  }
}
template <has_binary_encoder T>
bool encode_in_binary(const T& value, value_writer& out) {
  if constexpr (has_binary_twin<T>) {
    return codec<T>::encode_binary(value, out);
  } else {
    return codec<T>::encode(value, out);
  }
}

template <class T>
constexpr text_form text_form_of() noexcept {
  if constexpr (requires { codec<T>::text; }) {
    return codec<T>::text;
  } else {
    return text_form::none;
  }
}

// Whether a column of this type and form can be read as a T at all.
template <has_decoder T>
bool reads(std::uint32_t type, bool binary) {
  if (binary) return codec<T>::accepts(type);
  switch (text_form_of<T>()) {
    case text_form::none: return false;
    case text_form::own_types: return codec<T>::accepts(type);
    case text_form::any_type: return true;
  }
  return false;
}

}  // namespace detail

/// What may be a parameter of a query: a type with an encoder, std::optional of one, std::nullopt.
template <class T>
concept encodable = std::same_as<detail::parameter_t<T>, std::nullopt_t> ||
                    detail::has_encoder<detail::without_optional_t<detail::parameter_t<T>>>;

/// What one column may be read as: a type with a decoder, or std::optional of one where NULL may come.
template <class T>
concept decodable =
    detail::has_decoder<detail::without_optional_t<T>> && std::default_initializable<detail::without_optional_t<T>>;

}  // namespace v0
}  // namespace lido
