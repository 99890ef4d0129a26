// What a statement asks for and gives, without running it.
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/oid.hpp>
#include <lido/driver/transaction.hpp>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace lido::testing {
namespace {

using oids = std::vector<std::uint32_t>;

void on_connection_of(connect_config config, const on_connection& body) {
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await connection::async_connect(config);
    co_await body(db);
  });
}
void on_new_connection(const on_connection& body) { on_connection_of(unix_config(shared_cluster()), body); }

TEST(describe, tells_parameters_and_columns_and_runs_nothing) {
  on_new_connection([](connection& db) -> asio::awaitable<void> {
    co_await db.async_query("create temp table described (id int8, name text)");
    const auto in = co_await db.async_describe("insert into described values ($1, $2) returning id, name as n");
    EXPECT_EQ(in.parameters, (oids{oid::int8, oid::text}));
    EXPECT_EQ(in.columns.size(), 2U);
    EXPECT_EQ(in.columns.at(0).name, "id");
    EXPECT_EQ(in.columns.at(0).type_oid, oid::int8);
    EXPECT_NE(in.columns.at(0).table_oid, 0U);
    EXPECT_EQ(in.columns.at(1).name, "n");
    EXPECT_EQ((co_await db.async_query<std::int64_t>("select count(*) from described")).one(), 0);

    const auto change = co_await db.async_describe("delete from described where id = $1");
    EXPECT_EQ(change.parameters, oids{oid::int8});
    EXPECT_TRUE(change.columns.empty());
    const auto nothing = co_await db.async_describe("");
    EXPECT_TRUE(nothing.parameters.empty() && nothing.columns.empty());
  });
}

TEST(describe, again_from_the_cache_and_without_one_is_the_same) {
  for (const std::size_t cached : {std::size_t{256}, std::size_t{0}}) {
    connect_config config = unix_config(shared_cluster());
    config.statement_cache_size = cached;
    on_connection_of(config, [cached](connection& db) -> asio::awaitable<void> {
      const std::string sql = "select 1 as one";
      for (int i = 0; i < 3; ++i) {
        const auto seen = co_await db.async_describe(sql);
        EXPECT_EQ(seen.columns.at(0).name, "one");
        EXPECT_EQ((co_await db.async_query<int>(sql)).one(), 1);
      }
      const auto kept = co_await db.async_query<std::int64_t>(
          "select count(*) from pg_prepared_statements where statement = 'select 1 as one'");
      EXPECT_EQ(kept.one(), cached > 0 ? 1 : 0);
    });
  }
}

TEST(describe, a_table_that_has_changed_is_described_as_it_is) {
  on_new_connection([](connection& db) -> asio::awaitable<void> {
    co_await db.async_query("create temp table changing (a int)");
    const std::string sql = "select * from changing";
    EXPECT_EQ((co_await db.async_describe(sql)).columns.size(), 1U);
    co_await db.async_query("alter table changing add b text");
    EXPECT_EQ((co_await db.async_describe(sql)).columns.size(), 2U);
  });
}

TEST(describe, an_error_of_the_server_is_the_errors_and_the_connection_goes_on) {
  on_new_connection([](connection& db) -> asio::awaitable<void> {
    for (const auto& [sql, state] : {std::pair{"selec 1", "42601"}, std::pair{"select * from no_such_table", "42P01"},
                                     std::pair{"select $2::int", "42P18"}}) {
      EXPECT_EQ(sqlstate_of(co_await error_of(db.async_describe(sql))), state) << sql;
    }
    EXPECT_EQ(co_await error_of(db.async_describe(std::string_view("select 1\0", 9))), errc::not_encodable);
    EXPECT_EQ((co_await db.async_query<int>("select 1")).one(), 1);
  });
}

TEST(describe, a_commit_or_a_setting_that_is_described_is_not_done) {
  on_new_connection([](connection& db) -> asio::awaitable<void> {
    co_await db.async_query("create temp table undone (a int)");
    {
      transaction tx = co_await db.async_begin();
      co_await tx.async_query("insert into undone values (1)");
      EXPECT_TRUE((co_await tx.async_describe("commit")).columns.empty());
      EXPECT_EQ((co_await tx.async_describe("select a from undone")).columns.at(0).type_oid, oid::int4);
      co_await tx.async_rollback();
    }
    EXPECT_EQ((co_await db.async_query<std::int64_t>("select count(*) from undone")).one(), 0);
    co_await db.async_describe("deallocate all");
    EXPECT_EQ((co_await db.async_query<std::int64_t>("select count(*) from undone")).one(), 0);
  });
}

TEST(describe, a_savepoint_inside_is_to_be_used) {
  on_new_connection([](connection& db) -> asio::awaitable<void> {
    transaction tx = co_await db.async_begin();
    savepoint inner = co_await tx.async_savepoint();
    EXPECT_EQ(co_await error_of(tx.async_describe("select 1")), errc::wrong_scope);
    EXPECT_EQ((co_await inner.async_describe("select 1")).columns.size(), 1U);
    co_await inner.async_release();
    co_await tx.async_commit();
  });
}

TEST(describe, leaves_a_lease_as_clean_as_it_was) {
  with_lease([](connection& db) -> asio::awaitable<void> {
    co_await db.async_describe("set search_path = elsewhere");
    EXPECT_NE((co_await db.async_query<std::string>("show search_path")).one(), "elsewhere");
  });
}

TEST(describe, a_handler_has_the_same_and_a_passed_deadline_sends_nothing) {
  on_new_connection([](connection& db) -> asio::awaitable<void> {
    std::error_code ec;
    const auto seen = co_await db.async_describe_with(asio::redirect_error(asio::use_awaitable, ec), "select $1::int");
    EXPECT_FALSE(ec) << ec.message();
    EXPECT_EQ(seen.parameters, oids{oid::int4});
    diagnostics diag;
    op_options late = within(std::chrono::seconds(-1));
    late.diag = &diag;
    co_await db.async_describe_with(asio::redirect_error(asio::use_awaitable, ec), "select 1", late);
    EXPECT_EQ(ec, errc::timeout);
    EXPECT_EQ((co_await db.async_query<int>("select 1")).one(), 1);
  });
}

}  // namespace
}  // namespace lido::testing
