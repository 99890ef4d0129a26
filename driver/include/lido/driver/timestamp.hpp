// Dates and points in time, in std::chrono's types:
//
//   timestamptz   std::chrono::sys_time<std::chrono::microseconds>, or lido::timestamptz where infinity may come
//   timestamp     std::chrono::local_time<std::chrono::microseconds>, or lido::timestamp
//   date          std::chrono::sys_days or std::chrono::year_month_day, or lido::date
//
// A sys_time with another resolution is a timestamptz parameter, too (nanoseconds are rounded down: PostgreSQL has
// none), and nanoseconds can be read, where they reach: from 1677 to 2262. Values that the C++ type cannot hold are
// errc::value_out_of_range. Text columns are not read: their form depends on the session's DateStyle.
#pragma once

#include <lido/driver/codec.hpp>

#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace lido {
inline namespace v0 {

/// A Time, or one of PostgreSQL's two infinities. Orders as PostgreSQL does.
template <class Time>
class unbounded {
 public:
  constexpr unbounded() = default;
  constexpr unbounded(Time value) noexcept : value_(value) {}  // NOLINT(google-explicit-constructor): each Time is one
  static constexpr unbounded infinity() noexcept { return Time::max(); }
  static constexpr unbounded minus_infinity() noexcept { return Time::min(); }

  constexpr bool finite() const noexcept { return value_ != Time::max() && value_ != Time::min(); }
  /// The point in time; of an infinity the last or first one there is.
  constexpr Time value() const noexcept { return value_; }

  friend constexpr auto operator<=>(const unbounded&, const unbounded&) = default;

 private:
  Time value_{};
};

using timestamptz = unbounded<std::chrono::sys_time<std::chrono::microseconds>>;
using timestamp = unbounded<std::chrono::local_time<std::chrono::microseconds>>;
using date = unbounded<std::chrono::sys_days>;

namespace detail {

// The wire's own form: microseconds (days) since 2000-01-01, the extremes are the infinities. Between it and 1970's
// epoch nothing may overflow.
bool put_timestamp(std::int64_t micros_since_1970, value_writer& out);
void put_infinite_timestamp(bool positive, value_writer& out);
enum class moment : std::uint8_t { finite, infinity, minus_infinity, malformed };
// Inline: read by the thousand.
inline constexpr std::int64_t epoch_days = 10'957;  // 1970-01-01 to 2000-01-01
inline constexpr std::int64_t epoch_micros = epoch_days * 86'400 * 1'000'000;
inline moment moment_of(std::int64_t wire, std::int64_t& micros_since_1970) noexcept {
  if (wire == std::numeric_limits<std::int64_t>::max()) return moment::infinity;
  if (wire == std::numeric_limits<std::int64_t>::min()) return moment::minus_infinity;
  return __builtin_add_overflow(wire, epoch_micros, &micros_since_1970) ? moment::malformed : moment::finite;
}
inline moment take_timestamp(value_reader& in, std::int64_t& micros_since_1970) noexcept {
  return moment_of(in.take<std::int64_t>(), micros_since_1970);
}
bool put_date(std::int64_t days_since_1970, value_writer& out);
void put_infinite_date(bool positive, value_writer& out);
moment take_date(value_reader& in, std::int64_t& days_since_1970) noexcept;

// Microseconds in another unit, rounded down; false when it does not fit. `numerator` / `denominator` of a second is
// the unit.
bool to_micros(std::int64_t count, std::int64_t numerator, std::int64_t denominator, std::int64_t& micros) noexcept;
inline bool from_micros(std::int64_t micros, std::int64_t denominator, std::int64_t& count) noexcept {
  return !__builtin_mul_overflow(micros, denominator / 1'000'000, &count);
}

template <class Duration>
concept clock_unit = std::signed_integral<typename Duration::rep> && sizeof(typename Duration::rep) == 8;

// Microseconds or finer: reading loses nothing.
template <class Duration>
concept readable_unit = clock_unit<Duration> && Duration::period::num == 1 && Duration::period::den >= 1'000'000 &&
                        Duration::period::den % 1'000'000 == 0;

template <class Clock, class Duration, std::uint32_t Type>
struct time_codec {
  using time = std::chrono::time_point<Clock, Duration>;
  static constexpr std::uint32_t type = Type;
  static constexpr bool binary = true;

  static bool encode(time value, value_writer& out) {
    std::int64_t micros = 0;
    using period = typename Duration::period;
    return to_micros(value.time_since_epoch().count(), period::num, period::den, micros) && put_timestamp(micros, out);
  }
  static bool accepts(std::uint32_t column) noexcept
    requires(readable_unit<Duration>)
  {
    return column == Type;
  }
  static bool decode(value_reader& in, time& out) noexcept
    requires(readable_unit<Duration>)
  {
    return decode_wire(in.take<std::int64_t>(), out);
  }
  // As rows do that are read by the thousand.
  using wire = std::int64_t;
  static bool decode_wire(wire value, time& out) noexcept
    requires(readable_unit<Duration>)
  {
    std::int64_t micros = 0;
    std::int64_t count = 0;
    if (moment_of(value, micros) != moment::finite || !from_micros(micros, Duration::period::den, count)) return false;
    out = time(Duration(count));
    return true;
  }
};

template <class Time, std::uint32_t Type, bool (*Put)(std::int64_t, value_writer&),
          void (*PutInfinite)(bool, value_writer&), moment (*Take)(value_reader&, std::int64_t&) noexcept>
struct unbounded_codec {
  static constexpr std::uint32_t type = Type;
  static constexpr bool binary = true;
  static bool accepts(std::uint32_t column) noexcept { return column == Type; }
  static bool encode(const unbounded<Time>& value, value_writer& out) {
    if (value.finite()) return Put(value.value().time_since_epoch().count(), out);
    PutInfinite(value == unbounded<Time>::infinity(), out);
    return true;
  }
  static bool decode(value_reader& in, unbounded<Time>& out) noexcept {
    std::int64_t count = 0;
    switch (Take(in, count)) {
      case moment::finite:
        out = Time(typename Time::duration(count));
        return out
            .finite();  // the server's calendar has the moment that is an infinity here: sent back it would be one
      case moment::infinity: out = unbounded<Time>::infinity(); return true;
      case moment::minus_infinity: out = unbounded<Time>::minus_infinity(); return true;
      case moment::malformed: break;
    }
    return false;
  }
};

}  // namespace detail

template <detail::clock_unit Duration>
struct codec<std::chrono::time_point<std::chrono::system_clock, Duration>>
    : detail::time_codec<std::chrono::system_clock, Duration, oid::timestamptz> {
  static constexpr std::string_view name = "std::chrono::sys_time";
};

template <detail::clock_unit Duration>
struct codec<std::chrono::time_point<std::chrono::local_t, Duration>>
    : detail::time_codec<std::chrono::local_t, Duration, oid::timestamp> {
  static constexpr std::string_view name = "std::chrono::local_time";
};

template <>
struct codec<timestamptz>
    : detail::unbounded_codec<std::chrono::sys_time<std::chrono::microseconds>, oid::timestamptz, detail::put_timestamp,
                              detail::put_infinite_timestamp, detail::take_timestamp> {
  static constexpr std::string_view name = "lido::timestamptz";
};

template <>
struct codec<timestamp>
    : detail::unbounded_codec<std::chrono::local_time<std::chrono::microseconds>, oid::timestamp, detail::put_timestamp,
                              detail::put_infinite_timestamp, detail::take_timestamp> {
  static constexpr std::string_view name = "lido::timestamp";
};

template <>
struct codec<date> : detail::unbounded_codec<std::chrono::sys_days, oid::date, detail::put_date,
                                             detail::put_infinite_date, detail::take_date> {
  static constexpr std::string_view name = "lido::date";
};

template <>
struct codec<std::chrono::sys_days> {
  static constexpr std::string_view name = "std::chrono::sys_days";
  static constexpr std::uint32_t type = oid::date;
  static constexpr bool binary = true;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::date; }
  static bool encode(std::chrono::sys_days value, value_writer& out) {
    return detail::put_date(value.time_since_epoch().count(), out);
  }
  static bool decode(value_reader& in, std::chrono::sys_days& out) noexcept {
    std::int64_t days = 0;
    if (detail::take_date(in, days) != detail::moment::finite) return false;
    out = std::chrono::sys_days(std::chrono::days(days));
    return true;
  }
};

template <>
struct codec<std::chrono::year_month_day> {
  static constexpr std::string_view name = "std::chrono::year_month_day";
  static constexpr std::uint32_t type = oid::date;
  static constexpr bool binary = true;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::date; }
  static bool encode(const std::chrono::year_month_day& value, value_writer& out) {
    return value.ok() && codec<std::chrono::sys_days>::encode(value, out);
  }
  static bool decode(value_reader& in, std::chrono::year_month_day& out) noexcept {
    std::chrono::sys_days days;
    if (!codec<std::chrono::sys_days>::decode(in, days)) return false;
    // std::chrono::year ends at 32767, PostgreSQL's date at 5874897.
    constexpr std::chrono::sys_days first = std::chrono::year::min() / std::chrono::January / 1;
    constexpr std::chrono::sys_days last = std::chrono::year::max() / std::chrono::December / 31;
    if (days < first || days > last) return false;
    out = days;
    return true;
  }
};

}  // namespace v0
}  // namespace lido
