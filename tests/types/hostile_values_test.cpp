// Values of every length but the right one, for every type: refused, never read past their end (reliability C5, C17;
// run under ASan).
#include "tests/types/wire_values.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <tuple>
#include <utility>

namespace lido::test {
namespace {

using sys_micros = std::chrono::sys_time<std::chrono::microseconds>;
using local_micros = std::chrono::local_time<std::chrono::microseconds>;

// Each buffer exactly as large as the value, on the heap, so that ASan sees a read beyond it.
template <class T>
void expect_only_length(std::uint32_t type, std::size_t right) {
  for (std::size_t length = 0; length <= 40; ++length) {
    const std::vector<char> bytes(length, '\0');
    const auto got = decode<T>(type, std::string_view(bytes.data(), bytes.size()));
    EXPECT_EQ(got.ok(), length == right) << type_name(type) << " of " << length << " bytes";
  }
}

TEST(hostile_values, C5_every_wrong_length_is_refused) {
  expect_only_length<bool>(oid::boolean, 1);
  expect_only_length<std::int16_t>(oid::int2, 2);
  expect_only_length<std::int32_t>(oid::int4, 4);
  expect_only_length<std::int64_t>(oid::int8, 8);
  expect_only_length<std::int32_t>(oid::int2, 2);
  expect_only_length<std::int64_t>(oid::int4, 4);
  expect_only_length<std::int64_t>(oid::object_id, 4);
  expect_only_length<float>(oid::float4, 4);
  expect_only_length<double>(oid::float8, 8);
  expect_only_length<double>(oid::float4, 4);
  expect_only_length<uuid>(oid::uuid, 16);
  expect_only_length<sys_micros>(oid::timestamptz, 8);
  expect_only_length<local_micros>(oid::timestamp, 8);
  expect_only_length<timestamptz>(oid::timestamptz, 8);
  expect_only_length<timestamp>(oid::timestamp, 8);
  expect_only_length<std::chrono::sys_days>(oid::date, 4);
  expect_only_length<std::chrono::year_month_day>(oid::date, 4);
  expect_only_length<date>(oid::date, 4);
  expect_only_length<numeric>(oid::numeric, 8);  // of zeros: no digits
  EXPECT_FALSE(decode<jsonb>(oid::jsonb, "").ok()) << "not even a version";
  EXPECT_FALSE(decode<std::string>(oid::jsonb, "").ok());
}

template <class T>
void feed_garbage(std::uint32_t type, std::mt19937_64& rng) {
  for (int i = 0; i < 2000; ++i) {
    std::vector<char> bytes(rng() % 40);
    for (char& b : bytes) b = static_cast<char>(rng() % 4 == 0 ? 0xff : rng());
    (void)decode<T>(type, std::string_view(bytes.data(), bytes.size()), rng() % 2 == 0);
  }
}

TEST(hostile_values, C17_random_bytes_are_read_or_refused) {
  std::mt19937_64 rng(17);
  feed_garbage<bool>(oid::boolean, rng);
  feed_garbage<std::int64_t>(oid::int8, rng);
  feed_garbage<double>(oid::float8, rng);
  feed_garbage<std::string>(oid::jsonb, rng);
  feed_garbage<std::vector<std::byte>>(oid::bytea, rng);
  feed_garbage<uuid>(oid::uuid, rng);
  feed_garbage<numeric>(oid::numeric, rng);
  feed_garbage<sys_micros>(oid::timestamptz, rng);
  feed_garbage<timestamptz>(oid::timestamptz, rng);
  feed_garbage<std::chrono::year_month_day>(oid::date, rng);
}

TEST(hostile_values, a_row_cut_anywhere_is_refused) {
  const std::string whole = data_row({big(std::int32_t{7}), "abc", std::nullopt});
  std::vector<column> columns{make_column("a", oid::int4), make_column("b", oid::text), make_column("c", oid::text)};
  for (std::size_t length = 0; length < whole.size(); ++length) {
    detail::raw_result raw;
    raw.columns = std::make_shared<const detail::row_description>(columns);
    raw.bytes = whole.substr(0, length);
    raw.ends = {length};
    result<std::tuple<int, std::string, std::optional<std::string>>> r(std::move(raw));
    lido::detail::lazy_diagnostics diag;
    ASSERT_FALSE(r.bind(diag));
    EXPECT_EQ(error_of([&] { (void)r[0]; }).code, errc::value_out_of_range) << length;
  }
}

// The short way through a row, where its columns are exactly what is wanted in that order.
TEST(hostile_values, C5_one_value_of_a_wrong_length_or_none_spoils_a_row_of_numbers) {
  using numbers = std::tuple<sys_micros, std::int32_t, std::int16_t, float, std::int64_t, double>;
  const std::vector<std::pair<std::uint32_t, std::size_t>> kinds{
      {oid::timestamptz, 8}, {oid::int4, 4}, {oid::int2, 2}, {oid::float4, 4}, {oid::int8, 8}, {oid::float8, 8}};
  std::vector<column> columns;
  cells right;
  for (const auto& [type, size] : kinds) {
    columns.push_back(make_column("c" + std::to_string(columns.size() + 1), type));
    right.emplace_back(std::string(size, '\1'));
  }
  const auto end_of = [&columns](const cells& values) {
    result<numbers> r(make_raw(columns, {values}));
    lido::detail::lazy_diagnostics diag;
    EXPECT_FALSE(r.bind(diag));
    return error_of([&] { EXPECT_EQ(std::get<1>(r.one()), 0x01010101); });
  };
  EXPECT_FALSE(end_of(right).code);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    for (std::size_t length = 0; length <= 12; ++length) {
      if (length == kinds[i].second) continue;
      cells wrong = right;
      wrong[i] = std::string(length, '\1');
      const thrown e = end_of(wrong);
      EXPECT_EQ(e.code, errc::value_out_of_range) << "column " << i + 1 << " of " << length << " bytes";
      EXPECT_NE(e.context.find("\"c" + std::to_string(i + 1) + "\""), std::string::npos) << e.context;
    }
    cells null = right;
    null[i] = std::nullopt;
    EXPECT_EQ(end_of(null).code, errc::unexpected_null) << "column " << i + 1;
  }
}

TEST(hostile_values, lengths_that_lie_are_refused) {
  for (const std::int32_t lie : {-2, -2147483647 - 1, 5, 0x7fffffff}) {
    detail::raw_result raw;
    raw.columns = std::make_shared<const detail::row_description>(1, make_column("a", oid::int4));
    raw.bytes = big(std::int16_t{1}) + big(lie) + big(std::int32_t{1});
    raw.ends = {raw.bytes.size()};
    result<> r(std::move(raw));
    lido::detail::lazy_diagnostics diag;
    ASSERT_FALSE(r.bind(diag));
    EXPECT_EQ(error_of([&] { (void)r[0].get<int>(0); }).code, errc::value_out_of_range) << lie;
    EXPECT_EQ(error_of([&] { (void)r[0].is_null(0); }).code, errc::value_out_of_range) << lie;
  }
}

}  // namespace
}  // namespace lido::test
