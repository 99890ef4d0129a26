// A value within a value - an element of an array, a field of a composite, a bound of a range: int32 length, then the
// bytes; -1 is NULL.
#pragma once

#include <lido/driver/codec.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lido {
inline namespace v0 {
namespace detail {

// Which type a T inside a value of the server is read as: its own, or, of a domain (which names itself in here, not its
// base as a column does), the one that T is when sent. Its bytes must fit, as always.
template <class T>
bool reads_item(std::uint32_t type, std::uint32_t& as) {
  as = type;
  if (codec<T>::accepts(type)) return true;
  if constexpr (has_encoder<T>) {
    as = type_ref_of<T>().oid;
    return type >= oid::first_user_defined && as != 0 && codec<T>::accepts(as);
  } else {
    return false;
  }
}

// False: malformed. NULL is nullopt.
inline bool take_item(value_reader& in, std::optional<std::string_view>& out) noexcept {
  const auto size = in.take<std::int32_t>();
  if (size == -1) {
    out.reset();
    return true;
  }
  if (size < 0 || static_cast<std::size_t>(size) > in.remaining()) return false;
  out = in.take_bytes(static_cast<std::size_t>(size));
  return true;
}

template <class T>
bool read_item(value_reader& in, std::uint32_t type, T& out) {
  std::optional<std::string_view> bytes;
  if (!take_item(in, bytes)) return false;
  if constexpr (is_optional<T>) {
    if (!bytes) {
      out.reset();
      return true;
    }
    value_reader item(*bytes, type, true);
    return codec<without_optional_t<T>>::decode(item, out.emplace()) && item.complete();
  } else {
    if (!bytes) return false;
    value_reader item(*bytes, type, true);
    return codec<T>::decode(item, out) && item.complete();
  }
}

template <class T>
bool put_item(const T& value, value_writer& out) {
  if constexpr (is_optional<T>) {
    if (value) return put_item(*value, out);
    out.put_null();
    return true;
  } else {
    const std::size_t begin = out.begin_item();
    if (!encode_in_binary(value, out)) return false;
    out.end_item(begin);
    return true;
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
