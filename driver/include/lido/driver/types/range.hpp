// Ranges and multiranges of whatever has a codec:
//
//   lido::range<std::int32_t>     int4range          lido::range<std::int64_t>    int8range
//   lido::range<lido::numeric>    numrange           lido::range<std::chrono::sys_days>, lido::date      daterange
//   lido::range<std::chrono::local_time<...>>, lido::timestamp      tsrange
//   lido::range<std::chrono::sys_time<...>>, lido::timestamptz      tstzrange
//   lido::multirange<T>           the same as int4multirange ...
//
// A range of another T is read from, and sent for, a range type of your own; as a parameter its type is then inferred.
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/item.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// A bound that is nullopt is infinite. The server turns ranges of integers and dates into the form [lower, upper).
template <class T>
struct range {
  std::optional<T> lower;
  std::optional<T> upper;
  bool lower_inclusive = true;   ///< of an infinite bound without meaning: read as false
  bool upper_inclusive = false;  ///< same
  bool empty = false;            ///< then nothing else counts

  range() = default;  ///< everything
  range(std::optional<T> from, std::optional<T> to, bool with_from = true, bool with_to = false)
      : lower(std::move(from)), upper(std::move(to)), lower_inclusive(with_from), upper_inclusive(with_to) {}
  static range nothing() {
    range out;
    out.empty = true;
    return out;
  }

  /// What the server would call the same range, but for the canonical form of integers and dates.
  friend bool operator==(const range& a, const range& b) {
    if (a.empty || b.empty) return a.empty == b.empty;
    return a.lower == b.lower && a.upper == b.upper && (!a.lower || a.lower_inclusive == b.lower_inclusive) &&
           (!a.upper || a.upper_inclusive == b.upper_inclusive);
  }
};

/// As the server sends it: in order, none empty, none touching another.
template <class T>
struct multirange {
  std::vector<range<T>> ranges;

  multirange() = default;
  explicit multirange(std::vector<range<T>> values) : ranges(std::move(values)) {}
  friend bool operator==(const multirange&, const multirange&) = default;
};

namespace detail {

struct range_types {
  std::uint32_t element;
  std::uint32_t range;
  std::uint32_t multirange;
};
// All there are; user-defined ranges are not among them.
inline constexpr range_types builtin_ranges[] = {
    {oid::int4, 3904, 4451},        {oid::numeric, 3906, 4532}, {oid::timestamp, 3908, 4533},
    {oid::timestamptz, 3910, 4534}, {oid::date, 3912, 4535},    {oid::int8, 3926, 4536},
};
// Of an element type; zeros: none.
constexpr range_types range_types_of(std::uint32_t element) noexcept {
  for (const range_types& each : builtin_ranges) {
    if (each.element == element) return each;
  }
  return {element, oid::inferred, oid::inferred};
}
// What a built-in range or multirange is made of; 0: it is none.
constexpr std::uint32_t bound_of(std::uint32_t type) noexcept {
  for (const range_types& each : builtin_ranges) {
    if (each.range == type || each.multirange == type) return each.element;
  }
  return 0;
}
constexpr bool is_multirange(std::uint32_t type) noexcept {
  for (const range_types& each : builtin_ranges) {
    if (each.multirange == type) return true;
  }
  return false;
}

struct range_flags {
  bool empty = false;
  bool lower_inclusive = false;
  bool upper_inclusive = false;
  bool lower_infinite = false;
  bool upper_infinite = false;
};
bool take_range_flags(value_reader& in, range_flags& out) noexcept;
void put_range_flags(const range_flags& flags, value_writer& out);

// Which type a bound is read as, from the range's: a range of the user's own does not say.
template <class T>
std::uint32_t bound_type(std::uint32_t range_type) noexcept {
  const std::uint32_t builtin = bound_of(range_type);
  if (builtin != 0) return builtin;
  if constexpr (has_encoder<T>) return codec<T>::type;
  return oid::inferred;
}

template <class T>
bool take_range(value_reader& in, std::uint32_t bound, range<T>& out) {
  range_flags flags;
  if (!take_range_flags(in, flags)) return false;
  out = range<T>();
  out.empty = flags.empty;
  if (flags.empty) return true;
  out.lower_inclusive = flags.lower_inclusive;
  out.upper_inclusive = flags.upper_inclusive;
  return (flags.lower_infinite || read_item(in, bound, out.lower.emplace())) &&
         (flags.upper_infinite || read_item(in, bound, out.upper.emplace()));
}

template <class T>
bool put_range(const range<T>& value, value_writer& out) {
  range_flags flags;
  flags.empty = value.empty;
  if (!value.empty) {
    flags.lower_infinite = !value.lower;
    flags.upper_infinite = !value.upper;
    flags.lower_inclusive = value.lower && value.lower_inclusive;
    flags.upper_inclusive = value.upper && value.upper_inclusive;
  }
  put_range_flags(flags, out);
  if (value.empty) return true;
  return (!value.lower || put_item(*value.lower, out)) && (!value.upper || put_item(*value.upper, out));
}

template <class T>
struct range_decoder {};
template <has_decoder T>
struct range_decoder<T> {
  static bool accepts(std::uint32_t column) {
    const std::uint32_t bound = bound_of(column);
    if (bound == 0) return column >= oid::first_user_defined;
    return !is_multirange(column) && codec<T>::accepts(bound);
  }
  static bool decode(value_reader& in, range<T>& out) { return take_range(in, bound_type<T>(in.type()), out); }
};

template <class T>
struct range_encoder {};
template <has_binary_encoder T>
struct range_encoder<T> {
  static constexpr std::uint32_t type = range_types_of(codec<T>::type).range;
  static constexpr bool binary = true;
  static bool encode(const range<T>& value, value_writer& out) { return put_range(value, out); }
};

template <class T>
struct multirange_decoder {};
template <has_decoder T>
struct multirange_decoder<T> {
  static bool accepts(std::uint32_t column) {
    const std::uint32_t bound = bound_of(column);
    if (bound == 0) return column >= oid::first_user_defined;
    return is_multirange(column) && codec<T>::accepts(bound);
  }
  static bool decode(value_reader& in, multirange<T>& out) {
    constexpr std::size_t min_range = sizeof(std::int32_t) + 1;
    const auto count = in.take<std::int32_t>();
    if (count < 0 || static_cast<std::size_t>(count) > in.remaining() / min_range) return false;
    const std::uint32_t bound = bound_type<T>(in.type());
    out.ranges.clear();
    for (std::int32_t i = 0; i < count; ++i) {
      std::optional<std::string_view> bytes;
      if (!take_item(in, bytes) || !bytes) return false;
      value_reader item(*bytes, in.type(), true);
      range<T> each;
      if (!take_range(item, bound, each) || !item.complete()) return false;
      out.ranges.push_back(std::move(each));
    }
    return true;
  }
};

template <class T>
struct multirange_encoder {};
template <has_binary_encoder T>
struct multirange_encoder<T> {
  static constexpr std::uint32_t type = range_types_of(codec<T>::type).multirange;
  static constexpr bool binary = true;
  static bool encode(const multirange<T>& value, value_writer& out) {
    if (value.ranges.size() > max_request_bytes) return false;
    out.put(static_cast<std::int32_t>(value.ranges.size()));
    for (const range<T>& each : value.ranges) {
      const std::size_t begin = out.begin_item();
      if (!put_range(each, out)) return false;
      out.end_item(begin);
    }
    return true;
  }
};

}  // namespace detail

template <class T>
struct codec<range<T>> : detail::range_decoder<T>, detail::range_encoder<T> {};

template <class T>
struct codec<multirange<T>> : detail::multirange_decoder<T>, detail::multirange_encoder<T> {};

}  // namespace v0
}  // namespace lido
