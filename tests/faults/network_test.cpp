// What a network does (F12, F14, F17 to F21, F53, F54), made by the fault proxy.
#include "tests/faults/users.hpp"
#include "tests/support/loopback.hpp"

#include <asio/steady_timer.hpp>
#include <gtest/gtest.h>

namespace lido::testing {
namespace {

asio::awaitable<void> asks_within(lido::pool& pool, std::chrono::nanoseconds budget) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query(lido::within(budget), "select 1");
}

TEST(faults, F12_in_a_black_hole_the_operations_own_deadline_holds_and_the_slot_comes_back_without_a_fin) {
  world w{route::tls_proxy, [](pool_config& c) {
            small(c);
            c.validate_after_idle = 1h;
            c.cancel.timeout = 300ms;
            c.drain.timeout = 300ms;
          }};
  w.warm(2);
  w.proxy->set_cancel_fault(cancel_fault::black_hole);
  w.proxy->stall_main(true);
  const task_ptr user = w.start(asks_within(*w.pool, 100ms));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_EQ(user->error, errc::timeout);
  ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 0 && w.stats().closing == 0; }));
  EXPECT_EQ(w.stats().orphaned, 1U);
  w.proxy->set_cancel_fault(cancel_fault::none);
  w.proxy->kill_all();
  w.proxy->stall_main(false);
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; }));
  EXPECT_EQ(w.wrong_answers(6), 0);
  EXPECT_TRUE(w.close());
}

TEST(faults, F14_F53_a_port_that_nobody_serves_and_one_that_somebody_else_serves_are_backed_off_from) {
  world w{route::plain_proxy, small};
  w.proxy->stop_listening();
  const task_ptr user = ask(w, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return w.stats().connect_failures >= 3; }));
  EXPECT_FALSE(user->done);
  w.proxy->listen_again();
  EXPECT_EQ(end_of(w, user), "");
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_TRUE(w.close());
}

TEST(faults, F17_a_reset_in_the_middle_of_a_message_is_a_lost_connection_for_one) {
  for (const route way : {route::plain_proxy, route::tls_proxy}) {
    world w{way, small};
    w.warm(2);
    w.proxy->cut_main_after(direction::to_client, 5000, connection_end::reset);
    const task_ptr user = ask(w, "select repeat('x', 100000)");
    ASSERT_TRUE(w.turn_until([&] { return user->done; }));
    EXPECT_TRUE(is_disconnect(user->error)) << user->error.message();
    w.proxy->no_cut();
    EXPECT_EQ(w.wrong_answers(6), 0);
    EXPECT_TRUE(w.close());
  }
}

TEST(faults, F18_a_trickle_of_single_bytes_changes_nothing) {
  for (const route way : {route::plain_proxy, route::tls_proxy}) {
    world w{way, small};
    w.proxy->shape_main({{}, {}, 1});
    EXPECT_EQ(w.wrong_answers(6), 0);
    EXPECT_TRUE(w.close());
  }
}

asio::awaitable<void> hears_notices(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query(
      lido::within(300ms),
      "do $$ begin for i in 1..1000 loop raise notice 'still there'; perform pg_sleep(0.02); end loop; end $$");
}

TEST(faults, F18_a_server_that_keeps_talking_does_not_move_a_deadline) {
  world w{route::plain_proxy, small};
  w.proxy->shape_main({{}, {}, 1});
  const task_ptr user = w.start(hears_notices(*w.pool));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_EQ(user->error, errc::timeout);
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> one_after_the_other(world& w, int rounds, int& aborted) {
  for (int i = 0; i < rounds; ++i) {
    const task_ptr victim = w.start_statement("select pg_sleep(0.05)");
    asio::steady_timer pause(w.io, std::chrono::milliseconds(10 * (i % 8)));
    co_await pause.async_wait(asio::use_awaitable);
    victim->signal.emit(asio::cancellation_type::terminal);
    asio::steady_timer after(w.io, std::chrono::milliseconds(5));
    co_await after.async_wait(asio::use_awaitable);
    if (victim->done && is_aborted(victim->error)) ++aborted;
  }
}

// F20: both paths slow, each in its own way. F21: the cancel arrives long after the statement has ended.
TEST(faults, F20_F21_latency_on_either_path_and_cancels_that_come_late_hit_nobody_else) {
  for (const bool late : {false, true}) {
    world w{route::plain_proxy, [](pool_config& c) {
              small(c);
              c.cancel.timeout = 10s;
              c.drain.timeout = 10s;
            }};
    w.warm(2);
    w.proxy->shape_main({20ms, 10ms, 0});
    w.proxy->set_cancel_fault(cancel_fault::delay, late ? 200ms : 15ms);
    int aborted = 0;
    const task_ptr user = w.start(one_after_the_other(w, 12, aborted));
    for (int i = 0; i < 6; ++i) EXPECT_EQ(w.wrong_answers(2), 0);
    ASSERT_TRUE(w.turn_until([&] { return user->done; }, 60s));
    EXPECT_GT(aborted, 0);
    w.proxy->set_cancel_fault(cancel_fault::none);
    w.proxy->shape_main({});
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(w.wrong_answers(4), 0);
    EXPECT_EQ(w.stats().stray_cancels, 0U);
    EXPECT_EQ(w.stats().cancels.unknown, 0U);
    EXPECT_TRUE(w.close());
  }
}

// A middlebox that has forgotten the flow: nothing comes back, not even a reset. The ping before use finds it.
TEST(faults, F54_a_connection_that_a_middlebox_has_forgotten_is_found_before_use) {
  world w{route::plain_proxy, [](pool_config& c) {
            small(c);
            c.max_size = 1;
            c.validate_after_idle = 1ms;
            c.validation_timeout = 200ms;
          }};
  w.warm(1);
  w.proxy->stall_main(true);
  w.server().sql("select pg_sleep(0.01)");  // another way to the server; takes longer than validate_after_idle
  const task_ptr user = ask(w, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return w.stats().ping_failures == 1; }));
  w.proxy->stall_main(false);
  EXPECT_EQ(end_of(w, user), "");
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
