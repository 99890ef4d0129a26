#include <lido/driver/types/time.hpp>

namespace lido {
inline namespace v0 {
namespace {

constexpr std::chrono::microseconds day = std::chrono::hours(24);
constexpr std::int64_t offset_limit = 16LL * 3600;  // PostgreSQL's MAX_TZDISP_HOUR is 15

bool is_time_of_day(std::chrono::microseconds time) noexcept { return time.count() >= 0 && time <= day; }

}  // namespace

namespace detail {

bool put_duration(std::int64_t count, std::int64_t numerator, std::int64_t denominator, value_writer& out) {
  std::int64_t micros = 0;
  return to_micros(count, numerator, denominator, micros) &&
         codec<interval>::encode({0, 0, std::chrono::microseconds(micros)}, out);
}

bool take_duration(value_reader& in, std::int64_t& micros) noexcept {
  interval read;
  if (!codec<interval>::decode(in, read) || read.months != 0) return false;
  std::int64_t whole_days = 0;
  return !__builtin_mul_overflow(std::int64_t{read.days}, std::int64_t{day.count()}, &whole_days) &&
         !__builtin_add_overflow(read.time.count(), whole_days, &micros);
}

}  // namespace detail

bool codec<time_of_day>::encode(time_of_day value, value_writer& out) {
  out.put(std::int64_t{value.since_midnight.count()});
  return is_time_of_day(value.since_midnight);
}

bool codec<time_of_day>::decode(value_reader& in, time_of_day& out) noexcept {
  out.since_midnight = std::chrono::microseconds(in.take<std::int64_t>());
  return is_time_of_day(out.since_midnight);
}

// The wire counts seconds west of UTC, as POSIX does.
bool codec<time_of_day_tz>::encode(const time_of_day_tz& value, value_writer& out) {
  const std::int64_t offset = value.utc_offset.count();
  if (offset <= -offset_limit || offset >= offset_limit) return false;
  out.put(std::int64_t{value.since_midnight.count()});
  out.put(static_cast<std::int32_t>(-offset));
  return is_time_of_day(value.since_midnight);
}

bool codec<time_of_day_tz>::decode(value_reader& in, time_of_day_tz& out) noexcept {
  out.since_midnight = std::chrono::microseconds(in.take<std::int64_t>());
  const std::int64_t west = in.take<std::int32_t>();
  out.utc_offset = std::chrono::seconds(-west);
  return is_time_of_day(out.since_midnight) && west > -offset_limit && west < offset_limit;
}

bool codec<interval>::encode(const interval& value, value_writer& out) {
  out.put(std::int64_t{value.time.count()});
  out.put(value.days);
  out.put(value.months);
  return true;
}

bool codec<interval>::decode(value_reader& in, interval& out) noexcept {
  out.time = std::chrono::microseconds(in.take<std::int64_t>());
  out.days = in.take<std::int32_t>();
  out.months = in.take<std::int32_t>();
  return true;
}

}  // namespace v0
}  // namespace lido
