// Values of several fields: a row type, a record. A std::tuple reads one, by position, whatever it is called:
//
//   for (auto [id, where] : co_await db->async_query<std::tuple<int, std::tuple<std::string, lido::point>>>(
//            "select id, (street, at) from houses")) ...
//
// A struct of your own becomes one, also as a parameter, by lido::user_type (<lido/driver/types/user_type.hpp>).
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/decode.hpp>
#include <lido/driver/detail/item.hpp>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>

namespace lido {
inline namespace v0 {
namespace detail {

inline constexpr std::uint32_t record_type = 2249;

template <class T>
bool read_field(value_reader& in, T& out) {
  const auto sent = in.take<std::uint32_t>();
  std::uint32_t type = 0;
  return reads_item<without_optional_t<T>>(sent, type) && read_item(in, type, out);
}

template <class... Field>
bool read_fields(value_reader& in, Field&... fields) {
  return in.take<std::int32_t>() == static_cast<std::int32_t>(sizeof...(Field)) && (read_field(in, fields) && ...);
}

template <class T>
void put_field_type(const type_ref& composite, std::int32_t index, value_writer& out) {
  type_use use;
  use.what = composite;
  use.attribute = index;
  use.field = binary_type_of<without_optional_t<T>>();
  use.cpp_type = cpp_name<T>();
  out.put_type(use);
}

template <class... Field>
bool put_fields(const type_ref& composite, value_writer& out, const Field&... fields) {
  out.put(static_cast<std::int32_t>(sizeof...(Field)));
  std::int32_t index = 0;
  return ((put_field_type<Field>(composite, index++, out), put_item(fields, out)) && ...);
}

}  // namespace detail

template <class... Field>
  requires(sizeof...(Field) > 0 && (decodable<Field> && ...))
struct codec<std::tuple<Field...>> {
  static bool accepts(std::uint32_t column) noexcept {
    return column == detail::record_type || column >= oid::first_user_defined;
  }
  static bool decode(value_reader& in, std::tuple<Field...>& out) {
    return std::apply([&in](Field&... fields) { return detail::read_fields(in, fields...); }, out);
  }
};

}  // namespace v0
}  // namespace lido
