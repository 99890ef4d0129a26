// Cancelling through the control session on a real server: the same promises as by CancelRequest (I1-I8, I19, I21), and
// what it does when the session is refused, killed, frozen, or when something stands between.
#include "tests/contract/cancel_storm.hpp"
#include "tests/contract/harness.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <signal.h>

#include <stdexcept>
#include <utility>

namespace lido::testing {
namespace {

using enum cancel_channel;

void by_session(pool_config& c) {
  c.cancel.channel = cancel_channel_choice::session;
  c.cancel.timeout = 20s;
  c.drain.timeout = 20s;
}

void by_either(pool_config& c) {
  by_session(c);
  c.cancel.channel = cancel_channel_choice::automatic;
}

// Cancels one statement, so that the control session is there.
void open_control(world& w) {
  const task_ptr victim = w.start_statement("select pg_sleep(30), 'first'");
  ASSERT_TRUE(w.wait_running("first"));
  victim->signal.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(w.settle());
  ASSERT_TRUE(w.turn_until([&] { return w.stats().cancels.of(control_state::ready) == 1; }));
}

int control_process(const world& w) {
  return std::stoi(w.server().sql("select coalesce(max(pid), 0) from pg_stat_activity where application_name = '" +
                                  w.application() + "' and query like '%lido: control session%'"));
}

// A process of the server that stands still for a while: it reads nothing, and its sockets stay open.
struct frozen {
  explicit frozen(int process) : pid{process} { ::kill(pid, SIGSTOP); }
  frozen(const frozen&) = delete;
  frozen& operator=(const frozen&) = delete;
  ~frozen() { ::kill(pid, SIGCONT); }
  int pid;
};

// ---- it works ----

TEST(contract, I3_random_short_cancels_by_the_control_session_hit_no_innocent_query) {
  const cancel_storm storm{.rounds = scaled(2000, 80)};
  for (const route way : {route::unix_socket, route::plain, route::tls}) {
    world w{way, [](pool_config& c) {
              by_session(c);
              c.max_size = 4;
            }};
    storm_tally count;
    ASSERT_TRUE(run(w, storm, count));
    EXPECT_EQ(count.wrong, 0) << count.example;
    EXPECT_EQ(count.completed + count.cancelled, storm.rounds);
    EXPECT_GT(count.cancelled, storm.rounds / 10);
    ASSERT_TRUE(w.settle());
    const pool_stats s = w.stats();
    EXPECT_GT(s.cancels.of(session).eof, 0U) << to_string(way);
    EXPECT_EQ(s.cancels.of(request).sent, 0U);
    EXPECT_EQ(s.cancels.unknown, 0U);
    EXPECT_EQ(s.stray_cancels, 0U);
    EXPECT_EQ(s.created, w.config().max_size) << "no connection was given up for a cancel that went well";
    EXPECT_EQ(s.cancels.control_opened, 1U);
    EXPECT_TRUE(w.close());
    EXPECT_EQ(w.sessions(), 0) << "the control session ends with the pool";
  }
}

TEST(contract, I8_a_storm_of_cancels_is_a_few_statements_and_no_process) {
  constexpr int users = 24;
  world w{route::unix_socket, [](pool_config& c) {
            by_session(c);
            c.max_size = users;
            c.cancel.concurrency = 1;  // of CancelRequests
            c.cancel.batch = 16;
          }};
  w.warm(users);
  open_control(w);
  const pool_stats before = w.stats();
  std::vector<task_ptr> victims;
  for (int i = 0; i < users; ++i) victims.push_back(w.start_statement("select pg_sleep(30), 'victim'"));
  ASSERT_TRUE(w.wait_running("victim", users));
  for (const task_ptr& each : victims) each->signal.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(w.settle());
  const pool_stats s = w.stats();
  EXPECT_EQ(s.cancels.of(session).eof - before.cancels.of(session).eof, static_cast<unsigned>(users));
  EXPECT_GE(s.cancels.batches - before.cancels.batches, 2U);
  EXPECT_LE(s.cancels.batches - before.cancels.batches, 6U);
  EXPECT_EQ(s.cancels.of(request).sent, 0U);
  EXPECT_EQ(s.cancels.of(cancel_suppression::budget), 0U);
  EXPECT_EQ(s.recovered - before.recovered, static_cast<unsigned>(users));
  EXPECT_EQ(w.wrong_answers(users), 0);
  EXPECT_TRUE(w.close());
}

TEST(contract, I2_the_control_session_needs_no_postmaster) {
  world w{route::plain, by_session};
  w.warm(1);
  open_control(w);
  const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  w.server().stop_postmaster();
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  EXPECT_TRUE(w.settle());
  w.server().continue_postmaster();
  EXPECT_EQ(w.stats().cancels.of(session).eof, 2U);
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

// ---- the fence ----

TEST(contract, I3_reuse_waits_for_the_control_sessions_answer) {
  for (const route way : {route::unix_socket, route::plain}) {
    world w{way, [](pool_config& c) {
              by_session(c);
              c.max_size = 1;
            }};
    w.warm(1);
    open_control(w);
    const task_ptr victim = w.start_statement("select pg_sleep(1.5), 'victim'");
    ASSERT_TRUE(w.wait_running("victim"));
    std::int32_t answer = 0;
    task_ptr next;
    {
      const frozen control{control_process(w)};
      victim->signal.emit(asio::cancellation_type::terminal);
      EXPECT_LE(w.turns_until_done(*victim), 3);
      next = w.start(ask(*w.pool, 4711, answer));
      ASSERT_TRUE(w.turn_until([&] { return w.stats().cancels.of(session).sent == 2; }));
      ASSERT_TRUE(w.wait_running("victim", 0));
      const auto until = std::chrono::steady_clock::now() + 100ms;  // time to be wrong in
      ASSERT_TRUE(w.turn_until([&] { return std::chrono::steady_clock::now() > until; }));
      EXPECT_FALSE(next->done) << "the next user was let in before the answer";
      EXPECT_EQ(w.stats().recovering, 1U);
    }
    ASSERT_TRUE(w.turn_until([&] { return next->done; }));
    EXPECT_FALSE(next->error) << next->error.message();
    EXPECT_EQ(answer, 4711);
    EXPECT_EQ(w.stats().created, 1U);
    EXPECT_TRUE(w.close());
  }
}

// The statement is under way and will run some day; nothing that the CancelRequest's channel could say changes that.
TEST(contract, I4_a_cancel_that_the_control_session_does_not_answer_is_unknown_and_discards) {
  for (const route way : {route::unix_socket, route::plain}) {
    world w{way, [](pool_config& c) {
              by_either(c);
              c.max_size = 1;
              c.cancel.timeout = 2s;
            }};
    w.warm(1);
    open_control(w);
    const pool_stats before = w.stats();  // a slow machine opens the session too late for its first cancel
    const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
    ASSERT_TRUE(w.wait_running("victim"));
    {
      const frozen control{control_process(w)};
      victim->signal.emit(asio::cancellation_type::terminal);
      EXPECT_LE(w.turns_until_done(*victim), 3);
      EXPECT_TRUE(is_aborted(victim->error));
      ASSERT_TRUE(w.turn_until([&] { return w.stats().cancels.unknown == 1; }));
      EXPECT_EQ(w.wrong_answers(3), 0) << "on another connection";
    }
    EXPECT_EQ(w.wrong_answers(10), 0);
    const pool_stats s = w.stats();
    EXPECT_EQ(s.cancels.of(session).unknown, 1U);
    EXPECT_EQ(s.cancels.of(request).sent, before.cancels.of(request).sent);
    EXPECT_EQ(s.cancels.fell_back, before.cancels.fell_back);
    EXPECT_EQ(s.of(close_reason::cancel_unknown), 1U);
    EXPECT_EQ(s.created, 2U);
    EXPECT_TRUE(w.close());
  }
}

TEST(contract, I1_the_control_session_killed_again_and_again_in_a_storm_never_reaches_a_caller) {
  // Statements long enough for a slow machine to find most of them running when it cancels them.
  const cancel_storm storm{.rounds = scaled(800, 240), .seed = 77, .victim = "select pg_sleep(0.05)"};
  world w{route::unix_socket, [](pool_config& c) {
            by_either(c);
            c.max_size = 4;
          }};
  w.warm(4);
  storm_tally count;
  int killed = 0;
  std::uint64_t confirmed = 0;
  const auto kill_in_the_midst_of_work = [&] {
    const auto now = w.stats().cancels.of(session).eof;
    if (now == std::exchange(confirmed, now)) return;
    if (const int pid = control_process(w); pid != 0)
      killed += w.server().sql("select pg_terminate_backend(" + std::to_string(pid) + ")") == "t" ? 1 : 0;
  };
  for (int storms = 1; storms == 1 || (storms <= 10 && w.stats().cancels.of(request).eof == 0); ++storms) {
    start(w, storm, count);
    ASSERT_TRUE(w.turn_until(
        [&] {
          kill_in_the_midst_of_work();
          return count.finished_users == storms * storm.users;
        },
        120s));
  }
  EXPECT_EQ(count.wrong, 0);
  EXPECT_GT(killed, 0);
  ASSERT_TRUE(w.settle());
  const pool_stats s = w.stats();
  EXPECT_GT(s.cancels.control_refused, 0U);
  EXPECT_GT(s.cancels.of(session).eof, 0U);
  EXPECT_GT(s.cancels.of(request).eof, 0U);
  EXPECT_EQ(s.stray_cancels, 0U);
  EXPECT_EQ(s.of(close_reason::cancel_unknown), s.cancels.unknown);
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

// ---- where it cannot be used ----

TEST(contract, I6_behind_a_proxy_the_control_session_is_not_trusted_and_cancels_are_requests) {
  for (const route way : {route::plain_proxy, route::tls_proxy}) {
    world w{way, by_either};
    w.warm(2);
    for (int i = 0; i < 2; ++i) {
      const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
      ASSERT_TRUE(w.wait_running("victim"));
      victim->signal.emit(asio::cancellation_type::terminal);
      EXPECT_LE(w.turns_until_done(*victim), 3);
      ASSERT_TRUE(w.settle());
    }
    const pool_stats s = w.stats();
    EXPECT_EQ(s.cancels.of(session).sent, 0U);
    EXPECT_EQ(s.cancels.of(request).eof, 2U);
    EXPECT_EQ(s.cancels.fell_back, 1U) << "the second one does not try";
    EXPECT_EQ(s.cancels.of(control_state::untrusted), 1U);
    EXPECT_EQ(s.cancels.control_opened, 1U);
    EXPECT_EQ(s.created, 2U);
    EXPECT_EQ(w.wrong_answers(4), 0);
    EXPECT_TRUE(w.close());
  }
}

TEST(contract, I6_with_the_session_as_the_only_way_a_proxy_costs_the_connection) {
  world w{route::plain_proxy, [](pool_config& c) {
            by_session(c);
            c.max_size = 1;
            c.drain.timeout = 300ms;
          }};
  w.warm(1);
  const task_ptr victim = w.start_statement("select pg_sleep(3), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  EXPECT_EQ(w.wrong_answers(2), 0);
  const pool_stats s = w.stats();
  EXPECT_EQ(s.cancels.sent, 0U);
  EXPECT_EQ(s.of(close_reason::cancel_failed), 1U);
  EXPECT_TRUE(w.close());
}

// A role of our own that may have so many connections.
struct limited_role {
  limited_role(postgres_cluster& cluster, const std::string& extra) : server{cluster} {
    server.sql("drop role if exists lido_limited");
    server.sql("create role lido_limited login " + extra);
  }
  limited_role(const limited_role&) = delete;
  limited_role& operator=(const limited_role&) = delete;
  ~limited_role() { server.sql("drop role if exists lido_limited"); }
  postgres_cluster& server;
};

TEST(contract, I8_a_server_without_room_for_the_control_session_gets_requests) {
  const limited_role role{shared_cluster(), "connection limit 2"};
  world w{route::unix_socket, [](pool_config& c) {
            by_either(c);
            c.connect.user = "lido_limited";
          }};
  w.warm(2);
  const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  ASSERT_TRUE(w.settle());
  const pool_stats s = w.stats();
  EXPECT_EQ(s.cancels.of(request).eof, 1U);
  EXPECT_EQ(s.cancels.control_refused, 1U);
  EXPECT_EQ(s.cancels.of(control_state::refused), 1U);
  EXPECT_EQ(s.connect_failures, 0U) << "no affair of the users' connections";
  EXPECT_EQ(s.recovered, 1U);
  EXPECT_TRUE(w.close());
}

// Some providers take pg_cancel_backend() away from everybody.
struct forbidden_function {
  explicit forbidden_function(postgres_cluster& cluster) : server{cluster} {
    server.sql("revoke execute on function pg_catalog.pg_cancel_backend(int) from public");
  }
  forbidden_function(const forbidden_function&) = delete;
  forbidden_function& operator=(const forbidden_function&) = delete;
  ~forbidden_function() { server.sql("grant execute on function pg_catalog.pg_cancel_backend(int) to public"); }
  postgres_cluster& server;
};

TEST(contract, I8_without_the_privilege_to_cancel_the_control_session_leaves_it_to_requests) {
  const limited_role role{shared_cluster(), ""};
  const forbidden_function no{shared_cluster()};
  world w{route::unix_socket, [](pool_config& c) {
            by_either(c);
            c.connect.user = "lido_limited";
          }};
  w.warm(2);
  const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  ASSERT_TRUE(w.settle());
  const pool_stats s = w.stats();
  EXPECT_EQ(s.cancels.of(session).eof, 0U);
  EXPECT_EQ(s.cancels.of(request).eof, 1U);
  EXPECT_EQ(s.cancels.fell_back, 1U);
  EXPECT_EQ(s.recovered, 1U);
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

// ---- who it is ----

void cancel_one(world& w, const std::string& mark) {
  const task_ptr victim = w.start_statement("select pg_sleep(30), '" + mark + "'");
  ASSERT_TRUE(w.wait_running(mark));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  ASSERT_TRUE(w.settle());
}

TEST(contract, I6_the_control_session_asks_before_connect_for_its_credentials_like_every_connect) {
  int asked = 0;
  bool refuse = false;
  world w{route::tls, [&](pool_config& c) {
            by_either(c);
            c.max_size = 1;
            c.connect.password = std::string_view("a password of yesterday");
            c.hooks.before_connect = [&](connect_config& now) -> asio::awaitable<void> {
              ++asked;
              if (refuse) throw std::runtime_error("no credentials today");
              now.password = std::string_view(shared_cluster().password());
              co_return;
            };
          }};
  w.warm(1);
  EXPECT_EQ(asked, 1);
  refuse = true;
  cancel_one(w, "first");
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(w.stats().cancels.of(request).eof, 1U) << "without credentials no control session";
  EXPECT_EQ(w.stats().cancels.control_refused, 1U);
  EXPECT_EQ(w.stats().connect_failures, 0U);
  refuse = false;
  ASSERT_TRUE(w.turn_until([&] {
    cancel_one(w, "second");
    return w.stats().cancels.of(session).eof == 1;
  })) << "after its pause it tries again";
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(w.stats().cancels.control_opened, 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I3_the_channel_changes_with_the_connections_while_the_pool_runs) {
  world w{route::unix_socket, [](pool_config& c) {
            by_either(c);
            c.max_size = 1;
            c.cancel.channel = cancel_channel_choice::request;
          }};
  cancel_one(w, "by request");
  EXPECT_EQ(w.stats().cancels.of(request).eof, 1U);
  pool_config next = w.config();
  next.cancel.channel = cancel_channel_choice::session;
  w.pool->reconfigure(next);
  cancel_one(w, "by session");
  EXPECT_EQ(w.stats().cancels.of(session).eof, 1U);
  const int first = control_process(w);

  // Another generation: its connections know a control session of their own, with their settings; the old one goes.
  next.statement_timeout_from_deadline = true;
  w.pool->reconfigure(next);
  cancel_one(w, "by another session");
  EXPECT_EQ(w.stats().cancels.of(session).eof, 2U);
  EXPECT_EQ(w.stats().cancels.control_opened, 2U);
  ASSERT_TRUE(w.turn_until([&] { return w.sessions() == 2; })) << "a connection and a control session";
  EXPECT_NE(control_process(w), first);

  next.cancel.channel = cancel_channel_choice::request;
  w.pool->reconfigure(next);
  cancel_one(w, "by request again");
  EXPECT_EQ(w.stats().cancels.of(request).eof, 2U);
  ASSERT_TRUE(w.turn_until([&] { return w.sessions() == 1; }));
  EXPECT_EQ(w.stats().stray_cancels, 0U);
  EXPECT_TRUE(w.close());
}

// ---- the end ----

TEST(contract, I21_close_does_not_wait_for_a_control_session_that_stands_still) {
  world w{route::unix_socket, [](pool_config& c) {
            by_session(c);
            c.cancel.timeout = c.drain.timeout = 1s;
          }};
  w.warm(2);
  open_control(w);
  const int pid = control_process(w);
  {
    const frozen control{pid};
    const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
    ASSERT_TRUE(w.wait_running("victim"));
    victim->signal.emit(asio::cancellation_type::terminal);
    ASSERT_TRUE(w.turn_until([&] { return w.stats().cancels.of(session).sent == 2; }));
    bool closed = false;
    w.pool->async_close(200ms, [&closed] { closed = true; });
    EXPECT_TRUE(w.turn_until([&] { return closed; }, 60s));
  }
  w.server().sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query like '%victim%' and pid <> pg_backend_pid()");
}

// The idle timeout of a control session is minutes away, and the pool object may live on.
TEST(contract, I21_a_closed_pool_leaves_run_nothing_to_wait_for) {
  world w{route::unix_socket, by_either};
  w.warm(1);
  open_control(w);
  const auto idle = std::chrono::steady_clock::now() + 400ms;  // behind the patience of its first cancel
  ASSERT_TRUE(w.turn_until([&] { return std::chrono::steady_clock::now() > idle; }));
  bool closed = false;
  w.pool->async_close(1s, [&closed] { closed = true; });
  EXPECT_TRUE(w.turn_until([&] { return closed && w.io.stopped(); }));
}

asio::awaitable<void> shortened(lido::pool& pool, asio::cancellation_slot slot, std::error_code& first,
                                std::int32_t& second) {
  lido::lease db = co_await pool.async_acquire();
  try {
    co_await db->async_query_with(asio::bind_cancellation_slot(slot, asio::use_awaitable), lido::op_options{},
                                  "select pg_sleep(30), 'victim'");
  } catch (const std::system_error& e) {
    first = e.code();
  }
  const auto got = co_await db->async_query<std::int32_t>("select 5");
  second = got.one();
}

TEST(contract, I3_a_partial_cancel_by_the_control_session_leaves_the_lease_usable) {
  world w{route::plain, by_session};
  w.warm(1);
  asio::cancellation_signal stop;
  std::error_code first;
  std::int32_t second = 0;
  const task_ptr user = w.start(shortened(*w.pool, stop.slot(), first, second));
  ASSERT_TRUE(w.wait_running("victim"));
  stop.emit(asio::cancellation_type::partial);
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_TRUE(is_aborted(first)) << first.message();
  EXPECT_EQ(second, 5);
  EXPECT_EQ(w.stats().cancels.of(session).eof, 1U);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
