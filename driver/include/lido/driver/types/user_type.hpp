// Your own types. One trait says what they are on the server:
//
//   enum class mood { sad, ok, happy };
//   template <>
//   struct lido::user_type<mood> {                                     // create type app.mood as enum ('sad', 'ok',
//   'happy')
//     static constexpr std::string_view name = "app.mood";
//     static constexpr std::array labels = {lido::label{mood::sad, "sad"}, lido::label{mood::ok, "ok"},
//                                           lido::label{mood::happy, "happy"}};
//   };
//
//   struct address { std::string street; std::optional<int> number; };
//   template <>
//   struct lido::user_type<address> {                                  // create type app.address as (street text,
//   number int)
//     static constexpr std::string_view name = "app.address";
//   };
//
//   struct email { std::string text; };
//   template <>
//   struct lido::user_type<email> {                                    // a domain, or a type of yours for one that
//   Lido has
//     static std::string to_server(const email& e) { return e.text; }
//     static email from_server(std::string text) { return {std::move(text)}; }
//   };
//
// `name` is as in SQL, with its schema: the number behind it is looked up once a database, before the first use as a
// parameter or as a column, and a column of another type is errc::type_mismatch. An enum without a name is sent as
// text, its type inferred, and read from any of the database's own types. A type whose bytes only you know specialises
// lido::codec instead (<lido/driver/codec.hpp>); a member `type_name` there has its number looked up, too.
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/reflect.hpp>
#include <lido/driver/types/composite.hpp>
#include <lido/driver/types/fixed_codec.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {

template <class T>
struct user_type;

template <class Enum>
struct label {
  Enum value;
  std::string_view text;
};
template <class Enum>
label(Enum, const char*) -> label<Enum>;

namespace detail {

template <class T>
concept user_enum = std::is_enum_v<T> && requires { user_type<T>::labels; };

template <class T>
concept user_wrapper = requires(const T& value) {
  { user_type<T>::from_server(user_type<T>::to_server(value)) } -> std::convertible_to<T>;
};

template <class T>
concept user_composite = !user_wrapper<T> && reflectable<T> && requires { user_type<T>::name; };

template <class T>
using wrapped = std::remove_cvref_t<decltype(user_type<T>::to_server(std::declval<const T&>()))>;

template <class T>
constexpr std::string_view name_of_user_type() noexcept {
  if constexpr (requires { user_type<T>::name; }) {
    return user_type<T>::name;
  } else {
    return {};
  }
}

template <class T, std::size_t... I>
bool read_struct(value_reader& in, T& out, std::index_sequence<I...> /*fields*/) {
  const auto fields = field_pointers(out);
  return read_fields(in, *std::get<I>(fields)...);
}
template <class T, std::size_t... I>
bool put_struct(const type_ref& type, const T& value, value_writer& out, std::index_sequence<I...> /*fields*/) {
  const auto fields = field_pointers(value);
  return put_fields(type, out, *std::get<I>(fields)...);
}

template <class Fields>
inline constexpr bool all_sendable = false;
template <class... Field>
inline constexpr bool all_sendable<std::tuple<Field*...>> = (has_binary_encoder<without_optional_t<Field>> && ...);

}  // namespace detail

template <detail::user_enum T>
struct codec<T> {
  static constexpr detail::type_ref server_type{oid::inferred, detail::name_of_user_type<T>()};
  static constexpr std::uint32_t type = oid::inferred;
  static constexpr bool binary = server_type.named();
  static constexpr text_form text = text_form::any_type;

  static bool accepts(std::uint32_t column) noexcept {
    return column >= oid::first_user_defined || column == oid::text || column == oid::varchar;
  }
  static bool encode(T value, value_writer& out) {
    for (const auto& each : user_type<T>::labels) {
      if (each.value == value) return detail::put_text(each.text, out);
    }
    return false;
  }
  /// A label that the trait does not know is errc::value_out_of_range.
  static bool decode(value_reader& in, T& out) noexcept {
    const std::string_view label = in.take_all();
    for (const auto& each : user_type<T>::labels) {
      if (each.text != label) continue;
      out = each.value;
      return true;
    }
    return false;
  }
};

template <detail::user_wrapper T>
struct codec<T> {
  using inner = codec<detail::wrapped<T>>;
  static constexpr detail::type_ref server_type = detail::type_ref_of<detail::wrapped<T>>();
  static constexpr std::uint32_t type = inner::type;
  static constexpr bool binary = inner::binary;
  static constexpr text_form text = detail::text_form_of<detail::wrapped<T>>();

  template <class Visitor>
  static void visit_parts(const Visitor& visit) {
    visit.template operator()<detail::wrapped<T>>();
  }
  static bool accepts(std::uint32_t column) { return inner::accepts(column); }
  static bool encode(const T& value, value_writer& out) { return inner::encode(user_type<T>::to_server(value), out); }
  static constexpr detail::type_ref binary_type = detail::binary_type_of<detail::wrapped<T>>();
  static bool encode_binary(const T& value, value_writer& out) {
    return detail::encode_in_binary(detail::wrapped<T>(user_type<T>::to_server(value)), out);
  }
  static bool decode(value_reader& in, T& out) {
    detail::wrapped<T> read{};
    if (!inner::decode(in, read)) return false;
    out = user_type<T>::from_server(std::move(read));
    return true;
  }
};

template <detail::user_composite T>
struct codec<T> {
  static constexpr detail::type_ref server_type{oid::inferred, user_type<T>::name};
  static constexpr std::uint32_t type = oid::inferred;
  static constexpr bool binary = true;
  using fields = std::make_index_sequence<detail::count_fields<T>()>;

  template <class Visitor>
  static void visit_parts(const Visitor& visit) {
    [&]<class... Field>(const std::tuple<Field*...>* /*all*/) {
      (visit.template operator()<Field>(), ...);
    }(static_cast<const detail::field_types_of<T>*>(nullptr));
  }
  static bool accepts(std::uint32_t column) noexcept {
    return column == detail::record_type || column >= oid::first_user_defined;
  }
  static bool decode(value_reader& in, T& out) { return detail::read_struct(in, out, fields{}); }
  static bool encode(const T& value, value_writer& out) {
    static_assert(detail::all_sendable<detail::field_types_of<T>>,
                  "lido: a field of this struct has a type that cannot be sent within a composite");
    return detail::put_struct(server_type, value, out, fields{});
  }
};

}  // namespace v0
}  // namespace lido
