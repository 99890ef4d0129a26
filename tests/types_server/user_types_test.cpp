// Types of the user's own: looked up by name, once a database, again when they have changed.
#include "tests/types_server/differential.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/numeric.hpp>
#include <lido/driver/stream.hpp>
#include <lido/driver/types/array.hpp>
#include <lido/driver/types/geometry.hpp>
#include <lido/driver/types/hstore.hpp>
#include <lido/driver/types/pgvector.hpp>
#include <lido/driver/types/text_types.hpp>
#include <lido/driver/types/user_type.hpp>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <array>

namespace lido::testing {

enum class mood { sad, ok, happy };
enum class unnamed_mood { sad, ok };

struct address {
  std::string street;
  std::optional<int> number;
  mood feels = mood::ok;
  std::vector<std::string> tags;
  lido::numeric price;
  friend bool operator==(const address&, const address&) = default;
};
struct person {
  std::int64_t id = 0;
  std::optional<address> home;
  std::vector<address> others;
  friend bool operator==(const person&, const person&) = default;
};
struct wrong_address {
  std::string street;
  float number = 0;
};
struct email {
  std::string text;
  friend bool operator==(const email&, const email&) = default;
};
struct cents {
  int count = 0;
  friend bool operator==(const cents&, const cents&) = default;
};
struct nobody_made {
  int a = 0;
};

}  // namespace lido::testing

template <>
struct lido::user_type<lido::testing::mood> {
  using mood = lido::testing::mood;
  static constexpr std::string_view name = "app.mood";
  static constexpr std::array labels = {lido::label{mood::sad, "sad"}, lido::label{mood::ok, "ok"},
                                        lido::label{mood::happy, "happy"}};
};
template <>
struct lido::user_type<lido::testing::unnamed_mood> {
  using mood = lido::testing::unnamed_mood;
  static constexpr std::array labels = {lido::label{mood::sad, "sad"}, lido::label{mood::ok, "ok"}};
};
template <>
struct lido::user_type<lido::testing::address> {
  static constexpr std::string_view name = "app.address";
};
template <>
struct lido::user_type<lido::testing::person> {
  static constexpr std::string_view name = "app.person";
};
template <>
struct lido::user_type<lido::testing::wrong_address> {
  static constexpr std::string_view name = "app.small";
};
template <>
struct lido::user_type<lido::testing::nobody_made> {
  static constexpr std::string_view name = "app.nobody_made";
};
template <>
struct lido::user_type<lido::testing::email> {
  static std::string to_server(const lido::testing::email& e) { return e.text; }
  static lido::testing::email from_server(std::string text) { return {std::move(text)}; }
};
template <>
struct lido::user_type<lido::testing::cents> {
  static int to_server(const lido::testing::cents& c) { return c.count; }
  static lido::testing::cents from_server(int count) { return {count}; }
};

namespace lido::testing {
namespace {

class user_types : public differential {
 protected:
  static void SetUpTestSuite() {
    shared_cluster().sql(
        "create schema app; create schema elsewhere;"
        "create extension hstore; create extension citext; create extension ltree schema elsewhere;"
        "create type app.mood as enum ('sad', 'ok', 'happy');"
        "create type app.address as (street varchar, number int, feels app.mood, tags text[], price numeric);"
        "create type app.small as (street text, number int);"
        "create domain app.dollars as int check (value >= 0);"
        "create type app.person as (id int8, home app.address, others app.address[]);"
        "create domain elsewhere.vector as bytea;"
        "grant usage on schema app, elsewhere to public;",
        shared_cluster().database());
  }

  std::vector<mood> moods() {
    std::vector<mood> out;
    for (std::size_t i = 0; i < random_values; ++i) out.push_back(static_cast<mood>(rng() % 3));
    return out;
  }
  address random_address() {
    address out;
    out.street = word("abc \"(),\\", 0, 12);
    if (rng() % 3 != 0) out.number = static_cast<int>(number());
    out.feels = static_cast<mood>(rng() % 3);
    for (std::size_t n = rng() % 3; n > 0; --n) out.tags.push_back(word("xyz,{}\"", 0, 5));
    out.price = lido::numeric(std::to_string(number(1'000'000)) + ".25");
    return out;
  }
};

std::string_view text_of(mood m) { return lido::user_type<mood>::labels[static_cast<std::size_t>(m)].text; }

asio::awaitable<error> failed(std::function<asio::awaitable<void>()> work) {
  try {
    co_await work();
  } catch (const error& e) {
    co_return e;
  }
  ADD_FAILURE() << "no error";
  co_return error(std::error_code{});
}

TEST_F(user_types, an_enum_travels_as_its_label) {
  compare("app.mood", moods(), [](mood m) { return std::string(text_of(m)); });
}

TEST_F(user_types, an_enum_without_a_name_is_sent_as_text) {
  const std::vector<unnamed_mood> both{unnamed_mood::sad, unnamed_mood::ok};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<unnamed_mood>("select $1::app.mood", unnamed_mood::ok)).one(), unnamed_mood::ok);
    EXPECT_EQ((co_await db.async_query<std::vector<unnamed_mood>>("select $1::app.mood[]", both)).one(), both);
    const auto e = co_await failed([&]() -> asio::awaitable<void> {
      (void)(co_await db.async_query<unnamed_mood>("select 'happy'::app.mood")).one();
    });
    EXPECT_EQ(e.code(), errc::value_out_of_range) << "a label that C++ does not know";
  });
}

TEST_F(user_types, a_composite_is_a_struct) {
  std::vector<address> all;
  for (std::size_t i = 0; i < random_values; ++i) all.push_back(random_address());
  person someone;
  someone.id = 7;
  someone.home = all[0];
  someone.others = {all[1], all[2], all[3]};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_TRUE((co_await db.async_query<std::vector<address>>("select $1::app.address[]", all)).one() == all);
    const auto rows =
        co_await db
            .async_query<std::tuple<std::string, std::optional<int>, mood, std::vector<std::string>, lido::numeric>>(
                "select (a).* from unnest($1::app.address[]) a", all);
    std::size_t at = 0;
    for (const auto& [street, number, feels, tags, price] : rows) {
      const address& sent = all[at++];
      EXPECT_TRUE(street == sent.street && number == sent.number && feels == sent.feels && tags == sent.tags &&
                  price == sent.price);
    }
    const auto texts = co_await db.async_query<std::tuple<std::string, address>>(
        "select t, t::app.address from (select a::text as t from unnest($1::app.address[]) a) s", all);
    at = 0;
    for (const auto& [text, read] : texts) EXPECT_TRUE(read == all[at++]) << text;
    EXPECT_TRUE((co_await db.async_query<person>("select $1::app.person", someone)).one() == someone);
    const auto pool_free = co_await db.async_query<std::string>("select ($1::app.person).home.street", someone);
    EXPECT_EQ(pool_free.one(), all[0].street);
  });
}

TEST_F(user_types, a_field_of_another_type_is_refused_before_anything_is_sent) {
  wrong_address wrong;
  nobody_made none;
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    const auto e = co_await failed([&]() -> asio::awaitable<void> { co_await db.async_query("select $1", wrong); });
    EXPECT_EQ(e.code(), errc::not_encodable);
    EXPECT_NE(e.diag().context.find("field 2 of the type \"app.small\" is int4, the C++ type sends float4"),
              std::string::npos)
        << e.diag().context;
    const auto missing =
        co_await failed([&]() -> asio::awaitable<void> { co_await db.async_query("select $1", none); });
    EXPECT_EQ(missing.code(), errc::not_encodable);
    EXPECT_NE(missing.diag().context.find("app.nobody_made"), std::string::npos) << missing.diag().context;
    EXPECT_EQ((co_await db.async_query<int>("select 1")).one(), 1) << "the connection is as good as before";
  });
}

TEST_F(user_types, domains_are_what_they_are_made_of) {
  const std::vector<cents> prices{{1}, {2}};
  const email mail{"a@b"};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<email>("select $1::citext", mail)).one(), mail);
    EXPECT_EQ((co_await db.async_query<cents>("select 7::app.dollars")).one(), cents{7});
    EXPECT_EQ((co_await db.async_query<std::vector<cents>>("select $1::int4[]::app.dollars[]", prices)).one(), prices)
        << "an array names the domain, not its base";
    using pair = std::tuple<cents, std::string>;
    EXPECT_EQ(
        std::get<0>((co_await db.async_query<std::tuple<int, pair>>("select 1, row(3::app.dollars, 'x'::text)")).one()),
        1);
  });
}

TEST_F(user_types, hstore_citext_ltree) {
  std::vector<hstore> maps(3);
  maps[1] = {{"a", "1"}, {"bb", std::nullopt}, {"", ""}};
  for (std::size_t i = 0; i < random_values; ++i) {
    hstore map;
    for (std::size_t n = rng() % 6; n > 0; --n)
      map[word("ab\"\\=>, ", 1, 4)] = rng() % 4 == 0 ? std::nullopt : std::optional(word("xy\"\\=>,N", 0, 6));
    maps.push_back(map);
  }
  // By length, then by bytes.
  compare("hstore", maps, [](const hstore& map) {
    std::vector<std::pair<std::string, std::optional<std::string>>> pairs(map.begin(), map.end());
    std::ranges::sort(pairs, [](const auto& a, const auto& b) {
      return std::pair(a.first.size(), a.first) < std::pair(b.first.size(), b.first);
    });
    const auto quoted = [](const std::string& text) {
      std::string out = "\"";
      for (const char c : text) out += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
      return out + "\"";
    };
    std::string out;
    for (const auto& [key, value] : pairs)
      out += (out.empty() ? "" : ", ") + quoted(key) + "=>" + (value ? quoted(*value) : "NULL");
    return out;
  });
  const auto text = [](const auto& value) { return value.text; };
  compare("citext", with_random<citext>({citext("")}, [&] { return citext(word("aAbB \"", 0, 10)); }), text);
  const auto label = [&] { return word("abcXYZ_09", 1, 6); };
  compare("elsewhere.ltree", with_random<ltree>({ltree("")}, [&] { return ltree(label() + "." + label()); }), text);
}

// The extension itself is not in Debian: a domain of its name takes the bytes that its documentation asks for.
TEST_F(user_types, a_vector_is_sent_in_the_extension_s_layout) {
  const pgvector value({1.0F, -2.5F});
  const std::vector<pgvector> two{value, pgvector({0.0F})};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<std::string>("select $1::bytea::text", value)).one(),
              "\\x000200003f800000c0200000");
    EXPECT_EQ((co_await db.async_query<std::vector<pgvector>>("select $1", two)).one(), two);
    const auto e =
        co_await failed([&]() -> asio::awaitable<void> { co_await db.async_query("select $1", pgvector()); });
    EXPECT_EQ(e.code(), errc::not_encodable) << "it has no dimensions";
  });
}

TEST_F(user_types, a_name_is_looked_up_once_a_pool_and_again_after_it_has_changed) {
  const auto sql = [](const char* text) { shared_cluster().sql(text, shared_cluster().database()); };
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 2));
    {
      lido::lease a = co_await pool.async_acquire();
      lido::lease b = co_await pool.async_acquire();
      EXPECT_EQ((co_await a->async_query<std::string>("select pg_typeof($1)::text", mood::ok)).one(), "app.mood");
      sql("alter type app.mood rename to old_mood; create type app.mood as enum ('sad', 'ok', 'happy')");
      EXPECT_EQ((co_await b->async_query<std::string>("select pg_typeof($1)::text", mood::ok)).one(), "app.old_mood")
          << "the other connection knows the number";
      // No such cast: the name has another number by now, with which it goes well.
      EXPECT_EQ((co_await b->async_query<mood>("select $1::app.mood", mood::ok)).one(), mood::ok);
      EXPECT_EQ((co_await a->async_query<std::string>("select pg_typeof($1)::text", mood::ok)).one(), "app.mood");
      sql("drop type app.mood; alter type app.old_mood rename to mood");
      co_await a->async_query("begin");
      const auto e = co_await failed(
          [&]() -> asio::awaitable<void> { co_await a->async_query("select $1::app.mood", mood::sad); });
      EXPECT_EQ(e.code().category(), sqlstate_category()) << "a transaction has failed by then: nothing is tried again";
      co_await a->async_query("rollback");
      EXPECT_EQ((co_await a->async_query<mood>("select $1::app.mood", mood::sad)).one(), mood::sad);
    }
    EXPECT_EQ((co_await pool.async_query<mood>("select $1", mood::happy)).one(), mood::happy) << "through the pool";
    co_await pool.async_close(std::chrono::seconds(1));
  });
}

TEST_F(user_types, handlers_look_names_up_too) {
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    const auto first = co_await db.async_query_with<mood>(asio::use_awaitable, {}, "select $1", mood::happy);
    EXPECT_EQ(first.one(), mood::happy);
    connection other = co_await open();
    EXPECT_EQ((co_await other.async_query<mood>(at_most(50), "select $1", mood::ok)).one(), mood::ok)
        << "the look-up is not the user's result";
    nobody_made none;
    diagnostics diag;
    op_options options;
    options.diag = &diag;
    std::error_code code;
    try {
      co_await db.async_query_with(asio::use_awaitable, options, "select $1", none);
    } catch (const std::system_error& e) {
      code = e.code();
    }
    EXPECT_EQ(code, errc::not_encodable);
    EXPECT_NE(diag.context.find("app.nobody_made"), std::string::npos);
  });
}

TEST_F(user_types, handlers_try_once_more_when_a_name_has_changed) {
  const auto sql = [](const char* text) { shared_cluster().sql(text, shared_cluster().database()); };
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<mood>("select $1", mood::ok)).one(), mood::ok);
    sql("alter type app.mood rename to old_mood; create type app.mood as enum ('sad', 'ok', 'happy')");
    std::error_code ec;
    const auto seen = co_await db.async_query_with<mood>(asio::redirect_error(asio::use_awaitable, ec), {},
                                                         "select $1::app.mood", mood::sad);
    sql("drop type app.mood; alter type app.old_mood rename to mood");
    EXPECT_FALSE(ec) << ec.message();
    EXPECT_EQ(seen.one(), mood::sad);
  });
}

template <class Scope>
asio::awaitable<void> asks_by_name_in(Scope& scope, const address& home) {
  const auto street = co_await scope.template async_query<std::string>("select ($1::app.address).street", home);
  EXPECT_EQ(street.one(), home.street);
  std::error_code ec;
  const auto read = co_await scope.template async_query_with<address>(asio::redirect_error(asio::use_awaitable, ec), {},
                                                                      "select $1", home);
  EXPECT_FALSE(ec) << ec.message();
  EXPECT_TRUE(read.one() == home);
}

TEST_F(user_types, in_transactions_and_savepoints) {
  const address home = random_address();
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    lido::transaction tx = co_await db.async_begin();
    co_await asks_by_name_in(tx, home);
    lido::savepoint inner = co_await tx.async_savepoint();
    co_await asks_by_name_in(inner, home);
    co_await inner.async_release();
    co_await tx.async_commit();
  });
}

TEST_F(user_types, in_streams) {
  std::vector<address> all;
  for (int i = 0; i < 20; ++i) all.push_back(random_address());
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    auto rows = co_await db.async_stream<address>(stream_options{3}, "select a from unnest($1) a", all);
    std::size_t at = 0;
    while (const auto each = co_await rows.async_next()) {
      EXPECT_TRUE(*each == all.at(at));
      ++at;
    }
    EXPECT_EQ(at, all.size());
    std::error_code ec;
    auto again = co_await db.async_stream_with<mood>(asio::redirect_error(asio::use_awaitable, ec), stream_options{1},
                                                     "select $1 from generate_series(1, 3)", mood::happy);
    EXPECT_FALSE(ec) << ec.message();
    EXPECT_EQ(co_await again.async_next(), mood::happy);
  });
}

TEST_F(user_types, a_stream_looks_again_when_a_name_has_changed) {
  const auto sql = [](const char* text) { shared_cluster().sql(text, shared_cluster().database()); };
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<mood>("select $1", mood::ok)).one(), mood::ok);
    sql("alter type app.mood rename to old_mood; create type app.mood as enum ('sad', 'ok', 'happy')");
    std::optional<mood> first;
    std::string words;
    try {
      auto rows = co_await db.async_stream<mood>("select $1::app.mood", mood::sad);
      first = co_await rows.async_next();
    } catch (const error& e) {
      words = e.what();
    }
    sql("drop type app.mood; alter type app.old_mood rename to mood");
    EXPECT_EQ(first, mood::sad) << words;
  });
}

TEST_F(user_types, in_pipelines) {
  const address home = random_address();
  const std::vector<mood> some{mood::sad, mood::happy};
  std::vector<address> two{random_address(), home};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    for (const auto mode : {pipeline_mode::all_or_nothing, pipeline_mode::each_on_its_own}) {
      lido::pipeline work(mode);
      for (int i = 0; i < 3; ++i) work.add("select $1, $2::int", home, i);
      work.add("select $1", some).add("select $1::int", 7).add("select $1", two);
      work.add("select $1", std::optional<mood>()).add("select $1", std::optional<mood>(mood::ok));
      EXPECT_FALSE(work.error());
      const lido::pipeline_results done = co_await db.async_run(std::move(work));
      using pair = std::tuple<address, int>;
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(done.one<pair>(static_cast<std::size_t>(i)) == pair(home, i));
      EXPECT_EQ(done.one<std::vector<mood>>(3), some);
      EXPECT_EQ(done.one<int>(4), 7);
      EXPECT_TRUE(done.one<std::vector<address>>(5) == two);
      EXPECT_EQ(done.one<std::optional<mood>>(6), std::nullopt);
      EXPECT_EQ(done.one<mood>(7), mood::ok);
    }
    const std::vector<mood> three{mood::sad, mood::ok, mood::happy};
    co_await db.async_query("create temp table feelings (m app.mood)");
    EXPECT_EQ(co_await db.async_execute_many("insert into feelings values ($1)", three), 3U);
    lido::pipeline by_handler;
    by_handler.add("select $1", home);
    std::error_code ec;
    const auto done = co_await db.async_run_with(asio::redirect_error(asio::use_awaitable, ec), std::move(by_handler));
    EXPECT_FALSE(ec) << ec.message();
    EXPECT_TRUE(done.one<address>(0) == home);

    lido::pipeline wrong;
    const nobody_made none;
    wrong.add("select 1").add("select $1", none);
    const auto e = co_await failed([&]() -> asio::awaitable<void> { co_await db.async_run(std::move(wrong)); });
    EXPECT_EQ(e.code(), errc::not_encodable);
    EXPECT_NE(e.diag().context.find("app.nobody_made"), std::string::npos) << e.diag().context;
  });
}

TEST_F(user_types, a_pipeline_that_failed_by_a_changed_name_goes_well_the_next_time) {
  const auto sql = [](const char* text) { shared_cluster().sql(text, shared_cluster().database()); };
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    EXPECT_EQ((co_await db.async_query<mood>("select $1", mood::ok)).one(), mood::ok);
    sql("alter type app.mood rename to old_mood; create type app.mood as enum ('sad', 'ok', 'happy')");
    const auto run_it = [&db]() -> asio::awaitable<void> {
      lido::pipeline work;
      work.add("select $1::app.mood", mood::sad);
      co_await db.async_run(std::move(work));
    };
    const auto first = co_await failed(run_it);
    EXPECT_EQ(first.code().category(), sqlstate_category());
    co_await run_it();
    sql("drop type app.mood; alter type app.old_mood rename to mood");
  });
}

struct feeling {
  int id = 0;
  mood feels = mood::ok;
  std::optional<address> home;
  std::vector<mood> before;
  std::vector<address> others;
  bool operator==(const feeling&) const = default;
};

constexpr const char* feelings_in = "copy feelings from stdin (format binary)";

TEST_F(user_types, in_rows_of_a_copy) {
  std::vector<feeling> all;
  for (int i = 0; i < 500; ++i) {
    feeling each;
    each.id = i;
    each.feels = static_cast<mood>(rng() % 3);
    if (i % 3 != 0) each.home = random_address();
    for (std::size_t n = rng() % 3; n > 0; --n) each.before.push_back(static_cast<mood>(rng() % 3));
    for (std::size_t n = rng() % 3; n > 0; --n) each.others.push_back(random_address());
    all.push_back(std::move(each));
  }
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    co_await db.async_query(
        "create temp table feelings (id int, feels app.mood, home app.address, before app.mood[], others "
        "app.address[])");
    lido::transaction tx = co_await db.async_begin();
    auto into = co_await tx.async_copy_in<feeling>(feelings_in);
    co_await into.async_write_all(all);
    EXPECT_EQ(co_await into.async_finish(), all.size());
    auto from =
        co_await tx.async_copy_out<feeling>("copy (select * from feelings order by id) to stdout (format binary)");
    std::size_t at = 0;
    while (const auto each = co_await from.async_next()) {
      EXPECT_TRUE(*each == all.at(at)) << at;
      ++at;
    }
    EXPECT_EQ(at, all.size());
    co_await tx.async_commit();
    const auto rows = co_await db.async_query<feeling>("select * from feelings order by id");
    EXPECT_TRUE(std::ranges::equal(rows, all));
  });
}

TEST_F(user_types, a_copy_that_nobody_prepared_says_how_to_begin_it) {
  const feeling each;
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    co_await db.async_query("create temp table feelings (id int, before app.mood[])");
    using row = std::tuple<int, std::vector<mood>>;
    const row some(1, {mood::ok, mood::sad});
    {
      lido::copy_writer<row> into(co_await db.async_copy_in(feelings_in));
      std::string words;
      try {
        into.append(some);
      } catch (const error& e) {
        EXPECT_EQ(e.code(), errc::not_encodable);
        words = e.diag().context;
      }
      EXPECT_NE(words.find("async_copy_in<Row>()"), std::string::npos) << words;
      EXPECT_EQ(co_await into.async_finish(), 0U) << "the COPY goes on";
    }
    EXPECT_EQ((co_await db.async_query<mood>("select $1", mood::ok)).one(), mood::ok);
    lido::copy_writer<row> into(co_await db.async_copy_in(feelings_in));
    into.append(some);
    EXPECT_EQ(co_await into.async_finish(), 1U) << "the name is known by now";
    const auto none = co_await failed([&]() -> asio::awaitable<void> {
      using missing = std::tuple<std::vector<nobody_made>>;
      auto writer = co_await db.async_copy_in<missing>("copy (select 1) to stdout");
    });
    EXPECT_EQ(none.code(), errc::not_encodable) << "nothing was sent";
    EXPECT_NE(none.diag().context.find("app.nobody_made"), std::string::npos) << none.diag().context;
  });
}

// ---- a column of another type ----

template <class Ask>
asio::awaitable<void> names_both(Ask ask, std::string_view column, std::string_view server, std::string_view cpp,
                                 std::string_view wanted) {
  const auto e = co_await failed(ask);
  EXPECT_EQ(e.code(), errc::type_mismatch) << e.what();
  for (const std::string_view part : {column, server, cpp, wanted})
    EXPECT_NE(e.diag().context.find(part), std::string::npos) << part << " in: " << e.diag().context;
}

TEST_F(user_types, a_column_of_another_named_type_is_told_with_both_names) {
  shared_cluster().sql(
      "drop type if exists app.color; create type app.color as enum ('ok', 'sad'); create schema if not exists tenant;"
      "drop type if exists tenant.mood; create type tenant.mood as enum ('ok'); grant usage on schema tenant to public",
      shared_cluster().database());
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    co_await names_both(
        [&]() -> asio::awaitable<void> { co_await db.async_query<mood>("select 'ok'::app.color as c"); },
        "column 1 \"c\"", "app.color", "mood", "which is app.mood");
    co_await names_both(
        [&]() -> asio::awaitable<void> {
          co_await db.async_query<std::tuple<int, std::vector<mood>>>("select 1, array['ok'::app.color] as c");
        },
        "column 2 \"c\"", "app.color[]", "vector", "which is app.mood[]");
    co_await names_both(
        [&]() -> asio::awaitable<void> { co_await db.async_query<address>("select row('a', 1)::app.small as a"); },
        "column 1 \"a\"", "app.small", "address", "which is app.address");
    co_await names_both(
        [&]() -> asio::awaitable<void> {
          co_await db.async_stream<mood>(stream_options{1}, "select 'ok'::app.color as c from generate_series(1, 5)");
        },
        "column 1 \"c\"", "app.color", "mood", "which is app.mood");
    co_await names_both(
        [&]() -> asio::awaitable<void> { co_await db.async_query<mood>("select 'ok'::tenant.mood as m"); },
        "column 1 \"m\"", "tenant.mood", "mood", "which is app.mood");
    EXPECT_EQ((co_await db.async_query<mood>("select 'ok'::text")).one(), mood::ok) << "a text may be a label";
    EXPECT_EQ((co_await db.async_query<mood>("select 'ok'::app.mood")).one(), mood::ok);
  });
}

TEST_F(user_types, a_parameter_is_told_by_its_number) {
  const wrong_address wrong;
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    const auto e =
        co_await failed([&]() -> asio::awaitable<void> { co_await db.async_query("select $1::int, $2", 7, wrong); });
    EXPECT_NE(
        e.diag().context.find("parameter $2: field 2 of the type \"app.small\" is int4, the C++ type sends float4"),
        std::string::npos)
        << e.diag().context;
  });
}

}  // namespace
}  // namespace lido::testing

namespace lido::testing {

enum class anywhere { ok };

}  // namespace lido::testing

template <>
struct lido::user_type<lido::testing::anywhere> {
  static constexpr std::string_view name = "tenants_mood";
  static constexpr std::array labels = {lido::label{lido::testing::anywhere::ok, "ok"}};
};

namespace lido::testing {
namespace {

TEST_F(user_types, a_name_without_a_schema_is_a_type_of_that_name_in_any) {
  shared_cluster().sql(
      "create schema if not exists one; create schema if not exists two; drop type if exists one.tenants_mood; drop "
      "type if "
      "exists two.tenants_mood; create type one.tenants_mood as enum ('ok'); create type two.tenants_mood as enum "
      "('ok');"
      "grant usage on schema one, two to public",
      shared_cluster().database());
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    co_await db.async_query("set search_path = one");
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ((co_await db.async_query<anywhere>("select 'ok'::one.tenants_mood")).one(), anywhere::ok);
      EXPECT_EQ((co_await db.async_query<anywhere>("select 'ok'::two.tenants_mood")).one(), anywhere::ok);
    }
  });
}

}  // namespace
}  // namespace lido::testing
