// Arrays of whatever has a codec:
//
//   std::vector<T>                one dimension
//   std::vector<std::vector<T>>   two, and so on up to six; each row has the same length
//   lido::array<T>                any number of dimensions with their lower bounds, as the server has them
//
// T is std::optional<U> where elements may be NULL; a NULL for another T is errc::value_out_of_range.
// std::vector<std::byte> is a bytea. std::vector<std::string> is a parameter in text form, its type inferred by the
// server, as a std::string is: write $1::text[] where nothing else says it.
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/builtin_types.hpp>
#include <lido/driver/detail/item.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

inline constexpr std::size_t max_array_dimensions = 6;

struct array_dimension {
  std::int32_t size = 0;
  std::int32_t lower_bound = 1;
  friend bool operator==(const array_dimension&, const array_dimension&) = default;
};

/// Elements row by row: the last dimension's index runs fastest. An empty array has no dimensions.
template <class T>
struct array {
  std::vector<array_dimension> dimensions;
  std::vector<T> elements;

  array() = default;
  array(std::vector<array_dimension> shape, std::vector<T> values)
      : dimensions(std::move(shape)), elements(std::move(values)) {}
  friend bool operator==(const array&, const array&) = default;
};

namespace detail {

template <class T>
inline constexpr bool is_row_of_array = false;  // a std::vector that is a dimension, not an element
template <class T>
inline constexpr bool is_row_of_array<std::vector<T>> = !std::is_same_v<T, std::byte>;

struct array_shape {
  std::array<array_dimension, max_array_dimensions> dimensions{};
  std::size_t count = 0;     // of dimensions
  std::size_t elements = 0;  // in all

  std::span<const array_dimension> used() const noexcept { return {dimensions.data(), count}; }
};

// The header, checked: at most six dimensions, none empty, and no more elements than there are bytes for their lengths
// (reliability C26).
bool take_array_shape(value_reader& in, array_shape& out, std::uint32_t& element_type) noexcept;
void put_array_shape(const array_shape& shape, bool nulls, const type_ref& element, value_writer& out);
// False: more than six, a size below 1, or not `elements` in all.
bool make_array_shape(std::span<const array_dimension> dimensions, std::size_t elements, array_shape& out) noexcept;

// The text form, for elements that are sent in theirs: {"a","b",NULL}, with bounds where they are not 1.
class array_text {
 public:
  array_text(const array_shape& shape, value_writer& out);
  void put(std::string_view element);
  void put_null();
  void finish();

 private:
  void before_element();

  const array_shape& shape_;
  value_writer& out_;
  std::size_t next_ = 0;
};

template <class T, class Visit>
bool visit_elements(const std::vector<T>& elements, Visit& visit) {
  for (const auto& each : elements) {
    if (!visit(static_cast<const T&>(each))) return false;
  }
  return true;
}
template <class T, class Read>
bool read_elements(std::vector<T>& out, std::size_t count, Read& read) {
  out.clear();
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    T element{};
    if (!read(element)) return false;
    out.push_back(std::move(element));
  }
  return true;
}
// All rows, of so many dimensions; nothing of the empty array.
template <class Traits, class Rows, class Read>
bool fill_rows(Rows& out, const array_shape& shape, Read& read) {
  out.clear();
  if (shape.count == 0) return true;
  return shape.count == Traits::depth && Traits::fill_row(out, shape, 0, read);
}

// How T is an array: what it is made of, and how its elements are walked.
template <class T>
struct array_traits;

template <class T>
struct array_traits<array<T>> {
  using element = T;

  static bool shape_of(const array<T>& value, array_shape& out) noexcept {
    return make_array_shape(value.dimensions, value.elements.size(), out);
  }
  template <class Visit>
  static bool each(const array<T>& value, Visit&& visit) {
    return visit_elements(value.elements, visit);
  }
  template <class Read>
  static bool fill(array<T>& out, const array_shape& shape, Read&& read) {
    const auto used = shape.used();
    out.dimensions.assign(used.begin(), used.end());
    return read_elements(out.elements, shape.elements, read);
  }
};

template <class T>
struct array_traits<std::vector<T>> {
  using element = T;
  static constexpr std::size_t depth = 1;

  static bool measure(const std::vector<T>& value, std::size_t level, array_shape& shape) noexcept {
    return static_cast<std::size_t>(shape.dimensions[level].size) == value.size();
  }
  static void guess(const std::vector<T>& value, std::size_t level, array_shape& shape) noexcept {
    shape.dimensions[level].size = static_cast<std::int32_t>(value.size());
  }
  static bool shape_of(const std::vector<T>& value, array_shape& out) noexcept {
    if (value.empty()) return true;
    const array_dimension only{static_cast<std::int32_t>(value.size()), 1};
    return value.size() <= max_request_bytes && make_array_shape({&only, 1}, value.size(), out);
  }
  template <class Visit>
  static bool each(const std::vector<T>& value, Visit&& visit) {
    return visit_elements(value, visit);
  }
  template <class Read>
  static bool fill(std::vector<T>& out, const array_shape& shape, Read&& read) {
    return fill_rows<array_traits>(out, shape, read);
  }
  template <class Read>
  static bool fill_row(std::vector<T>& out, const array_shape& shape, std::size_t level, Read& read) {
    return read_elements(out, static_cast<std::size_t>(shape.dimensions[level].size), read);
  }
};

template <class T>
  requires(is_row_of_array<T>)
struct array_traits<std::vector<T>> {
  using row = array_traits<T>;
  using element = typename row::element;
  static constexpr std::size_t depth = 1 + row::depth;
  static_assert(depth <= max_array_dimensions, "lido: PostgreSQL's arrays have at most six dimensions");

  static bool measure(const std::vector<T>& value, std::size_t level, array_shape& shape) noexcept {
    if (static_cast<std::size_t>(shape.dimensions[level].size) != value.size()) return false;
    for (const T& each : value) {
      if (!row::measure(each, level + 1, shape)) return false;
    }
    return true;
  }
  static void guess(const std::vector<T>& value, std::size_t level, array_shape& shape) noexcept {
    shape.dimensions[level].size = static_cast<std::int32_t>(value.size());
    if (!value.empty()) row::guess(value.front(), level + 1, shape);
  }
  static bool shape_of(const std::vector<T>& value, array_shape& out) noexcept {
    array_shape guessed;
    guessed.count = depth;
    guess(value, 0, guessed);
    if (!measure(value, 0, guessed)) return false;  // rows of different lengths
    std::size_t elements = 1;
    for (const array_dimension& each : guessed.used()) {
      if (each.size == 0) return true;  // no elements at all: the empty array
      if (__builtin_mul_overflow(elements, static_cast<std::size_t>(each.size), &elements)) return false;
    }
    return make_array_shape(guessed.used(), elements, out);
  }
  template <class Visit>
  static bool each(const std::vector<T>& value, Visit&& visit) {
    for (const T& inner : value) {
      if (!row::each(inner, visit)) return false;
    }
    return true;
  }
  template <class Read>
  static bool fill(std::vector<T>& out, const array_shape& shape, Read&& read) {
    return fill_rows<array_traits>(out, shape, read);
  }
  template <class Read>
  static bool fill_row(std::vector<T>& out, const array_shape& shape, std::size_t level, Read& read) {
    const auto size = static_cast<std::size_t>(shape.dimensions[level].size);
    out.clear();
    out.reserve(size);
    for (std::size_t i = 0; i < size; ++i) {
      if (!row::fill_row(out.emplace_back(), shape, level + 1, read)) return false;
    }
    return true;
  }
};

template <class Value>
constexpr type_ref array_type_of(const type_ref& element) noexcept {
  if (element.named()) return {oid::inferred, element.name, type_part::array};
  return {array_of(element.oid)};
}

template <class Array>
struct array_decoder {};
template <class Array>
  requires(has_decoder<without_optional_t<typename array_traits<Array>::element>>)
struct array_decoder<Array> {
  using element = typename array_traits<Array>::element;
  using value = without_optional_t<element>;

  static bool accepts(std::uint32_t column) {
    const std::uint32_t inner = element_of(column);
    return inner != 0 ? codec<value>::accepts(inner) : column >= oid::first_user_defined;
  }
  static bool decode(value_reader& in, Array& out) {
    array_shape shape;
    std::uint32_t sent = 0;
    std::uint32_t type = 0;
    if (!take_array_shape(in, shape, sent) || !reads_item<value>(sent, type)) return false;
    return array_traits<Array>::fill(out, shape, [&](element& each) { return read_item(in, type, each); });
  }
};

template <class Array>
struct array_encoder {};

// Elements that travel in binary. An element type without a number cannot be sent so.
template <class Array>
  requires(has_encoder<without_optional_t<typename array_traits<Array>::element>>)
struct array_encoder<Array> {
  using element = typename array_traits<Array>::element;
  using value = without_optional_t<element>;
  static constexpr type_ref server_type = array_type_of<value>(type_ref_of<value>());
  static constexpr std::uint32_t type = server_type.oid;
  static constexpr bool binary = codec<value>::binary;

  template <class Visitor>
  static void visit_parts(const Visitor& visit) {
    visit.template operator()<element>();
  }
  static bool encode(const Array& from, value_writer& out) {
    if constexpr (!binary) {
      return encode_text(from, out);
    } else {
      return encode_binary(from, out);
    }
  }
  static constexpr type_ref binary_type = [] {
    if constexpr (has_binary_encoder<value>) {
      return array_type_of<value>(binary_type_of<value>());
    } else {
      return type_ref{};
    }
  }();
  static bool encode_binary(const Array& from, value_writer& out)
    requires(has_binary_encoder<value>)
  {
    static_assert(binary_type_of<value>().known(), "lido: an array needs to know the server's type of its elements");
    array_shape shape;
    if (!array_traits<Array>::shape_of(from, shape)) return false;
    bool nulls = false;
    if constexpr (is_optional<element>) {
      nulls = !array_traits<Array>::each(from, [](const element& each) { return each.has_value(); });
    }
    put_array_shape(shape, nulls, binary_type_of<value>(), out);
    return array_traits<Array>::each(from, [&](const element& each) { return put_item(each, out); });
  }

 private:
  static bool encode_text(const Array& from, value_writer& out) {
    array_shape shape;
    if (!array_traits<Array>::shape_of(from, shape)) return false;
    array_text text(shape, out);
    std::string buffer;
    const bool encoded = array_traits<Array>::each(from, [&](const element& each) {
      if constexpr (is_optional<element>) {
        if (!each) {
          text.put_null();
          return true;
        }
        return put_text_element(*each, buffer, text);
      } else {
        return put_text_element(each, buffer, text);
      }
    });
    text.finish();
    return encoded;
  }
  static bool put_text_element(const value& each, std::string& buffer, array_text& text) {
    buffer.clear();
    value_writer element_out(buffer);
    if (!codec<value>::encode(each, element_out) || !element_out.ok()) return false;
    text.put(buffer);
    return true;
  }
};

}  // namespace detail

template <class T>
struct codec<std::vector<T>> : detail::array_decoder<std::vector<T>>, detail::array_encoder<std::vector<T>> {};

template <class T>
struct codec<array<T>> : detail::array_decoder<array<T>>, detail::array_encoder<array<T>> {};

}  // namespace v0
}  // namespace lido
