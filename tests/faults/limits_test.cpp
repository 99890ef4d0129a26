// What a server's limits and time-outs do (F29, F30, F36 to F39, F50, F51): the right class of error, and a pool that
// goes on.
#include "tests/faults/users.hpp"

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

// Two pools that want more than the server has: as two processes of a fleet would.
TEST(fleet, F29_connections_that_the_server_refuses_are_no_error_of_any_task) {
  cluster_settings few;
  few.max_connections = 8;
  few.configuration = {"superuser_reserved_connections = 3"};
  postgres_cluster server{few};
  const auto six = [](pool_config& c) {
    impatient(c);
    c.max_size = 6;
  };
  world a{route::unix_socket, six, server};
  world b{route::unix_socket, six, server};
  a.warm(4);
  std::vector<task_ptr> tasks;
  for (int i = 0; i < 12; ++i) tasks.push_back(ask(b, "select pg_sleep(0.05)"));
  for (const task_ptr& each : tasks) {
    EXPECT_EQ(end_of(b, each), "");
    EXPECT_FALSE(each->error) << each->error.message();
  }
  EXPECT_EQ(a.wrong_answers(8), 0);
  const pool_stats s = b.stats();
  EXPECT_GT(s.connect_failures, 0U) << "53300";
  EXPECT_EQ(s.created, 1U) << "the server had one left";
  // Twelve rounds of 50 ms with pauses from 10 ms that double to 100: no loop.
  EXPECT_LT(s.connect_failures, 60U);
  EXPECT_TRUE(a.close());
  EXPECT_EQ(b.wrong_answers(12), 0);
  EXPECT_TRUE(b.close());
}

TEST(faults, F30_a_role_at_its_connection_limit_backs_off_and_its_tasks_are_served) {
  world w{route::unix_socket, small};
  w.server().sql("alter role lido connection limit 1");
  std::vector<task_ptr> tasks;
  for (int i = 0; i < 6; ++i) tasks.push_back(ask(w, "select pg_sleep(0.02)"));
  for (const task_ptr& each : tasks) EXPECT_EQ(end_of(w, each), "");
  w.server().sql("alter role lido connection limit -1");
  EXPECT_TRUE(w.close());
}

TEST(faults, F30_a_password_that_is_wrong_is_told_at_once_and_not_tried_for_ever) {
  world w{route::plain, [](pool_config& c) {
            small(c);
            c.connect.password = std::string_view("rotated");
          }};
  const task_ptr user = ask(w, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_TRUE(user->error == condition::authentication) << user->error.message();
  EXPECT_LE(w.stats().connects, 2U);
  EXPECT_TRUE(w.close());
}

TEST(faults, F36_a_session_ended_for_being_idle_in_its_transaction_is_a_disconnect_with_its_code) {
  world w{route::unix_socket, small};
  lido::lease held = take(w);
  EXPECT_EQ(end_of(w, ask(w, held, "set idle_in_transaction_session_timeout = '50ms'; begin")), "");
  ASSERT_TRUE(w.turn_until([&] { return w.sessions() == 0; }));
  const task_ptr next = ask(w, held, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return next->done; }));
  EXPECT_TRUE(is_disconnect(next->error)) << next->error.message();
  held.release();
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

TEST(faults, F37_an_idle_session_that_the_server_ended_is_replaced_unseen) {
  world w{route::unix_socket, [](pool_config& c) {
            small(c);
            c.connect.options = "-c idle_session_timeout=50ms";
          }};
  w.warm(2);
  ASSERT_TRUE(w.turn_until([&] { return w.stats().idle == 0; })) << "57P05 is seen by the pending read";
  EXPECT_EQ(w.wrong_answers(6), 0);
  EXPECT_TRUE(w.close());
}

TEST(faults, F38_statement_timeout_is_a_server_error_and_no_cancel_of_ours) {
  world w{route::unix_socket, small};
  lido::lease held = take(w);
  EXPECT_EQ(end_of(w, ask(w, held, "set statement_timeout = '20ms'")), "");
  EXPECT_EQ(end_of(w, ask(w, held, "select pg_sleep(10)")), "57014");
  EXPECT_EQ(end_of(w, ask(w, held, "select 1")), "") << "the lease is kept";
  held.release();
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.stats().stray_cancels, 0U);
  EXPECT_TRUE(w.close());
}

TEST(faults, F39_lock_timeout_deadlock_and_serialization_failures_are_retryable) {
  world w{route::unix_socket, small};
  w.server().sql(
      "drop table if exists f39; create table f39 (id int primary key, n int); insert into f39 values (1, 0), (2, 0);"
      "grant all on f39 to public");
  lido::lease a = take(w);
  lido::lease b = take(w);

  EXPECT_EQ(end_of(w, ask(w, a, "begin; update f39 set n = 1 where id = 1")), "");
  const task_ptr locked = ask(w, b, "begin; set local lock_timeout = '20ms'; update f39 set n = 2 where id = 1");
  EXPECT_EQ(end_of(w, locked), "55P03");
  EXPECT_TRUE(is_retryable(locked->error));
  EXPECT_EQ(end_of(w, ask(w, b, "rollback")), "");

  EXPECT_EQ(end_of(w, ask(w, b, "begin; set local deadlock_timeout = '10ms'; update f39 set n = 2 where id = 2")),
            "42501")
      << "only a superuser sets deadlock_timeout";
  EXPECT_EQ(end_of(w, ask(w, b, "rollback")), "");
  EXPECT_EQ(end_of(w, ask(w, b, "begin; update f39 set n = 2 where id = 2")), "");
  const task_ptr first = ask(w, a, "update f39 set n = 1 where id = 2");
  const task_ptr second = ask(w, b, "update f39 set n = 2 where id = 1");
  const std::string one = end_of(w, first);
  if (one.empty()) {
    EXPECT_EQ(end_of(w, second), "40P01");
    EXPECT_TRUE(is_retryable(second->error));
  } else {
    EXPECT_EQ(one, "40P01");
    EXPECT_TRUE(is_retryable(first->error));
    EXPECT_EQ(end_of(w, ask(w, a, "rollback")), "");
    EXPECT_EQ(end_of(w, second), "");
  }
  EXPECT_EQ(end_of(w, ask(w, a, "rollback")), "");
  EXPECT_EQ(end_of(w, ask(w, b, "rollback")), "");

  EXPECT_EQ(end_of(w, ask(w, a, "begin isolation level repeatable read; select * from f39")), "");
  EXPECT_EQ(end_of(w, ask(w, b, "update f39 set n = 9 where id = 1")), "");
  const task_ptr late = ask(w, a, "update f39 set n = 8 where id = 1");
  EXPECT_EQ(end_of(w, late), "40001");
  EXPECT_TRUE(is_retryable(late->error));
  a.release();
  b.release();
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> reads_under_ddl(world& w, std::vector<std::string>& seen) {
  lido::lease db = co_await w.pool->async_acquire();
  const auto read = [&]() -> asio::awaitable<void> {
    std::string what = "fine";
    try {
      co_await db->async_query("select * from f50");
    } catch (const lido::error& e) {
      what = sqlstate_of(e.code());
    }
    seen.push_back(what);
  };
  co_await read();
  w.server().sql("alter table f50 add column b int");
  co_await read();
  co_await read();
  co_await db->async_simple_query("discard all");
  co_await read();
  co_await read();
}

TEST(faults, F50_a_changed_table_and_a_users_discard_all_cost_one_error_at_most_and_the_statement_works_again) {
  world w{route::unix_socket, small};
  w.server().sql("drop table if exists f50; create table f50 (a int); grant all on f50 to public");
  std::vector<std::string> seen;
  const task_ptr user = w.start(reads_under_ddl(w, seen));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << user->error.message();
  ASSERT_EQ(seen.size(), 5U);
  EXPECT_EQ(seen[0], "fine");
  EXPECT_TRUE(seen[1] == "fine" || seen[1] == "0A000") << seen[1];
  EXPECT_EQ(seen[2], "fine");
  EXPECT_TRUE(seen[3] == "fine" || seen[3] == "26000") << seen[3];
  EXPECT_EQ(seen[4], "fine");
  EXPECT_TRUE(w.close());
}

TEST(faults, F50_a_reload_of_the_servers_settings_is_not_noticed) {
  world w{route::unix_socket, small};
  w.warm(2);
  w.server().reload({"work_mem = '7MB'", "datestyle = 'German'"});
  EXPECT_EQ(w.wrong_answers(6), 0);
  w.server().reload({});
  EXPECT_EQ(w.wrong_answers(6), 0);
  EXPECT_EQ(w.stats().created, 2U);
  EXPECT_TRUE(w.close());
}

TEST(faults, F51_a_database_dropped_by_force_is_a_disconnect_and_then_an_error_that_says_so) {
  shared_cluster().sql("drop database if exists f51", "postgres");
  shared_cluster().sql("create database f51 owner lido", "postgres");
  world w{route::unix_socket, [](pool_config& c) {
            small(c);
            c.connect.database = "f51";
          }};
  w.warm(1);
  const task_ptr busy = ask(w, "select pg_sleep(60), 'busy'");
  ASSERT_TRUE(w.wait_running("busy"));
  shared_cluster().sql("drop database f51 with (force)", "postgres");
  ASSERT_TRUE(w.turn_until([&] { return busy->done; }));
  EXPECT_TRUE(is_disconnect(busy->error)) << busy->error.message();
  const task_ptr next = ask(w, "select 1");
  EXPECT_EQ(end_of(w, next), "3D000") << "told at once: waiting would not help";
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
