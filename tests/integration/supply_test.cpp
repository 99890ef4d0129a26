// The supply of connections on real servers: warm-up, stock, keepalive, retirement, pause, and outages.
#include "tests/integration/pool_fixture.hpp"
#include "tests/support/backend_messages.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/fake_server_steps.hpp"

#include <asio/detached.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

asio::awaitable<void> a_moment(asio::io_context& io) {
  asio::steady_timer timer(io, 2ms);
  co_await timer.async_wait(asio::use_awaitable);
}

template <class Condition>
asio::awaitable<bool> comes_true(asio::io_context& io, Condition condition) {
  const auto until = clock::now() + hang_guard;
  while (!condition() && clock::now() < until) co_await a_moment(io);
  co_return condition();
}

double seconds_since(clock::time_point t) { return std::chrono::duration<double>(clock::now() - t).count(); }

TEST(warm_up, opens_what_it_is_told_and_says_how_many) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(tls_config(shared_cluster()), 60);
    config.connect_concurrency = 8;
    pool pool(io.get_executor(), std::move(config));
    const auto begin = clock::now();
    EXPECT_EQ(co_await pool.async_warm_up(50, within(hang_guard)), 50U);
    std::cout << "50 TLS connections in " << seconds_since(begin) * 1000 << " ms\n";
    EXPECT_EQ(pool.stats().idle, 50U);
    EXPECT_EQ(pool.stats().connects, 50U);
    co_await pool.async_close();
  });
}

TEST(warm_up, P78_fail_fast_ends_with_the_first_connect_error_and_its_words) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(tls_config(shared_cluster()), 4);
    config.connect.password = std::string_view("wrong");
    pool pool(io.get_executor(), std::move(config));
    try {
      co_await pool.async_warm_up(2, within(hang_guard));
      ADD_FAILURE() << "warm with the wrong password";
    } catch (const error& e) {
      EXPECT_EQ(e.code(), condition::authentication) << e.what();
      EXPECT_NE(e.diag().context.find("0 of 2"), std::string::npos) << e.diag().context;
    }
    co_await pool.async_close();
  });
}

TEST(warm_up, lazy_ends_at_its_deadline_without_an_error) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 4);
    config.connect.host = "/nonexistent";
    pool pool(io.get_executor(), std::move(config));
    EXPECT_EQ(co_await pool.async_warm_up(2, within(100ms), warm_up_mode::lazy), 0U);
    EXPECT_FALSE(pool.is_ready());
    const auto failing = [&] { return pool.readiness().reason.find("connects fail") != std::string::npos; };
    EXPECT_TRUE(co_await comes_true(io, failing)) << pool.readiness().reason;
    co_await pool.async_close();
  });
}

TEST(stock, min_idle_is_refilled_behind_the_fast_path) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 4);
    config.min_idle = 1;
    pool pool(io.get_executor(), std::move(config));
    EXPECT_TRUE(co_await comes_true(io, [&] { return pool.stats().idle == 1; }));
    lease a = pool.try_acquire();
    EXPECT_TRUE(a);
    EXPECT_TRUE(co_await comes_true(io, [&] { return pool.stats().idle == 1 && pool.stats().leased == 1; }));
    a.release();
    co_await pool.async_close();
  });
}

TEST(stock, keepalive_pings_and_finds_the_dead) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 1);
    config.keepalive_interval = 10ms;
    pool pool(io.get_executor(), std::move(config));
    co_await pool.async_query("select 1");
    EXPECT_TRUE(co_await comes_true(io, [&] { return pool.stats().keepalives >= 3; }));
    EXPECT_EQ(pool.stats().created, 1U);
    EXPECT_EQ(pool.stats().ping_failures, 0U);
    co_await pool.async_close();
  });
}

TEST(stock, max_bytes_received_retires_a_connection) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(tls_config(shared_cluster()), 1);
    config.max_bytes_received = 100'000;
    pool pool(io.get_executor(), std::move(config));
    co_await pool.async_query("select 1");
    EXPECT_EQ(pool.stats().of(close_reason::max_bytes), 0U);
    co_await pool.async_query("select repeat('x', 200000)");
    EXPECT_EQ(pool.stats().of(close_reason::max_bytes), 1U);
    co_await pool.async_close();
  });
}

TEST(pause, acquires_wait_leases_end_and_resume_serves_in_order) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 2));
    lease out = co_await pool.async_acquire();
    bool at_rest = false;
    pool.async_pause(within(hang_guard), [&](std::error_code ec, std::size_t) { at_rest = !ec; });
    EXPECT_FALSE(pool.try_acquire());
    EXPECT_EQ(pool.readiness().reason, "the pool is paused");
    std::vector<int> served;
    for (int i = 0; i < 3; ++i) {
      pool.async_acquire([&served, i](std::error_code ec, lease) {
        if (!ec) served.push_back(i);
      });
    }
    co_await a_moment(io);
    EXPECT_FALSE(at_rest);
    EXPECT_TRUE(served.empty());
    out.release();
    EXPECT_TRUE(co_await comes_true(io, [&] { return at_rest; }));
    EXPECT_TRUE(served.empty());
    pool.resume();
    EXPECT_TRUE(co_await comes_true(io, [&] { return served.size() == 3; }));
    EXPECT_EQ(served, (std::vector<int>{0, 1, 2}));
    EXPECT_TRUE(pool.is_ready());
    co_await pool.async_close();
  });
}

TEST(pause, a_connection_that_is_being_cleaned_up_is_told_where_no_lease_is_out) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 2);
    bool cleaned = false;
    config.hooks.after_release = [&io, &cleaned](connection&) -> asio::awaitable<void> {
      co_await comes_true(io, [&] { return cleaned; });
    };
    pool pool(io.get_executor(), std::move(config));
    lease out = co_await pool.async_acquire();
    out.release();
    try {
      co_await pool.async_pause(within(20ms));
      ADD_FAILURE() << "at rest with a connection that is not clean";
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::timeout);
      EXPECT_EQ(e.diag().context, "pause of pool default: 0 leases are still out, 1 connections are being cleaned up");
    }
    cleaned = true;
    co_await pool.async_pause(within(hang_guard));
    co_await pool.async_close();
  });
}

TEST(pause, a_lease_that_stays_out_is_told_and_the_pool_stays_paused) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 2));
    lease out = co_await pool.async_acquire();
    try {
      co_await pool.async_pause(within(20ms));
      ADD_FAILURE() << "at rest with a lease out";
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::timeout);
      EXPECT_NE(e.diag().context.find("1 leases"), std::string::npos) << e.diag().context;
    }
    EXPECT_EQ(pool.stats().phase, pool_phase::paused);
    out.release();
    co_await pool.async_close();
  });
}

asio::awaitable<int> backend_of(connection& db) {
  const auto rows = co_await db.async_query<int>("select pg_backend_pid()");
  co_return rows.one();
}

TEST(retire_connections, idle_ones_go_now_leased_ones_as_they_come_back_and_nobody_is_failed) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 2));
    lease out = co_await pool.async_acquire();
    const int leased = co_await backend_of(*out);
    int idle = 0;
    {
      lease other = co_await pool.async_acquire();
      idle = co_await backend_of(*other);
    }
    int served = 0;
    std::error_code failed;
    pool.retire_connections();
    EXPECT_FALSE(pool.try_acquire()) << "what was idle goes at once";
    EXPECT_EQ(co_await backend_of(*out), leased) << "a lease keeps its connection";
    {
      lease fresh = co_await pool.async_acquire();
      const int pid = co_await backend_of(*fresh);
      EXPECT_NE(pid, idle);
      pool.async_acquire([&](std::error_code ec, lease next) { (failed = ec), served += next ? 1 : 0; });
      pool.retire_connections();
      out.release();  // what comes back is not what the waiter gets
      EXPECT_TRUE(co_await comes_true(io, [&] { return served == 1 || failed; }));
      EXPECT_FALSE(failed) << failed.message();
    }
    lease last = co_await pool.async_acquire();
    const int pid = co_await backend_of(*last);
    EXPECT_NE(pid, leased);
    EXPECT_NE(pid, idle);
    last.release();
    EXPECT_EQ(pool.stats().generation, 2U);
    EXPECT_EQ(pool.stats().of(close_reason::stale_generation), 3U);
    EXPECT_EQ(pool.stats().created, 4U);
    co_await pool.async_close();
    pool.retire_connections();  // nothing is left
  });
}

TEST(retire_connections, the_control_session_is_replaced_and_cancels_go_on) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 1);
    config.cancel.channel = cancel_channel_choice::session;
    pool pool(io.get_executor(), std::move(config));
    for (const std::uint64_t round : {1U, 2U}) {
      lease out = co_await pool.async_acquire();
      try {
        co_await out->async_query(within(50ms), "select pg_sleep(3600)");
        ADD_FAILURE() << "it ran to its end";
      } catch (const error& e) {
        EXPECT_EQ(e.code(), errc::timeout);
      }
      out.release();
      EXPECT_TRUE(co_await comes_true(io, [&] { return pool.stats().idle == 1; }));
      EXPECT_EQ(pool.stats().cancels.control_opened, round);
      pool.retire_connections();
      EXPECT_TRUE(co_await comes_true(io, [&] { return pool.stats().size() == 0; }));
    }
    co_await pool.async_close();
  });
}

TEST(closing_down, I21_its_progress_can_be_seen) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 2));
    lease out = co_await pool.async_acquire();
    EXPECT_EQ(pool.close_progress().phase, pool_phase::open);
    pool.async_close(1h, asio::detached);
    const auto at = pool.close_progress();
    EXPECT_EQ(at.phase, pool_phase::draining);
    EXPECT_EQ(at.leased, 1U);
    EXPECT_GT(at.until_forced, 59min);
    EXPECT_FALSE(pool.is_ready());
    out.release();
    EXPECT_TRUE(co_await comes_true(io, [&] { return pool.close_progress().phase == pool_phase::closed; }));
  });
}

// Whoever keeps the pool beside the io_context, as main() often does, gets run() back with the end of the close,
// neither after its patience nor after the idle_timeout of connections that are gone.
TEST(closing_down, I21_when_it_is_over_the_pool_keeps_no_run_waiting) {
  asio::io_context io;
  pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 2));
  bool closed = false;
  pool.async_acquire([&](std::error_code ec, lease first) {
    ASSERT_FALSE(ec) << ec.message();
    first.release();  // idle: it has a time to go at
    pool.async_acquire([&](std::error_code e, lease) {
      ASSERT_FALSE(e) << e.message();
      pool.async_close(1h, [&] { closed = true; });
    });
  });
  while (!closed && io.run_one_for(hang_guard) > 0) {
  }
  ASSERT_TRUE(closed);
  pool.async_close(1h, [] {});  // once more asks for nothing
  io.run_for(hang_guard);
  EXPECT_TRUE(io.stopped()) << "something waits on";
}

// A server that answers every connect with this error.
script refusing(const std::string& sqlstate) {
  return {steps::expect_startup(), steps::send(error_response("FATAL", sqlstate, "no")), steps::close()};
}

void ask_a_refusing_server(const std::string& sqlstate) {
  const fake_server server{refusing(sqlstate)};
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    pool_config config;
    config.connect.host = server.host();
    config.connect.port = server.port();
    config.connect.user = "app";
    config.connect.sslmode = sslmode::disable;
    config.connect_backoff_min = config.connect_backoff_max = 1ms;  // the back-off alone would not hold it
    config.connect_rate = 8;
    config.breaker_threshold = 0;
    pool pool(io.get_executor(), std::move(config));
    const auto begin = clock::now();
    do {  // a slow machine comes to the bound later
      try {
        const lease db = co_await pool.async_acquire(within(1s));
        ADD_FAILURE() << "got a lease";
      } catch (const error& e) {
        EXPECT_EQ(e.code(), errc::acquire_timeout);
        EXPECT_NE(e.diag().context.find(sqlstate), std::string::npos) << e.diag().context;
      }
    } while ((server.connections() < 3 || pool.stats().connects_throttled == 0) && clock::now() < begin + hang_guard);
    const double took = seconds_since(begin);
    const auto connects = static_cast<double>(server.connections());
    std::cout << sqlstate << ": " << connects << " connects in " << took << " s, connect_rate 8\n";
    EXPECT_LE(connects, 2 + 8 * took);
    EXPECT_GE(connects, 3);
    EXPECT_GT(pool.stats().connects_throttled, 0U);
    co_await pool.async_close();
  });
}

TEST(outage, a_full_server_53300_is_not_asked_more_often_than_connect_rate) { ask_a_refusing_server("53300"); }
TEST(outage, a_starting_server_57P03_is_not_asked_more_often_than_connect_rate) { ask_a_refusing_server("57P03"); }

TEST(outage, P62_the_breaker_tells_waiters_at_once_with_the_last_connect_error) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    const fake_server server{refusing("57P03")};
    pool_config config;
    config.connect.host = server.host();
    config.connect.port = server.port();
    config.connect.user = "app";
    config.connect.sslmode = sslmode::disable;
    config.connect_backoff_min = config.connect_backoff_max = 1h;
    config.breaker_threshold = 1;
    pool pool(io.get_executor(), std::move(config));
    for (int i = 0; i < 2; ++i) {
      try {
        const lease db = co_await pool.async_acquire(within(1h));
        ADD_FAILURE() << "got a lease";
      } catch (const error& e) {
        EXPECT_EQ(sqlstate_of(e.code()), "57P03");
        EXPECT_NE(e.diag().context.find("the breaker is open"), std::string::npos) << e.diag().context;
      }
    }
    EXPECT_EQ(server.connections(), 1U);
    EXPECT_EQ(pool.stats().breaker, breaker_state::open);
    EXPECT_EQ(pool.stats().acquires_failed_fast, 2U);
    co_await pool.async_close();
  });
}

TEST(outage, P61_a_restart_is_no_storm_of_connects_and_everybody_is_served_afterwards) {
  postgres_cluster server;
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(server), 16);
    config.connect_rate = 20;
    config.breaker_threshold = 0;  // a restart must not be seen
    config.acquire_timeout = 60s;
    config.connect_backoff_max = 500ms;
    pool pool(io.get_executor(), std::move(config));
    co_await pool.async_warm_up(16, within(hang_guard));
    server.stop(stop_mode::fast);
    EXPECT_TRUE(co_await comes_true(io, [&] { return pool.stats().idle == 0; }));
    const auto down = clock::now();
    const auto before = pool.stats().connects;
    std::size_t served = 0;
    for (int i = 0; i < 64; ++i) {
      pool.async_acquire([&](std::error_code ec, lease) { served += ec ? 0 : 1; });
    }
    const auto until = clock::now() + 1500ms;
    while (clock::now() < until) co_await a_moment(io);
    const double dead_for = seconds_since(down);
    const auto asked = pool.stats().connects - before;
    std::cout << asked << " connects in " << dead_for << " s without a server\n";
    EXPECT_LE(static_cast<double>(asked), 4 + 20 * dead_for + 1)
        << "connect_concurrency when it went, then connect_rate";
    EXPECT_GE(asked, 2U);
    server.start();
    EXPECT_TRUE(co_await comes_true(io, [&] { return served == 64; })) << served << " of 64";
    EXPECT_EQ(pool.stats().acquire_timeouts, 0U);
    co_await pool.async_close();
  });
}

}  // namespace
}  // namespace lido::testing
