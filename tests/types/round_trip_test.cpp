// A thousand random values of each type, and the edges: what is sent is what is read.
#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace lido::test {
namespace {

class round_trip : public testing::Test {
 protected:
  // Random in magnitude, too: most 64-bit numbers are huge.
  std::int64_t number() { return static_cast<std::int64_t>(rng() >> (rng() % 64)) * (rng() % 2 == 0 ? 1 : -1); }

  template <class T, class Make>
  void thousand(std::uint32_t type, Make&& make) {
    for (int i = 0; i < 1000; ++i) expect_same<T>(type, make());
  }

  template <class T>
  static void expect_same(std::uint32_t type, const T& value) {
    const auto wire = encode(value);
    ASSERT_TRUE(wire.has_value());
    const auto back = decode<T>(type, *wire);
    ASSERT_TRUE(back.ok());
    ASSERT_EQ(back.value, value);
    const auto maybe = decode<std::optional<T>>(type, *wire);
    ASSERT_TRUE(maybe.ok());
    ASSERT_EQ(maybe.value, value);
  }

  template <class Int>
  void integers(std::uint32_t type) {
    for (const Int edge : {std::numeric_limits<Int>::min(), Int{-1}, Int{0}, Int{1}, std::numeric_limits<Int>::max()}) {
      expect_same<Int>(type, edge);
    }
    thousand<Int>(type, [&] { return static_cast<Int>(number()); });
  }

  std::string text(std::size_t most) {
    std::string out;
    for (std::size_t i = rng() % (most + 1); i > 0; --i) out += static_cast<char>(1 + rng() % 255);
    return out;
  }

  std::mt19937_64 rng{42};
};

TEST_F(round_trip, integers) {
  integers<std::int16_t>(oid::int2);
  integers<std::int32_t>(oid::int4);
  integers<std::int64_t>(oid::int8);
  integers<long long>(oid::int8);
}

TEST_F(round_trip, floats_bit_by_bit) {
  for (int i = 0; i < 1000; ++i) {
    const auto wide = std::bit_cast<double>(rng());
    const auto back = decode<double>(oid::float8, *encode(wide));
    ASSERT_EQ(std::bit_cast<std::uint64_t>(back.value), std::bit_cast<std::uint64_t>(wide)) << "NaN's payload, too";
    const auto narrow = std::bit_cast<float>(static_cast<std::uint32_t>(rng()));
    if (!std::isnan(narrow)) expect_same<float>(oid::float4, narrow);
  }
  for (const double edge : {0.0, std::numeric_limits<double>::max(), std::numeric_limits<double>::lowest(),
                            std::numeric_limits<double>::min(), -std::numeric_limits<double>::infinity()}) {
    expect_same<double>(oid::float8, edge);
  }
}

TEST_F(round_trip, bool_text_bytea) {
  expect_same<bool>(oid::boolean, true);
  expect_same<bool>(oid::boolean, false);
  expect_same<std::string>(oid::text, "");
  expect_same<std::string>(oid::text, std::string(100'000, 'x'));
  thousand<std::string>(oid::text, [&] { return text(200); });
  thousand<std::vector<std::byte>>(oid::bytea, [&] {
    std::vector<std::byte> bytes(rng() % 200);
    for (auto& b : bytes) b = static_cast<std::byte>(rng());
    return bytes;
  });
}

TEST_F(round_trip, uuid_json) {
  thousand<uuid>(oid::uuid, [&] {
    uuid id;
    for (auto& b : id.bytes) b = static_cast<std::byte>(rng());
    EXPECT_EQ(uuid::parse(id.to_string()), id);
    return id;
  });
  thousand<json>(oid::json, [&] { return json("\"" + text(50) + "\""); });
  thousand<jsonb>(oid::jsonb, [&] { return jsonb("\"" + text(50) + "\""); });
}

TEST_F(round_trip, times) {
  using std::chrono::microseconds;
  // From 4713 BC to 294247: what both sides have.
  const auto micros = [&] { return microseconds(number() % 9'000'000'000'000'000'000); };
  thousand<std::chrono::sys_time<microseconds>>(oid::timestamptz,
                                                [&] { return std::chrono::sys_time<microseconds>(micros() / 50); });
  thousand<std::chrono::local_time<microseconds>>(oid::timestamp,
                                                  [&] { return std::chrono::local_time<microseconds>(micros() / 50); });
  thousand<timestamptz>(oid::timestamptz, [&]() -> timestamptz {
    if (rng() % 10 == 0) return timestamptz::infinity();
    if (rng() % 10 == 0) return timestamptz::minus_infinity();
    return std::chrono::sys_time<microseconds>(micros() / 50);
  });
  thousand<std::chrono::sys_time<std::chrono::nanoseconds>>(
      oid::timestamptz, [&] { return std::chrono::sys_time<std::chrono::nanoseconds>(micros() / 1000); });
}

TEST_F(round_trip, dates) {
  const auto day = [&] { return std::chrono::sys_days(std::chrono::days(number() % 2'000'000'000)); };
  thousand<std::chrono::sys_days>(oid::date, day);
  thousand<date>(oid::date, [&]() -> date { return rng() % 10 == 0 ? date::infinity() : date(day()); });
  thousand<std::chrono::year_month_day>(oid::date, [&] {
    return std::chrono::year_month_day(std::chrono::sys_days(std::chrono::days(number() % 10'000'000)));
  });
}

}  // namespace
}  // namespace lido::test
