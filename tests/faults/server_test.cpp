// What a server does to its sessions (docs/reliability.md, F1 to F9): one error to those in the midst of something,
// none to the others, every slot back.
#include "tests/faults/users.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace lido::testing {
namespace {

// One that may be killed.
postgres_cluster& victim_cluster() {
  static postgres_cluster cluster;
  return cluster;
}

void four(pool_config& c) {
  impatient(c);
  c.max_size = 4;
  c.connect_concurrency = 2;
}

void comes_back_after(stop_mode mode) {
  world w{route::unix_socket, four, victim_cluster()};
  w.warm(4);
  const auto created = w.stats().created;
  const task_ptr busy = ask(w, "select pg_sleep(60), 'busy'");
  ASSERT_TRUE(w.wait_running("busy"));
  w.server().stop(mode);
  ASSERT_TRUE(w.turn_until([&] { return busy->done; }));
  EXPECT_TRUE(is_disconnect(busy->error)) << busy->error.message();
  EXPECT_FALSE(busy->outcome_known);
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; })) << "idle ones are dropped when their end is seen";
  std::vector<task_ptr> waiting;  // they wait for the server, to their own deadlines
  for (int i = 0; i < 8; ++i) waiting.push_back(ask(w, "select 1"));
  w.server().start();
  for (const task_ptr& each : waiting) {
    ASSERT_TRUE(w.turn_until([&] { return each->done; }));
    EXPECT_FALSE(each->error) << each->error.message();
  }
  const pool_stats s = w.stats();
  EXPECT_LE(s.created - created, 4U) << "no herd";
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

TEST(faults, F1_after_a_fast_restart_waiters_are_served_and_there_is_no_herd_of_connects) {
  comes_back_after(stop_mode::fast);
}
TEST(faults, F2_after_an_immediate_stop_waiters_are_served) { comes_back_after(stop_mode::immediate); }
TEST(faults, F4_after_a_killed_postmaster_waiters_are_served) { comes_back_after(stop_mode::kill); }

TEST(faults, F3_a_backend_killed_by_a_signal_takes_all_sessions_down_and_the_pool_comes_back) {
  world w{route::unix_socket, four, victim_cluster()};
  w.warm(4);
  lido::lease held = take(w);
  ::kill(held->process_id(), SIGKILL);
  const task_ptr user = ask(w, held, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_TRUE(is_disconnect(user->error)) << user->error.message();
  held.release();
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; })) << "the server ends the others with 57P02";
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

TEST(faults, F5_a_server_that_is_starting_up_is_waited_for) {
  world w{route::plain, four, victim_cluster()};
  w.server().stop(stop_mode::fast);
  const task_ptr user = ask(w, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return w.stats().connect_failures >= 3; })) << "refused, and tried again";
  EXPECT_FALSE(user->done);
  w.server().start();
  EXPECT_EQ(end_of(w, user), "");
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_TRUE(w.close());
}

TEST(faults, F6_a_terminated_backend_is_one_error_to_one_user_at_most) {
  world w{route::unix_socket, four};
  w.warm(4);
  const std::string mine = "application_name = '" + w.application() + "'";
  const std::string kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where " + mine;
  w.server().sql(kill);  // idle: nobody notices
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; }));
  EXPECT_EQ(w.wrong_answers(4), 0);

  const task_ptr active = ask(w, "select pg_sleep(60), 'active'");
  ASSERT_TRUE(w.wait_running("active"));
  w.server().sql(kill + " and query like '%active%'");
  EXPECT_EQ(end_of(w, active), "57P01");

  lido::lease held = take(w);
  const task_ptr begun = ask(w, held, "begin");
  EXPECT_EQ(end_of(w, begun), "");
  w.server().sql(kill + " and state = 'idle in transaction'");
  const task_ptr next = ask(w, held, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return next->done; }));
  EXPECT_TRUE(is_disconnect(next->error)) << next->error.message();
  held.release();
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

TEST(faults, F7_a_cancel_by_an_administrator_is_a_server_error_and_the_connection_stays) {
  world w{route::unix_socket, four};
  const task_ptr user = ask(w, "select pg_sleep(60), 'long'");
  ASSERT_TRUE(w.wait_running("long"));
  w.server().sql(
      "select pg_cancel_backend(pid) from pg_stat_activity where query like '%''long''%' and application_name = '" +
      w.application() + "'");
  EXPECT_EQ(end_of(w, user), "57014");
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.stats().idle, 1U);
  EXPECT_EQ(w.stats().stray_cancels, 0U);
  EXPECT_TRUE(w.close());
}

TEST(faults, F9_a_stopped_postmaster_makes_connects_and_cancels_hang_and_callers_do_not) {
  world w{route::plain,
          [](pool_config& c) {
            four(c);
            c.cancel.timeout = 500ms;
            c.drain.timeout = 500ms;
            c.connect.connect_timeout = 700ms;
          },
          victim_cluster()};
  w.warm(1);
  const task_ptr user = ask(w, "select pg_sleep(60), 'hangs'");
  ASSERT_TRUE(w.wait_running("hangs"));
  w.server().stop_postmaster();
  const task_ptr waiting = ask(w, "select 1");
  user->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*user), 3);
  EXPECT_TRUE(is_aborted(user->error));
  ASSERT_TRUE(w.turn_until([&] { return w.stats().connect_failures >= 1 && w.stats().recovering == 0; }));
  EXPECT_FALSE(waiting->done);
  w.server().continue_postmaster();
  EXPECT_EQ(end_of(w, waiting), "");
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
