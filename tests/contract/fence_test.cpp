// The fence on a real server: a connection is used again only when no signal of a cancel can hit the next user any
// more, and is given up when nobody can know (I3, I4, I7, I8, I19, I22; M1 and M2 of the measurements). By either
// channel; what delays or deafens the postmaster is about CancelRequests, control_session_test.cpp has the same about
// the other.
#include "tests/contract/cancel_storm.hpp"
#include "tests/contract/harness.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/fake_server_steps.hpp"

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

TEST(contract, I3_random_short_cancels_hit_no_innocent_query) {
  const cancel_storm storm{.rounds = scaled(2000, 80)};
  world w{route::unix_socket, [](pool_config& c) {
            c.max_size = 4;
            c.cancel.timeout = 30s;
            c.drain.timeout = 30s;
          }};
  storm_tally count;
  ASSERT_TRUE(run(w, storm, count));
  EXPECT_EQ(count.wrong, 0) << count.example;
  EXPECT_EQ(count.completed + count.cancelled, storm.rounds);
  EXPECT_GT(count.cancelled, storm.rounds / 10);
  ASSERT_TRUE(w.settle());
  const pool_stats s = w.stats();
  EXPECT_GT(s.cancels.eof, 0U);
  EXPECT_EQ(s.cancels.unknown, 0U);
  EXPECT_EQ(s.created, w.config().max_size) << "no connection was given up for a cancel that went well";
  EXPECT_TRUE(w.close());
}

// With pre_auth_delay the CancelRequest is read a second after it was written: long after the statement has ended.
struct slow_cancels {
  explicit slow_cancels(postgres_cluster& cluster) : server{cluster} { server.reload({"pre_auth_delay = 1"}); }
  slow_cancels(const slow_cancels&) = delete;
  slow_cancels& operator=(const slow_cancels&) = delete;
  ~slow_cancels() { server.reload({}); }
  postgres_cluster& server;
};

asio::awaitable<void> count_idle(lido::pool& observer, std::string application, std::int64_t& found) {
  const auto got = co_await observer.async_query<std::int64_t>(
      "select count(*) from pg_stat_activity where application_name = $1 and state = 'idle' and query like '%victim%'",
      application);
  found = got.one();
}

bool victim_is_over(world& observer, const std::string& application) {
  std::int64_t found = 0;
  const task_ptr asked = observer.start(count_idle(*observer.pool, application, found));
  return observer.turn_until([&] { return asked->done; }) && found == 1;
}

TEST(contract, I3_reuse_waits_for_cancel_eof) {
  for (const route way : {route::unix_socket, route::plain}) {
    world observer{route::unix_socket};
    observer.warm(1);  // a new session would wait, too
    world w{way, [](pool_config& c) {
              c.max_size = 1;
              c.cancel.channel = cancel_channel_choice::request;
              c.cancel.timeout = 20s;
              c.drain.timeout = 20s;
            }};
    w.warm(1);
    const slow_cancels delay{w.server()};
    const task_ptr victim = w.start_statement("select pg_sleep(0.1), 'victim'");
    w.drain_ready();
    victim->signal.emit(asio::cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*victim), 3);
    std::int32_t answer = 0;
    const task_ptr next = w.start(ask(*w.pool, 4711, answer));
    const auto over = [&] { return w.stats().cancels.sent == 1 && victim_is_over(observer, w.application()); };
    ASSERT_TRUE(w.turn_until(over));
    EXPECT_EQ(w.stats().cancels.eof, 0U)
        << "the statement must end before the CancelRequest is read, else nothing is proved";
    ASSERT_TRUE(w.turn_until([&] { return next->done || w.stats().cancels.eof == 1; }));
    EXPECT_FALSE(next->done) << "the next user was let in before the server's EOF";
    ASSERT_TRUE(w.turn_until([&] { return next->done; }));
    EXPECT_FALSE(next->error) << next->error.message();
    EXPECT_EQ(answer, 4711);
    EXPECT_EQ(w.stats().recovered, 1U);
    EXPECT_EQ(w.stats().created, 1U);
    EXPECT_TRUE(w.close());
  }
}

// Under TLS pre_auth_delay strikes before the handshake; here the proxy holds the CancelRequest itself.
TEST(contract, I3_reuse_waits_for_cancel_eof_under_tls) {
  world w{route::tls_proxy, [](pool_config& c) {
            c.max_size = 1;
            c.cancel.timeout = 20s;
            c.drain.timeout = 20s;
          }};
  w.warm(1);
  w.proxy->set_cancel_fault(cancel_fault::hold);
  const task_ptr victim = w.start_statement("select pg_sleep(1), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  std::int32_t answer = 0;
  const task_ptr next = w.start(ask(*w.pool, 4713, answer));
  ASSERT_TRUE(w.turn_until([&] { return w.proxy->counters().held == 1; }));
  ASSERT_TRUE(w.wait_running("victim", 0));
  const auto until = std::chrono::steady_clock::now() + 100ms;  // time to be wrong in
  ASSERT_TRUE(w.turn_until([&] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_EQ(w.stats().recovering, 1U);
  EXPECT_FALSE(next->done) << "the next user was let in before the server's EOF";
  w.proxy->release_held();
  ASSERT_TRUE(w.turn_until([&] { return next->done; }));
  EXPECT_FALSE(next->error) << next->error.message();
  EXPECT_EQ(answer, 4713);
  EXPECT_EQ(w.stats().cancels.eof, 1U);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

struct stopped_postmaster {
  explicit stopped_postmaster(const postgres_cluster& cluster) : server{cluster} { server.stop_postmaster(); }
  stopped_postmaster(const stopped_postmaster&) = delete;
  stopped_postmaster& operator=(const stopped_postmaster&) = delete;
  ~stopped_postmaster() { server.continue_postmaster(); }
  const postgres_cluster& server;
};

// M2: the kernel takes the CancelRequest, nobody reads it, the statement ends by itself; the next query on this
// connection would die much later.
TEST(contract, I4_unknown_means_discard) {
  for (const route way : {route::unix_socket, route::plain}) {
    world w{way, [](pool_config& c) {
              c.max_size = 1;
              c.cancel.channel = cancel_channel_choice::request;
              c.cancel.timeout = 400ms;
            }};
    w.warm(1);
    const task_ptr victim = w.start_statement("select pg_sleep(1), 'victim'");
    ASSERT_TRUE(w.wait_running("victim"));
    std::int32_t answer = 0;
    task_ptr next;
    {
      const stopped_postmaster deaf{w.server()};
      victim->signal.emit(asio::cancellation_type::terminal);
      EXPECT_LE(w.turns_until_done(*victim), 3);
      EXPECT_TRUE(is_aborted(victim->error));
      next = w.start(ask(*w.pool, 4712, answer));
      ASSERT_TRUE(w.turn_until([&] { return w.stats().cancels.unknown == 1; }));
      EXPECT_FALSE(next->done);
    }
    ASSERT_TRUE(w.turn_until([&] { return next->done; }));
    EXPECT_FALSE(next->error) << next->error.message();
    EXPECT_EQ(answer, 4712);
    EXPECT_EQ(w.wrong_answers(5), 0);
    const pool_stats s = w.stats();
    EXPECT_EQ(s.cancels.sent, 1U);
    EXPECT_EQ(s.cancels.eof, 0U);
    EXPECT_EQ(s.of(close_reason::cancel_unknown), 1U);
    EXPECT_EQ(s.recovered, 0U);
    EXPECT_EQ(s.created, 2U);
    EXPECT_TRUE(w.close());
  }
}

TEST(contract, I7_policy_never_discards_without_a_cancel_request) {
  world w{route::plain_proxy, [](pool_config& c) {
            c.max_size = 1;
            c.cancel.after = after_cancel::never;
          }};
  w.warm(1);
  const task_ptr victim = w.start_statement("select pg_sleep(1), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  EXPECT_TRUE(is_aborted(victim->error));
  EXPECT_EQ(w.wrong_answers(3), 0);
  const pool_stats s = w.stats();
  EXPECT_EQ(s.cancels.sent, 0U);
  EXPECT_EQ(s.of(close_reason::discarded), 1U);
  EXPECT_EQ(s.cancels.of(cancel_suppression::no_key), 1U);
  EXPECT_EQ(w.proxy->counters().cancels_seen, 0U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I7_policy_discard_cancels_then_closes) {
  world w{route::plain_proxy, [](pool_config& c) {
            c.max_size = 1;
            c.cancel.after = after_cancel::discard;
          }};
  w.warm(1);
  const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().cancels.eof, 1U);
  EXPECT_EQ(w.stats().of(close_reason::discarded), 1U);
  EXPECT_EQ(w.stats().recovered, 0U);
  EXPECT_EQ(w.running("victim"), 0);
  EXPECT_TRUE(w.close());
}

TEST(contract, I7_no_key_no_cancel) {
  using namespace steps;
  fake_server server{script{trusted_session(auth_ok() + usual_parameters() + ready()), expect('P'),
                            reached("statement"), wait_for_close()}};
  world w{route::plain, [&](pool_config& c) {
            c.max_size = 1;
            c.connect.port = server.port();
            c.connect.password = {};
          }};
  const task_ptr victim = w.start_statement("select pg_sleep(30)");
  ASSERT_TRUE(w.turn_until([&] { return server.wait_until_reached("statement", 0ms); }));
  w.drain_ready();
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  EXPECT_TRUE(is_aborted(victim->error));
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; }));
  EXPECT_EQ(w.stats().of(close_reason::no_cancel_key), 1U);
  EXPECT_EQ(w.stats().cancels.of(cancel_suppression::no_key), 1U);
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I8_cancels_beyond_the_budget_become_drain_or_close) {
  constexpr int users = 6;
  world w{route::plain_proxy, [](pool_config& c) {
            c.max_size = users;
            c.cancel.concurrency = 1;
            c.drain.timeout = 700ms;
          }};
  w.warm(users);
  w.proxy->set_cancel_fault(cancel_fault::hold);
  std::vector<task_ptr> victims;
  for (int i = 0; i < users; ++i) victims.push_back(w.start_statement("select pg_sleep(30), 'victim'"));
  ASSERT_TRUE(w.wait_running("victim", users));
  for (const task_ptr& each : victims) each->signal.emit(asio::cancellation_type::terminal);
  w.drain_ready();
  for (const task_ptr& each : victims) EXPECT_TRUE(each->done && is_aborted(each->error));
  ASSERT_TRUE(w.turn_until([&] { return w.proxy->counters().held == 1; }));
  ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 1; }));
  EXPECT_EQ(w.proxy->counters().cancels_seen, 1U);
  w.proxy->set_cancel_fault(cancel_fault::none);
  w.proxy->release_held();
  EXPECT_EQ(w.wrong_answers(users * 2), 0);
  ASSERT_TRUE(w.settle());
  const pool_stats s = w.stats();
  EXPECT_EQ(s.cancels.requested, static_cast<unsigned>(users));
  EXPECT_EQ(s.cancels.of(cancel_suppression::budget), users - 1U);
  EXPECT_EQ(s.cancels.sent, 1U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> tells_its_canceller(lido::pool& pool, lido::canceller& out) {
  lido::lease db = co_await pool.async_acquire();
  out = db->canceller();
  co_await db->async_query("select pg_sleep(30), 'victim'");
}

TEST(contract, I8_cancelling_again_and_again_is_one_request) {
  world w{route::unix_socket};
  lido::canceller stop;
  const task_ptr victim = w.start(tells_its_canceller(*w.pool, stop));
  ASSERT_TRUE(w.wait_running("victim"));
  for (int i = 0; i < 5; ++i) {
    stop.cancel();
    victim->signal.emit(asio::cancellation_type::terminal);
    w.pool->cancel_all();
  }
  EXPECT_LE(w.turns_until_done(*victim), 3);
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.stats().cancels.requested, 1U);
  EXPECT_EQ(w.stats().cancels.sent, 1U);
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
