// Times of day and spans of time:
//
//   time        std::chrono::hh_mm_ss<std::chrono::microseconds>, or lido::time_of_day, which compares
//   timetz      lido::time_of_day_tz
//   interval    lido::interval; std::chrono's durations, where there are no months in it
//
// Text columns are not read: their form depends on the session's IntervalStyle and DateStyle.
// <lido/driver/timestamp.hpp> has dates and points in time.
#pragma once

#include <lido/driver/timestamp.hpp>
#include <lido/driver/types/fixed_codec.hpp>

#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string_view>

namespace lido {
inline namespace v0 {

/// From 00:00:00 to 24:00:00, both of which PostgreSQL has.
struct time_of_day {
  std::chrono::microseconds since_midnight{0};
  friend auto operator<=>(const time_of_day&, const time_of_day&) = default;
};

/// A time of day somewhere: `utc_offset` is what is added to UTC there, +2 h in a summer's Rome; less than 16 hours.
struct time_of_day_tz {
  std::chrono::microseconds since_midnight{0};
  std::chrono::seconds utc_offset{0};
  friend bool operator==(const time_of_day_tz&, const time_of_day_tz&) = default;
};

/// Months, days and a time are three numbers of their own, as on the server: how long a month or a day is depends on
/// where it is added. Equal are those with the same three numbers; '1 day' and '24:00' are not.
struct interval {
  std::int32_t months = 0;
  std::int32_t days = 0;
  std::chrono::microseconds time{0};

  /// PostgreSQL 17 and later.
  static constexpr interval infinity() noexcept {
    return {std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::max(),
            std::chrono::microseconds::max()};
  }
  static constexpr interval minus_infinity() noexcept {
    return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::min(),
            std::chrono::microseconds::min()};
  }
  constexpr bool finite() const noexcept { return *this != infinity() && *this != minus_infinity(); }

  friend constexpr bool operator==(const interval&, const interval&) = default;
};

namespace detail {

bool put_duration(std::int64_t count, std::int64_t numerator, std::int64_t denominator, value_writer& out);
bool take_duration(value_reader& in, std::int64_t& micros) noexcept;  // a day is 24 hours; false for months

}  // namespace detail

template <>
struct codec<time_of_day> : detail::fixed_codec<oid::time> {
  static constexpr std::string_view name = "lido::time_of_day";
  static bool encode(time_of_day value, value_writer& out);
  static bool decode(value_reader& in, time_of_day& out) noexcept;
};

template <>
struct codec<std::chrono::hh_mm_ss<std::chrono::microseconds>> : detail::fixed_codec<oid::time> {
  static constexpr std::string_view name = "std::chrono::hh_mm_ss";
  using time = std::chrono::hh_mm_ss<std::chrono::microseconds>;
  static bool encode(const time& value, value_writer& out) {
    return codec<time_of_day>::encode({value.to_duration()}, out);
  }
  static bool decode(value_reader& in, time& out) noexcept {
    time_of_day read;
    if (!codec<time_of_day>::decode(in, read)) return false;
    out = time(read.since_midnight);
    return true;
  }
};

template <>
struct codec<time_of_day_tz> : detail::fixed_codec<oid::timetz> {
  static constexpr std::string_view name = "lido::time_of_day_tz";
  static bool encode(const time_of_day_tz& value, value_writer& out);
  static bool decode(value_reader& in, time_of_day_tz& out) noexcept;
};

template <>
struct codec<interval> : detail::fixed_codec<oid::interval> {
  static constexpr std::string_view name = "lido::interval";
  static bool encode(const interval& value, value_writer& out);
  static bool decode(value_reader& in, interval& out) noexcept;
};

/// Any unit as a parameter, rounded down to microseconds; microseconds and nanoseconds are read, days as 24 hours. An
/// interval with months in it, or an infinite one, is errc::value_out_of_range.
template <std::signed_integral Rep, class Period>
  requires(sizeof(Rep) == 8)
struct codec<std::chrono::duration<Rep, Period>> {
  static constexpr std::string_view name = "std::chrono::duration";
  static constexpr std::uint32_t type = oid::interval;
  static constexpr bool binary = true;
  static constexpr bool readable = Period::num == 1 && Period::den >= 1'000'000 && Period::den % 1'000'000 == 0;
  using duration = std::chrono::duration<Rep, Period>;

  static bool encode(duration value, value_writer& out) {
    return detail::put_duration(value.count(), Period::num, Period::den, out);
  }
  static bool accepts(std::uint32_t column) noexcept
    requires(readable)
  {
    return column == oid::interval;
  }
  static bool decode(value_reader& in, duration& out) noexcept
    requires(readable)
  {
    std::int64_t micros = 0;
    std::int64_t count = 0;
    if (!detail::take_duration(in, micros) || !detail::from_micros(micros, Period::den, count)) return false;
    out = duration(count);
    return true;
  }
};

}  // namespace v0
}  // namespace lido
