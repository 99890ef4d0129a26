// Columns in text form, as the simple protocol brings them.
#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lido::test {
namespace {

template <class T>
decoded<T> from_text(std::uint32_t type, std::string_view text) {
  return decode<T>(type, text, false);
}

TEST(text_values, integers) {
  EXPECT_EQ(from_text<std::int64_t>(oid::int8, "-9223372036854775808").value, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(from_text<int>(oid::int4, "42").value, 42);
  EXPECT_EQ(from_text<std::int16_t>(oid::int2, "-32768").value, -32768);
  for (const std::string_view bad : {"", " 1", "1 ", "1.0", "0x1", "--1", "+1", "9223372036854775808", "1\n"}) {
    EXPECT_FALSE(from_text<std::int64_t>(oid::int8, bad).ok()) << bad;
  }
  EXPECT_FALSE(from_text<std::int16_t>(oid::int2, "32768").ok());
  EXPECT_FALSE(from_text<int>(oid::int4, "2147483648").ok());
}

TEST(text_values, bool_is_t_or_f) {
  EXPECT_TRUE(from_text<bool>(oid::boolean, "t").value);
  EXPECT_FALSE(from_text<bool>(oid::boolean, "f").value);
  EXPECT_TRUE(from_text<bool>(oid::boolean, "f").ok());
  for (const std::string_view bad : {"", "true", "1", "T", "tt"})
    EXPECT_FALSE(from_text<bool>(oid::boolean, bad).ok()) << bad;
}

TEST(text_values, floats) {
  EXPECT_EQ(from_text<double>(oid::float8, "-0.1").value, -0.1);
  EXPECT_EQ(from_text<double>(oid::float8, "1e-07").value, 1e-7);
  EXPECT_EQ(from_text<float>(oid::float4, "1.5").value, 1.5F);
  EXPECT_TRUE(std::isnan(from_text<double>(oid::float8, "NaN").value));
  EXPECT_EQ(from_text<double>(oid::float8, "-Infinity").value, -std::numeric_limits<double>::infinity());
  for (const std::string_view bad : {"", "1,5", "1.5x", "."})
    EXPECT_FALSE(from_text<double>(oid::float8, bad).ok()) << bad;
}

TEST(text_values, any_column_is_text) {
  EXPECT_TRUE(detail::reads<std::string>(oid::interval, false));
  EXPECT_TRUE(detail::reads<std::string_view>(oid::timestamptz, false));
  EXPECT_FALSE(detail::reads<std::string>(oid::interval, true));
  EXPECT_EQ(from_text<std::string>(oid::interval, "1 day").value, "1 day");
  EXPECT_EQ(from_text<std::string>(oid::jsonb, "{}").value, "{}") << "no version byte in text";
  EXPECT_EQ(from_text<jsonb>(oid::jsonb, "{}").value.text, "{}");
}

TEST(text_values, bytea_uuid_numeric) {
  EXPECT_EQ(from_text<std::vector<std::byte>>(oid::bytea, "\\x00fF").value,
            (std::vector<std::byte>{std::byte{0}, std::byte{255}}));
  for (const std::string_view bad : {"", "\\x0", "\\x0g", "abc", "x00"}) {
    EXPECT_FALSE(from_text<std::vector<std::byte>>(oid::bytea, bad).ok()) << bad;
  }
  EXPECT_TRUE(from_text<uuid>(oid::uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11").ok());
  EXPECT_FALSE(from_text<uuid>(oid::uuid, "a0eebc99").ok());
  EXPECT_EQ(from_text<numeric>(oid::numeric, "-1.50").value.text(), "-1.50");
  EXPECT_FALSE(from_text<numeric>(oid::numeric, "1.5.0").ok());
}

TEST(text_values, views_of_bytes_and_times_are_refused_before_a_row_is_read) {
  EXPECT_FALSE((detail::reads<std::span<const std::byte>>(oid::bytea, false)));
  EXPECT_FALSE((detail::reads<std::chrono::sys_days>(oid::date, false))) << "DateStyle is the session's";
  EXPECT_FALSE((detail::reads<timestamptz>(oid::timestamptz, false)));
}

}  // namespace
}  // namespace lido::test
