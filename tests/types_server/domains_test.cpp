// Domains over domains, of arrays, of composites: a type is what it is made of, however many names it has been given.
#include "tests/types_server/differential.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/pipeline.hpp>
#include <lido/driver/types/user_type.hpp>

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace lido::testing {

enum class shade { dark, light };

struct spot {
  int x = 0;
  int y = 0;
  friend bool operator==(const spot&, const spot&) = default;
};
// The same struct, by the name of a domain over a domain over the composite.
struct named_spot {
  int x = 0;
  int y = 0;
  friend bool operator==(const named_spot&, const named_spot&) = default;
};
struct bin {
  int count = 0;
  std::vector<int> counts;
  shade colour = shade::dark;
  std::optional<std::vector<shade>> colours;
  spot where;
  std::vector<spot> others;
  std::vector<std::string> words;
  friend bool operator==(const bin&, const bin&) = default;
};

}  // namespace lido::testing

template <>
struct lido::user_type<lido::testing::shade> {
  using shade = lido::testing::shade;
  static constexpr std::string_view name = "layers.shade_of_shade";
  static constexpr std::array labels = {lido::label{shade::dark, "dark"}, lido::label{shade::light, "light"}};
};
template <>
struct lido::user_type<lido::testing::spot> {
  static constexpr std::string_view name = "layers.spot";
};
template <>
struct lido::user_type<lido::testing::named_spot> {
  static constexpr std::string_view name = "layers.spot_of_spot";
};
template <>
struct lido::user_type<lido::testing::bin> {
  static constexpr std::string_view name = "layers.bin";
};

namespace lido::testing {
namespace {

class domains : public differential {
 protected:
  static void SetUpTestSuite() {
    shared_cluster().sql(
        "create schema layers; grant usage on schema layers to public;"
        "create domain layers.small as int check (value >= 0);"
        "create domain layers.smaller as layers.small check (value < 1000);"
        "create domain layers.many as layers.smaller[];"
        "create domain layers.words as text[];"
        "create type layers.shade as enum ('dark', 'light');"
        "create domain layers.shade_of as layers.shade;"
        "create domain layers.shade_of_shade as layers.shade_of;"
        "create type layers.spot as (x int, y layers.smaller);"
        "create domain layers.spot_of as layers.spot check ((value).x >= 0);"
        "create domain layers.spot_of_spot as layers.spot_of;"
        "create type layers.bin as (count layers.smaller, counts layers.smaller[], colour layers.shade_of_shade,"
        " colours layers.shade_of[], place layers.spot_of_spot, others layers.spot_of[], words layers.words);",
        shared_cluster().database());
  }

  static bin some_bin() {
    bin out;
    out.count = 3;
    out.counts = {1, 2, 999};
    out.colour = shade::light;
    out.colours = {{shade::dark, shade::light}};
    out.where = {1, 2};
    out.others = {{3, 4}, {5, 6}};
    out.words = {"a", "b c"};
    return out;
  }
};

TEST_F(domains, over_domains_and_arrays_of_them_are_fields_of_a_composite) {
  const bin full = some_bin();
  bin empty;
  empty.colours.reset();
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    for (const bin* each : {&full, static_cast<const bin*>(&empty)})
      EXPECT_TRUE((co_await db.async_query<bin>("select $1::layers.bin", *each)).one() == *each);
    EXPECT_EQ((co_await db.async_query<std::string>("select ($1::layers.bin)::text", full)).one(),
              R"row((3,"{1,2,999}",light,"{dark,light}","(1,2)","{""(3,4)"",""(5,6)""}","{a,""b c""}"))row");
    const std::vector<bin> two{full, empty};
    EXPECT_TRUE((co_await db.async_query<std::vector<bin>>("select $1::layers.bin[]", two)).one() == two);
  });
}

TEST_F(domains, over_domains_and_arrays_of_them_are_sent_by_pipelines_and_in_a_copy) {
  const bin full = some_bin();
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    lido::pipeline work;
    for (int i = 0; i < 3; ++i) work.add("select $1::layers.bin", full);
    const auto done = co_await db.async_run(std::move(work));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(done.one<bin>(i) == full);
    co_await db.async_query("create temp table bins (b layers.bin)");
    const std::vector<std::tuple<bin>> rows{std::tuple(full), std::tuple(bin{}), std::tuple(full)};
    auto into = co_await db.async_copy_in<std::tuple<bin>>("copy bins from stdin (format binary)");
    co_await into.async_write_all(rows);
    EXPECT_EQ(co_await into.async_finish(), rows.size());
    const auto read = co_await db.async_query<bin>("select b from bins");
    EXPECT_EQ(read.size(), 3U);
    EXPECT_TRUE(read[2] == full);
  });
}

TEST_F(domains, over_an_enum_are_that_enum_as_columns_and_parameters) {
  const std::vector<shade> both{shade::dark, shade::light};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<shade>("select $1", shade::light)).one(), shade::light);
    EXPECT_EQ((co_await db.async_query<shade>("select 'light'::layers.shade_of_shade")).one(), shade::light);
    EXPECT_EQ((co_await db.async_query<std::vector<shade>>("select $1", both)).one(), both);
  });
}

TEST_F(domains, over_a_composite_are_parameters_and_their_checks_hold) {
  const named_spot value{7, 8};
  const named_spot refused{-1, 8};
  const std::vector<named_spot> two{value, {9, 10}};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_TRUE((co_await db.async_query<named_spot>("select $1", value)).one() == value);
    EXPECT_EQ((co_await db.async_query<std::string>("select pg_typeof($1)::text", value)).one(), "layers.spot_of_spot");
    EXPECT_TRUE((co_await db.async_query<std::vector<named_spot>>("select $1", two)).one() == two);
    const auto ec = co_await error_of(db.async_query("select $1", refused));
    EXPECT_EQ(sqlstate_of(ec), "23514") << ec.message();
  });
}

}  // namespace
}  // namespace lido::testing
