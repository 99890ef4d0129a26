// Streams of rows on a real server.
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/stream.hpp>

#include <gtest/gtest.h>

#include <tuple>

namespace {

using namespace std::chrono_literals;
using lido::stream_options;
using lido::testing::error_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::tls_config;
using lido::testing::unix_config;

struct labelled {
  int id;
  std::optional<std::string> name;
};

template <class Row>
asio::awaitable<void> next_of(lido::row_stream<Row>& from) {
  co_await from.async_next();
}

asio::awaitable<lido::connection> unix_connection() {
  return lido::connection::async_connect(unix_config(shared_cluster()));
}

TEST(row_stream, rows_come_one_by_one_over_many_batches) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    for (const bool tls : {false, true}) {
      const lido::connect_config config = tls ? tls_config(shared_cluster()) : unix_config(shared_cluster());
      lido::connection db = co_await lido::connection::async_connect(config);
      for (const std::uint32_t at_a_time : {1U, 7U, 100U, 1000U, 0U}) {
        auto items = co_await db.async_stream<labelled>(
            stream_options{at_a_time}, "select i as id, nullif('n' || i, 'n2') as name from generate_series(1, $1) i",
            100);
        int seen = 0;
        while (auto each = co_await items.async_next()) {
          EXPECT_EQ(each->id, ++seen);
          EXPECT_EQ(each->name.has_value(), seen != 2);
        }
        EXPECT_EQ(seen, 100);
        EXPECT_FALSE((co_await items.async_next()).has_value());
        EXPECT_EQ((co_await db.async_query<int>("select 7")).one(), 7) << "free before the stream is gone";
      }
      co_await db.async_close();
    }
  });
}

TEST(row_stream, batches_are_as_large_as_asked_for_and_mix_with_single_rows) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    auto numbers = co_await db.async_stream<int>(stream_options{40}, "select generate_series(1, 100)");
    EXPECT_EQ(*co_await numbers.async_next(), 1);
    std::vector<std::size_t> sizes;
    int last = 0;
    while (true) {
      const auto batch = co_await numbers.async_next_batch();
      if (batch.empty()) break;
      sizes.push_back(batch.size());
      last = batch[batch.size() - 1];
    }
    EXPECT_EQ(sizes, (std::vector<std::size_t>{39, 40, 20}));
    EXPECT_EQ(last, 100);
    EXPECT_EQ(numbers.columns().size(), 1U);
    co_await db.async_close();
  });
}

TEST(row_stream, large_rows_come_in_smaller_batches) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    auto rows = co_await db.async_stream<std::string>(stream_options{0},
                                                      "select repeat('x', 100000) || i from generate_series(1, 100) i");
    std::size_t seen = 0;
    while (true) {
      const auto batch = co_await rows.async_next_batch();
      if (batch.empty()) break;
      seen += batch.size();
      EXPECT_LT(batch.size(), 10U);
    }
    EXPECT_EQ(seen, 100U);
    co_await db.async_close();
  });
}

TEST(row_stream, any_row_type_and_no_rows_at_all) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    auto views = co_await db.async_stream("select 1 as a, 'x' as b");
    const auto first = co_await views.async_next();
    EXPECT_EQ(first->get<int>("a"), 1);
    EXPECT_FALSE(co_await views.async_next());
    auto none = co_await db.async_stream<std::tuple<int, int>>("select 1, 2 where false");
    EXPECT_FALSE(co_await none.async_next());
    auto no_rows = co_await db.async_stream("set application_name = 'x'");
    EXPECT_FALSE(co_await no_rows.async_next());
    EXPECT_EQ(no_rows.command_tag(), "SET");
    auto empty = co_await db.async_stream("");
    EXPECT_FALSE(co_await empty.async_next());
    co_await db.async_close();
  });
}

TEST(row_stream, left_early_it_leaves_the_connection_in_step) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    for (const std::uint32_t at_a_time : {10U, 0U}) {
      for (const bool explicitly : {false, true}) {
        auto numbers = co_await db.async_stream<int>(stream_options{at_a_time}, "select generate_series(1, 500000)");
        EXPECT_EQ(*co_await numbers.async_next(), 1);
        if (explicitly) {
          co_await numbers.async_close();
          EXPECT_EQ(co_await error_of(next_of(numbers)), lido::errc::stream_closed);
        } else {
          numbers = {};
        }
        EXPECT_EQ((co_await db.async_query<int>("select 8")).one(), 8);
      }
    }
    co_await db.async_close();
  });
}

TEST(row_stream, an_error_in_the_middle_comes_with_its_batch_and_the_connection_goes_on) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    auto numbers =
        co_await db.async_stream<int>(stream_options{10}, "select 10 / (25 - i) from generate_series(1, 50) i");
    int seen = 0;
    std::error_code ec;
    try {
      while (co_await numbers.async_next()) ++seen;
    } catch (const lido::error& e) {
      ec = e.code();
    }
    EXPECT_EQ(lido::sqlstate_of(ec), "22012");
    EXPECT_EQ(seen, 20);
    EXPECT_EQ(co_await error_of(next_of(numbers)), lido::errc::stream_closed);
    EXPECT_EQ((co_await db.async_query<int>("select 9")).one(), 9);
    std::error_code at_once;
    try {
      auto never = co_await db.async_stream("selec");
    } catch (const lido::error& e) {
      at_once = e.code();
    }
    EXPECT_EQ(at_once, lido::condition::syntax_error);
    co_await db.async_close();
  });
}

TEST(row_stream, the_connection_is_busy_while_it_is_open) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    auto numbers = co_await db.async_stream<int>(stream_options{1}, "select generate_series(1, 3)");
    std::error_code ec;
    try {
      co_await db.async_query("select 1");
    } catch (const lido::error& e) {
      ec = e.code();
    }
    EXPECT_EQ(ec, lido::errc::connection_busy);
    EXPECT_EQ(*co_await numbers.async_next(), 1);
    EXPECT_EQ(*co_await numbers.async_next(), 2);
    co_await numbers.async_close();
    co_await db.async_close();
  });
}

TEST(row_stream, in_a_transaction_it_sees_the_transaction_and_a_rollback_ends_it) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    lido::row_stream<int> left;
    {
      lido::transaction tx = co_await db.async_begin();
      co_await tx.async_query("create temp table here as select generate_series(1, 100) as i");
      left = co_await tx.async_stream<int>(stream_options{10}, "select i from here");
      EXPECT_TRUE(co_await left.async_next());
    }
    std::error_code ec;
    try {
      co_await db.async_query("select * from here");
    } catch (const lido::error& e) {
      ec = e.code();
    }
    EXPECT_EQ(ec, lido::condition::undefined_table);
    co_await db.async_close();
  });
}

TEST(row_stream, a_deadline_or_a_cancel_of_a_step_ends_it) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), lido::testing::pool_of(unix_config(shared_cluster()), 1));
    lido::lease db = co_await pool.async_acquire();
    auto slow = co_await db->async_stream<int>(
        stream_options{1}, "select i from generate_series(1, 3) i, pg_sleep(case i when 1 then 0 else 20 end)");
    std::error_code ec;
    try {
      while (co_await slow.async_next(lido::within(50ms))) {
      }
    } catch (const lido::error& e) {
      ec = e.code();
    }
    EXPECT_EQ(ec, lido::errc::timeout);
    EXPECT_FALSE(db) << "a deadline revokes the lease";
    EXPECT_EQ((co_await pool.async_query<int>("select 5")).one(), 5);
    EXPECT_EQ(pool.stats().created, 1U) << "the pool won the connection back";
    co_await pool.async_close(1s);
  });
}

TEST(row_stream, a_copy_in_a_stream_is_a_clear_error) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await unix_connection();
    co_await db.async_query("create temp table t (a int)");
    for (const char* sql : {"copy t from stdin", "copy (select generate_series(1, 1000)) to stdout"}) {
      std::error_code ec;
      try {
        auto never = co_await db.async_stream(sql);
      } catch (const lido::error& e) {
        ec = e.code();
      }
      EXPECT_EQ(ec, lido::errc::copy_unexpected) << sql;
      EXPECT_EQ((co_await db.async_query<int>("select 4")).one(), 4);
    }
    co_await db.async_close();
  });
}

TEST(row_stream, callbacks_get_batches) {
  asio::io_context io;
  lido::connection db;
  lido::row_stream<int> numbers;
  std::vector<std::size_t> sizes;
  std::function<void(std::error_code, lido::result<int>)> on_batch = [&](std::error_code ec, lido::result<int> batch) {
    EXPECT_FALSE(ec) << ec.message();
    sizes.push_back(batch.size());
    if (batch.empty()) return db.async_close_with([] {});
    numbers.async_next_batch_with([&](std::error_code e, lido::result<int> b) { on_batch(e, std::move(b)); });
  };
  lido::connection::async_connect_with(
      [&](std::error_code ec, lido::connection made) {
        ASSERT_FALSE(ec) << ec.message();
        db = std::move(made);
        db.async_stream_with<int>(
            [&](std::error_code e, lido::row_stream<int> opened) {
              ASSERT_FALSE(e) << e.message();
              numbers = std::move(opened);
              numbers.async_next_batch_with([&](std::error_code f, lido::result<int> b) { on_batch(f, std::move(b)); });
            },
            stream_options{2}, "select generate_series(1, $1)", 5);
      },
      io.get_executor(), unix_config(shared_cluster()));
  io.run();
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 2, 1, 0}));
}

}  // namespace
