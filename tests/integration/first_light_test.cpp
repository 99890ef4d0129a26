// The first page of the README, held against a real server.
#include "tests/integration/pool_fixture.hpp"

#include <asio/steady_timer.hpp>

namespace {

using namespace std::chrono_literals;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::tls_config;
using lido::testing::unix_config;

struct user {
  int id;
  std::optional<std::string> name;
};

TEST(first_light, a_verified_tls_pool_answers_queries) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(tls_config(shared_cluster()), 2));
    {
      lido::lease db = co_await pool.async_acquire(lido::within(lido::testing::hang_guard));
      EXPECT_TRUE(db->is_encrypted());
      const auto rows = co_await db->async_query<std::tuple<int, std::string>>("select $1::int, 'x' || $2", 42, "abc");
      EXPECT_EQ(rows.one(), (std::tuple<int, std::string>(42, "xabc")));
    }
    const auto n = co_await pool.async_query<std::int64_t>("select count(*) from generate_series(1, 1000)");
    EXPECT_EQ(n.one(), 1000);
    co_await pool.async_close(1s);
  });
}

TEST(first_light, rows_become_structs_by_column_name) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    int seen = 0;
    for (const user& u : co_await pool.async_query<user>(
             "select nullif('n' || i, 'n2') as name, i as id from generate_series(1, 3) i")) {
      ++seen;
      EXPECT_EQ(u.id, seen);
      EXPECT_EQ(u.name.has_value(), seen != 2);
    }
    EXPECT_EQ(seen, 3);
    co_await pool.async_close(1s);
  });
}

TEST(first_light, an_error_of_the_server_carries_its_sqlstate_and_leaves_the_lease_usable) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    lido::lease db = co_await pool.async_acquire();
    std::string text;
    std::error_code code;
    try {
      co_await db->async_query("select 1/0");
    } catch (const lido::error& e) {
      text = e.what();
      code = e.code();
    }
    EXPECT_EQ(text, "ERROR 22012: division by zero");
    EXPECT_EQ(lido::sqlstate_of(code), "22012");
    EXPECT_FALSE(lido::is_disconnect(code));
    EXPECT_EQ((co_await db->async_query<int>("select 7")).one(), 7);
    db.release();
    co_await pool.async_close(1s);
  });
}

TEST(first_light, a_transaction_left_without_commit_is_rolled_back_before_the_next_statement) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    lido::lease db = co_await pool.async_acquire();
    co_await db->async_query("create temp table t (a int)");
    {
      lido::transaction tx = co_await db->async_begin();
      co_await tx.async_query("insert into t values (1)");
      co_await tx.async_commit();
    }
    {
      lido::transaction tx = co_await db->async_begin();
      co_await tx.async_query("insert into t values (2)");
    }
    EXPECT_EQ((co_await db->async_query<std::int64_t>("select count(*) from t")).one(), 1);
    db.release();
    co_await pool.async_close(1s);
  });
}

TEST(first_light, simple_queries_give_a_result_for_each_statement) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await lido::connection::async_connect(unix_config(shared_cluster()));
    const auto results = co_await db.async_simple_query(
        "select 1 as a; create temp table s (b int); insert into s values (1), (2); select * from s");
    EXPECT_EQ(results.size(), 4U);
    if (results.size() == 4U) {
      EXPECT_EQ(results[0][0].get<int>("a"), 1);
      EXPECT_EQ(results[2].affected_rows(), 2U);
      EXPECT_EQ(results[3].size(), 2U);
    }
    co_await db.async_close();
    EXPECT_FALSE(db.is_open());
  });
}

TEST(first_light, every_operation_takes_any_completion_token) {
  asio::io_context io;
  lido::connection db;
  lido::transaction tx;
  std::vector<std::string> log;
  const auto note = [&log](const char* what, std::error_code ec) { log.push_back(what + (ec ? ec.message() : "")); };
  const auto until = [&](std::size_t lines) {
    io.restart();
    while (log.size() < lines && io.run_one_for(lido::testing::hang_guard) > 0) {
    }
    return log.size() == lines;
  };
  lido::connection::async_connect_with(
      [&](std::error_code ec, lido::connection made) {
        db = std::move(made);
        note("connect", ec);
      },
      io.get_executor(), unix_config(shared_cluster()));
  ASSERT_TRUE(until(1));
  db.async_simple_query_with(
      [&](std::error_code ec, std::vector<lido::result<>> all) {
        EXPECT_EQ(all.size(), 2U);
        note("simple", ec);
      },
      "select 1; create temp table t (a int)");
  ASSERT_TRUE(until(2));
  for (const bool commits : {true, false}) {
    const std::size_t before = log.size();
    db.async_begin_with([&](std::error_code ec, lido::transaction made) {
      tx = std::move(made);
      note("begin", ec);
    });
    ASSERT_TRUE(until(before + 1));
    EXPECT_TRUE(tx.is_open());
    tx.async_query_with([&](std::error_code ec, lido::result<>) { note("insert", ec); }, {},
                        "insert into t values (1)");
    ASSERT_TRUE(until(before + 2));
    if (commits) {
      tx.async_commit_with([&](std::error_code ec, lido::commit_result) { note("commit", ec); });
    } else {
      tx.async_rollback_with([&](std::error_code ec) { note("rollback", ec); });
    }
    ASSERT_TRUE(until(before + 3));
    EXPECT_FALSE(tx.is_open());
  }
  db.async_query_with<std::int64_t>(
      [&](std::error_code ec, lido::result<std::int64_t> n) {
        EXPECT_EQ(n.one(), 1) << "one was committed, one rolled back";
        note("count", ec);
      },
      {}, "select count(*) from t");
  ASSERT_TRUE(until(9));
  db.async_close_with([&] { note("close", {}); });
  ASSERT_TRUE(until(10));
  EXPECT_EQ(log, (std::vector<std::string>{"connect", "simple", "begin", "insert", "commit", "begin", "insert",
                                           "rollback", "count", "close"}));
}

TEST(first_light, a_statement_is_prepared_once_and_the_cache_is_bounded) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    auto config = unix_config(shared_cluster());
    config.statement_cache_size = 4;
    lido::connection db = co_await lido::connection::async_connect(config);
    for (int i = 0; i < 20; ++i) {
      const std::string sql = "select " + std::to_string(i % 10) + " + $1::int";
      EXPECT_EQ((co_await db.async_query<int>(sql, i)).one(), i % 10 + i);
    }
    const auto kept = co_await db.async_query<std::int64_t>("select count(*) from pg_prepared_statements");
    EXPECT_LE(kept.one(), 5);
    co_await db.async_close();
  });
}

TEST(first_light, notices_reach_the_sink_and_a_throwing_sink_is_contained) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 1);
    std::string heard;
    config.on_notice = [&heard](const lido::diagnostics& note) {
      heard = note.message;
      throw std::runtime_error("from a sink");
    };
    lido::pool pool(io.get_executor(), config);
    co_await pool.async_query("do $$ begin raise notice 'hello'; end $$");
    EXPECT_EQ(heard, "hello");
    EXPECT_EQ(pool.stats().sink_errors, 1U);
    co_await pool.async_close(1s);
  });
}

// The SQLAlchemy half of the seed: whatever happened to idle connections, the next caller sees nothing.
TEST(first_light, dead_idle_connections_are_replaced_unseen) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(tls_config(shared_cluster()), 4));
    {
      std::vector<lido::lease> all;
      for (int i = 0; i < 4; ++i) all.push_back(co_await pool.async_acquire());
    }
    EXPECT_EQ(pool.stats().idle, 4U);
    shared_cluster().sql("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'lido'");
    asio::steady_timer turn(io);
    for (int i = 0; i < 1000 && pool.stats().of(lido::close_reason::disconnected) < 4; ++i) {
      turn.expires_after(1ms);  // lets the io_context run
      co_await turn.async_wait(asio::use_awaitable);
    }
    for (int i = 0; i < 8; ++i) EXPECT_EQ((co_await pool.async_query<int>("select $1::int", i)).one(), i);
    EXPECT_EQ(pool.stats().of(lido::close_reason::disconnected), 4U);
    co_await pool.async_close(1s);
  });
}

TEST(first_light, discard_all_by_choice_leaves_nothing_to_the_next_user) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 1);
    config.reset.mode = lido::reset_mode::discard_all;
    lido::pool pool(io.get_executor(), config);
    co_await pool.async_query("set statement_timeout = '77s'");
    co_await pool.async_query("create temp table left_behind (a int)");
    EXPECT_NE((co_await pool.async_query<std::string>("select current_setting('statement_timeout')")).one(), "77s");
    EXPECT_EQ(
        (co_await pool.async_query<std::int64_t>("select count(*) from pg_class where relname = 'left_behind'")).one(),
        0);
    co_await pool.async_close(1s);
  });
}

}  // namespace
