// Bytes as PostgreSQL 15's own *_send functions give them.
#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace lido::test {
namespace {

template <class T>
void expect_both_ways(const T& value, std::uint32_t type, std::string_view hex) {
  SCOPED_TRACE(hex);
  EXPECT_EQ(encode(value), unhex(hex));
  const auto back = decode<T>(type, unhex(hex));
  EXPECT_TRUE(back.ok());
  EXPECT_EQ(back.value, value);
}

TEST(binary_values, integers_are_what_the_server_sends) {
  expect_both_ways<std::int16_t>(-2, oid::int2, "fffe");
  expect_both_ways<std::int32_t>(-2, oid::int4, "fffffffe");
  expect_both_ways<std::int64_t>(-2, oid::int8, "fffffffffffffffe");
  expect_both_ways<std::int64_t>(std::numeric_limits<std::int64_t>::min(), oid::int8, "8000000000000000");
  expect_both_ways<long long>(1, oid::int8, "0000000000000001");
}

TEST(binary_values, a_wider_integer_reads_a_narrower_column) {
  EXPECT_EQ(decode<std::int64_t>(oid::int2, unhex("8000")).value, -32768);
  EXPECT_EQ(decode<std::int64_t>(oid::int4, unhex("80000000")).value, -2147483648LL);
  EXPECT_EQ(decode<std::int32_t>(oid::int2, unhex("ffff")).value, -1);
  EXPECT_EQ(decode<std::int64_t>(oid::object_id, unhex("ffffffff")).value, 4294967295LL) << "oid has no sign";
}

TEST(binary_values, a_narrower_integer_does_not_read_a_wider_column) {
  EXPECT_FALSE(codec<std::int32_t>::accepts(oid::int8));
  EXPECT_FALSE(codec<std::int16_t>::accepts(oid::int4));
  EXPECT_FALSE(codec<std::int32_t>::accepts(oid::object_id)) << "oid has no sign";
  EXPECT_FALSE(codec<float>::accepts(oid::float8));
  EXPECT_FALSE(codec<double>::accepts(oid::int4));
  EXPECT_FALSE(codec<std::int64_t>::accepts(oid::numeric));
}

TEST(binary_values, bool_is_one_byte_0_or_1) {
  expect_both_ways(true, oid::boolean, "01");
  expect_both_ways(false, oid::boolean, "00");
  EXPECT_EQ(decode<bool>(oid::boolean, unhex("02")).status, detail::decode_status::malformed);
}

TEST(binary_values, floats_keep_each_bit) {
  expect_both_ways(1.5F, oid::float4, "3fc00000");
  expect_both_ways(-0.1, oid::float8, "bfb999999999999a");
  expect_both_ways(std::numeric_limits<double>::infinity(), oid::float8, "7ff0000000000000");
  expect_both_ways(std::numeric_limits<double>::denorm_min(), oid::float8, "0000000000000001");
  EXPECT_EQ(encode(-0.0), unhex("8000000000000000"));
  EXPECT_EQ(encode(std::numeric_limits<double>::quiet_NaN()), unhex("7ff8000000000000"));
  EXPECT_EQ(decode<double>(oid::float4, unhex("3fc00000")).value, 1.5) << "double reads float4";
}

TEST(binary_values, text_is_sent_as_text_whose_type_the_server_infers) {
  const auto r = detail::make_request("select $1, $2, $3", std::string("abc"), "de", std::string_view("é"));
  ASSERT_FALSE(r.error());
  EXPECT_EQ(r.types(), (std::vector<std::uint32_t>{0, 0, 0}));
  EXPECT_EQ(r.binary(), (std::vector<bool>{false, false, false}));
  EXPECT_EQ(r.values(), big(3) + "abc" + big(2) + "de" + big(2) + "é");
  for (const auto type :
       {oid::text, oid::varchar, oid::bpchar, oid::name, oid::xml, oid::json, oid::single_char, 16500U}) {
    EXPECT_EQ(decode<std::string>(type, "abc").value, "abc");
  }
  EXPECT_EQ(decode<std::string_view>(oid::jsonb, unhex("017b7d")).value, "{}");
}

TEST(binary_values, the_empty_char_is_a_nul_and_reads_as_the_empty_string) {
  const std::string nul(1, '\0');
  EXPECT_EQ(decode<std::string>(oid::single_char, nul).value, "");
  EXPECT_EQ(decode<std::string_view>(oid::single_char, nul).value, "");
  EXPECT_EQ(decode<std::string>(oid::single_char, "x").value, "x");
}

TEST(binary_values, bytea_holds_every_byte) {
  std::vector<std::byte> all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<std::byte>(i));
  const auto wire = encode(all);
  ASSERT_TRUE(wire.has_value());
  EXPECT_EQ(wire->size(), 256U);
  EXPECT_EQ(encode(std::span<const std::byte>(all)), wire);
  EXPECT_EQ(encode(std::span<std::byte>(all)), wire);
  EXPECT_EQ(decode<std::vector<std::byte>>(oid::bytea, *wire).value, all);
  const auto view = decode<std::span<const std::byte>>(oid::bytea, *wire).value;
  EXPECT_EQ(detail::chars_of(view).data(), wire->data()) << "a view, not a copy";
}

TEST(binary_values, uuid_json_jsonb) {
  const auto id = uuid::parse("A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11");
  ASSERT_TRUE(id.has_value());
  expect_both_ways(*id, oid::uuid, "a0eebc999c0b4ef8bb6d6bb9bd380a11");
  EXPECT_EQ(id->to_string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
  expect_both_ways(jsonb(R"({"a": 1})"), oid::jsonb, "017b2261223a20317d");
  expect_both_ways(json("[]"), oid::json, "5b5d");
  EXPECT_FALSE(decode<jsonb>(oid::jsonb, unhex("027b7d")).ok()) << "a version of the format that does not exist";
  EXPECT_FALSE(decode<std::string>(oid::jsonb, unhex("007b7d")).ok());
}

TEST(binary_values, uuid_parses_its_own_form_alone) {
  for (const std::string_view bad : {"", "a0eebc99", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                                     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
                                     "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1}", "a0eebc99+9c0b-4ef8-bb6d-6bb9bd380a11"}) {
    EXPECT_FALSE(uuid::parse(bad)) << bad;
  }
}

TEST(binary_values, null_needs_an_optional) {
  EXPECT_EQ(decode<int>(oid::int4, std::nullopt).status, detail::decode_status::null);
  EXPECT_EQ(decode<std::optional<int>>(oid::int4, std::nullopt).value, std::nullopt);
  EXPECT_EQ(decode<std::optional<int>>(oid::int4, unhex("00000007")).value, 7);
  EXPECT_EQ(decode<std::string>(oid::text, std::nullopt).status, detail::decode_status::null);
  EXPECT_EQ(decode<std::optional<std::string>>(oid::text, "").value, "") << "empty is not NULL";
}

TEST(binary_values, a_type_of_the_users_own_is_read_as_text_unless_it_is_binary) {
  constexpr std::uint32_t some_enum = 16423;
  EXPECT_EQ(decode<std::string>(some_enum, "happy").value, "happy");
  EXPECT_FALSE(decode<std::string>(some_enum, unhex("00000001000000170000000400000001")).ok()) << "a row type";
}

}  // namespace
}  // namespace lido::test
