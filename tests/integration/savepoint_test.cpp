// Savepoints as nested scopes, and statements whose plan has gone stale.
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/stream.hpp>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace {

using namespace std::chrono_literals;
using lido::testing::error_of;
using lido::testing::shared_cluster;
using lido::testing::unix_config;
using lido::testing::with_lease;

void with_keys(const lido::testing::on_connection& body, std::size_t cached = 256) {
  const auto prepared = [&](lido::connection& db) -> asio::awaitable<void> {
    co_await db.async_query("create temp table t (a int primary key)");
    co_await body(db);
  };
  auto config = unix_config(shared_cluster());
  config.statement_cache_size = cached;
  with_lease(prepared, std::move(config));
}

template <class Scope>
asio::awaitable<std::error_code> insert(Scope& scope, int value) {
  std::error_code ec;
  try {
    co_await scope.async_query("insert into t values ($1)", value);
  } catch (const lido::error& e) {
    ec = e.code();
  }
  co_return ec;
}

asio::awaitable<std::string> values_in(lido::connection& db) {
  const auto all =
      co_await db.async_query<std::optional<std::string>>("select string_agg(a::text, ',' order by a) from t");
  co_return all.one().value_or("");
}

TEST(savepoints, P179_a_failed_scope_leaves_the_transaction_whole) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    lido::transaction tx = co_await db.async_begin();
    co_await insert(tx, 1);
    {
      lido::savepoint inner = co_await tx.async_savepoint();
      co_await insert(inner, 2);
      const auto ec = co_await insert(inner, 1);
      EXPECT_EQ(ec, lido::condition::unique_violation);
      co_await inner.async_rollback();
      EXPECT_FALSE(inner.is_open());
    }
    const auto ec = co_await insert(tx, 3);
    EXPECT_FALSE(ec);
    co_await tx.async_commit();
    const auto left = co_await values_in(db);
    EXPECT_EQ(left, "1,3");
  });
}

TEST(savepoints, P179_a_scope_that_is_left_is_rolled_back_before_the_next_statement) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    lido::transaction tx = co_await db.async_begin();
    {
      const lido::savepoint left = co_await tx.async_savepoint();
    }
    {
      lido::savepoint failed = co_await tx.async_savepoint();
      co_await insert(failed, 7);
      co_await insert(failed, 7);
    }
    {
      lido::savepoint outer = co_await tx.async_savepoint();
      co_await insert(outer, 1);
      {
        lido::savepoint inner = co_await outer.async_savepoint();
        co_await insert(inner, 2);
      }
      const auto ec = co_await insert(outer, 3);
      EXPECT_FALSE(ec);
      co_await outer.async_release();
    }
    co_await tx.async_commit();
    const auto left = co_await values_in(db);
    EXPECT_EQ(left, "1,3");
  });
}

TEST(savepoints, P179_only_the_innermost_scope_may_be_used) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    lido::transaction tx = co_await db.async_begin();
    lido::savepoint outer = co_await tx.async_savepoint();
    lido::savepoint inner = co_await outer.async_savepoint();
    auto ec = co_await insert(tx, 1);
    EXPECT_EQ(ec, lido::errc::wrong_scope);
    ec = co_await insert(outer, 1);
    EXPECT_EQ(ec, lido::errc::wrong_scope);
    ec = co_await error_of(outer.async_release());
    EXPECT_EQ(ec, lido::errc::wrong_scope);
    ec = {};
    try {
      co_await tx.async_commit();
    } catch (const lido::error& e) {
      ec = e.code();
    }
    EXPECT_EQ(ec, lido::errc::wrong_scope);
    EXPECT_TRUE(tx.is_open()) << "a commit that was refused has ended nothing";
    ec = co_await insert(inner, 1);
    EXPECT_FALSE(ec);
    co_await inner.async_release();
    ec = co_await insert(inner, 2);
    EXPECT_EQ(ec, lido::errc::wrong_scope) << "ended";
    co_await outer.async_release();
    co_await tx.async_commit();
    const auto left = co_await values_in(db);
    EXPECT_EQ(left, "1");
  });
}

template <class Scope>
asio::awaitable<void> refuses_all(Scope& scope, lido::connection& db) {
  const std::vector<int> rows{1, 2};
  auto ec = co_await error_of(scope.async_stream("select 1"));
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  ec = co_await error_of(scope.async_copy_in("copy t from stdin"));
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  ec = co_await error_of(scope.async_copy_out("copy t to stdout"));
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  using row = std::tuple<int>;
  ec = co_await error_of(scope.template async_copy_in<row>("copy t from stdin (format binary)"));
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  ec = co_await error_of(scope.template async_copy_out<row>("copy t to stdout (format binary)"));
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  ec = co_await error_of(scope.async_execute_many("insert into t values ($1)", rows));
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  lido::pipeline work;
  work.add("insert into t values (3)");
  ec = co_await error_of(scope.async_run(std::move(work)));
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  ec = {};
  co_await scope.async_copy_in_with(asio::redirect_error(asio::use_awaitable, ec), "copy t from stdin");
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  co_await scope.async_copy_out_with(asio::redirect_error(asio::use_awaitable, ec), "copy t to stdout");
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  co_await scope.async_stream_with(asio::redirect_error(asio::use_awaitable, ec), {}, "select 1");
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  co_await scope.async_run_with(asio::redirect_error(asio::use_awaitable, ec), lido::pipeline());
  EXPECT_EQ(ec, lido::errc::wrong_scope);
  EXPECT_TRUE(db.is_open());
}

TEST(savepoints, P179_streams_copies_and_pipelines_belong_to_the_innermost_scope_too) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    lido::transaction tx = co_await db.async_begin();
    lido::savepoint outer = co_await tx.async_savepoint();
    {
      lido::savepoint inner = co_await outer.async_savepoint();
      co_await refuses_all(tx, db);
      co_await refuses_all(outer, db);
      auto numbers = co_await inner.async_stream<int>("select generate_series(1, 3)");
      int sum = 0;
      while (const auto n = co_await numbers.async_next()) sum += *n;
      EXPECT_EQ(sum, 6);
      lido::copy_in in = co_await inner.async_copy_in("copy t from stdin");
      co_await in.async_write("1\n2\n");
      const auto copied = co_await in.async_finish();
      EXPECT_EQ(copied, 2U);
      co_await inner.async_release();
    }
    co_await refuses_all(tx, db);
    const std::vector<int> rows{3, 4};
    const auto n = co_await outer.async_execute_many("insert into t values ($1)", rows);
    EXPECT_EQ(n, 2U);
    co_await outer.async_release();
    co_await refuses_all(outer, db);
    lido::copy_out out = co_await tx.async_copy_out("copy t to stdout");
    std::string all;
    for (std::string_view chunk; !(chunk = co_await out.async_read()).empty();) all += chunk;
    EXPECT_EQ(all, "1\n2\n3\n4\n");
    co_await tx.async_commit();
  });
}

TEST(savepoints, P180_a_failed_transaction_goes_back_to_its_savepoint) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    lido::transaction tx = co_await db.async_begin();
    lido::savepoint inner = co_await tx.async_savepoint();
    co_await error_of(
        [](lido::savepoint& in) -> asio::awaitable<void> { co_await in.async_query("select 1/0"); }(inner));
    const auto failed = co_await error_of(inner.async_release());
    EXPECT_EQ(lido::sqlstate_of(failed), "25P02");
    EXPECT_TRUE(inner.is_open()) << "it could not be released";
    co_await inner.async_rollback();
    const auto ec = co_await insert(tx, 1);
    EXPECT_FALSE(ec);
    co_await tx.async_rollback();
    const auto left = co_await values_in(db);
    EXPECT_EQ(left, "");
  });
}

TEST(savepoints, a_rollback_of_the_transaction_ends_its_scopes) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    lido::transaction tx = co_await db.async_begin();
    lido::savepoint inner = co_await tx.async_savepoint();
    co_await tx.async_rollback();
    EXPECT_FALSE(inner.is_open());
    const auto ec = co_await insert(inner, 1);
    EXPECT_EQ(ec, lido::errc::wrong_scope);
  });
}

// ---- stale plans ----

TEST(statement_cache, P145_a_changed_result_type_is_unseen_outside_of_a_transaction) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      const auto before = co_await db.async_query("select * from t");
      EXPECT_EQ(before.columns().size(), static_cast<std::size_t>(i + 1));
      co_await db.async_simple_query("alter table t add column c" + std::to_string(i) + " int");
    }
    const auto after = co_await db.async_query("select * from t");
    EXPECT_EQ(after.columns().size(), 4U);
  });
}

TEST(statement_cache, P145_inside_a_transaction_it_is_an_error_and_the_next_one_works) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    co_await db.async_query("select * from t");
    co_await db.async_simple_query("alter table t add column c int");
    {
      lido::transaction tx = co_await db.async_begin();
      std::error_code ec;
      try {
        co_await tx.async_query("select * from t");
      } catch (const lido::error& e) {
        ec = e.code();
      }
      EXPECT_EQ(lido::sqlstate_of(ec), "0A000");
    }
    const auto after = co_await db.async_query("select * from t");
    EXPECT_EQ(after.columns().size(), 2U);
  });
}

// Nothing of it had run: the first statement was refused before it was bound.
TEST(statement_cache, P145_a_pipeline_that_begins_with_a_stale_plan_is_run_again_unseen) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    const auto work = [] {
      lido::pipeline all;
      all.add("select * from t").add("insert into t values (1) on conflict do nothing").add("select count(*) from t");
      return all;
    };
    co_await db.async_run(work());
    co_await db.async_simple_query("alter table t add column c int");
    const lido::pipeline_results after = co_await db.async_run(work());
    EXPECT_EQ(after.size(), 3U);
    EXPECT_EQ(after.rows(0).columns().size(), 2U);
    EXPECT_EQ(after.one<std::int64_t>(2), 1);
    co_await db.async_simple_query("do $$ begin execute 'deallocate all'; end $$");
    const std::vector<int> rows{5, 6, 7};
    for (int i = 0; i < 2; ++i) {
      const auto n = co_await db.async_execute_many("update t set a = a where a <> $1", rows);
      EXPECT_EQ(n, 3U);
      co_await db.async_simple_query("do $$ begin execute 'deallocate all'; end $$");
    }
  });
}

TEST(statement_cache, P145_in_the_middle_of_a_pipeline_it_is_an_error_and_the_next_run_works) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    for (const auto mode : {lido::pipeline_mode::all_or_nothing, lido::pipeline_mode::each_on_its_own}) {
      const auto work = [mode] {
        lido::pipeline all(mode);
        all.add("select $1::int", 1).add("select * from t").add("select $1::int", 2);
        return all;
      };
      co_await db.async_run(work());
      co_await db.async_simple_query("alter table t add column c" + std::to_string(static_cast<int>(mode)) + " int");
      const bool whole = mode == lido::pipeline_mode::all_or_nothing;
      std::error_code ec;
      const auto failed = co_await db.async_run_with(asio::redirect_error(asio::use_awaitable, ec), work());
      EXPECT_EQ(lido::sqlstate_of(failed.error(1)), "0A000");
      EXPECT_EQ(failed.error(2), whole ? make_error_code(lido::errc::pipeline_aborted) : std::error_code{});
      const lido::pipeline_results after = co_await db.async_run(work());
      EXPECT_TRUE(after.ok());
    }
  });
}

TEST(statement_cache, P145_a_statement_that_the_server_forgot_is_prepared_anew_unseen) {
  with_keys([](lido::connection& db) -> asio::awaitable<void> {
    const auto one = co_await db.async_query<int>("select $1::int", 1);
    EXPECT_EQ(one.one(), 1);
    // by a way that no text shows
    co_await db.async_simple_query("do $$ begin execute 'deallocate all'; end $$");
    const auto two = co_await db.async_query<int>("select $1::int", 2);
    EXPECT_EQ(two.one(), 2);
  });
}

}  // namespace
