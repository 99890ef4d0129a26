#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace lido::test {
namespace {

struct numeric_case {
  std::string_view text;
  std::string_view hex;
};
// numeric_send() of PostgreSQL 15.
const numeric_case sent[] = {
    {"0", "0000000000000000"},
    {"0.00", "0000000000000002"},
    {"1", "00010000000000000001"},
    {"-1", "00010000400000000001"},
    {"10", "0001000000000000000a"},
    {"9999", "0001000000000000270f"},
    {"10000", "00010001000000000001"},
    {"10001", "000200010000000000010001"},
    {"-12.3400", "0002000040000004000c0d48"},
    {"0.1", "0001ffff0000000103e8"},
    {"0.0001", "0001ffff000000040001"},
    {"0.00001", "0001fffe0000000503e8"},
    {"0.00010", "0001ffff000000050001"},
    {"123456789012345678901234567890.123456789", "000b000700000009000c0d801ed204d2162e23340d801ed204d2162e2328"},
    {"1000000000000000000000000000000", "00010007000000000064"},
    {"0.000000000000000000000000000001", "0001fff80000001e0064"},
    {"-0.5", "0001ffff400000011388"},
    {"99999999", "0002000100000000270f270f"},
    {"100000000", "00010002000000000001"},
    {"NaN", "00000000c0000000"},
    {"Infinity", "00000000d0000020"},
    {"-Infinity", "00000000f0000020"},
    {"0.000000000000", "000000000000000c"},
    {"3.14159265358979323846", "00060000000000140003058724310e051efc0f06"},
    {"0.00000012345678", "0003fffe0000000e000c0d801e78"},
};

// An encoder of its own, as an oracle: base-10000 digits around the point, zeros cut at both ends.
std::string numeric_send(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string whole(text.substr(0, point));
  std::string fraction(point < text.size() ? text.substr(point + 1) : "");
  const auto scale = static_cast<std::uint16_t>(fraction.size());
  whole.insert(0, (4 - whole.size() % 4) % 4, '0');
  fraction.append((4 - fraction.size() % 4) % 4, '0');
  auto weight = static_cast<int>(whole.size() / 4) - 1;
  const std::string all = whole + fraction;
  std::vector<std::uint16_t> digits;
  for (std::size_t i = 0; i < all.size(); i += 4)
    digits.push_back(static_cast<std::uint16_t>(std::stoi(all.substr(i, 4))));
  while (!digits.empty() && digits.front() == 0) {
    digits.erase(digits.begin());
    --weight;
  }
  while (!digits.empty() && digits.back() == 0) digits.pop_back();
  std::string out = big(static_cast<std::uint16_t>(digits.size())) +
                    big(static_cast<std::int16_t>(digits.empty() ? 0 : weight)) +
                    big(static_cast<std::uint16_t>(negative ? 0x4000 : 0)) + big(scale);
  for (const auto d : digits) out += big(d);
  return out;
}

TEST(numerics, read_as_the_server_prints_them) {
  for (const auto& c : sent) {
    const auto got = decode<numeric>(oid::numeric, unhex(c.hex));
    EXPECT_TRUE(got.ok()) << c.text;
    EXPECT_EQ(got.value.text(), c.text);
  }
}

TEST(numerics, survive_a_thousand_random_values) {
  std::mt19937_64 rng(20240601);
  const auto digits = [&](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += static_cast<char>('0' + (rng() % 3 == 0 ? 0 : rng() % 10));
    return out;
  };
  for (int i = 0; i < 1000; ++i) {
    std::string text = digits(1 + rng() % 40);
    text.erase(0, std::min(text.find_first_not_of('0'), text.size() - 1));
    if (rng() % 2 == 0) text += "." + digits(1 + rng() % 30);
    if (rng() % 2 == 0 && text.find_first_of("123456789") != std::string::npos) text.insert(0, "-");
    const auto got = decode<numeric>(oid::numeric, numeric_send(text));
    ASSERT_TRUE(got.ok()) << text;
    ASSERT_EQ(got.value.text(), text);
    ASSERT_EQ(encode(got.value), text) << "as a parameter, its text";
  }
}

TEST(numerics, huge_weights_and_scales_stay_bounded) {
  // A digit at 10000^32767, and 16383 decimals: the largest text that a peer can ask for.
  const std::string huge = unhex("00017fff00003fff0001");
  const auto got = decode<numeric>(oid::numeric, huge);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got.value.text().size(), 1U + 32767 * 4 + 1 + 16383);
  EXPECT_TRUE(decode<numeric>(oid::numeric, unhex("0001800000003fff0001")).ok())
      << "below its own scale: prints as zero";
}

TEST(numerics, refuse_what_no_server_sends) {
  for (const std::string_view hex :
       {"", "00", "00000000000000", "000000000000000000", "0001000000000000", "000100000000000000",
        "00010000000000002710", "0001000000000000ffff", "0000000080000000", "00000000c0010000", "0000000000004000",
        "ffff000000000000", "0002000000000000ffff0001"}) {
    EXPECT_FALSE(decode<numeric>(oid::numeric, unhex(hex)).ok()) << hex;
  }
}

TEST(numerics, parse_sql_numbers_alone) {
  for (const std::string_view good :
       {"0", "-1", "+1", "1.", ".5", "1e10", "1.5E-3", "00012", "NaN", "Infinity", "-Infinity"}) {
    EXPECT_TRUE(numeric::parse(good)) << good;
  }
  for (const std::string_view bad :
       {"", "-", ".", "e5", "1e", "1e+", "1 ", " 1", "1.2.3", "0x10", "nan", "inf", "--1", "1_000", "1;drop"}) {
    EXPECT_FALSE(numeric::parse(bad)) << bad;
    EXPECT_EQ(error_of([&] { numeric n(bad); }).code, errc::not_encodable) << bad;
  }
}

TEST(numerics, integers_are_exact_both_ways) {
  EXPECT_EQ(numeric(std::numeric_limits<std::int64_t>::min()).text(), "-9223372036854775808");
  EXPECT_EQ(decode<numeric>(oid::int8, big(std::numeric_limits<std::int64_t>::max())).value.text(),
            "9223372036854775807");
  EXPECT_EQ(decode<numeric>(oid::int2, big(std::int16_t{-3})).value.text(), "-3");
}

TEST(numerics, to_double_is_the_nearest) {
  EXPECT_EQ(numeric("0.1").to_double(), 0.1);
  EXPECT_EQ(numeric("+2.5").to_double(), 2.5);
  EXPECT_TRUE(std::isnan(numeric("NaN").to_double()));
  EXPECT_EQ(numeric("-Infinity").to_double(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(numeric("1e400").to_double(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(numeric("-1e400").to_double(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(numeric("1e-400").to_double(), 0.0);
  EXPECT_EQ(numeric("0." + std::string(400, '0') + "1").to_double(), 0.0);
  EXPECT_EQ(numeric("1" + std::string(400, '0')).to_double(), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace lido::test
