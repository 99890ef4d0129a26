#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <sys/mman.h>

namespace lido::test {

struct celsius {
  int degrees;
  friend bool operator==(const celsius&, const celsius&) = default;
};
// A codec that leaves a byte, and one that wants one too many.
struct lazy {
  int value = 0;
};
struct greedy {
  int value = 0;
};

}  // namespace lido::test

template <>
struct lido::codec<lido::test::celsius> {
  static constexpr std::uint32_t type = lido::oid::int4;
  static constexpr bool binary = true;
  static bool encode(const lido::test::celsius& c, lido::value_writer& out) {
    out.put(c.degrees);
    return c.degrees >= -273;
  }
  static bool accepts(std::uint32_t column) { return column == lido::oid::int4; }
  static bool decode(lido::value_reader& in, lido::test::celsius& c) {
    c.degrees = in.take<std::int32_t>();
    return true;
  }
};
template <>
struct lido::codec<lido::test::lazy> {
  static bool accepts(std::uint32_t column) { return column == lido::oid::int4; }
  static bool decode(lido::value_reader& in, lido::test::lazy& v) {
    v.value = in.take<std::int16_t>();
    return true;
  }
};
template <>
struct lido::codec<lido::test::greedy> {
  static bool accepts(std::uint32_t column) { return column == lido::oid::int4; }
  static bool decode(lido::value_reader& in, lido::test::greedy& v) {
    v.value = static_cast<int>(in.take<std::int64_t>());
    return true;
  }
};

namespace lido::test {
namespace {

using detail::make_request;

// Address space that reads as zeros and costs no memory: an argument larger than any message.
class huge_view {
 public:
  explicit huge_view(std::size_t size)
      : size_(size), memory_(::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~huge_view() { ::munmap(memory_, size_); }
  huge_view(const huge_view&) = delete;
  huge_view& operator=(const huge_view&) = delete;
  bool valid() const { return memory_ != MAP_FAILED; }
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(memory_), size_}; }

 private:
  std::size_t size_;
  void* memory_;
};

TEST(requests, carry_types_formats_and_values_in_order) {
  const auto r =
      make_request("select", true, std::int16_t{1}, 2, std::int64_t{3}, 1.5F, 2.5, "x", numeric("1.0"), std::nullopt);
  ASSERT_FALSE(r.error());
  EXPECT_EQ(r.count(), 9U);
  EXPECT_EQ(r.types(), (std::vector<std::uint32_t>{oid::boolean, oid::int2, oid::int4, oid::int8, oid::float4,
                                                   oid::float8, 0, oid::numeric, 0}));
  EXPECT_EQ(r.binary(), (std::vector<bool>{true, true, true, true, true, true, false, false, false}));
  EXPECT_EQ(r.values(), unhex("0000000101"
                              "000000020001"
                              "0000000400000002"
                              "000000080000000000000003"
                              "000000043fc00000"
                              "000000084004000000000000"
                              "0000000178"
                              "00000003312e30"
                              "ffffffff"));
}

TEST(requests, without_parameters_are_just_their_text) {
  const auto r = make_request("select 1");
  EXPECT_FALSE(r.error());
  EXPECT_EQ(r.sql(), "select 1");
  EXPECT_EQ(r.count(), 0U);
  EXPECT_TRUE(r.values().empty());
}

TEST(requests, null_keeps_the_type_of_its_optional) {
  const auto r = make_request("select", std::optional<std::int64_t>{}, std::optional<std::int64_t>{5},
                              std::optional<std::string>{});
  EXPECT_EQ(r.types(), (std::vector<std::uint32_t>{oid::int8, oid::int8, 0}));
  EXPECT_EQ(r.values(), unhex("ffffffff"
                              "000000080000000000000005"
                              "ffffffff"));
}

TEST(requests, own_everything) {
  std::string text = "a text that is long enough to live on the heap";
  const auto r = make_request("select $1", text, std::string_view(text), text.c_str());
  text.assign(text.size(), '#');
  EXPECT_EQ(r.values().find('#'), std::string::npos);
}

TEST(requests, C33_nul_is_refused_in_text_and_statement) {
  using namespace std::string_literals;
  EXPECT_EQ(make_request("select 1\0; drop table x"s).error(), errc::not_encodable);
  EXPECT_EQ(make_request("select $1", "a\0b"s).error(), errc::not_encodable);
  EXPECT_EQ(make_request("select $1", std::string_view("\0", 1)).error(), errc::not_encodable);
  EXPECT_EQ(make_request("select $1", jsonb("{\0}"s)).error(), errc::not_encodable);
  EXPECT_EQ(make_request("select $1", json("\0"s)).error(), errc::not_encodable);
  EXPECT_EQ(make_request("select $1, $2", 1, std::optional<std::string>("\0"s)).error(), errc::not_encodable);
  EXPECT_FALSE(make_request("select $1", std::vector<std::byte>(3)).error()) << "bytea may hold zeros";
}

TEST(requests, a_null_pointer_is_no_text) {
  const char* nothing = nullptr;
  EXPECT_EQ(make_request("select $1", nothing).error(), errc::not_encodable);
}

TEST(requests, C14_lengths_that_would_wrap_are_refused_without_a_copy) {
  const huge_view five_gib(std::size_t{5} << 30);
  ASSERT_TRUE(five_gib.valid());
  const auto refused = make_request("select $1", five_gib.bytes());
  EXPECT_EQ(refused.error(), errc::not_encodable);
  EXPECT_LT(refused.values().capacity(), 4096U) << "nothing of it was copied";
  const std::string_view text(detail::chars_of(five_gib.bytes()));
  EXPECT_EQ(make_request("select $1", text).error(), errc::not_encodable);
  EXPECT_EQ(make_request(text).error(), errc::not_encodable);
  EXPECT_TRUE(make_request(text).sql().empty());
}

TEST(requests, C14_what_is_too_large_only_together_is_refused) {
  const huge_view most(0x3fffffff - 8);
  ASSERT_TRUE(most.valid());
  const auto refused = make_request("select $1, $2", 1, most.bytes());
  EXPECT_EQ(refused.error(), errc::not_encodable);
  EXPECT_LT(refused.values().capacity(), 4096U);
}

TEST(requests, the_first_failure_stays) {
  const auto r = make_request("select", std::string("\0", 1), 1, std::string("\0", 1), std::nullopt);
  EXPECT_EQ(r.error(), errc::not_encodable);
}

TEST(requests, characters_and_signs_that_have_no_meaning_do_not_compile) {
  static_assert(!encodable<unsigned>);
  static_assert(!encodable<std::uint64_t>);
  static_assert(!encodable<std::optional<std::uint32_t>>);
  static_assert(!encodable<char>);
  static_assert(!encodable<std::nullptr_t>);
  static_assert(!encodable<void*>);
  static_assert(!encodable<long double>);
  static_assert(encodable<char[3]> && encodable<const char*> && encodable<std::nullopt_t>);
  static_assert(encodable<std::optional<std::string_view>>);
  static_assert(!decodable<unsigned> && !decodable<const char*> && !decodable<std::nullopt_t>);
}

TEST(codecs_of_users, both_directions) {
  const auto wire = encode(celsius{21});
  ASSERT_TRUE(wire.has_value());
  EXPECT_EQ(decode<celsius>(oid::int4, *wire).value, celsius{21});
  EXPECT_FALSE(encode(celsius{-300}).has_value()) << "its encoder said no";
  EXPECT_EQ(detail::cpp_name<std::optional<celsius>>(), "lido::test::celsius");
}

TEST(codecs_of_users, that_read_too_little_or_too_much_fail) {
  EXPECT_FALSE(decode<lazy>(oid::int4, big(std::int32_t{1})).ok());
  EXPECT_FALSE(decode<greedy>(oid::int4, big(std::int32_t{1})).ok());
  EXPECT_FALSE(detail::reads<celsius>(oid::int4, false)) << "says nothing of text";
  static_assert(!encodable<lazy> && decodable<lazy>, "half a codec is fine");
}

}  // namespace
}  // namespace lido::test
