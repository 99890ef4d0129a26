// Behind PgBouncer, in session and in transaction mode: what users see, and that the fence holds through it (F40, F41;
// docs/pgbouncer.md).
#include "tests/pgbouncer/pgbouncer.hpp"

#include "tests/contract/cancel_storm.hpp"
#include "tests/contract/harness.hpp"

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

// One PgBouncer for each mode serves all tests of it.
pgbouncer& session_bouncer() {
  static pgbouncer bouncer{shared_cluster(), {"session", 8, {}}};
  return bouncer;
}
pgbouncer& transaction_bouncer() {
  static pgbouncer bouncer{shared_cluster(), {"transaction", 4, {}}};
  return bouncer;
}

world::tweak behind(const pgbouncer& bouncer, std::size_t size, std::size_t cached_statements = 0) {
  return [&bouncer, size, cached_statements](pool_config& c) {
    c.connect.port = bouncer.port();
    c.connect.password = {};
    c.connect.statement_cache_size = cached_statements;
    c.max_size = size;
    c.connect_backoff_min = 10ms;
    c.connect_backoff_max = 100ms;
    c.cancel.timeout = 30s;
    c.drain.timeout = 30s;
  };
}

// How many of PgBouncer's clients wait for a backend: column cl_waiting.
bool one_waits(const pgbouncer& bouncer) {
  const std::string pools = bouncer.admin("SHOW POOLS");
  const std::string line = pools.substr(pools.find("lido|lido|"));
  return line.find("|1|", line.find('|', sizeof "lido|lido|" - 1)) == line.find('|', sizeof "lido|lido|" - 1);
}

// Cancels in a storm, and an innocent statement after each.
void storm(world& w, int cancels) {
  storm_tally count;
  ASSERT_TRUE(run(w,
                  {.rounds = cancels,
                   .seed = 40,
                   .victim = "select pg_sleep(0.02)",
                   .not_before = 500us,
                   .within = 4000us,
                   .innocents = 1},
                  count));
  EXPECT_EQ(count.wrong, 0) << count.example;
  EXPECT_GT(count.cancelled, cancels / 2);
  ASSERT_TRUE(w.settle(60s));
  EXPECT_EQ(w.stats().stray_cancels, 0U);
  EXPECT_GT(w.stats().cancels.eof, 0U);
  EXPECT_EQ(w.stats().cancels.of(cancel_channel::session).sent, 0U) << "nobody can be named through a pooler";
  EXPECT_TRUE(w.close());
}

TEST(pgbouncer, F40_a_storm_of_cancels_in_transaction_mode_hits_nobody_else) {
  world w{route::plain, behind(transaction_bouncer(), 8)};
  storm(w, scaled(5000, 200));
  EXPECT_TRUE(transaction_bouncer().running()) << "F41: a cancel socket cut early would have ended it";
}

TEST(pgbouncer, F40_a_storm_of_cancels_in_session_mode_hits_nobody_else) {
  world w{route::plain, behind(session_bouncer(), 8, 256)};
  // Enough to outlast the quarter of a second in which the control session waits for a backend of its own: what is
  // cancelled meanwhile ends by itself.
  storm(w, scaled(1000, 600));
}

asio::awaitable<void> keeps_its_session(lido::pool& pool, int& rows) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query("create temp table mine (n int)");
  co_await db->async_query("insert into mine values (7)");
  rows = (co_await db->async_query<int>("select n from mine")).one();
}

TEST(pgbouncer, F40_session_mode_keeps_a_sessions_state_and_its_prepared_statements) {
  world w{route::plain, behind(session_bouncer(), 2, 256)};
  int rows = 0;
  const task_ptr user = w.start(keeps_its_session(*w.pool, rows));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_EQ(rows, 7);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

// More connections than PgBouncer has to the server, so that statements of one connection meet several backends.
TEST(pgbouncer, F40_transaction_mode_works_without_the_statement_cache) {
  world w{route::plain, behind(transaction_bouncer(), 12)};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(w.wrong_answers(24), 0);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> moves_money(lido::pool& pool, int& seen) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("create temp table t (n int) on commit drop");
  co_await tx.async_query("insert into t values ($1::int)", 5);
  seen = (co_await tx.async_query<int>("select n from t")).one();
  co_await tx.async_commit();
}

TEST(pgbouncer, F40_transaction_mode_keeps_a_transaction_on_one_backend) {
  world w{route::plain, behind(transaction_bouncer(), 12)};
  int seen = 0;
  const task_ptr user = w.start(moves_money(*w.pool, seen));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_EQ(seen, 5);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> same_statement_again_and_again(lido::pool& pool, std::string& code, std::string& hint) {
  lido::lease db = co_await pool.async_acquire();
  lido::lease other = co_await pool.async_acquire();
  for (int i = 0; i < 50 && code.empty(); ++i) {
    try {
      // The two take turns inside transactions, so that neither finds the backend that it had last; nor do they count
      // their statements alike.
      lido::transaction a = co_await db->async_begin();
      co_await a.async_query("select $1::int", i);
      lido::transaction b = co_await other->async_begin();
      if (i == 0) co_await b.async_query("select 'another one'");
      co_await b.async_query("select $1::int", i);
      co_await a.async_commit();
      co_await b.async_commit();
      std::swap(db, other);
    } catch (const lido::error& e) {
      code = lido::sqlstate_of(e.code());
      hint = e.what();
    }
  }
}

TEST(pgbouncer, F40_transaction_mode_with_the_statement_cache_on_fails_with_a_hint_that_says_what_to_do) {
  pgbouncer bouncer{shared_cluster(), {"transaction", 2, {"server_round_robin = 1"}}};
  world w{route::plain, behind(bouncer, 2, 256)};
  std::string code, hint;
  const task_ptr user = w.start(same_statement_again_and_again(*w.pool, code, hint));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_TRUE(code == "26000" || code == "42P05") << code;
  EXPECT_NE(hint.find("statement_cache_size = 0"), std::string::npos) << hint;
  EXPECT_TRUE(w.close());
}

// One backend serves them in turn: what one client has prepared there is not taken for the other's.
asio::awaitable<void> two_clients_in_turn(lido::pool& pool, int& wrong) {
  lido::lease one = co_await pool.async_acquire();
  lido::lease other = co_await pool.async_acquire();
  for (int i = 0; i < 4; ++i) {
    const auto a = co_await one->async_query<int>("select 1 + $1::int", i);
    const auto b = co_await other->async_query<int>("select 100 + $1::int", i);
    wrong += static_cast<int>(a.one() != 1 + i) + static_cast<int>(b.one() != 100 + i);
  }
}

TEST(pgbouncer, F40_two_clients_of_one_backend_do_not_meet_on_a_statement_name) {
  pgbouncer bouncer{shared_cluster(), {"transaction", 1, {}}};
  world w{route::plain, behind(bouncer, 2, 256)};
  int wrong = 0;
  const task_ptr user = w.start(two_clients_in_turn(*w.pool, wrong));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(w.close());
}

TEST(pgbouncer, F40_a_restart_of_pgbouncer_is_survived) {
  pgbouncer bouncer{shared_cluster(), {"transaction", 4, {}}};
  world w{route::plain, behind(bouncer, 4)};
  w.warm(4);
  bouncer.stop();
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; })) << "the pending read sees the end of each";
  bouncer.start();
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

TEST(pgbouncer, F40_pause_makes_users_wait_and_resume_lets_them_go_on) {
  pgbouncer bouncer{shared_cluster(), {"transaction", 4, {}}};
  world w{route::plain, behind(bouncer, 2)};
  w.warm(2);
  bouncer.admin("PAUSE");
  const task_ptr user = w.start_statement("select 'paused'");
  ASSERT_TRUE(w.turn_until([&] { return one_waits(bouncer); })) << bouncer.admin("SHOW POOLS");
  EXPECT_FALSE(user->done);
  bouncer.admin("RESUME");
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_TRUE(w.close());
}

// PgBouncer holds a statement back that has no backend yet; a CancelRequest for it ends the wait.
TEST(pgbouncer, F40_a_task_cancelled_while_pgbouncer_is_paused_resumes_at_once) {
  pgbouncer bouncer{shared_cluster(), {"transaction", 4, {}}};
  world w{route::plain, behind(bouncer, 2)};
  w.warm(2);
  bouncer.admin("PAUSE");
  const task_ptr user = w.start_statement("select 'paused'");
  ASSERT_TRUE(w.turn_until([&] { return one_waits(bouncer); })) << bouncer.admin("SHOW POOLS");
  user->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*user), 3);
  EXPECT_TRUE(is_aborted(user->error));
  bouncer.admin("RESUME");
  EXPECT_EQ(w.wrong_answers(4), 0);
  ASSERT_TRUE(w.settle());
  EXPECT_TRUE(w.close());
}

TEST(pgbouncer, F40_a_reload_is_not_noticed) {
  world w{route::plain, behind(transaction_bouncer(), 4)};
  w.warm(4);
  transaction_bouncer().admin("RELOAD");
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_EQ(w.stats().created, 4U);
  EXPECT_TRUE(w.close());
}

TEST(pgbouncer, F40_a_killed_database_comes_back_with_resume) {
  pgbouncer bouncer{shared_cluster(), {"transaction", 4, {}}};
  world w{route::plain, behind(bouncer, 4)};
  w.warm(4);
  bouncer.admin("KILL lido");
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; }));
  bouncer.admin("RESUME lido");
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

TEST(pgbouncer, F40_a_query_wait_timeout_is_a_lost_connection_for_one_and_nothing_for_the_rest) {
  pgbouncer bouncer{shared_cluster(), {"transaction", 1, {"query_wait_timeout = 1"}}};
  world w{route::plain, behind(bouncer, 2)};
  w.warm(2);
  const task_ptr first = w.start_statement("select pg_sleep(4)");
  const task_ptr second = w.start_statement("select 2");
  ASSERT_TRUE(w.turn_until([&] { return first->done && second->done; }));
  EXPECT_FALSE(first->error) << first->error.message();
  EXPECT_TRUE(is_disconnect(second->error)) << second->error.message();
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

TEST(pgbouncer, F40_a_server_that_restarts_behind_it_costs_no_slot) {
  postgres_cluster server;
  pgbouncer bouncer{server, {"transaction", 4, {}}};
  world w{route::plain, behind(bouncer, 4), server};
  w.warm(4);
  server.restart(stop_mode::immediate);
  ASSERT_TRUE(w.turn_until([&] { return w.wrong_answers(1) == 0; }, 30s));
  EXPECT_EQ(w.wrong_answers(8), 0);
  ASSERT_TRUE(w.settle());
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
