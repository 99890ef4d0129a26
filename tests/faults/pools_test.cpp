// How pools have failed before, elsewhere (docs/reliability.md, P): those that want a real server.
#include "tests/faults/users.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <stdexcept>

namespace lido::testing {
namespace {

world::tweak sized(std::size_t size) {
  return [size](pool_config& c) {
    impatient(c);
    c.max_size = size;
  };
}

TEST(pools, P5_nine_tasks_on_three_connections_cancelled_in_reverse_leave_three_idle_and_nobody_waiting) {
  world w{route::unix_socket, sized(3)};
  w.warm(3);
  std::vector<task_ptr> tasks;
  for (int i = 0; i < 9; ++i) tasks.push_back(ask(w, "select pg_sleep(30), 'nine'"));
  ASSERT_TRUE(w.wait_running("nine", 3));
  EXPECT_EQ(w.stats().waiting, 6U);
  for (auto each = tasks.rbegin(); each != tasks.rend(); ++each)
    (*each)->signal.emit(asio::cancellation_type::terminal);
  for (const task_ptr& each : tasks) {
    EXPECT_LE(w.turns_until_done(*each, 40), 40);
    EXPECT_TRUE(is_aborted(each->error));
  }
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.stats().idle, 3U);
  EXPECT_EQ(w.stats().created, 3U);
  EXPECT_EQ(w.wrong_answers(9), 0);
  EXPECT_TRUE(w.close());
}

TEST(pools, P14_ten_thousand_acquires_of_one_connection_make_one) {
  world w{route::unix_socket, sized(1)};
  const int rounds = scaled(100, 5);
  for (int i = 0; i < rounds; ++i) EXPECT_EQ(w.wrong_answers(100), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

TEST(pools, P16_connections_that_come_back_broken_starve_nobody) {
  world w{route::unix_socket, sized(5)};
  w.warm(5);
  const auto dies = [](lido::pool& pool) -> asio::awaitable<void> {
    lido::lease db = co_await pool.async_acquire();
    co_await db->async_query("select pg_terminate_backend(pg_backend_pid())");
  };
  std::vector<task_ptr> broken;
  std::vector<task_ptr> fine;
  for (int i = 0; i < 5; ++i) broken.push_back(w.start(dies(*w.pool)));
  for (int i = 0; i < 5; ++i) fine.push_back(ask(w, "select 1"));
  for (const task_ptr& each : broken) EXPECT_EQ(end_of(w, each), "57P01");
  for (const task_ptr& each : fine) {
    ASSERT_TRUE(w.turn_until([&] { return each->done; }));
    EXPECT_FALSE(each->error) << each->error.message();
  }
  EXPECT_TRUE(w.close());
}

TEST(pools, P55_a_burst_of_fifty_short_tasks_opens_no_fifty_connections) {
  world w{route::tls, [](pool_config& c) {
            impatient(c);
            c.max_size = 50;
            c.connect_concurrency = 2;
          }};
  EXPECT_EQ(w.wrong_answers(50), 0);
  EXPECT_LT(w.stats().connects, 50U) << "those that are there serve the others meanwhile";
  EXPECT_TRUE(w.close());
}

TEST(pools, P72_a_backend_that_dies_while_it_is_used_gives_its_slot_back_with_the_lease) {
  world w{route::unix_socket, sized(1)};
  lido::lease held = take(w);
  ASSERT_TRUE(held);
  w.server().sql("select pg_terminate_backend(" + std::to_string(held->process_id()) + ")");
  ASSERT_TRUE(w.turn_until([&] { return !held; }));
  const task_ptr next = ask(w, "select 1");
  held.release();
  EXPECT_EQ(end_of(w, next), "");
  EXPECT_FALSE(next->error) << next->error.message();
  EXPECT_TRUE(w.close());
}

TEST(pools, P74_connectivity_cut_under_load_ends_everything_within_the_deadlines) {
  world w{route::plain_proxy, [](pool_config& c) {
            impatient(c);
            c.max_size = 3;
            c.acquire_timeout = 3s;
            c.connect.connect_timeout = 1500ms;
            c.cancel.timeout = 300ms;
            c.drain.timeout = 300ms;
          }};
  w.warm(3);
  const auto works = [](lido::pool& pool) -> asio::awaitable<void> {
    lido::lease db = co_await pool.async_acquire();
    co_await db->async_query(lido::within(1s), "select pg_sleep(0.2), 'works'");
  };
  w.proxy->stall_main(true);
  w.proxy->set_cancel_fault(cancel_fault::black_hole);
  std::vector<task_ptr> tasks;
  for (int i = 0; i < 9; ++i) tasks.push_back(w.start(works(*w.pool)));
  for (const task_ptr& each : tasks) {
    ASSERT_TRUE(w.turn_until([&] { return each->done; }));
    EXPECT_TRUE(each->error == condition::timeout) << each->error.message();
  }
  w.proxy->set_cancel_fault(cancel_fault::none);
  w.proxy->kill_all();
  w.proxy->stall_main(false);
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; }));
  EXPECT_EQ(w.wrong_answers(9), 0);
  EXPECT_TRUE(w.close());
}

TEST(pools, P85_an_exception_in_a_users_code_returns_the_connection) {
  world w{route::unix_socket, sized(1)};
  const auto throws = [](lido::pool& pool) -> asio::awaitable<void> {
    lido::lease db = co_await pool.async_acquire();
    co_await db->async_simple_query("begin; select 1");
    throw std::system_error(std::make_error_code(std::errc::io_error));
  };
  const task_ptr user = w.start(throws(*w.pool));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_EQ(user->error, std::errc::io_error);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.sessions("idle in transaction%"), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
