#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

namespace lido::test {
namespace {

using namespace std::chrono;

using sys_micros = sys_time<microseconds>;
using local_micros = local_time<microseconds>;
constexpr auto most = std::numeric_limits<std::int64_t>::max();
constexpr auto least = std::numeric_limits<std::int64_t>::min();

sys_micros at(int y, unsigned m, unsigned d, microseconds time = {}) {
  return sys_days(year(y) / month(m) / day(d)) + time;
}

struct moment_case {
  sys_micros time;
  std::string_view hex;
};
const moment_case moments[] = {
    {at(2000, 1, 1), "0000000000000000"},
    {at(1970, 1, 1), "fffca2fec4c82000"},
    {at(1999, 12, 31, hours(24) - microseconds(1)), "ffffffffffffffff"},
    {at(2038, 1, 19, hours(3) + minutes(14) + seconds(8) + microseconds(1)), "0004441ec4c82001"},
    {at(1, 1, 1), "ff1fe2ffc59c6000"},
    {at(-4712, 11, 24), "fd0f9983eb0ae000"},
};

TEST(timestamps, are_what_the_server_sends) {
  for (const auto& m : moments) {
    SCOPED_TRACE(m.hex);
    const local_micros local(m.time.time_since_epoch());
    EXPECT_EQ(encode(m.time), unhex(m.hex));
    EXPECT_EQ(encode(local), unhex(m.hex));
    EXPECT_EQ(encode(timestamptz(m.time)), unhex(m.hex));
    EXPECT_EQ(decode<sys_micros>(oid::timestamptz, unhex(m.hex)).value, m.time);
    EXPECT_EQ(decode<local_micros>(oid::timestamp, unhex(m.hex)).value, local);
    EXPECT_EQ(decode<timestamptz>(oid::timestamptz, unhex(m.hex)).value, timestamptz(m.time));
    EXPECT_EQ(decode<timestamp>(oid::timestamp, unhex(m.hex)).value, timestamp(local));
  }
  // PostgreSQL counts from 2000, std::chrono from 1970: its last thirty years are beyond 64 bits here.
  EXPECT_FALSE(decode<sys_micros>(oid::timestamptz, unhex("7fffff5bb3b29fff")).ok()) << "294276-12-31 23:59:59.999999";
}

TEST(timestamps, infinity_is_kept_by_the_wrapper_and_refused_by_a_plain_time_point) {
  EXPECT_EQ(encode(timestamptz::infinity()), unhex("7fffffffffffffff"));
  EXPECT_EQ(encode(timestamp::minus_infinity()), unhex("8000000000000000"));
  EXPECT_EQ(decode<timestamptz>(oid::timestamptz, unhex("7fffffffffffffff")).value, timestamptz::infinity());
  EXPECT_EQ(decode<timestamptz>(oid::timestamptz, unhex("8000000000000000")).value, timestamptz::minus_infinity());
  EXPECT_FALSE(timestamptz::infinity().finite());
  EXPECT_FALSE(decode<sys_micros>(oid::timestamptz, unhex("7fffffffffffffff")).ok());
  EXPECT_FALSE(decode<local_micros>(oid::timestamp, unhex("8000000000000000")).ok());
  EXPECT_LT(timestamptz::minus_infinity(), timestamptz(at(-4712, 11, 24)));
  EXPECT_GT(timestamptz::infinity(), timestamptz(at(9999, 1, 1)));
}

TEST(timestamps, a_finite_one_that_would_read_as_an_infinity_is_refused) {
  const auto wire = big(most - 946684800000000);  // 294247-01-10 04:00:54.775807
  EXPECT_FALSE(decode<timestamptz>(oid::timestamptz, wire).ok());
  EXPECT_FALSE(decode<timestamp>(oid::timestamp, wire).ok());
  const auto before = big(most - 946684800000001);
  EXPECT_EQ(decode<timestamptz>(oid::timestamptz, before).value, timestamptz(sys_micros(microseconds(most - 1))));
  EXPECT_EQ(decode<timestamp>(oid::timestamp, before).value, timestamp(local_micros(microseconds(most - 1))));
  for (const std::int32_t day :
       {std::numeric_limits<std::int32_t>::max() - 1, std::numeric_limits<std::int32_t>::min() + 1})
    EXPECT_TRUE(decode<date>(oid::date, big(day)).value.finite()) << "days are counted in more bits than the wire has";
}

TEST(timestamps, nothing_overflows_at_either_end) {
  // Not representable in the wire's epoch, or would become an infinity there.
  EXPECT_FALSE(encode(sys_micros(microseconds(least))).has_value());
  EXPECT_FALSE(encode(sys_micros(microseconds(least + 946684800000000 - 1))).has_value());
  EXPECT_FALSE(encode(sys_micros(microseconds(least + 946684800000000))).has_value()) << "the wire's -infinity";
  EXPECT_TRUE(encode(sys_micros(microseconds(least + 946684800000000 + 1))).has_value());
  EXPECT_TRUE(encode(sys_micros(microseconds(most))).has_value());
  EXPECT_FALSE(encode(sys_time<seconds>(seconds(most))).has_value());
  EXPECT_FALSE(encode(sys_time<seconds>(seconds(least))).has_value());
  // From the wire: beyond 1970's epoch.
  EXPECT_FALSE(decode<sys_micros>(oid::timestamptz, big(most - 1)).ok());
  EXPECT_FALSE(decode<timestamptz>(oid::timestamptz, big(most - 1)).ok());
  EXPECT_TRUE(decode<sys_micros>(oid::timestamptz, big(most - 946684800000000)).ok());
}

TEST(timestamps, other_resolutions) {
  EXPECT_EQ(encode(sys_time<seconds>(seconds(946684801))), big(std::int64_t{1000000}));
  EXPECT_EQ(encode(sys_time<nanoseconds>(seconds(946684800)) + nanoseconds(1999)), big(std::int64_t{1}));
  EXPECT_EQ(encode(sys_time<nanoseconds>(seconds(946684800)) - nanoseconds(1)), big(std::int64_t{-1}))
      << "down, not to zero";
  EXPECT_EQ(encode(sys_time<nanoseconds>(nanoseconds(-1))), big(std::int64_t{-946684800000001}));
  EXPECT_EQ(encode(sys_time<minutes>(minutes(15778080))), big(std::int64_t{0}));
  EXPECT_EQ(decode<sys_time<nanoseconds>>(oid::timestamptz, big(std::int64_t{1})).value.time_since_epoch().count(),
            946684800000001000);
  EXPECT_FALSE(decode<sys_time<nanoseconds>>(oid::timestamptz, unhex("ff1fe2ffc59c6000")).ok()) << "year 1";
  static_assert(!decodable<sys_time<seconds>>, "would lose what the column has");
}

TEST(timestamps, local_and_absolute_time_do_not_mix) {
  EXPECT_FALSE(codec<sys_micros>::accepts(oid::timestamp));
  EXPECT_FALSE(codec<local_micros>::accepts(oid::timestamptz));
  EXPECT_EQ(codec<sys_micros>::type, oid::timestamptz);
  EXPECT_EQ(codec<local_micros>::type, oid::timestamp);
}

struct date_case {
  sys_days day;
  std::string_view hex;
};
const date_case dates[] = {
    {sys_days(2000y / 1 / 1), "00000000"},   {sys_days(1970y / 1 / 1), "ffffd533"},
    {sys_days(1999y / 12 / 31), "ffffffff"}, {sys_days(2024y / 2 / 29), "00002279"},
    {sys_days(1y / 1 / 1), "fff4dbf9"},      {sys_days(year(-4712) / 11 / 24), "ffda9915"},
};

TEST(dates, are_what_the_server_sends) {
  for (const auto& d : dates) {
    SCOPED_TRACE(d.hex);
    EXPECT_EQ(encode(d.day), unhex(d.hex));
    EXPECT_EQ(encode(date(d.day)), unhex(d.hex));
    EXPECT_EQ(encode(year_month_day(d.day)), unhex(d.hex));
    EXPECT_EQ(decode<sys_days>(oid::date, unhex(d.hex)).value, d.day);
    EXPECT_EQ(decode<date>(oid::date, unhex(d.hex)).value, date(d.day));
    EXPECT_EQ(decode<year_month_day>(oid::date, unhex(d.hex)).value, year_month_day(d.day));
  }
}

TEST(dates, have_infinities_and_ends) {
  EXPECT_EQ(decode<date>(oid::date, unhex("7fffffff")).value, date::infinity());
  EXPECT_EQ(decode<date>(oid::date, unhex("80000000")).value, date::minus_infinity());
  EXPECT_EQ(encode(date::infinity()), unhex("7fffffff"));
  EXPECT_EQ(encode(date::minus_infinity()), unhex("80000000"));
  EXPECT_FALSE(decode<sys_days>(oid::date, unhex("7fffffff")).ok());
  EXPECT_TRUE(decode<sys_days>(oid::date, unhex("7fda970c")).ok()) << "5874897-12-31";
  EXPECT_FALSE(decode<year_month_day>(oid::date, unhex("7fda970c")).ok()) << "std::chrono::year ends at 32767";
  EXPECT_FALSE(encode(sys_days(days((std::int64_t{1} << 31) + 10956))).has_value());
  EXPECT_FALSE(encode(sys_days::min()).has_value());
  EXPECT_FALSE(encode(year_month_day(2023y / 2 / 29)).has_value()) << "no such day";
}

}  // namespace
}  // namespace lido::test
