// Pipelines on a real server.
#include "tests/integration/pool_fixture.hpp"

#include <asio/redirect_error.hpp>

namespace {

using namespace std::chrono_literals;
using lido::pipeline_mode;
using lido::testing::error_of;
using lido::testing::shared_cluster;
using lido::testing::tls_config;
using lido::testing::unix_config;
using lido::testing::with_lease;

// One connection of a pool of one, and a table of its own.
void with_table(const lido::testing::on_connection& body, lido::connect_config config = unix_config(shared_cluster())) {
  const auto prepared = [&](lido::connection& db) -> asio::awaitable<void> {
    co_await db.async_query("create temp table t (a int primary key deferrable initially deferred, b text)");
    co_await body(db);
  };
  with_lease(prepared, std::move(config));
}

asio::awaitable<std::int64_t> rows_in(lido::connection& db) {
  const auto n = co_await db.async_query<std::int64_t>("select count(*) from t");
  co_return n.one();
}

TEST(pipeline, P152_many_statements_give_their_answers_in_order) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    for (int round = 0; round < 3; ++round) {
      lido::pipeline work;
      for (int i = 0; i < 100; ++i) work.add("select $1::int", i);
      work.add("insert into t values ($1, $2), ($3, null)", 2 * round, std::string("x"), 2 * round + 1);
      work.add("select a, b from t where a >= $1 order by a", 2 * round);
      const lido::pipeline_results done = co_await db.async_run(std::move(work));
      EXPECT_EQ(done.size(), 102U);
      for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(done.one<int>(i), static_cast<int>(i));
      EXPECT_EQ(done.affected_rows(100), 2U);
      EXPECT_EQ(done.command_tag(100), "INSERT 0 2");
      const auto rows = done.rows<std::tuple<int, std::optional<std::string>>>(101);
      EXPECT_EQ(rows.size(), 2U);
      EXPECT_EQ(std::get<1>(rows[0]), "x");
      EXPECT_FALSE(std::get<1>(rows[1]));
    }
  });
}

TEST(pipeline, P152_all_or_nothing_is_one_transaction) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    lido::pipeline work;
    work.add("insert into t values (1)").add("select 1/0").add("insert into t values (2)");
    std::string text;
    try {
      co_await db.async_run(std::move(work));
    } catch (const lido::error& e) {
      EXPECT_EQ(lido::sqlstate_of(e.code()), "22012");
      text = e.what();
    }
    EXPECT_NE(text.find("statement 2 of 3"), std::string::npos) << text;
    const auto left = co_await rows_in(db);
    EXPECT_EQ(left, 0);
  });
}

TEST(pipeline, P153_each_on_its_own_keeps_what_worked) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    lido::pipeline work(pipeline_mode::each_on_its_own);
    work.add("insert into t values (1)").add("select 1/0").add("insert into t values (2)").add("selec").add("selec");
    work.add("select $1::int", 7);
    const lido::pipeline_results done = co_await db.async_run(std::move(work));
    EXPECT_FALSE(done.error(0));
    EXPECT_EQ(lido::sqlstate_of(done.error(1)), "22012");
    EXPECT_FALSE(done.error(2));
    EXPECT_EQ(lido::sqlstate_of(done.error(3)), "42601");
    EXPECT_EQ(lido::sqlstate_of(done.error(4)), "42601") << "and not the 26000 that its Bind gets";
    EXPECT_EQ(done.one<int>(5), 7);
    EXPECT_THROW(done.one<int>(1), lido::error);
    const auto left = co_await rows_in(db);
    EXPECT_EQ(left, 2);
  });
}

TEST(pipeline, an_error_at_the_commit_is_the_pipelines) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    lido::pipeline all;
    all.add("insert into t values (1)").add("insert into t values (1)");
    const auto ec = co_await error_of(db.async_run(std::move(all)));
    EXPECT_EQ(ec, lido::condition::unique_violation);
    lido::pipeline each(pipeline_mode::each_on_its_own);
    each.add("insert into t values (1)").add("insert into t values (1)").add("insert into t values (2)");
    const lido::pipeline_results done = co_await db.async_run(std::move(each));
    EXPECT_FALSE(done.error(0));
    EXPECT_EQ(done.error(1), lido::condition::unique_violation);
    EXPECT_FALSE(done.error(2));
  });
}

TEST(pipeline, P181_execute_many_is_all_or_nothing) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    std::vector<std::tuple<int, std::string>> rows;
    for (int i = 0; i < 5000; ++i) rows.emplace_back(i, std::string(20, 'x'));
    const auto n = co_await db.async_execute_many("insert into t values ($1, $2)", rows);
    EXPECT_EQ(n, 5000U);
    const std::vector<int> again{10'000, 10'001, 7, 10'002};
    std::error_code ec;
    try {
      co_await db.async_execute_many("insert into t values ($1)", again);
    } catch (const lido::error& e) {
      ec = e.code();
    }
    EXPECT_EQ(ec, lido::condition::unique_violation);
    const auto left = co_await rows_in(db);
    EXPECT_EQ(left, 5000);
  });
}

TEST(pipeline, in_a_transaction_it_is_a_part_of_it) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    {
      lido::transaction tx = co_await db.async_begin();
      lido::pipeline work;
      work.add("insert into t values (1)").add("insert into t values (2)");
      co_await tx.async_run(std::move(work));
    }
    const auto left = co_await rows_in(db);
    EXPECT_EQ(left, 0);
    {
      lido::transaction tx = co_await db.async_begin();
      const std::vector<int> rows{1, 2, 3};
      co_await tx.async_execute_many("insert into t values ($1)", rows);
      co_await tx.async_commit();
    }
    const auto kept = co_await rows_in(db);
    EXPECT_EQ(kept, 3);
  });
}

TEST(pipeline, I15_a_commit_inside_that_rolled_back_is_an_error) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    lido::pipeline work(pipeline_mode::each_on_its_own);
    work.add("begin").add("select 1/0").add("commit").add("select 5");
    const lido::pipeline_results done = co_await db.async_run(std::move(work));
    EXPECT_FALSE(done.error(0));
    EXPECT_EQ(done.error(2), lido::errc::rolled_back);
    EXPECT_EQ(done.one<int>(3), 5);
  });
}

// P155: 8 MB each way. Who only writes and then reads stands still against a server that does the same.
TEST(pipeline, P155_eight_megabytes_each_way_do_not_lock) {
  for (const auto& config : {unix_config(shared_cluster()), tls_config(shared_cluster())}) {
    with_table(
        [](lido::connection& db) -> asio::awaitable<void> {
          for (const pipeline_mode mode : {pipeline_mode::all_or_nothing, pipeline_mode::each_on_its_own}) {
            lido::pipeline work(mode);
            const std::string value(16U << 10, 'y');
            for (int i = 0; i < 512; ++i) work.add("select $1::text", value);
            EXPECT_GT(work.bytes(), 8U << 20);
            const lido::pipeline_results done = co_await db.async_run(std::move(work), lido::within(60s));
            EXPECT_EQ(done.size(), 512U);
            for (std::size_t i = 0; i < done.size(); ++i) EXPECT_EQ(done.one<std::string_view>(i), value);
            // one statement of which each side has 8 MB
            lido::pipeline one(mode);
            one.add("select $1::text", std::string(8U << 20, 'z')).add("select 1");
            const lido::pipeline_results large = co_await db.async_run(std::move(one), lido::within(60s));
            EXPECT_EQ(large.one<std::string_view>(0).size(), 8U << 20);
          }
        },
        config);
  }
}

TEST(pipeline, B94_more_answers_than_max_result_bytes_end_it_and_the_lease_stays) {
  auto config = unix_config(shared_cluster());
  config.max_result_bytes = 1U << 20;
  with_table(
      [](lido::connection& db) -> asio::awaitable<void> {
        lido::pipeline work(pipeline_mode::each_on_its_own);
        for (int i = 0; i < 100; ++i) work.add("select repeat('x', 100000)");
        const auto ec = co_await error_of(db.async_run(std::move(work)));
        EXPECT_EQ(ec, lido::errc::result_too_large);
        const auto next = co_await db.async_query<int>("select 3");
        EXPECT_EQ(next.one(), 3);
      },
      std::move(config));
}

TEST(pipeline, what_cannot_be_sent_is_refused_and_nothing_is_sent) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    lido::pipeline work;
    work.add("insert into t values (1)").add("copy t from stdin");
    auto ec = co_await error_of(db.async_run(std::move(work)));
    EXPECT_EQ(ec, lido::errc::copy_unexpected);
    lido::pipeline nul;
    nul.add("insert into t values (1)").add("select $1", std::string("a\0b", 3));
    ec = co_await error_of(db.async_run(std::move(nul)));
    EXPECT_EQ(ec, lido::errc::not_encodable);
    const auto left = co_await rows_in(db);
    EXPECT_EQ(left, 0);
    const auto none = co_await db.async_run(lido::pipeline());
    EXPECT_EQ(none.size(), 0U);
    const auto none_each = co_await db.async_run(lido::pipeline(pipeline_mode::each_on_its_own));
    EXPECT_EQ(none_each.size(), 0U);
  });
}

TEST(pipeline, without_a_statement_cache_it_is_the_same) {
  auto config = unix_config(shared_cluster());
  config.statement_cache_size = 0;
  with_table(
      [](lido::connection& db) -> asio::awaitable<void> {
        for (const pipeline_mode mode : {pipeline_mode::all_or_nothing, pipeline_mode::each_on_its_own}) {
          lido::pipeline work(mode);
          for (int i = 0; i < 50; ++i) work.add("select $1::int", i).add("select $1::text", std::to_string(i));
          const lido::pipeline_results done = co_await db.async_run(std::move(work));
          for (std::size_t i = 0; i < 50; ++i) {
            EXPECT_EQ(done.one<int>(2 * i), static_cast<int>(i));
            EXPECT_EQ(done.one<std::string>(2 * i + 1), std::to_string(i));
          }
        }
        const auto names = co_await db.async_query<std::int64_t>("select count(*) from pg_prepared_statements");
        EXPECT_EQ(names.one(), 0);
      },
      std::move(config));
}

// P151: more statements than the cache holds, some of them wrong, with both kinds of Sync.
TEST(pipeline, P151_statements_that_come_and_go_under_pressure_stay_right) {
  auto config = unix_config(shared_cluster());
  config.statement_cache_size = 4;
  with_table(
      [](lido::connection& db) -> asio::awaitable<void> {
        for (int round = 0; round < 60; ++round) {
          lido::pipeline work(pipeline_mode::each_on_its_own);
          for (int i = 0; i < 12; ++i) {
            const int n = (round * 7 + i * 5) % 9;
            if (n == 8) {
              work.add("select no_such_column_" + std::to_string(i % 2));
            } else {
              work.add("select " + std::to_string(n) + " + $1::int", i);
            }
          }
          const lido::pipeline_results done = co_await db.async_run(std::move(work));
          for (int i = 0; i < 12; ++i) {
            const int n = (round * 7 + i * 5) % 9;
            const auto at = static_cast<std::size_t>(i);
            if (n == 8) {
              EXPECT_EQ(lido::sqlstate_of(done.error(at)), "42703");
            } else {
              EXPECT_EQ(done.one<int>(at), n + i);
            }
          }
          const auto alone = co_await db.async_query<int>("select " + std::to_string(round % 9) + " + $1::int", 1);
          EXPECT_EQ(alone.one(), round % 9 + 1);
        }
        const auto names = co_await db.async_query<std::int64_t>("select count(*) from pg_prepared_statements");
        EXPECT_LE(names.one(), 5);
      },
      std::move(config));
}

TEST(pipeline, any_token_will_do_and_gets_error_and_results) {
  with_table([](lido::connection& db) -> asio::awaitable<void> {
    lido::pipeline work;
    work.add("select 1").add("select 1/0").add("select 2");
    std::error_code ec;
    lido::diagnostics diag;
    const auto done = co_await db.async_run_with(asio::redirect_error(asio::use_awaitable, ec), std::move(work),
                                                 lido::op_options{lido::time_point::max(), &diag});
    EXPECT_EQ(lido::sqlstate_of(ec), "22012");
    EXPECT_EQ(diag.context, "statement 2 of 3 in the pipeline");
    EXPECT_EQ(done.size(), 3U);
    EXPECT_EQ(done.one<int>(0), 1);
    EXPECT_EQ(done.error(2), lido::errc::pipeline_aborted);
  });
}

}  // namespace
