#include "tests/types_server/differential.hpp"

#include <lido/driver/numeric.hpp>
#include <lido/driver/timestamp.hpp>
#include <lido/driver/types/array.hpp>
#include <lido/driver/types/composite.hpp>
#include <lido/driver/types/geometry.hpp>
#include <lido/driver/types/range.hpp>
#include <lido/driver/uuid.hpp>

namespace lido::testing {
namespace {

TEST_F(differential, ranges) {
  const auto print = [](const auto& bound) {
    return [bound](const auto& r) {
      if (r.empty) return std::string("empty");
      return std::string(r.lower && r.lower_inclusive ? "[" : "(") + (r.lower ? bound(*r.lower) : "") + "," +
             (r.upper ? bound(*r.upper) : "") + (r.upper && r.upper_inclusive ? "]" : ")");
    };
  };
  const auto plain = [](auto n) { return std::to_string(n); };
  const auto canonical = [&](auto limit) {
    using type = decltype(limit);
    const auto low = static_cast<type>(number(limit / 2));
    range<type> out(low, static_cast<type>(low + 1 + static_cast<type>(rng() % 1000)));
    if (rng() % 8 == 0) out.lower.reset();
    if (rng() % 8 == 0) out.upper.reset();
    return rng() % 20 == 0 ? range<type>::nothing() : out;
  };
  using ints = range<std::int32_t>;
  compare(
      "int4range",
      with_random<ints>({ints(), ints::nothing(), ints(1, 2)}, [&] { return canonical(std::int32_t{1'000'000'000}); }),
      print(plain));
  compare("int8range",
          with_random<range<std::int64_t>>({{}}, [&] { return canonical(std::int64_t{1'000'000'000'000}); }),
          print(plain));
  using numerics = range<lido::numeric>;
  const auto any_bounds = [&] {
    const std::int64_t low = number(1'000'000);
    return numerics(lido::numeric(std::to_string(low) + ".50"),
                    lido::numeric(std::to_string(low + 1 + static_cast<std::int64_t>(rng() % 50)) + ".25"),
                    rng() % 2 == 0, rng() % 2 == 0);
  };
  compare("numrange", with_random<numerics>({numerics(), numerics::nothing()}, any_bounds),
          print([](const lido::numeric& n) { return n.text(); }));
}

TEST_F(differential, ranges_of_time) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    using days = range<std::chrono::sys_days>;
    const days week(std::chrono::sys_days(std::chrono::days(0)), std::chrono::sys_days(std::chrono::days(6)), true,
                    true);
    EXPECT_EQ((co_await db.async_query<std::string>("select $1::daterange::text", week)).one(),
              "[1970-01-01,1970-01-08)");
    const auto back = (co_await db.async_query<days>("select daterange('1970-01-01', '1970-01-06', '[]')")).one();
    EXPECT_EQ(back, days(std::chrono::sys_days(std::chrono::days(0)), std::chrono::sys_days(std::chrono::days(6))));
    const auto moments =
        (co_await db.async_query<range<timestamptz>>("select tstzrange('1970-01-01 00:00:01+00', 'infinity')")).one();
    EXPECT_EQ(moments.lower->value().time_since_epoch(), std::chrono::seconds(1));
    EXPECT_EQ(moments.upper, timestamptz::infinity());
    EXPECT_EQ((co_await db.async_query<std::string>("select $1::tstzrange::text", moments)).one(),
              "[\"1970-01-01 00:00:01+00\",infinity)");
    EXPECT_TRUE((co_await db.async_query<range<timestamp>>("select tsrange(null, null)")).one() == range<timestamp>());
  });
}

TEST_F(differential, multiranges) {
  using ints = multirange<std::int32_t>;
  const auto print = [](const ints& all) {
    std::string out = "{";
    for (const auto& r : all.ranges)
      out += (out.size() > 1 ? ",[" : "[") + std::to_string(*r.lower) + "," + std::to_string(*r.upper) + ")";
    return out + "}";
  };
  compare("int4multirange",
          with_random<ints>({ints{}},
                            [&] {
                              ints out;
                              std::int32_t at = static_cast<std::int32_t>(number(1'000'000));
                              for (std::size_t n = rng() % 6; n > 0; --n) {
                                const std::int32_t end = at + 1 + static_cast<std::int32_t>(rng() % 100);
                                out.ranges.emplace_back(at, end);
                                at = end + 1 + static_cast<std::int32_t>(rng() % 100);
                              }
                              return out;
                            }),
          print);
}

template <class T>
asio::awaitable<void> goes_and_comes(connection& db, const char* type, const T& value, std::string_view text) {
  const std::string cast = std::string("$1::") + type;
  const auto rows =
      co_await db.async_query<std::tuple<T, std::string>>("select " + cast + ", " + cast + "::text", value);
  const std::tuple<T, std::string> row = rows.one();
  EXPECT_TRUE(std::get<0>(row) == value) << std::get<1>(row);
  EXPECT_EQ(std::get<1>(row), text);
}

// The values are made outside of coroutines: g++ 12 cannot make nested lists inside of one.
TEST_F(differential, arrays_of_every_shape) {
  using maybe = std::optional<int>;
  const std::vector<int> none;
  const std::vector<maybe> gaps{1, std::nullopt, 3};
  const std::vector<bool> bits{true, false};
  const std::vector<std::vector<int>> flat{{1, 2}, {3, 4}, {5, 6}};
  const std::vector<std::vector<std::vector<std::string>>> cube{{{"a", "b,"}, {"\"", "\\"}},
                                                                {{"", "NULL"}, {"{", "}"}}};
  const lido::array<std::optional<std::string>> bounded({{2, -1}, {1, 5}}, {"x", std::nullopt});
  const lido::array<int> six({{1, 1}, {1, 1}, {2, 3}, {1, 1}, {1, 1}, {1, 1}}, {7, 8});
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    co_await goes_and_comes(db, "int4[]", none, "{}");
    co_await goes_and_comes(db, "int4[]", gaps, "{1,NULL,3}");
    co_await goes_and_comes(db, "bool[]", bits, "{t,f}");
    co_await goes_and_comes(db, "int4[]", flat, "{{1,2},{3,4},{5,6}}");
    co_await goes_and_comes(db, "text[]", cube, R"({{{a,"b,"},{"\"","\\"}},{{"","NULL"},{"{","}"}}})");
    co_await goes_and_comes(db, "text[]", bounded, "[-1:0][5:5]={{x},{NULL}}");
    co_await goes_and_comes(db, "int4[]", six, "[1:1][1:1][3:4][1:1][1:1][1:1]={{{{{{7}}},{{{8}}}}}}");
    for (std::size_t round = 0; round < 50; ++round) {
      std::vector<std::vector<std::optional<std::int64_t>>> random(1 + rng() % 5);
      const std::size_t width = 1 + rng() % 5;
      for (auto& line : random) {
        for (std::size_t i = 0; i < width; ++i) line.push_back(rng() % 4 == 0 ? std::nullopt : std::optional(number()));
      }
      const auto back =
          co_await db.async_query<std::vector<std::vector<std::optional<std::int64_t>>>>("select $1::int8[]", random);
      EXPECT_TRUE(back.one() == random);
    }
    const auto keys = co_await db.async_query<std::vector<std::int16_t>>("select '1 2'::int2vector");
    EXPECT_EQ(keys.one().size(), 2U);
  });
}

constexpr std::array wrong_shapes{"select '{1,NULL}'::int4[]", "select '{{1},{2}}'::int4[]"};

TEST_F(differential, what_an_array_cannot_be) {
  const std::vector<std::vector<int>> ragged{{1, 2}, {3}};
  EXPECT_EQ(lido::detail::make_request("", ragged).error(), errc::not_encodable);
  EXPECT_EQ(lido::detail::make_request("", lido::array<int>({{2, 1}}, {1})).error(), errc::not_encodable);
  EXPECT_EQ(lido::detail::make_request("", lido::array<int>({{2, INT32_MAX}}, {1, 2})).error(), errc::not_encodable);
  EXPECT_EQ(lido::detail::make_request("", lido::array<int>(std::vector<array_dimension>(7, {1, 1}), {1})).error(),
            errc::not_encodable);
  run([](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    std::string text;
    try {
      (void)co_await db.async_query<std::vector<std::int32_t>>("select '{1}'::int8[] as numbers");
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::type_mismatch);
      text = e.diag().context;
    }
    EXPECT_NE(text.find("\"numbers\", int8[]"), std::string::npos) << text;
    EXPECT_NE(text.find("std::vector<int"), std::string::npos) << text;
    for (const char* sql : wrong_shapes) {
      std::error_code code;
      try {
        (void)(co_await db.async_query<std::vector<int>>(sql)).one();
      } catch (const error& e) {
        code = e.code();
      }
      EXPECT_EQ(code, errc::value_out_of_range) << sql;
    }
  });
}

TEST_F(differential, a_record_is_a_tuple) {
  using inner = std::tuple<std::int64_t, std::optional<std::string>, std::vector<int>, point>;
  using pair = std::tuple<int, std::string>;
  const inner expected(7, std::nullopt, {1, 2}, {3, 4});
  const std::vector<pair> three{{1, "x1"}, {2, "x2"}, {3, "x3"}};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    const auto got =
        (co_await db.async_query<std::tuple<int, inner>>("select 1, (7::int8, null::text, array[1,2], point(3,4))"))
            .one();
    EXPECT_EQ(std::get<1>(got), expected);
    const auto rows = (co_await db.async_query<std::tuple<int, std::vector<pair>>>(
                           "select 1, array_agg((i, 'x' || i)) from generate_series(1, 3) i"))
                          .one();
    EXPECT_EQ(std::get<1>(rows), three);
    std::error_code code;
    try {
      (void)(co_await db.async_query<std::tuple<int, std::tuple<int>>>("select 1, row(7::int8)")).one();
    } catch (const error& e) {
      code = e.code();
    }
    EXPECT_EQ(code, errc::value_out_of_range) << "an int8 is no int";
  });
}

}  // namespace
}  // namespace lido::testing
