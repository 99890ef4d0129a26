// What breaks around Lido: sessions that are terminated, servers that restart, handlers that throw, pipes without a
// reader, contexts that die first, fork (I24-I28).
#include "pool/sleep_watch.hpp"
#include "tests/contract/harness.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace lido::testing {
namespace {

TEST(contract, I25_a_terminated_backend_is_a_disconnect_whenever_it_happens) {
  for (const route way : {route::unix_socket, route::tls}) {
    world w{way};
    pid_t pid = 0;
    const task_ptr user = w.start(sleeps_for_ever(*w.pool, pid));
    ASSERT_TRUE(w.wait_running("victim"));
    w.server().sql("select pg_terminate_backend(" + std::to_string(pid) + ")");
    ASSERT_TRUE(w.turn_until([&] { return user->done; }));
    EXPECT_TRUE(is_disconnect(user->error)) << user->error.message();
    EXPECT_TRUE(user->error == condition::disconnected);
    EXPECT_EQ(w.wrong_answers(4), 0);
    ASSERT_TRUE(w.settle());
    // While idle: nobody sees anything.
    w.server().sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = '" +
                   w.application() + "'");
    ASSERT_TRUE(w.turn_until([&] { return w.stats().idle == 0; })) << "the pending read tells";
    EXPECT_EQ(w.wrong_answers(4), 0);
    EXPECT_TRUE(w.close());
  }
}

TEST(contract, I25_a_killed_backend_is_a_disconnect_for_everybody_and_the_pool_comes_back) {
  world w{route::tls};
  w.warm(2);
  pid_t pid = 0;
  const task_ptr first = w.start(sleeps_for_ever(*w.pool, pid));
  const task_ptr second = w.start_statement("select pg_sleep(30), 'victim'");
  ASSERT_TRUE(w.wait_running("victim", 2));
  ASSERT_EQ(::kill(pid, SIGKILL), 0);  // the postmaster ends all other sessions, too, and recovers
  ASSERT_TRUE(w.turn_until([&] { return first->done && second->done; }));
  EXPECT_TRUE(is_disconnect(first->error)) << first->error.message();
  EXPECT_TRUE(is_disconnect(second->error)) << second->error.message();
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

TEST(contract, I25_a_restarted_server_is_a_disconnect_and_the_pool_comes_back) {
  world w{route::tls};
  w.warm(2);
  const task_ptr user = w.start_statement("select pg_sleep(30), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  w.server().restart(stop_mode::fast);
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_TRUE(is_disconnect(user->error)) << user->error.message();
  EXPECT_EQ(w.wrong_answers(6), 0);
  EXPECT_TRUE(w.close());
}

TEST(contract, I24_lidos_own_cancellers_work_from_any_thread) {
  world w{route::unix_socket, [](pool_config& c) { c.max_size = 4; }};
  w.warm(4);
  for (int round = 0; round < 20; ++round) {
    std::vector<task_ptr> users;
    for (int i = 0; i < 6; ++i) users.push_back(w.start_statement("select pg_sleep(30)"));
    // Until all have ended: a task that comes to the pool between two calls is cancelled by the next one.
    std::atomic<bool> over{false};
    std::thread other([&] {
      while (w.stats().leased < 4) std::this_thread::yield();
      while (!over) w.pool->cancel_all();
    });
    const bool ended = w.turn_until(
        [&] { return std::all_of(users.begin(), users.end(), [](const task_ptr& t) { return t->done; }); }, 60s);
    over = true;
    other.join();
    ASSERT_TRUE(ended);
    for (const task_ptr& each : users) EXPECT_TRUE(is_aborted(each->error)) << each->error.message();
  }
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

TEST(contract, I26_what_is_sent_was_copied_and_what_is_received_is_owned) {
  world w{route::tls_proxy};
  w.warm(1);
  lido::lease db = w.pool->try_acquire();
  w.proxy->stall_main(true);
  auto text = std::make_unique<std::string>("select $1::text || '!'");
  auto value = std::make_unique<std::string>(3U << 20, 'v');  // more than the socket takes at once
  std::optional<lido::result<std::string>> kept;
  db->async_query_with<std::string>(
      [&](std::error_code ec, lido::result<std::string> got) {
        EXPECT_FALSE(ec) << ec.message();
        kept = std::move(got);
      },
      op_options{}, *text, *value);
  text->assign(text->size(), '#');
  value->assign(value->size(), '#');
  text.reset();
  value.reset();
  w.proxy->stall_main(false);
  ASSERT_TRUE(w.turn_until([&] { return kept.has_value(); }));
  db.release();
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_TRUE(w.close());
  ASSERT_EQ(kept->size(), 1U);
  EXPECT_EQ(kept->one(), std::string(3U << 20, 'v') + "!");
}

TEST(contract, I27_a_throwing_handler_leaves_run_with_everything_consistent) {
  world w{route::unix_socket, [](pool_config& c) { c.max_size = 1; }};
  w.warm(1);
  lido::lease db = w.pool->try_acquire();
  db->async_query_with([](std::error_code, const lido::result<>&) { throw std::runtime_error("from a handler"); },
                       op_options{}, "select 1");
  int thrown = 0;
  const auto turn = [&] {
    try {
      w.io.run_one_for(5ms);
    } catch (const std::runtime_error&) {
      ++thrown;
    }
    return thrown > 0;
  };
  ASSERT_TRUE(eventually(turn));
  EXPECT_TRUE(db);
  db.release();
  w.pool->async_acquire([](std::error_code, const lido::lease&) { throw std::runtime_error("from a handler"); });
  thrown = 0;
  ASSERT_TRUE(eventually(turn));
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

// Who gives a lease back in a handler of Lido's wakes a waiter, which runs right behind it, or is posted when it
// throws.
TEST(contract, I10_I27_a_handler_that_throws_takes_no_waiters_turn_with_it) {
  world w{route::unix_socket, [](pool_config& c) { c.max_size = 1; }};
  w.warm(1);
  lido::lease db = w.pool->try_acquire();
  std::int32_t answer = 0;
  const task_ptr next = w.start(testing::ask(*w.pool, 7, answer));
  w.drain_ready();
  ASSERT_EQ(w.pool->stats().waiting, 1U);
  db->async_query_with(
      [&db](std::error_code, const lido::result<>&) {
        db.release();
        throw std::runtime_error("from a handler");
      },
      op_options{}, "select 1");
  int thrown = 0;
  ASSERT_TRUE(eventually([&] {
    try {
      w.io.run_one_for(5ms);
    } catch (const std::runtime_error&) {
      ++thrown;
    }
    return next->done;
  }));
  EXPECT_EQ(thrown, 1);
  EXPECT_FALSE(next->error) << next->error.message();
  EXPECT_EQ(answer, 7);
  EXPECT_TRUE(w.close());
}

TEST(contract, I27_a_handler_may_reenter_the_pool) {
  world w{route::unix_socket, [](pool_config& c) { c.max_size = 1; }};
  int done = 0;
  w.pool->async_acquire([&](std::error_code, lido::lease db) {
    w.pool->async_acquire([&](std::error_code ec, const lido::lease&) {
      EXPECT_FALSE(ec);
      ++done;
      w.pool->async_close(1s, [&] { ++done; });
    });
    EXPECT_EQ(w.pool->stats().waiting, 1U);
    db.release();
    ++done;
  });
  ASSERT_TRUE(w.turn_until([&] { return done == 3; }));
  EXPECT_EQ(w.stats().size(), 0U);
}

// SIGPIPE at its default action would end the process.
TEST(contract, I28_writing_to_a_reset_connection_raises_no_sigpipe) {
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &before), 0);
  ASSERT_EQ(before.sa_handler, SIG_DFL);
  for (const route way : {route::plain_proxy, route::tls_proxy}) {
    world w{way};
    for (int round = 0; round < 8; ++round) {
      w.warm(1);
      lido::lease db = w.pool->try_acquire();
      ASSERT_TRUE(db);
      w.proxy->kill_main();
      ASSERT_TRUE(w.proxy->wait_until([](const proxy_counters& c) { return c.active_main == 0; }));
      std::optional<std::error_code> ended;
      const std::string much(1U << 20, 'x');
      db->async_query_with([&](std::error_code ec, const lido::result<>&) { ended = ec; }, op_options{},
                           "select length($1)", much);
      ASSERT_TRUE(w.turn_until([&] { return ended.has_value(); }));
      EXPECT_TRUE(is_disconnect(*ended) || *ended == errc::lease_revoked) << ended->message();
      db.release();
      ASSERT_TRUE(w.settle());
    }
    EXPECT_EQ(w.wrong_answers(3), 0);
    EXPECT_TRUE(w.close());
  }
  struct sigaction after{};
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &after), 0);
  EXPECT_EQ(after.sa_handler, SIG_DFL) << "Lido changes no signal's action";
}

TEST(contract, I28_an_io_context_destroyed_with_work_pending_frees_everything) {
  auto& cluster = shared_cluster();
  for (const route way : {route::unix_socket, route::tls}) {
    auto io = std::make_unique<asio::io_context>();
    pool_config config;
    config.connect = connect_to(cluster, way, nullptr);
    config.connect.application_name = "contract-dying-context";
    config.max_size = 3;
    auto pool = std::make_unique<lido::pool>(io->get_executor(), config);
    const auto token = std::make_shared<int>(0);  // handlers that live hold it
    for (int i = 0; i < 6; ++i) {
      pool->async_acquire([token](std::error_code, lido::lease db) {
        if (!db) return;
        const auto held = std::make_shared<lido::lease>(std::move(db));
        (*held)->async_query_with([token, held](std::error_code, const lido::result<>&) {}, op_options{},
                                  "select pg_sleep(30)");
      });
    }
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (pool->stats().leased < 3 && std::chrono::steady_clock::now() < end) io->run_one_for(5ms);
    ASSERT_EQ(pool->stats().leased, 3U);
    if (way == route::tls) pool.reset();  // in either order
    io.reset();
    EXPECT_EQ(token.use_count(), 1) << "every handler was destroyed";
    pool.reset();
    cluster.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'contract-dying-context'");
  }
}

// Nobody cancels it any more: what it holds goes with the handlers that wait for the server.
TEST(contract, I28_an_io_context_destroyed_in_the_middle_of_a_connect_frees_it) {
  for (const sslmode mode : {sslmode::require, sslmode::disable}) {
    asio::io_context elsewhere;
    auto io = std::make_unique<asio::io_context>();
    const asio::ip::tcp::acceptor mute(elsewhere,
                                       {asio::ip::address_v4::loopback(), 0});  // answers neither TLS nor startup
    connect_config config;
    config.host = "127.0.0.1";
    config.port = mute.local_endpoint().port();
    config.user = "anybody";
    config.sslmode = mode;
    config.allow_unverified_tls = true;
    config.connect_timeout = 1h;
    std::error_code ec;
    std::string why;
    const auto settings = detail::make_session_settings(config, ec, why);
    ASSERT_TRUE(settings) << why;
    const auto token = std::make_shared<int>(0);
    std::weak_ptr<detail::connect_attempt> attempt =
        detail::connect_session(io->get_executor(), settings, detail::make_deadline_queue(io->get_executor()), {},
                                [token](const detail::connect_result&) { ADD_FAILURE() << "nobody answered"; }, {});
    while (io->run_one_for(20ms) > 0) {
    }
    EXPECT_EQ(token.use_count(), 2);
    EXPECT_FALSE(attempt.expired()) << "its own handlers keep it";
    io.reset();
    EXPECT_EQ(token.use_count(), 1);
    EXPECT_TRUE(attempt.expired());
  }
}

TEST(contract, I28_after_a_suspension_idle_connections_are_validated_before_use) {
  world w{route::unix_socket, [](pool_config& c) {
            c.max_size = 1;
            c.validate_after_idle = 0s;  // never otherwise
          }};
  w.warm(1);
  EXPECT_EQ(w.wrong_answers(2), 0);
  ASSERT_EQ(w.stats().pings, 0U);
  detail::pretend_sleep(1h);
  EXPECT_TRUE(w.turn_until([&] { return w.wrong_answers(1) != 0 || w.stats().pings > 0; }));
  EXPECT_EQ(w.stats().pings, 1U);
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_EQ(w.stats().pings, 1U) << "once";
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I28_after_fork_the_child_destroys_and_the_parent_goes_on) {
  world w{route::tls};
  w.warm(2);
  const task_ptr user = w.start_statement("select pg_sleep(0.3)");
  w.drain_ready();
  w.io.notify_fork(asio::io_context::fork_prepare);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    w.io.notify_fork(asio::io_context::fork_child);
    w.pool.reset();  // closes descriptors, sends nothing
    ::_exit(0);
  }
  w.io.notify_fork(asio::io_context::fork_parent);
  int status = -1;
  ASSERT_TRUE(eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_EQ(w.wrong_answers(6), 0);
  EXPECT_EQ(w.stats().created, 2U) << "the parent's sessions are untouched";
  EXPECT_EQ(w.stats().cancels.sent, 0U);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
