// The pool's own promises on a real server: slots, waiters, connects that nobody waits for any more, the end.
#include "tests/contract/harness.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/fake_server_steps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace lido::testing {
namespace {

using asio::cancellation_type;

asio::awaitable<void> sleeps(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query("select pg_sleep(0.02)");
}

TEST(contract, I9_the_server_never_counts_more_sessions_than_max_size) {
  for (const after_cancel policy : {after_cancel::discard, after_cancel::never, after_cancel::recover}) {
    world w{route::unix_socket, [&](pool_config& c) {
              c.max_size = 3;
              c.cancel.after = policy;
              c.connect.close_timeout = 10s;
            }};
    std::mt19937 random(9);
    for (int round = 0; round < 12; ++round) {
      std::vector<task_ptr> users;
      for (int i = 0; i < 8; ++i) users.push_back(w.start(sleeps(*w.pool)));
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(random() % 30);
      w.turn_until([&] { return std::chrono::steady_clock::now() >= end; });
      for (const task_ptr& each : users) {
        if (random() % 2 == 0 && !each->done) each->signal.emit(cancellation_type::terminal);
      }
      ASSERT_TRUE(w.turn_until([&, before = w.stats()] {
        EXPECT_LE(w.stats().size(), 3U);
        return w.stats().created > before.created || w.stats().recovered > before.recovered || w.all_home();
      }));
      EXPECT_LE(w.sessions(), 3 + 1) << "and the control session";
      ASSERT_TRUE(w.turn_until(
          [&] { return std::all_of(users.begin(), users.end(), [](const task_ptr& t) { return t->done; }); }));
    }
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(w.stats().orphaned, 0U);
    EXPECT_TRUE(w.close());
  }
}

asio::awaitable<void> takes(lido::pool& pool, std::vector<int>& order, int who) {
  lido::lease db = co_await pool.async_acquire();
  order.push_back(who);
  co_await db->async_query("select 1");
}

TEST(contract, I10_waiters_are_served_in_order_and_a_cancelled_one_is_gone) {
  world w{route::unix_socket, one_connection};
  w.warm(1);
  lido::lease held = w.pool->try_acquire();
  std::vector<int> order;
  std::vector<task_ptr> users;
  for (int i = 0; i < 6; ++i) {
    users.push_back(w.start(takes(*w.pool, order, i)));
    w.drain_ready();
  }
  EXPECT_EQ(w.stats().waiting, 6U);
  for (const std::size_t gone : {0U, 3U}) {
    users[gone]->signal.emit(cancellation_type::terminal);
  }
  EXPECT_EQ(w.stats().waiting, 4U);
  EXPECT_FALSE(w.pool->try_acquire()) << "nobody overtakes a waiter";
  held.release();
  ASSERT_TRUE(w.settle());
  ASSERT_TRUE(
      w.turn_until([&] { return std::all_of(users.begin(), users.end(), [](const task_ptr& t) { return t->done; }); }));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 4, 5}));
  EXPECT_TRUE(is_aborted(users[0]->error));
  EXPECT_TRUE(is_aborted(users[3]->error));
  EXPECT_EQ(w.stats().acquires_cancelled, 2U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I10_cancel_after_grant_hands_the_connection_to_the_next_waiter) {
  world w{route::unix_socket, one_connection};
  w.warm(1);
  for (int turns = 0; turns < 4; ++turns) {
    lido::lease held = w.pool->try_acquire();
    ASSERT_TRUE(held);
    std::vector<int> order;
    const task_ptr first = w.start(takes(*w.pool, order, 1));
    const task_ptr second = w.start(takes(*w.pool, order, 2));
    w.drain_ready();
    held.release();  // granted to the first, which has not resumed
    for (int i = 0; i < turns; ++i) w.io.poll_one();
    first->signal.emit(cancellation_type::terminal);
    ASSERT_TRUE(w.turn_until([&] { return first->done && second->done; }));
    EXPECT_TRUE(!first->error || is_aborted(first->error));
    EXPECT_FALSE(second->error) << second->error.message();
    EXPECT_EQ(order.back(), 2);
    ASSERT_TRUE(w.settle());
  }
  EXPECT_TRUE(w.close());
}

TEST(contract, I10_an_acquire_deadline_says_who_has_the_connections) {
  world w{route::unix_socket, [](pool_config& c) {
            c.max_size = 1;
            c.acquire_timeout = 100ms;
          }};
  w.warm(1);
  lido::lease held = w.pool->try_acquire();
  std::vector<int> order;
  const task_ptr late = w.start(takes(*w.pool, order, 1));
  ASSERT_TRUE(w.turn_until([&] { return late->done; }));
  EXPECT_EQ(late->error, errc::acquire_timeout);
  EXPECT_TRUE(late->error == condition::timeout);
  EXPECT_FALSE(is_disconnect(late->error));
  held.release();
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_TRUE(w.close());
}

TEST(contract, I11_a_connect_goes_on_when_the_waiter_that_began_it_leaves) {
  for (const route way : {route::unix_socket, route::tls}) {
    world w{way, one_connection};
    std::vector<int> order;
    const task_ptr gone = w.start(takes(*w.pool, order, 1));
    ASSERT_TRUE(w.turn_until([&] { return w.stats().connecting == 1; }));
    gone->signal.emit(cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*gone), 3);
    EXPECT_TRUE(is_aborted(gone->error));
    ASSERT_TRUE(w.turn_until([&] { return w.stats().idle == 1; }));
    EXPECT_TRUE(order.empty());
    EXPECT_EQ(w.wrong_answers(3), 0);
    EXPECT_EQ(w.stats().connects, 1U);
    EXPECT_TRUE(w.close());
  }
}

asio::awaitable<void> leaves_a_transaction_behind(lido::pool& pool, std::string text) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_simple_query(text);
}

// A transaction that was opened by text: only the wire tells.
TEST(contract, I12_status_on_the_wire_decides_about_reuse) {
  world w{route::unix_socket, one_connection};
  for (const char* text : {"begin", "select 1; start transaction; select 2", "begin; select 1/0"}) {
    const task_ptr user = w.start(leaves_a_transaction_behind(*w.pool, text));
    ASSERT_TRUE(w.turn_until([&] { return user->done; }));
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(w.wrong_answers(2), 0);
    EXPECT_EQ(w.sessions("idle in transaction%"), 0) << text;
  }
  EXPECT_EQ(w.stats().recovered, 3U);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I20_a_connect_can_be_cancelled_at_every_step) {
  using namespace steps;
  const step reach = reached("here");
  const script at[] = {
      {expect_ssl_request(), reach, wait_for_close()},
      {expect_ssl_request(), send("S"), reach, wait_for_close()},
      {expect_ssl_request(), send("S"), start_tls(), expect_startup(), reach, wait_for_close()},
      {expect_ssl_request(), send("S"), start_tls(), expect_startup(), send(auth_ok() + usual_parameters()), reach,
       wait_for_close()},
  };
  for (const script& each : at) {
    fake_server server{each};
    world w{route::tls};
    connect_config config = w.config().connect;
    config.port = server.port();
    config.sslrootcert = server.ca_file();
    config.password = {};
    const task_ptr user = w.start(connects(config));
    ASSERT_TRUE(w.turn_until([&] { return server.wait_until_reached("here", 0ms); }));
    w.drain_ready();
    user->signal.emit(cancellation_type::total);
    user->signal.emit(cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*user), 4);
    EXPECT_TRUE(is_aborted(user->error)) << user->error.message();
    EXPECT_TRUE(w.turn_until([&] { return server.wait_until_done(1, 0ms); })) << "the socket is closed";
  }
}

TEST(contract, I21_close_wakes_waiters_and_ends_with_a_dead_cancel_channel) {
  for (const cancel_fault fault : {cancel_fault::none, cancel_fault::black_hole, cancel_fault::reset_after_write}) {
    world w{route::plain_proxy, [](pool_config& c) {
              c.max_size = 2;
              c.cancel.timeout = 300ms;
              c.drain.timeout = 300ms;
            }};
    w.warm(2);
    w.proxy->set_cancel_fault(fault);
    const task_ptr first = w.start_statement("select pg_sleep(30), 'victim'");
    const task_ptr second = w.start_statement("select pg_sleep(30), 'victim'");
    ASSERT_TRUE(w.wait_running("victim", 2));
    const task_ptr waiter = w.start_statement("select 1");
    w.drain_ready();
    int closed = 0;
    w.pool->async_close(1h, [&] { ++closed; });
    w.drain_ready();
    EXPECT_TRUE(waiter->done);
    EXPECT_EQ(waiter->error, errc::pool_closed);
    const task_ptr refused = w.start_statement("select 1");
    w.drain_ready();
    EXPECT_EQ(refused->error, errc::pool_closed);
    EXPECT_FALSE(first->done) << "leases may end until the deadline";
    w.pool->async_close(50ms, [&] { ++closed; });  // who is less patient wins
    ASSERT_TRUE(w.turn_until([&] { return closed == 2; }));
    w.drain_ready();
    EXPECT_TRUE(first->done && second->done);
    EXPECT_TRUE(first->error == condition::cancelled) << first->error.message();
    EXPECT_EQ(w.stats().size(), 0U);
    EXPECT_TRUE(w.close()) << "once more is no harm";
  }
}

TEST(contract, I21_close_lets_leases_end) {
  world w{route::unix_socket};
  w.warm(1);
  const task_ptr user = w.start_statement("select pg_sleep(0.2)");
  w.drain_ready();
  EXPECT_TRUE(w.close(20s));
  EXPECT_TRUE(user->done);
  EXPECT_FALSE(user->error) << user->error.message();
}

TEST(contract, I21_close_ends_while_connecting) {
  world w{route::tls};
  const task_ptr user = w.start_statement("select 1");
  w.drain_ready();
  ASSERT_EQ(w.stats().connecting, 1U);
  EXPECT_TRUE(w.close(20s));
  EXPECT_TRUE(user->done);
  EXPECT_EQ(user->error, errc::pool_closed);
}

TEST(contract, I21_destructor_is_as_safe_and_handles_outlive_the_pool) {
  world w{route::unix_socket};
  w.warm(1);
  lido::lease held = w.pool->try_acquire();
  const task_ptr running = w.start_statement("select pg_sleep(30)");
  ASSERT_TRUE(w.turn_until([&] { return w.stats().leased == 2; }));
  w.pool.reset();
  ASSERT_TRUE(w.turn_until([&] { return running->done; }));
  EXPECT_TRUE(running->error == condition::cancelled || running->error == errc::pool_closed)
      << running->error.message();
  EXPECT_FALSE(held);
  std::error_code answer;
  held->async_query_with([&](std::error_code ec, const lido::result<>&) { answer = ec; }, op_options{}, "select 1");
  w.drain_ready();
  EXPECT_TRUE(answer == errc::lease_revoked || answer == errc::pool_closed) << answer.message();
  EXPECT_TRUE(w.turn_until([&] { return w.sessions() == 0; }));
}

}  // namespace
}  // namespace lido::testing
