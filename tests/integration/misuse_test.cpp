// What a program does wrong: calls on a connection that is busy, closed, lost or not there, and arguments that make no
// sense. Each has a typed answer, and whatever runs meanwhile is unharmed.
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/commit_status.hpp>
#include <lido/driver/copy.hpp>
#include <lido/driver/listener.hpp>
#include <lido/driver/stream.hpp>

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <limits>

namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using lido::errc;
using lido::testing::error_of;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::unix_config;

// ---- every call ----

asio::awaitable<void> queries(lido::connection& db) { co_await db.async_query("select 1"); }
asio::awaitable<void> queries_simply(lido::connection& db) { co_await db.async_simple_query("select 1"); }
asio::awaitable<void> runs_a_pipeline(lido::connection& db) {
  lido::pipeline work;
  work.add("select 1").add("select 2");
  co_await db.async_run(std::move(work));
}
asio::awaitable<void> runs_each_on_its_own(lido::connection& db) {
  lido::pipeline work(lido::pipeline_mode::each_on_its_own);
  work.add("select 1").add("select 2");
  co_await db.async_run(std::move(work));
}
asio::awaitable<void> runs_an_empty_pipeline(lido::connection& db) { co_await db.async_run(lido::pipeline()); }
asio::awaitable<void> executes_many(lido::connection& db) {
  const std::vector<int> values{1, 2};
  co_await db.async_execute_many("select $1::int", values);
}
asio::awaitable<void> streams(lido::connection& db) {
  auto rows = co_await db.async_stream<int>("select 1");
  co_await rows.async_close();
}
asio::awaitable<void> copies_in(lido::connection& db) {
  lido::copy_in in = co_await db.async_copy_in("copy misuse from stdin");
  co_await in.async_fail("enough");
}
asio::awaitable<void> copies_out(lido::connection& db) {
  lido::copy_out out = co_await db.async_copy_out("copy (select 1) to stdout");
  co_await out.async_close();
}
asio::awaitable<void> begins(lido::connection& db) {
  lido::transaction tx = co_await db.async_begin();
  co_await tx.async_rollback();
}
asio::awaitable<void> asks_for_a_commit(lido::connection& db) {
  co_await db.async_commit_status(lido::transaction_id{});
}

struct call {
  const char* name;
  asio::awaitable<void> (*run)(lido::connection&);
};
const call calls[] = {
    {"query", queries},
    {"simple_query", queries_simply},
    {"pipeline", runs_a_pipeline},
    {"pipeline_each", runs_each_on_its_own},
    {"empty_pipeline", runs_an_empty_pipeline},
    {"execute_many", executes_many},
    {"stream", streams},
    {"copy_in", copies_in},
    {"copy_out", copies_out},
    {"begin", begins},
    {"commit_status", asks_for_a_commit},
};

asio::awaitable<void> expect_each(lido::connection& db, errc error, const char* state) {
  for (const call& each : calls) {
    const std::error_code ec = co_await error_of(each.run(db));
    EXPECT_EQ(ec, error) << each.name << " on a connection that is " << state << ": " << ec.message();
  }
}
asio::awaitable<void> expect_all_fine(lido::connection& db, const char* state) {
  for (const call& each : calls) {
    const std::error_code ec = co_await error_of(each.run(db));
    EXPECT_FALSE(ec) << each.name << " behind one that was " << state << ": " << ec.message();
  }
}
asio::awaitable<lido::connection> open() {
  lido::connection db = co_await lido::connection::async_connect(unix_config(shared_cluster()));
  co_await db.async_simple_query("create temp table misuse (id int)");
  co_return db;
}

// ---- every state ----

TEST(misuse, C18_each_call_on_a_connection_that_is_not_there_is_lease_revoked) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection none;
    EXPECT_FALSE(none.is_open());
    EXPECT_EQ(none.process_id(), 0);
    none.set_deadline(lido::time_point::max());
    none.canceller().cancel();
    EXPECT_FALSE(none.server_parameter("server_version"));
    co_await expect_each(none, errc::lease_revoked, "not there");
    lido::connection db = co_await open();
    lido::connection other(std::move(db));
    co_await expect_each(db, errc::lease_revoked, "moved from");  // NOLINT(bugprone-use-after-move): that is the test
    co_await expect_all_fine(other, "moved to");
    co_await other.async_close();
    co_await expect_each(other, errc::lease_revoked, "closed");
    co_await other.async_close();
  });
}

TEST(misuse, C18_each_call_on_a_connection_that_is_busy_is_connection_busy_and_harms_nobody) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await open();
    lido::connection holder = co_await open();
    const std::string wait = "select pg_advisory_lock(4711), pg_advisory_unlock(4711)";
    for (const bool pipelined : {false, true}) {
      co_await holder.async_query("select pg_advisory_lock(4711)");
      std::optional<std::error_code> first;
      if (pipelined) {
        lido::pipeline work(lido::pipeline_mode::each_on_its_own);
        work.add(wait).add("select 7");
        db.async_run_with(
            [&first](std::error_code ec, const lido::pipeline_results& got) {
              first = ec ? ec : got.error(1);
              EXPECT_EQ(got.one<int>(1), 7);
            },
            std::move(work));
      } else {
        db.async_query_with<int>(
            [&first](std::error_code ec, const lido::result<int>& got) {
              first = ec;
              EXPECT_EQ(got.one(), 7);
            },
            {}, "select 7 from (" + wait + ") as held");
      }
      co_await expect_each(db, errc::connection_busy, "busy");
      EXPECT_FALSE(first) << "it had ended before it was disturbed";
      co_await holder.async_query("select pg_advisory_unlock(4711)");
      asio::steady_timer turn(db.get_executor());
      for (int i = 0; i < 20'000 && !first; ++i) {
        turn.expires_after(1ms);
        co_await turn.async_wait(asio::use_awaitable);
      }
      EXPECT_EQ(first, std::error_code{});
      co_await expect_all_fine(db, "busy");
    }
    co_await db.async_close();
  });
}

TEST(misuse, C18_each_call_beside_an_open_stream_or_copy_is_connection_busy) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await open();
    {
      auto rows = co_await db.async_stream<int>(lido::stream_options{1}, "select generate_series(1, 3)");
      co_await expect_each(db, errc::connection_busy, "streaming");
      int sum = 0;
      while (const auto n = co_await rows.async_next()) sum += *n;
      EXPECT_EQ(sum, 6);
    }
    co_await expect_all_fine(db, "streaming");
    {
      lido::copy_in in = co_await db.async_copy_in("copy misuse from stdin");
      co_await expect_each(db, errc::connection_busy, "copying in");
      co_await in.async_write("1\n");
      const auto rows = co_await in.async_finish();
      EXPECT_EQ(rows, 1U);
    }
    co_await expect_all_fine(db, "copying in");
    {
      lido::copy_out out = co_await db.async_copy_out("copy (select generate_series(1, 1000000)) to stdout");
      co_await expect_each(db, errc::connection_busy, "copying out");
      while (!(co_await out.async_read()).empty()) {
      }
      EXPECT_EQ(out.rows(), 1000000U);
    }
    co_await expect_all_fine(db, "copying out");
    co_await db.async_close();
  });
}

TEST(misuse, C18_each_call_behind_a_deadline_or_a_loss_has_the_error_of_that) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection late = co_await open();
    std::error_code ec;
    co_await late.async_query_with(asio::redirect_error(asio::use_awaitable, ec), lido::within(20ms),
                                   "select pg_sleep(30)");
    EXPECT_EQ(ec, errc::timeout);
    co_await expect_each(late, errc::lease_revoked, "revoked");
    lido::connection lost = co_await open();
    co_await lost.async_query_with(asio::redirect_error(asio::use_awaitable, ec), {},
                                   "select pg_terminate_backend(pg_backend_pid())");
    EXPECT_TRUE(lido::is_disconnect(ec)) << ec.message();
    for (const call& each : calls) {
      const std::error_code after = co_await error_of(each.run(lost));
      EXPECT_TRUE(lido::is_disconnect(after)) << each.name << ": " << after.message();
    }
    co_await lost.async_close();
  });
}

// ---- arguments ----

// What the work throws, with db still usable afterwards.
asio::awaitable<void> expect_refused(lido::connection& db, lido::testing::on_connection work, const char* what,
                                     std::error_code error) {
  const std::error_code ec = co_await error_of(work(db));
  EXPECT_EQ(ec, error) << what << ": " << ec.message();
  const auto next = co_await db.async_query<int>("select 1");
  EXPECT_EQ(next.one(), 1) << what;
}

asio::awaitable<void> nul_in_a_statement(lido::connection& db) { co_await db.async_query("select 1\0; drop"s); }
asio::awaitable<void> nul_in_a_simple_query(lido::connection& db) { co_await db.async_simple_query("select 1\0x"s); }
asio::awaitable<void> nul_in_a_text(lido::connection& db) {
  const std::string text = "a\0b"s;
  co_await db.async_query("select $1", text);
}
asio::awaitable<void> nul_in_a_pipeline(lido::connection& db) {
  lido::pipeline work;
  work.add("select 1").add("select $1", "a\0b"s);
  EXPECT_EQ(work.error(), errc::not_encodable);
  co_await db.async_run(std::move(work));
}
asio::awaitable<void> nul_in_begins_copy(lido::connection& db) {
  co_await db.async_copy_in("copy misuse\0 from stdin"s);
}
asio::awaitable<void> no_utf8(lido::connection& db) {
  const std::string text = "\xff";
  co_await db.async_query("select $1::text", text);
}
asio::awaitable<void> too_few_arguments(lido::connection& db) { co_await db.async_query("select $1::int, $2::int", 1); }
asio::awaitable<void> no_copy(lido::connection& db) { co_await db.async_copy_in("select 1"); }
asio::awaitable<void> copy_the_wrong_way(lido::connection& db) { co_await db.async_copy_out("copy misuse from stdin"); }
asio::awaitable<void> copy_as_a_query(lido::connection& db) {
  co_await db.async_simple_query("copy misuse from stdin");
}
asio::awaitable<void> a_deadline_of_the_past(lido::connection& db) {
  co_await db.async_simple_query("insert into misuse values (4711)", lido::within(-1s));
}
asio::awaitable<void> another_row_type(lido::connection& db) { co_await db.async_query<int>("select 'a'::text"); }
asio::awaitable<void> another_number_of_columns(lido::connection& db) { co_await db.async_query<int>("select 1, 2"); }

TEST(misuse, C45_arguments_that_make_no_sense_are_errors_and_cost_nothing) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await open();
    co_await expect_refused(db, nul_in_a_statement, "a NUL in a statement", errc::not_encodable);
    co_await expect_refused(db, nul_in_a_simple_query, "a NUL in a simple query", errc::not_encodable);
    co_await expect_refused(db, nul_in_a_text, "a NUL in a text", errc::not_encodable);
    co_await expect_refused(db, nul_in_a_pipeline, "a NUL in a pipeline", errc::not_encodable);
    co_await expect_refused(db, nul_in_begins_copy, "a NUL in a COPY", errc::not_encodable);
    co_await expect_refused(db, no_utf8, "no UTF-8", lido::make_sqlstate("22021"));
    co_await expect_refused(db, too_few_arguments, "too few arguments", lido::make_sqlstate("08P01"));
    co_await expect_refused(db, no_copy, "no COPY", errc::copy_unexpected);
    co_await expect_refused(db, copy_the_wrong_way, "a COPY the wrong way", errc::copy_unexpected);
    co_await expect_refused(db, copy_as_a_query, "a COPY as a query", errc::copy_unexpected);
    co_await expect_refused(db, another_row_type, "another row type", errc::type_mismatch);
    co_await expect_refused(db, another_number_of_columns, "another number of columns", errc::column_mismatch);
    const auto empty = co_await db.async_query("");
    EXPECT_EQ(empty.size(), 0U);
    const auto nothing = co_await db.async_simple_query("");
    EXPECT_LE(nothing.size(), 1U);
    co_await db.async_close();
    lido::connection late = co_await open();
    EXPECT_EQ(co_await error_of(a_deadline_of_the_past(late)), errc::timeout);
    const int left = late.is_open() ? (co_await late.async_query<int>("select count(*)::int from misuse")).one() : 0;
    EXPECT_EQ(left, 0) << "it was sent";
  });
}

// Its turn comes when the server has rolled back, and then its time is over: the session has nothing left to do.
TEST(misuse, I2_a_deadline_that_passed_behind_a_rollback_sends_nothing_and_leaves_the_session_clean) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    bool untouched = false;
    // A server that takes longer to roll back than the thread is busy needs a cancel: once more.
    for (int i = 0; i < 50 && !untouched; ++i) {
      const std::uint64_t before = pool.stats().recoveries;
      std::error_code ec;
      {
        lido::lease db = co_await pool.async_acquire();
        {
          const lido::transaction left = co_await db->async_begin();
        }
        asio::post(io, [] {  // both are ready when the thread is: the answer to the rollback, and the deadline
          const auto busy_until = std::chrono::steady_clock::now() + 30ms;
          while (std::chrono::steady_clock::now() < busy_until) {
          }
        });
        ec = co_await error_of(db->async_query(lido::within(1ms), "select 1"));
      }
      EXPECT_EQ(ec, lido::errc::timeout);
      const lido::pool_stats now = pool.stats();
      untouched = now.recoveries == before && now.idle == 1;
      const auto one = co_await pool.async_query<int>("select 1");
      EXPECT_EQ(one.one(), 1);
    }
    EXPECT_TRUE(untouched);
    EXPECT_EQ(pool.stats().created, 1U);
    co_await pool.async_close(1s);
  });
}

template <class Work>
std::error_code thrown_by(Work work) {
  try {
    work();
  } catch (const lido::error& said) {
    return said.code();
  }
  return {};
}

TEST(misuse, C45_what_is_not_in_a_result_is_an_error) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::connection db = co_await open();
    const auto two = co_await db.async_query("select 1 as a, 'x'::text as b union all select 2, null order by 1");
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two.one()); }), errc::no_row);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[2]); }), errc::no_row);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[SIZE_MAX]); }), errc::no_row);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[0].get<int>(2)); }), errc::column_mismatch);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[0].get<int>(SIZE_MAX)); }), errc::column_mismatch);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[0].get<int>("c")); }), errc::column_mismatch);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[0].get<int>("b")); }), errc::type_mismatch);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[1].get<std::string>("b")); }), errc::unexpected_null);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(two[0].is_null(7)); }), errc::column_mismatch);
    const lido::row none;
    EXPECT_EQ(thrown_by([&] { static_cast<void>(none.get<int>(0)); }), errc::column_mismatch);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(none.get<int>("a")); }), errc::column_mismatch);
    lido::pipeline work(lido::pipeline_mode::each_on_its_own);
    work.add("select 1").add("select 1/0").add("select 1 where false");
    const lido::pipeline_results done = co_await db.async_run(std::move(work));
    for (const std::size_t index : {std::size_t{3}, SIZE_MAX}) {
      EXPECT_EQ(thrown_by([&] { static_cast<void>(done.error(index)); }), errc::no_row);
      EXPECT_EQ(thrown_by([&] { static_cast<void>(done.diag(index)); }), errc::no_row);
      EXPECT_EQ(thrown_by([&] { static_cast<void>(done.rows(index)); }), errc::no_row);
      EXPECT_EQ(thrown_by([&] { static_cast<void>(done.command_tag(index)); }), errc::no_row);
      EXPECT_EQ(thrown_by([&] { static_cast<void>(done.row_count(index)); }), errc::no_row);
      EXPECT_EQ(thrown_by([&] { static_cast<void>(done.affected_rows(index)); }), errc::no_row);
    }
    EXPECT_EQ(thrown_by([&] { static_cast<void>(done.one<int>(1)); }), lido::make_sqlstate("22012"));
    EXPECT_EQ(thrown_by([&] { static_cast<void>(done.one<int>(2)); }), errc::no_row);
    EXPECT_EQ(thrown_by([&] { static_cast<void>(done.one<std::string>(0)); }), errc::type_mismatch);
    const lido::pipeline_results nothing;
    EXPECT_EQ(nothing.size(), 0U);
    EXPECT_TRUE(nothing.ok());
    EXPECT_EQ(nothing.affected_rows(), 0U);
    nothing.throw_if_failed();
    EXPECT_EQ(thrown_by([&] { static_cast<void>(nothing.error(0)); }), errc::no_row);
    co_await db.async_close();
  });
}

TEST(misuse, C45_scopes_that_are_over_or_were_never_there_are_errors) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    lido::transaction none;
    EXPECT_FALSE(none.is_open());
    std::error_code ec;
    co_await none.async_query_with(asio::redirect_error(asio::use_awaitable, ec), {}, "select 1");
    EXPECT_EQ(ec, errc::lease_revoked);
    co_await none.async_commit_with(asio::redirect_error(asio::use_awaitable, ec));
    EXPECT_EQ(ec, errc::lease_revoked);
    co_await none.async_rollback();
    lido::copy_in in;
    EXPECT_EQ(co_await error_of(in.async_flush()), errc::lease_revoked);
    lido::copy_out out;
    ec = {};
    try {
      co_await out.async_read();
    } catch (const lido::error& said) {
      ec = said.code();
    }
    EXPECT_EQ(ec, errc::lease_revoked);
    lido::row_stream<int> rows;
    ec = {};
    try {
      co_await rows.async_next();
    } catch (const lido::error& said) {
      ec = said.code();
    }
    EXPECT_EQ(ec, errc::lease_revoked);
    co_await rows.async_close();

    lido::connection db = co_await open();
    lido::copy_in over = co_await db.async_copy_in("copy misuse from stdin");
    co_await over.async_finish();
    over.append("1\n");
    EXPECT_EQ(co_await error_of(over.async_flush()), errc::stream_closed);
    {
      lido::copy_in failed = co_await db.async_copy_in("copy misuse from stdin");
      co_await failed.async_fail("a reason\0 with a NUL and of some length "s + std::string(100'000, 'x'));
    }
    const auto left = co_await db.async_query<std::int64_t>("select count(*) from misuse");
    EXPECT_EQ(left.one(), 0);
    auto all = co_await db.async_stream<int>(lido::stream_options{std::numeric_limits<std::uint32_t>::max()},
                                             "select generate_series(1, 3)");
    int sum = 0;
    while (const auto n = co_await all.async_next()) sum += *n;
    EXPECT_EQ(sum, 6);
    const auto status = co_await db.async_commit_status(lido::transaction_id{UINT64_MAX, 1, UINT32_MAX, INT64_MIN});
    EXPECT_EQ(status, lido::commit_status::unknown);
    co_await db.async_close();
  });
}

TEST(misuse, C45_channels_and_configurations_that_cannot_be_are_errors) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::listener ear(io.get_executor(), unix_config(shared_cluster()));
    for (const std::string& channel : {""s, "a\0b"s, std::string(64, 'x')}) {
      EXPECT_EQ(co_await error_of(ear.async_listen(channel)), errc::not_encodable);
    }
    ear.close();
    ear.close();
    EXPECT_EQ(co_await error_of(ear.async_listen("late")), errc::connection_closed);
  });
  asio::io_context io;
  const auto refused = [&io](auto&& spoil) {
    lido::pool_config config = pool_of(unix_config(shared_cluster()), 1);
    spoil(config);
    return thrown_by([&] { const lido::pool made(io.get_executor(), config); });
  };
  using config = lido::pool_config;
  EXPECT_EQ(refused([](config& c) { c.max_size = 0; }), errc::invalid_config);
  EXPECT_EQ(refused([](config& c) { c.min_size = 2; }), errc::invalid_config);
  EXPECT_EQ(refused([](config& c) { c.acquire_timeout = -1s; }), errc::invalid_config);
  EXPECT_EQ(refused([](config& c) { c.drain.timeout = 0ns; }), errc::invalid_config);
  EXPECT_EQ(refused([](config& c) { c.connect.user = "a\0b"s; }), errc::invalid_config);
  EXPECT_EQ(refused([](config& c) { c.connect.host = ""; }), errc::invalid_config);
  EXPECT_EQ(refused([](config& c) { c.connect.connect_timeout = -1s; }), errc::invalid_config);
}

}  // namespace
