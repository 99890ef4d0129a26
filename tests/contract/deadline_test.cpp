// Deadlines beyond one operation: a lease's, and the server's own, told in the same flush as the operation.
#include "tests/contract/harness.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/fake_server_steps.hpp"

#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lido::testing {
namespace {

void tells(pool_config& config) {
  config.max_size = 1;
  config.statement_timeout_from_deadline = true;
}

constexpr const char* setting = "select setting::int from pg_settings where name = 'statement_timeout'";

asio::awaitable<void> expect_told(lido::connection& db, std::chrono::milliseconds left, const char* where) {
  const auto rows = co_await db.async_query<int>(within(left), setting);
  const int told = rows.one();
  EXPECT_GE(told, left.count() * 9 / 10) << where;
  EXPECT_LE(told, left.count() * 9 / 8 + 20) << where;
}

asio::awaitable<void> expect_setting(lido::connection& db, int value, const char* where) {
  const auto rows = co_await db.async_query<int>(setting);
  EXPECT_EQ(rows.one(), value) << where;
}

asio::awaitable<void> in_all_states(lido::pool& pool, int own) {
  lido::lease db = co_await pool.async_acquire();
  co_await expect_setting(*db, own, "no deadline, nothing told");
  co_await expect_told(*db, 60s, "autocommit");
  co_await expect_told(*db, 60s, "from the cache");
  co_await expect_told(*db, 600s, "a longer one");
  co_await expect_told(*db, 60s, "a shorter one");
  co_await expect_setting(*db, own, "without one again");
  {
    lido::transaction tx = co_await db->async_begin({}, within(60s));
    co_await expect_told(*db, 60s, "in a transaction");
    co_await expect_setting(*db, own, "in a transaction, without one");
    co_await expect_told(*db, 30s, "in a transaction, another");
    co_await db->async_query("savepoint a");
    co_await expect_told(*db, 300s, "behind a savepoint");
    co_await db->async_query("rollback to a");
    co_await expect_told(*db, 300s, "behind its rollback");
    co_await expect_setting(*db, own, "behind its rollback, without one");
    co_await expect_told(*db, 60s, "before the rollback");
    co_await tx.async_rollback();
  }
  co_await expect_told(*db, 60s, "behind a rollback");
  co_await expect_setting(*db, own, "behind a rollback, without one");
  {
    lido::transaction tx = co_await db->async_begin();
    co_await expect_told(*db, 60s, "before the commit");
    co_await tx.async_commit(within(60s));
  }
  co_await expect_setting(*db, own, "behind a commit");
  co_await db->async_query(within(60s),
                           "vacuum pg_catalog.pg_description");  // not as part of our setting's transaction
  co_await db->async_simple_query("select 1; select 2", within(60s));
  co_await expect_told(*db, 60s, "behind a simple query");
}

asio::awaitable<void> looks(lido::pool& pool, int own) {
  lido::lease db = co_await pool.async_acquire();
  co_await expect_setting(*db, own, "the next user");
}

TEST(server_deadline, is_told_in_every_state_and_taken_back) {
  for (const int own : {0, 33'000}) {
    world w{route::unix_socket, [own](pool_config& c) {
              tells(c);
              if (own != 0) c.connect.options = "-c statement_timeout=" + std::to_string(own);
            }};
    run_to_end(w, in_all_states(*w.pool, own));
    run_to_end(w, looks(*w.pool, own));
    EXPECT_EQ(w.stats().recoveries, 0U) << "no round trip for it between two users";
    EXPECT_TRUE(w.close());
  }
}

asio::awaitable<void> says_what_a_failed_transaction_says(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction tx = co_await db->async_begin({}, within(60s));
  try {
    co_await tx.async_query(within(60s), "select 1/0");
    ADD_FAILURE();
  } catch (const lido::error& e) {
    EXPECT_EQ(e.code(), make_sqlstate("22012"));
  }
  try {
    co_await tx.async_query(within(70s), "select 1");
    ADD_FAILURE();
  } catch (const lido::error& e) {
    EXPECT_EQ(e.code(), make_sqlstate("25P02"));
  }
  try {
    co_await tx.async_commit(within(80s));
    ADD_FAILURE();
  } catch (const lido::error& e) {
    EXPECT_EQ(e.code(), errc::rolled_back);
  }
  co_await expect_setting(*db, 0, "behind it");
  co_await expect_told(*db, 60s, "behind it");
}

TEST(server_deadline, changes_no_error_of_a_failed_transaction) {
  world w{route::unix_socket, tells};
  run_to_end(w, says_what_a_failed_transaction_says(*w.pool));
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> minds_it_himself(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  co_await expect_told(*db, 60s, "first");
  {
    lido::transaction tx = co_await db->async_begin();
    co_await tx.async_query("set local statement_timeout = 44000");
    const auto local = co_await tx.async_query<int>(within(60s), setting);
    EXPECT_EQ(local.one(), 44'000);
    co_await tx.async_commit();
  }
  co_await expect_told(*db, 60s, "behind SET LOCAL");
  co_await db->async_query("set statement_timeout = 55000");
  const auto own = co_await db->async_query<int>(within(60s), setting);
  EXPECT_EQ(own.one(), 55'000);
}

TEST(server_deadline, I14_leaves_a_users_own_statement_timeout_alone_until_it_is_reset) {
  world w{route::unix_socket, tells};
  run_to_end(w, minds_it_himself(*w.pool));
  run_to_end(w, looks(*w.pool, 0));
  EXPECT_EQ(w.stats().of(reset_kind::exact), 1U);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> sleeps(lido::pool& pool, std::chrono::milliseconds patience, std::string sql) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query(within(patience), sql);
}

TEST(server_deadline, the_server_stops_by_itself_when_its_client_is_out_of_reach) {
  world w{route::plain_proxy, [](pool_config& c) {
            tells(c);
            c.cancel.timeout = 200ms;
            c.drain.timeout = 200ms;
            c.connect.close_timeout = 200ms;
          }};
  w.warm(1);
  const task_ptr lost = w.start(sleeps(*w.pool, 1s, "select pg_sleep(1000)"));
  ASSERT_TRUE(w.wait_running("pg_sleep(1000)"));
  w.proxy->stall_main(true);
  w.proxy->set_cancel_fault(cancel_fault::black_hole);
  ASSERT_TRUE(w.turn_until([&] { return lost->done; }));
  EXPECT_EQ(lost->error, errc::timeout);
  EXPECT_TRUE(w.turn_until([&] { return w.running("pg_sleep(1000)") == 0; }));
  w.proxy->kill_main();
  w.proxy->stall_main(false);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_TRUE(w.close());
}

// The server was quicker than a client too busy to look at its clock: the reason stays the deadline (I16).
TEST(server_deadline, I16_a_57014_of_the_servers_behind_the_deadline_is_a_timeout) {
  world w{route::unix_socket, tells};
  w.warm(1);
  const task_ptr late = w.start(sleeps(*w.pool, 300ms, "select pg_sleep(1000)"));
  w.drain_ready();
  ASSERT_TRUE(eventually([&] { return w.answered("pg_sleep(1000)"); }));
  ASSERT_TRUE(w.turn_until([&] { return late->done; }));
  EXPECT_EQ(late->error, errc::timeout);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

TEST(server_deadline, I18_a_cancel_behind_the_setting_hits_its_own_operation_and_nobody_else) {
  world w{route::unix_socket, tells};
  w.warm(1);
  for (int turns = 0; turns < 40; ++turns) {
    const task_ptr victim = w.start(sleeps(*w.pool, std::chrono::seconds(60 + 30 * turns), "select pg_sleep(1000)"));
    for (int i = 0; i < turns / 2; ++i) w.io.poll_one();
    victim->signal.emit(asio::cancellation_type::terminal);
    ASSERT_TRUE(w.turn_until([&] { return victim->done; }));
    EXPECT_TRUE(is_aborted(victim->error));
    EXPECT_EQ(w.wrong_answers(2), 0);
  }
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

// Its answers wait until all has come: a client that waited for the first one would wait for ever.
TEST(server_deadline, is_told_in_the_same_flush) {
  using namespace steps;
  const std::string answer = parse_complete() + parameter_description({}) + no_data() + bind_complete() +
                             command_complete("INSERT 0 1") + ready();
  fake_server server{
      script{trusted_session(), expect_all("QPDBES"), send(command_complete("SET") + ready() + answer),
             expect_all("BES"), send(bind_complete() + command_complete("INSERT 0 1") + ready()), expect_all("QBES"),
             send(command_complete("RESET") + ready() + bind_complete() + command_complete("INSERT 0 1") + ready()),
             wait_for_close()}};
  world w{route::plain, [&](pool_config& c) {
            tells(c);
            c.connect.port = server.port();
            c.connect.password = {};
          }};
  const auto use = [](lido::pool& pool) -> asio::awaitable<void> {
    lido::lease db = co_await pool.async_acquire();
    co_await db->async_query(within(60s), "insert into t values (1)");
    co_await db->async_query(within(60s), "insert into t values (1)");
    co_await db->async_query("insert into t values (1)");
  };
  run_to_end(w, use(*w.pool));
  EXPECT_TRUE(w.close());
  EXPECT_EQ(server.problems(), "");
}

asio::awaitable<void> keeps_to(lido::pool& pool, time_point deadline, std::vector<std::error_code>& seen) {
  lido::lease db = co_await pool.async_acquire(until(deadline));
  db->set_deadline(deadline);
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("create table if not exists kept (a int)");
  try {
    co_await tx.async_query("select pg_sleep(1000)");
  } catch (const lido::error& e) {
    seen.push_back(e.code());
  }
  try {
    co_await tx.async_commit();
  } catch (const lido::error& e) {
    seen.push_back(e.code());
  }
}

TEST(lease_deadline, bounds_every_operation_of_its_lease_and_no_other) {
  world w{route::unix_socket, [](pool_config& c) { c.max_size = 1; }};
  w.warm(1);
  std::vector<std::error_code> seen;
  run_to_end(w, keeps_to(*w.pool, std::chrono::steady_clock::now() + 300ms, seen));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], errc::timeout);
  EXPECT_EQ(seen[1], errc::lease_revoked);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

// By the acquire's own deadline: whether the connection was idle, had to be waited for, or came through a callback.
asio::awaitable<void> ends_with_its_acquire(lido::connection& db, const char* how) {
  try {
    co_await db.async_query("select pg_sleep(1000)");
    ADD_FAILURE() << how;
  } catch (const lido::error& e) {
    EXPECT_EQ(e.code(), errc::timeout) << how << ": " << e.what();
  }
}

asio::awaitable<void> is_bounded(lido::pool& pool, std::chrono::milliseconds bound, const char* how) {
  lido::lease db = co_await pool.async_acquire(bounded_by(within(bound)).tag("bounded"));
  co_await ends_with_its_acquire(*db, how);
}

asio::awaitable<void> is_bounded_by_callback(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire(bounded_by(within(300ms)), asio::use_awaitable);
  co_await ends_with_its_acquire(*db, "by any token");
}

asio::awaitable<void> is_not_bounded(lido::pool& pool) {
  lido::lease plain = co_await pool.async_acquire(tagged("plain", within(20ms)));
  co_await plain->async_query("select pg_sleep(0.1)");
  plain.release();
  lido::lease patient = co_await pool.async_acquire(bounded_by(op_options{}));  // no deadline, no bound
  co_await patient->async_query("select 1");
}

TEST(lease_deadline, of_the_acquire_bounds_all_that_the_lease_does_when_asked_for) {
  world w{route::unix_socket, [](pool_config& c) { c.max_size = 1; }};
  run_to_end(w, is_bounded(*w.pool, 2s, "waited for a connect"));  // which a slow machine makes in that time, too
  run_to_end(w, is_bounded(*w.pool, 300ms, "idle"));
  run_to_end(w, is_bounded_by_callback(*w.pool));
  run_to_end(w, is_not_bounded(*w.pool));
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> comes_too_late(lido::pool& pool, std::vector<std::error_code>& seen) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("select 1 as last_words");
  db->set_deadline(std::chrono::steady_clock::now());
  try {
    co_await tx.async_commit();
  } catch (const lido::error& e) {
    seen.push_back(e.code());
    EXPECT_TRUE(e.outcome_known()) << "it was not sent";
  }
  db->set_deadline(time_point::max());
  co_await db->async_query("select 2");
}

TEST(lease_deadline, I15_nothing_is_sent_behind_it_a_commit_least_of_all) {
  world w{route::unix_socket, [](pool_config& c) { c.max_size = 1; }};
  std::vector<std::error_code> seen;
  run_to_end(w, comes_too_late(*w.pool, seen));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0], errc::timeout);
  EXPECT_EQ(w.stats().of(reset_kind::rollback), 1U) << "left open, rolled back by the pool";
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
