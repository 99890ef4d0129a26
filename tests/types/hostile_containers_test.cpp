// The newer types and the containers under hostile bytes: every length but the right one, counts that lie, values that
// cannot be (reliability C5, C17, C26; run under ASan).
#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <random>

namespace lido::test {
namespace {

constexpr std::uint32_t user_defined = 20'000;

// Each buffer exactly as large as the value, on the heap, so that ASan sees a read beyond it.
template <class T>
bool readable(std::uint32_t type, std::string_view bytes) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  return decode<T>(type, std::string_view(exact.data(), exact.size())).ok();
}

// A good value, cut at each byte, and with one byte more.
template <class T>
void expect_whole_only(std::uint32_t type, const std::string& bytes) {
  EXPECT_TRUE(readable<T>(type, bytes)) << type_name(type);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(readable<T>(type, bytes.substr(0, cut))) << type_name(type) << " cut at " << cut;
  EXPECT_FALSE(readable<T>(type, bytes + '\0')) << type_name(type) << " with a byte more";
}
template <class T>
void expect_whole_only(std::uint32_t type, const T& value) {
  expect_whole_only<T>(type, *encode(value));
}

std::string words(std::initializer_list<std::int32_t> all) {
  std::string out;
  for (const std::int32_t each : all) out += big(each);
  return out;
}

TEST(hostile_values, C5_newer_types_are_read_whole_or_not_at_all) {
  expect_whole_only(oid::object_id, object_id{1});
  expect_whole_only(oid::xid, xid{1});
  expect_whole_only(oid::xid8, xid8{1});
  expect_whole_only(oid::tid, tid{1, 2});
  expect_whole_only(oid::pg_lsn, pg_lsn{1});
  expect_whole_only(oid::money, money{1});
  expect_whole_only(oid::time, time_of_day{std::chrono::microseconds(1)});
  expect_whole_only(oid::timetz, time_of_day_tz{std::chrono::microseconds(1), std::chrono::seconds(3600)});
  expect_whole_only(oid::interval, interval{1, 2, std::chrono::microseconds(3)});
  expect_whole_only(oid::inet, *inet::parse("10.0.0.1/8"));
  expect_whole_only(oid::cidr, *cidr::parse("2001:db8::/32"));
  expect_whole_only(oid::macaddr, macaddr{});
  expect_whole_only(oid::macaddr8, macaddr8{});
  expect_whole_only(oid::varbit, *bit_string::parse("101010101"));
  expect_whole_only(oid::point, point{1, 2});
  expect_whole_only(oid::line, line{1, 2, 3});
  expect_whole_only(oid::lseg, lseg{{1, 2}, {3, 4}});
  expect_whole_only(oid::box, box{{3, 4}, {1, 2}});
  expect_whole_only(oid::path, path(true, {{1, 2}, {3, 4}}));
  expect_whole_only(oid::polygon, polygon({{1, 2}, {3, 4}}));
  expect_whole_only(oid::circle, circle{{1, 2}, 3});
  expect_whole_only<tsvector>(oid::tsvector, words({1}) + std::string("cat\0\0\1\xc0\1", 8));
  expect_whole_only<tsquery>(oid::tsquery, words({2}) + std::string("\2\1\1\0\0cat\0", 9));
}

TEST(hostile_values, C5_containers_are_read_whole_or_not_at_all) {
  expect_whole_only(1007, std::vector<std::optional<int>>{1, std::nullopt, 3});
  expect_whole_only(1007, std::vector<std::vector<int>>{{1, 2}, {3, 4}});
  expect_whole_only(3906, range<numeric>(numeric("1.5"), numeric("2")));
  expect_whole_only(3904, range<int>(1, 5));
  expect_whole_only(4451, multirange<int>({{1, 5}, {7, 9}}));
  using record = std::tuple<int, std::optional<std::string>>;
  expect_whole_only<record>(2249, words({2, oid::int4, 4, 7, oid::text, 1}) + "x");
  expect_whole_only<record>(user_defined, words({2, oid::int4, 4, 7, oid::text, -1}));
  expect_whole_only<hstore>(user_defined, words({2, 1}) + "a" + words({1}) + "b" + words({1}) + "c" + words({-1}));
  expect_whole_only<pgvector>(user_defined, big(std::int16_t{1}) + big(std::int16_t{0}) + words({0x3f800000}));
}

TEST(hostile_values, C26_counts_are_believed_as_far_as_there_are_bytes) {
  constexpr std::int32_t huge = 0x7fffffff;
  EXPECT_FALSE(readable<std::vector<int>>(1007, words({1, 0, oid::int4, huge, 1})));
  EXPECT_FALSE(readable<std::vector<int>>(1007, words({1, 0, oid::int4, -1, 1})));
  EXPECT_FALSE(readable<lido::array<int>>(1007, words({2, 0, oid::int4, huge, 1, huge, 1})));
  EXPECT_FALSE(readable<lido::array<int>>(
      1007, words({6, 0, oid::int4, 65536, 1, 65536, 1, 65536, 1, 65536, 1, 65536, 1, 65536, 1})))
      << "the product is 2^96";
  EXPECT_FALSE(readable<lido::array<int>>(1007, words({7, 0, oid::int4}))) << "seven dimensions";
  EXPECT_FALSE(readable<lido::array<int>>(1007, words({huge, 0, oid::int4})));
  EXPECT_FALSE(readable<lido::array<int>>(1007, words({1, 2, oid::int4, 1, 1, 4, 1}))) << "flags";
  EXPECT_FALSE(readable<lido::array<int>>(1007, words({1, 0, oid::int4, 1, huge, 4, 1, 0}))) << "more than one element";
  EXPECT_FALSE(readable<std::vector<int>>(1007, words({1, 0, oid::int8, 1, 1, 8, 0, 1}))) << "another element type";
  EXPECT_FALSE(readable<std::vector<int>>(1007, words({1, 0, oid::int4, 1, 1, huge})));
  EXPECT_FALSE(readable<std::vector<int>>(1007, words({1, 0, oid::int4, 1, 1, -2})));
  EXPECT_FALSE(readable<multirange<int>>(4451, words({huge})));
  EXPECT_FALSE(readable<multirange<int>>(4451, words({-1})));
  EXPECT_FALSE(readable<hstore>(user_defined, words({huge})));
  EXPECT_FALSE(readable<hstore>(user_defined, words({1, -1, -1}))) << "a key is never NULL";
  EXPECT_FALSE(readable<hstore>(user_defined, words({2, 1}) + "a" + words({-1, 1}) + "a" + words({-1})))
      << "a key twice";
  EXPECT_FALSE(readable<path>(oid::path, '\0' + words({huge})));
  EXPECT_FALSE(readable<polygon>(oid::polygon, words({0})));
  EXPECT_FALSE(readable<bit_string>(oid::varbit, words({huge})));
  EXPECT_FALSE(readable<bit_string>(oid::varbit, words({-1})));
  EXPECT_FALSE(readable<tsvector>(oid::tsvector, words({huge})));
  EXPECT_FALSE(readable<tsquery>(oid::tsquery, words({huge})));
  EXPECT_FALSE(readable<pgvector>(user_defined, big(std::int16_t{0}) + big(std::int16_t{0}))) << "no dimensions";
  EXPECT_FALSE((readable<std::tuple<int>>(2249, words({2, oid::int4, 4, 1, oid::int4, 4, 1})))) << "more fields";
}

TEST(hostile_values, C17_values_that_cannot_be_are_refused) {
  EXPECT_FALSE(readable<time_of_day>(oid::time, big(std::int64_t{86'400'000'001})));
  EXPECT_FALSE(readable<time_of_day>(oid::time, big(std::int64_t{-1})));
  EXPECT_FALSE(readable<time_of_day_tz>(oid::timetz, big(std::int64_t{0}) + words({16 * 3600})));
  EXPECT_FALSE(readable<inet>(oid::inet, std::string("\2\x21\0\4\1\2\3\4", 8))) << "33 bits";
  EXPECT_FALSE(readable<inet>(oid::inet, std::string("\3\x20\0\4\1\2\3\4", 8))) << "an IPv6 address of four bytes";
  EXPECT_FALSE(readable<inet>(oid::inet, std::string("\x9\x20\0\4\1\2\3\4", 8)));
  EXPECT_FALSE(readable<cidr>(oid::cidr, std::string("\2\x8\1\4\1\2\3\4", 8))) << "bits behind the prefix";
  EXPECT_FALSE(readable<range<int>>(3904, "\x20"));
  EXPECT_FALSE(readable<path>(oid::path, '\2' + words({1, 0, 0, 0, 0})));
  std::string negative = *encode(circle{{0, 0}, 1});
  negative[16] = '\xbf';
  EXPECT_FALSE(readable<circle>(oid::circle, negative)) << "a negative radius";
  // Operators without operands, and two trees.
  EXPECT_FALSE(readable<tsquery>(oid::tsquery, words({1}) + std::string("\2\2", 2)));
  EXPECT_FALSE(readable<tsquery>(oid::tsquery, words({2}) + std::string("\1\0\0a\0\1\0\0b\0", 10)));
  // A hundred thousand negations: no recursion.
  std::string deep = words({100'001});
  for (int i = 0; i < 100'000; ++i) deep += "\2\1";
  EXPECT_TRUE(readable<tsquery>(oid::tsquery, deep + std::string("\1\0\0a\0", 5)));
}

template <class T>
void feed_garbage(std::uint32_t type, const T& seed, std::mt19937_64& rng) {
  const std::string good = encode(seed).value_or("");
  for (int i = 0; i < 1000; ++i) {
    std::string bytes = good;
    for (std::size_t n = 1 + rng() % 4; n > 0 && !bytes.empty(); --n)
      bytes[rng() % bytes.size()] = static_cast<char>(rng() % 4 == 0 ? 0xff : rng());
    (void)readable<T>(type, bytes.substr(0, rng() % (bytes.size() + 1)));
    (void)readable<T>(type, bytes);
  }
}

TEST(hostile_values, C17_damaged_containers_are_read_or_refused) {
  std::mt19937_64 rng(26);
  feed_garbage(1007, std::vector<std::optional<int>>{1, std::nullopt, 3}, rng);
  feed_garbage(1007, lido::array<int>({{2, 1}, {2, 1}}, {1, 2, 3, 4}), rng);
  feed_garbage(3906, range<numeric>(numeric("1.5"), numeric("2.5")), rng);
  feed_garbage(4532, multirange<numeric>({{numeric("1.5"), numeric("2.5")}}), rng);
  feed_garbage(oid::inet, *inet::parse("::1"), rng);
  feed_garbage(oid::path, path(true, {{1, 2}, {3, 4}}), rng);
}

}  // namespace
}  // namespace lido::test
