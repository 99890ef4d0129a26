// Pipelines under the contract: whoever loses one in the middle hurts nobody behind him.
#include "tests/contract/harness.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <utility>

namespace lido::testing {
namespace {

using asio::cancellation_type;

void one_connection(pool_config& config) {
  config.max_size = 1;
  config.cancel.timeout = 20s;
  config.drain.timeout = 20s;
}

// So many sleeping statements, each one Sync of its own or all one.
asio::awaitable<void> sleeps(world& w, pipeline_mode mode, int statements, std::size_t bytes) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  lido::lease db = co_await w.pool->async_acquire();
  lido::pipeline work(mode);
  for (int i = 0; i < statements; ++i)
    work.add("select pg_sleep(600), length($1::text) as asleep", std::string(bytes, 'x'));
  co_await db->async_run(std::move(work));
}

// Cancels it in the middle of its first statement: its caller goes on at once.
void cancel_asleep(world& w, asio::awaitable<void> body, cancellation_type type) {
  const task_ptr t = w.start(std::move(body));
  ASSERT_TRUE(w.wait_running("asleep"));
  t->signal.emit(type);
  ASSERT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_TRUE(is_aborted(t->error)) << t->error.message();
}

class pipeline_cancel : public ::testing::TestWithParam<std::tuple<pipeline_mode, cancellation_type>> {};

TEST_P(pipeline_cancel, I18_each_segment_is_cancelled_and_the_connection_comes_back) {
  const auto [mode, type] = GetParam();
  world w{route::unix_socket, one_connection};
  w.warm(1);
  ASSERT_NO_FATAL_FAILURE(cancel_asleep(w, sleeps(w, mode, 5, 10), type));
  EXPECT_TRUE(w.settle()) << "within the budgets, though 3,000 s of sleep were asked for";
  EXPECT_EQ(w.wrong_answers(3), 0);
  const pool_stats s = w.stats();
  EXPECT_EQ(s.created, 1U) << "recovered, not replaced";
  EXPECT_EQ(s.stray_cancels, 0U);
  EXPECT_TRUE(w.close());
}

TEST_P(pipeline_cancel, I18_what_was_not_written_is_never_run) {
  const auto [mode, type] = GetParam();
  // A server that sleeps reads nothing: what is half written may not get out, and then the connection is given up (the
  // fence), within the budget of the drain; the server is sent its cancel before (I9).
  world w{route::unix_socket, [](pool_config& config) {
            one_connection(config);
            config.drain.timeout = 300ms;
          }};
  w.warm(1);
  ASSERT_NO_FATAL_FAILURE(cancel_asleep(w, sleeps(w, mode, 40, 1U << 20), type));  // far more than the sockets hold
  EXPECT_TRUE(w.settle());
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_GT(w.stats().cancels.sent, 0U) << "won back or closed, it is cancelled first";
  EXPECT_TRUE(eventually([&] { return w.running("asleep") == 0; }));
  EXPECT_TRUE(w.close());
}

// A policy that closes whatever was cancelled must not leave the next segment to a server that already has it.
TEST_P(pipeline_cancel, I9_a_pipeline_is_cancelled_to_its_end_before_the_connection_is_discarded) {
  const auto [mode, type] = GetParam();
  world w{route::unix_socket, [](pool_config& config) {
            one_connection(config);
            config.cancel.after = after_cancel::discard;
            config.cancel.retry_after = 100ms;
          }};
  w.warm(1);
  ASSERT_NO_FATAL_FAILURE(cancel_asleep(w, sleeps(w, mode, 20, 10), type));
  EXPECT_TRUE(w.settle());
  EXPECT_TRUE(eventually([&] { return w.running("asleep") == 0; }));
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_TRUE(w.close());
}

// Neither taken nor over: the server is busy, and need not be waited for as long as for an answer.
TEST_P(pipeline_cancel, I18_a_pipeline_that_the_server_does_not_take_is_cancelled_after_retry_after) {
  const auto [mode, type] = GetParam();
  world w{route::unix_socket, [](pool_config& config) {
            one_connection(config);
            config.cancel.retry_after = 50ms;
            config.drain.timeout = 10min;
          }};
  w.warm(1);
  ASSERT_NO_FATAL_FAILURE(cancel_asleep(w, sleeps(w, mode, 8, 1U << 20), type));
  EXPECT_TRUE(w.settle()) << "long before drain.timeout is over";
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().created, 1U) << "recovered";
  EXPECT_TRUE(w.close());
}

INSTANTIATE_TEST_SUITE_P(
    contract, pipeline_cancel,
    ::testing::Combine(::testing::Values(pipeline_mode::all_or_nothing, pipeline_mode::each_on_its_own),
                       ::testing::Values(cancellation_type::terminal, cancellation_type::partial)));

asio::awaitable<void> sleeps_alone(world& w) {
  connect_config config = w.config().connect;
  lido::connection db = co_await lido::connection::async_connect(std::move(config));
  lido::pipeline work(pipeline_mode::each_on_its_own);
  for (int i = 0; i < 20; ++i) work.add("select pg_sleep(600) as asleep");
  co_await db.async_run(std::move(work));
}

TEST(contract, I9_a_pipeline_of_a_connection_without_a_pool_is_cancelled_to_its_end) {
  world w{route::unix_socket, one_connection};
  ASSERT_NO_FATAL_FAILURE(cancel_asleep(w, sleeps_alone(w), cancellation_type::terminal));
  EXPECT_TRUE(w.turn_until([&] { return w.running("asleep") == 0; }));
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> drops_its_lease(world& w, std::error_code& ec) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::pipeline work;
  work.add("select 1").add("select pg_sleep(30) as asleep");
  db->async_run_with([&ec](const std::error_code& end, const lido::pipeline_results&) { ec = end; }, std::move(work));
}

TEST(contract, I13_a_lease_dropped_in_the_middle_of_a_pipeline_comes_back) {
  world w{route::unix_socket, one_connection};
  w.warm(1);
  std::error_code ec;
  const task_ptr t = w.start(drops_its_lease(w, ec));
  ASSERT_TRUE(w.turn_until([&] { return t->done && ec; }));
  EXPECT_TRUE(is_aborted(ec)) << ec.message();
  EXPECT_TRUE(w.settle());
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> times_out(world& w, pipeline_mode mode) {
  lido::pipeline work(mode);
  work.add("select 1").add("select pg_sleep(30)").add("select 2");
  lido::lease db = co_await w.pool->async_acquire();
  co_await db->async_run(std::move(work), lido::within(20ms));
}

TEST(contract, I2_a_pipeline_ends_at_its_deadline) {
  for (const auto mode : {pipeline_mode::all_or_nothing, pipeline_mode::each_on_its_own}) {
    world w{route::unix_socket, one_connection};
    w.warm(1);
    const task_ptr t = w.start(times_out(w, mode));
    ASSERT_TRUE(w.turn_until([&] { return t->done; }));
    EXPECT_EQ(t->error, errc::timeout);
    EXPECT_TRUE(w.settle());
    EXPECT_EQ(w.wrong_answers(3), 0);
    EXPECT_TRUE(w.close());
  }
}

// Loss in the middle is one error for the one operation, whatever it was made of.
asio::awaitable<void> is_killed(world& w) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::pipeline work(pipeline_mode::each_on_its_own);
  for (int i = 0; i < 1000; ++i) {
    work.add("select $1::int", i);
    if (i == 500) work.add("select pg_terminate_backend(pg_backend_pid())");
  }
  co_await db->async_run(std::move(work));
}

TEST(contract, I25_a_backend_that_dies_in_the_middle_of_a_pipeline_is_a_disconnect) {
  world w{route::unix_socket, one_connection};
  w.warm(1);
  const task_ptr t = w.start(is_killed(w));
  ASSERT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_TRUE(is_disconnect(t->error)) << t->error.message();
  EXPECT_FALSE(t->outcome_known);
  EXPECT_TRUE(w.settle());
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_TRUE(w.close());
}

struct thousand {
  int completions = 0;
  std::error_code error;
  lido::pipeline_results results;
};
asio::awaitable<void> runs_a_thousand(world& w, thousand& end, bool& over) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::pipeline work(pipeline_mode::each_on_its_own);
  for (int i = 0; i < 1000; ++i)
    work.add(i == 500 ? "select $1::int from pg_sleep(30) as asleep" : "select $1::int", i);
  db->async_run_with(
      [&end](std::error_code ec, lido::pipeline_results results) {
        ++end.completions;
        end.error = ec;
        end.results = std::move(results);
      },
      std::move(work));
  asio::steady_timer turn(co_await asio::this_coro::executor);
  while (end.completions == 0) {
    turn.expires_after(1ms);
    co_await turn.async_wait(asio::use_awaitable);
  }
  over = true;
}

TEST(contract, C37_a_backend_killed_in_a_pipeline_of_a_thousand_ends_each_statement_once) {
  for (const route way : {route::unix_socket, route::tls}) {
    world w{way, one_connection};
    w.warm(1);
    thousand end;
    bool over = false;
    const task_ptr t = w.start(runs_a_thousand(w, end, over));
    ASSERT_TRUE(w.wait_running("asleep"));
    w.server().sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%asleep%' and pid <> "
        "pg_backend_pid()");
    ASSERT_TRUE(w.turn_until([&] { return over; }));
    // the last words may be lost: the server has not read all, so its kernel resets
    EXPECT_TRUE(is_disconnect(end.error)) << end.error.message();
    ASSERT_EQ(end.results.size(), 1000U);
    for (std::size_t i = 0; i < 1000; ++i) {
      EXPECT_EQ(is_disconnect(end.results.error(i)), i >= 500) << i << end.results.error(i).message();
      if (i < 500) {
        EXPECT_EQ(end.results.one<int>(i), static_cast<int>(i));
      }
    }
    ASSERT_TRUE(w.turn_until([&] { return t->done; }));
    EXPECT_TRUE(w.settle());
    int turns = 0;  // nothing is left to do, and nobody turns in circles
    while (turns < 100 && w.io.poll_one() > 0) ++turns;
    EXPECT_LT(turns, 100);
    EXPECT_EQ(end.completions, 1);
    EXPECT_EQ(w.wrong_answers(3), 0);
    EXPECT_TRUE(w.close());
  }
}

// I14: what its statements leave is seen as any statement's.
asio::awaitable<void> leaves_a_setting(world& w) {
  lido::pipeline work;
  work.add("set work_mem = '77MB'").add("select 1");
  co_await w.pool->async_run(std::move(work));
}
asio::awaitable<void> reads_the_setting(world& w, std::string& value) {
  const auto got = co_await w.pool->async_query<std::string>("show work_mem");
  value = got.one();
}

TEST(contract, I14_what_a_pipeline_leaves_is_undone) {
  world w{route::unix_socket, one_connection};
  w.warm(1);
  const task_ptr t = w.start(leaves_a_setting(w));
  ASSERT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_FALSE(t->error);
  std::string value;
  const task_ptr next = w.start(reads_the_setting(w, value));
  ASSERT_TRUE(w.turn_until([&] { return next->done; }));
  EXPECT_NE(value, "77MB");
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
