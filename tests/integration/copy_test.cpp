// COPY in and out on a real server.
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/copy.hpp>

#include <gtest/gtest.h>

#include <tuple>

namespace {

using namespace std::chrono_literals;
using lido::testing::error_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::tls_config;
using lido::testing::unix_config;

struct item {
  std::int32_t id;
  std::int64_t amount;
  double price;
  std::string name;
  std::optional<std::string> note;
};
constexpr const char* item_table = "create temp table items (id int4, amount int8, price float8, name text, note text)";

item item_of(int i) {
  return {i, std::int64_t{1} << (i % 60), i / 8.0, "name " + std::to_string(i),
          i % 3 == 0 ? std::nullopt : std::optional(std::string(static_cast<std::size_t>(i % 50), 'n'))};
}

asio::awaitable<void> read_some(lido::copy_out& from) { co_await from.async_read(); }
asio::awaitable<void> finish(lido::copy_in& into) { co_await into.async_finish(); }
asio::awaitable<void> open_in(lido::connection& db, std::string sql) { co_await db.async_copy_in(sql); }
asio::awaitable<void> open_out(lido::connection& db, std::string sql) { co_await db.async_copy_out(sql); }

asio::awaitable<lido::connection> connect() { return lido::connection::async_connect(unix_config(shared_cluster())); }
asio::awaitable<std::int64_t> count(lido::connection& db, std::string sql) {
  const auto got = co_await db.async_query<std::int64_t>(sql);
  co_return got.one();
}
asio::awaitable<std::string> read_all(lido::connection& db, std::string sql) {
  lido::copy_out out = co_await db.async_copy_out(sql);
  std::string all;
  while (true) {
    const std::string_view chunk = co_await out.async_read();
    if (chunk.empty()) break;
    all += chunk;
  }
  co_return all;
}

TEST(copy, text_and_csv_go_in_and_out_byte_by_byte) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (a int, b text)");
    {
      lido::copy_in in = co_await db.async_copy_in("copy t from stdin (format csv)");
      EXPECT_FALSE(in.is_binary());
      EXPECT_EQ(in.columns(), 2U);
      const std::string text = "1,one\n2,\"two, too\"\n3,\n";
      for (const char& c : text) co_await in.async_write(std::string_view(&c, 1));
      EXPECT_EQ(in.bytes(), text.size());
      EXPECT_EQ(co_await in.async_finish(), 3U);
    }
    EXPECT_EQ(co_await read_all(db, "copy t to stdout"), "1\tone\n2\ttwo, too\n3\t\\N\n");
    EXPECT_EQ(co_await read_all(db, "copy t to stdout (format csv, header)"), "a,b\n1,one\n2,\"two, too\"\n3,\n");
    EXPECT_EQ(co_await read_all(db, "copy (select 1 where false) to stdout"), "");
    lido::copy_in nothing = co_await db.async_copy_in("copy t from stdin");
    EXPECT_EQ(co_await nothing.async_finish(), 0U);
    co_await db.async_close();
  });
}

TEST(copy, typed_rows_go_in_and_out) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    constexpr int rows = 100'000;
    lido::connection db = co_await connect();
    co_await db.async_query(item_table);
    std::uint64_t told = 0;
    lido::copy_writer<item> into{co_await db.async_copy_in("copy items from stdin (format binary)")};
    into.on_progress([&](std::uint64_t bytes) { told = bytes; });
    for (int i = 1; i <= rows; ++i) {
      const item each = item_of(i);
      co_await into.async_write(each);
    }
    EXPECT_EQ(co_await into.async_finish(), std::uint64_t{rows});
    EXPECT_GT(told, std::uint64_t{rows} * 40);
    EXPECT_EQ(co_await count(db, "select sum(id)::int8 from items where name = 'name ' || id"),
              std::int64_t{rows} * (rows + 1) / 2);
    EXPECT_EQ(co_await count(db, "select count(*) from items where note is null"), rows / 3);
    lido::copy_reader<item> from{
        co_await db.async_copy_out("copy (select * from items order by id) to stdout (format binary)")};
    int seen = 0;
    while (auto each = co_await from.async_next()) {
      const item wanted = item_of(++seen);
      if (each->id != wanted.id || each->amount != wanted.amount || each->price != wanted.price ||
          each->name != wanted.name || each->note != wanted.note) {
        ADD_FAILURE() << "row " << seen << ": " << each->id << ' ' << each->amount << ' ' << each->price << ' '
                      << each->name << ' ' << each->note.value_or("NULL");
        break;
      }
    }
    EXPECT_EQ(seen, rows);
    lido::copy_reader<std::tuple<int, std::int64_t>> two{
        co_await db.async_copy_out("copy (select id, amount from items order by id) to stdout (format binary)")};
    std::size_t total = 0;
    while (true) {
      const auto batch = co_await two.async_next_batch();
      if (batch.empty()) break;
      total += batch.size();
    }
    EXPECT_EQ(total, std::size_t{rows});
    co_await db.async_close();
  });
}

TEST(copy, a_hundred_thousand_rows_of_bytes_both_ways_plain_and_tls) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    for (const bool tls : {false, true}) {
      const lido::connect_config config = tls ? tls_config(shared_cluster()) : unix_config(shared_cluster());
      lido::connection db = co_await lido::connection::async_connect(config);
      co_await db.async_query("create temp table t (a int, b text)");
      std::string all;
      for (int i = 0; i < 100'000; ++i) all += std::to_string(i) + "\tvalue " + std::to_string(i) + "\n";
      lido::copy_in in = co_await db.async_copy_in("copy t from stdin");
      co_await in.async_write(all);
      EXPECT_EQ(co_await in.async_finish(), 100'000U);
      EXPECT_TRUE(co_await read_all(db, "copy t to stdout") == all);
      co_await db.async_close();
    }
  });
}

TEST(copy, eight_megabytes_at_once_each_way) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (b text)");
    const std::string large(8U << 20, 'x');
    lido::copy_in in = co_await db.async_copy_in("copy t from stdin");
    co_await in.async_write(large);
    co_await in.async_write("\n");
    EXPECT_EQ(co_await in.async_finish(), 1U);
    EXPECT_EQ((co_await read_all(db, "copy t to stdout")).size(), large.size() + 1);
    co_await db.async_close();
  });
}

TEST(copy, an_error_of_the_server_ends_the_next_write_and_the_connection_goes_on) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (a int)");
    for (const std::string sql : {"copy t from stdin", "copy t from stdin (format csv)"}) {
      lido::copy_in in = co_await db.async_copy_in(sql);
      co_await in.async_write("not a number\n");
      std::error_code ec;
      std::size_t written = 0;
      const std::string more(64U << 10, '1');
      while (!ec && written < (256U << 20)) {  // the server says so at once; nothing has to be finished for that
        ec = co_await error_of(in.async_write(more));
        written += more.size();
      }
      EXPECT_EQ(lido::sqlstate_of(ec), "22P02");
      EXPECT_LT(written, 256U << 20);
      EXPECT_EQ(lido::sqlstate_of(co_await error_of(finish(in))), "22P02");
      EXPECT_EQ(co_await count(db, "select count(*) from t"), 0);
    }
    EXPECT_EQ(co_await error_of(open_in(db, "copy nowhere from stdin")), lido::condition::undefined_table);
    EXPECT_EQ(co_await error_of(open_out(db, "copy nowhere to stdout")), lido::condition::undefined_table);
    EXPECT_EQ(co_await count(db, "select 1::int8"), 1);
    co_await db.async_close();
  });
}

TEST(copy, an_error_at_the_end_of_the_data_is_what_finish_throws) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (a int unique)");
    lido::copy_in in = co_await db.async_copy_in("copy t from stdin");
    co_await in.async_write("1\n1\n");
    EXPECT_EQ(co_await error_of(finish(in)), lido::condition::unique_violation);
    EXPECT_EQ(co_await count(db, "select count(*) from t"), 0);
    co_await db.async_close();
  });
}

TEST(copy, failed_or_left_it_keeps_nothing) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (a int)");
    {
      lido::copy_in in = co_await db.async_copy_in("copy t from stdin");
      co_await in.async_write("1\n");
      co_await in.async_fail("the source is gone");
      EXPECT_EQ(co_await error_of(in.async_flush()), lido::errc::copy_aborted);
    }
    {
      lido::copy_in in = co_await db.async_copy_in("copy t from stdin");
      co_await in.async_write("2\n");
      co_await in.async_flush();
    }
    EXPECT_EQ(co_await count(db, "select count(*) from t"), 0);
    {
      const lido::copy_out out = co_await db.async_copy_out("copy (select generate_series(1, 3000000)) to stdout");
    }
    EXPECT_EQ(co_await count(db, "select 3::int8"), 3);
    {
      lido::copy_out out = co_await db.async_copy_out("copy (select generate_series(1, 3000000)) to stdout");
      EXPECT_FALSE((co_await out.async_read()).empty());
      co_await out.async_close();
      EXPECT_EQ(co_await error_of(read_some(out)), lido::errc::stream_closed);
    }
    EXPECT_EQ(co_await count(db, "select 4::int8"), 4);
    EXPECT_TRUE(db.is_open());
    co_await db.async_close();
  });
}

TEST(copy, an_error_in_the_middle_of_a_copy_out_comes_behind_the_data) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    lido::copy_out out =
        co_await db.async_copy_out("copy (select 1 / (50000 - i) from generate_series(1, 60000) i) to stdout");
    std::error_code ec;
    while (!ec && out.bytes() < (1U << 20)) ec = co_await error_of(read_some(out));
    EXPECT_EQ(lido::sqlstate_of(ec), "22012");
    EXPECT_EQ(co_await count(db, "select 5::int8"), 5);
    co_await db.async_close();
  });
}

TEST(copy, what_is_no_copy_or_the_other_one_is_a_clear_error) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (a int)");
    EXPECT_EQ(co_await error_of(open_in(db, "select 1")), lido::errc::copy_unexpected);
    EXPECT_EQ(co_await error_of(open_in(db, "")), lido::errc::copy_unexpected);
    EXPECT_EQ(co_await error_of(open_in(db, "copy t to stdout")), lido::errc::copy_unexpected);
    EXPECT_EQ(co_await error_of(open_out(db, "copy t from stdin")), lido::errc::copy_unexpected);
    EXPECT_EQ(co_await error_of(open_out(db, "select 1")), lido::errc::copy_unexpected);
    EXPECT_EQ(co_await count(db, "select count(*) from t"), 0);
    co_await db.async_close();
  });
}

TEST(copy, typed_rows_refuse_a_copy_that_does_not_fit) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (a int, b int)");
    using row = std::tuple<int>;
    const auto write = [&db](std::string sql) -> asio::awaitable<void> {
      const lido::copy_writer<row> into{co_await db.async_copy_in(sql)};
    };
    EXPECT_EQ(co_await error_of(write("copy t (a) from stdin")), lido::errc::copy_unexpected);
    EXPECT_EQ(co_await error_of(write("copy t from stdin (format binary)")), lido::errc::column_mismatch);
    using texts = std::tuple<std::string>;
    lido::copy_writer<texts> into{co_await db.async_copy_in("copy t (a) from stdin (format binary)")};
    const texts bad{std::string("a\0b", 3)};
    std::error_code ec;
    try {
      into.append(bad);
    } catch (const lido::error& e) {
      ec = e.code();
    }
    EXPECT_EQ(ec, lido::errc::not_encodable);
    EXPECT_EQ(co_await into.async_finish(), 0U) << "the row is not in, the COPY goes on";
    co_await db.async_close();
  });
}

TEST(copy, in_a_transaction_it_is_part_of_it) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await connect();
    co_await db.async_query("create temp table t (a int)");
    for (const bool commits : {true, false}) {
      lido::transaction tx = co_await db.async_begin();
      lido::copy_in in = co_await tx.async_copy_in("copy t from stdin");
      co_await in.async_write("1\n2\n");
      EXPECT_EQ(co_await in.async_finish(), 2U);
      if (commits) co_await tx.async_commit();
    }
    EXPECT_EQ(co_await count(db, "select count(*) from t"), 2);
    co_await db.async_close();
  });
}

TEST(copy, callbacks_write_and_read) {
  asio::io_context io;
  lido::connection db;
  lido::copy_in in;
  lido::copy_out out;
  std::string got;
  std::function<void(std::error_code, std::string)> on_read = [&](std::error_code ec, std::string bytes) {
    ASSERT_FALSE(ec) << ec.message();
    if (bytes.empty()) return db.async_close_with([] {});
    got += bytes;
    out.async_read_with([&](std::error_code e, std::string more) { on_read(e, std::move(more)); });
  };
  const auto read = [&](std::error_code ec, std::uint64_t rows) {
    ASSERT_FALSE(ec) << ec.message();
    EXPECT_EQ(rows, 2U);
    db.async_copy_out_with(
        [&](std::error_code e, lido::copy_out opened) {
          ASSERT_FALSE(e) << e.message();
          out = std::move(opened);
          out.async_read_with([&](std::error_code f, std::string bytes) { on_read(f, std::move(bytes)); });
        },
        "copy t to stdout");
  };
  lido::connection::async_connect_with(
      [&](std::error_code ec, lido::connection made) {
        ASSERT_FALSE(ec) << ec.message();
        db = std::move(made);
        db.async_simple_query_with(
            [&](std::error_code, const std::vector<lido::result<>>&) {
              db.async_copy_in_with(
                  [&](std::error_code e, lido::copy_in opened) {
                    ASSERT_FALSE(e) << e.message();
                    in = std::move(opened);
                    in.async_write_with([&](std::error_code) { in.async_finish_with(read); }, "1\n2\n");
                  },
                  "copy t from stdin");
            },
            "create temp table t (a int)");
      },
      io.get_executor(), unix_config(shared_cluster()));
  io.run();
  EXPECT_EQ(got, "1\n2\n");
}

}  // namespace
