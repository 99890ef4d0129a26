// The application's hooks on a real server: when they run, what their failures lead to, what they cannot do.
#include "tests/integration/pool_fixture.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <memory>
#include <stdexcept>
#include <string>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

pool_config hooked(std::size_t size) { return pool_of(unix_config(shared_cluster()), size); }

asio::awaitable<void> hang() {
  asio::steady_timer never(co_await asio::this_coro::executor, std::chrono::hours(1));
  co_await never.async_wait(asio::use_awaitable);
}

asio::awaitable<std::error_code> acquire_error(pool& from, std::chrono::milliseconds patience) {
  try {
    const lease db = co_await from.async_acquire(within(patience));
  } catch (const error& e) {
    co_return e.code();
  }
  co_return std::error_code{};
}

TEST(hooks, P71_before_connect_gives_each_connect_its_own_credentials) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(tls_config(shared_cluster()), 1);
    config.connect.password = std::string_view("not the password");
    config.max_uses = 1;
    int asked = 0;
    config.hooks.before_connect = [&asked](connect_config& c) -> asio::awaitable<void> {
      c.user = ++asked == 1 ? shared_cluster().user() : shared_cluster().trusted_user();
      c.password = std::string_view(shared_cluster().password());
      c.require_auth = {};
      co_return;
    };
    config.connect.require_auth = {auth_method::none, auth_method::scram_sha_256};
    pool pool(io.get_executor(), std::move(config));
    const auto first = co_await pool.async_query<std::string>("select current_user::text");
    EXPECT_EQ(first.one(), shared_cluster().user());
    const auto second =
        co_await pool.async_query<std::string>("select current_user::text || ' in ' || current_database()");
    EXPECT_EQ(second.one(), shared_cluster().trusted_user() + " in " + shared_cluster().database());
    EXPECT_EQ(pool.stats().of(close_reason::max_uses), 2U - pool.stats().idle);
    co_await pool.async_close();
  });
}

TEST(hooks, P36_after_connect_runs_once_a_connection_and_the_others_once_a_lease) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    int connected = 0, acquired = 0, released = 0, closed = 0;
    config.hooks.after_connect = [&](connection& db) -> asio::awaitable<void> {
      ++connected;
      co_await db.async_simple_query("set lido.hook = 'was here'");
    };
    config.hooks.before_acquire = [&](connection& db) -> asio::awaitable<bool> {
      ++acquired;
      co_return (co_await db.async_query<std::int32_t>("select 1")).one() == 1;
    };
    config.hooks.after_release = [&](connection& db) -> asio::awaitable<void> {
      ++released;
      co_await db.async_query<std::int32_t>("select 2");
    };
    config.hooks.before_close = [&](connection& db) -> asio::awaitable<void> {
      ++closed;
      co_await db.async_query<std::int32_t>("select 3");
    };
    pool pool(io.get_executor(), std::move(config));
    for (int i = 0; i < 3; ++i) {
      const auto set = co_await pool.async_query<std::string>("select current_setting('lido.hook')");
      EXPECT_EQ(set.one(), "was here");
    }
    co_await pool.async_close();
    EXPECT_EQ(connected, 1);
    EXPECT_EQ(acquired, 3);
    EXPECT_EQ(released, 3);
    EXPECT_EQ(closed, 1);
    for (std::size_t i = 0; i < pool_hook_count; ++i) EXPECT_EQ(pool.stats().hook_errors[i], 0U);
    EXPECT_EQ(pool.stats().created, 1U);
  });
}

TEST(hooks, P37_a_failing_after_connect_fails_that_connect_and_the_pool_recovers) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    config.connect_backoff_min = config.connect_backoff_max = 1ms;
    int failures = 3;
    config.hooks.after_connect = [&](connection&) -> asio::awaitable<void> {
      if (failures-- > 0) throw std::runtime_error("not today");
      co_return;
    };
    pool pool(io.get_executor(), std::move(config));
    EXPECT_EQ((co_await pool.async_query<std::int32_t>("select 7")).one(), 7);
    const auto stats = pool.stats();
    EXPECT_EQ(stats.of(pool_hook::after_connect), 3U);
    EXPECT_EQ(stats.of(close_reason::hook_failed), 3U);
    EXPECT_EQ(stats.connect_failures, 3U);
    EXPECT_EQ(stats.created, 1U);
    co_await pool.async_close();
  });
}

TEST(hooks, P34_an_after_connect_that_leaves_a_transaction_never_makes_a_connection_ready) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    config.hooks.after_connect = [](connection& db) -> asio::awaitable<void> {
      co_await db.async_simple_query("begin");
    };
    pool pool(io.get_executor(), std::move(config));
    std::string said;
    // A slow machine has not come to the hook by the first of them.
    for (int i = 0; i < 100 && said.find("after_connect") == std::string::npos; ++i) {
      try {
        const lease db = co_await pool.async_acquire(within(300ms));
        ADD_FAILURE() << "got a lease";
      } catch (const error& e) {
        EXPECT_EQ(e.code(), errc::acquire_timeout);
        said = e.diag().context;
      }
    }
    EXPECT_NE(said.find("after_connect"), std::string::npos) << said;
    EXPECT_EQ(pool.stats().created, 0U);
    co_await pool.async_close();
  });
}

TEST(hooks, P38_a_veto_destroys_the_connection_and_another_one_serves) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(2);
    int unwanted = 0;
    config.hooks.before_acquire = [&](connection& db) -> asio::awaitable<bool> {
      co_return db.process_id() != unwanted;
    };
    pool pool(io.get_executor(), std::move(config));
    const auto first = co_await pool.async_query<std::int32_t>("select pg_backend_pid()");
    unwanted = first.one();
    const auto second = co_await pool.async_query<std::int32_t>("select pg_backend_pid()");
    EXPECT_NE(second.one(), unwanted);
    EXPECT_EQ(pool.stats().of(close_reason::vetoed), 1U);
    co_await pool.async_close();
  });
}

TEST(hooks, P41_when_the_veto_is_for_ever_the_acquire_ends_in_time_and_connects_are_few) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    config.connect_rate = 20;
    config.hooks.before_acquire = [](connection&) -> asio::awaitable<bool> { co_return false; };
    pool pool(io.get_executor(), std::move(config));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(co_await acquire_error(pool, 500ms), errc::acquire_timeout);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(static_cast<double>(pool.stats().connects), 2 + 20 * took.count()) << "20 a second, and the first";
    co_await pool.async_close();
  });
}

TEST(hooks, I27_what_a_hook_throws_is_contained_and_counted_by_hook) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    config.connect_backoff_min = config.connect_backoff_max = 1ms;
    int connects = 0, acquires = 0;
    config.hooks.before_connect = [&](connect_config&) -> asio::awaitable<void> {
      if (++connects == 1) throw 42;
      co_return;
    };
    config.hooks.before_acquire = [&](connection&) -> asio::awaitable<bool> {
      if (++acquires == 1) throw std::runtime_error("no");
      co_return true;
    };
    config.hooks.after_release = [](connection&) -> asio::awaitable<void> {
      throw std::runtime_error("no");
      co_return;
    };
    config.hooks.before_close = [](connection&) -> asio::awaitable<void> {
      throw std::runtime_error("no");
      co_return;
    };
    pool pool(io.get_executor(), std::move(config));
    EXPECT_EQ((co_await pool.async_query<std::int32_t>("select 7")).one(), 7);
    EXPECT_EQ((co_await pool.async_query<std::int32_t>("select 8")).one(), 8);
    co_await pool.async_close();
    const auto stats = pool.stats();
    EXPECT_EQ(stats.of(pool_hook::before_connect), 1U);
    EXPECT_EQ(stats.of(pool_hook::before_acquire), 1U);
    EXPECT_EQ(stats.of(pool_hook::after_release), 2U);
    EXPECT_EQ(stats.of(close_reason::hook_failed), 2U);
    EXPECT_GE(stats.of(pool_hook::before_close), 1U);
    EXPECT_EQ(stats.size(), 0U);
  });
}

TEST(hooks, I5_a_hook_that_hangs_is_given_up_after_hook_timeout) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    config.hook_timeout = 50ms;
    config.connect_backoff_min = config.connect_backoff_max = 1ms;
    int runs = 0;
    config.hooks.after_connect = [&](connection& db) -> asio::awaitable<void> {
      if (++runs == 1) co_await hang();
      if (runs == 2) co_await db.async_query("select pg_sleep(3600)");
    };
    pool pool(io.get_executor(), std::move(config));
    EXPECT_EQ((co_await pool.async_query<std::int32_t>("select 7")).one(), 7);
    EXPECT_EQ(pool.stats().of(pool_hook::after_connect), 2U);
    co_await pool.async_close();
  });
}

// Whose time is over: its connection is closed, and the server does not work on.
TEST(hooks, I9_what_a_hook_runs_that_is_given_up_is_stopped_on_the_server) {
  for (const pool_hook which :
       {pool_hook::after_connect, pool_hook::before_acquire, pool_hook::after_release, pool_hook::before_close}) {
    run([which](asio::io_context& io) -> asio::awaitable<void> {
      auto config = hooked(1);
      config.hook_timeout = 50ms;
      config.connect_backoff_min = config.connect_backoff_max = 1ms;
      int runs = 0;
      const auto sleeps_at_first = [&runs](connection& db) -> asio::awaitable<void> {
        if (++runs == 1) co_await db.async_query("select pg_sleep(600), 'hook'");
      };
      if (which == pool_hook::after_connect) config.hooks.after_connect = sleeps_at_first;
      if (which == pool_hook::after_release) config.hooks.after_release = sleeps_at_first;
      if (which == pool_hook::before_close) config.hooks.before_close = sleeps_at_first;
      if (which == pool_hook::before_acquire) {
        config.hooks.before_acquire = [sleeps_at_first](connection& db) -> asio::awaitable<bool> {
          co_await sleeps_at_first(db);
          co_return true;
        };
      }
      pool pool(io.get_executor(), std::move(config));
      EXPECT_EQ((co_await pool.async_query<std::int32_t>("select 7")).one(), 7);
      EXPECT_EQ((co_await pool.async_query<std::int32_t>("select 8")).one(), 8);
      co_await pool.async_close();
      EXPECT_GE(runs, 1);
      EXPECT_EQ(pool.stats().of(which), 1U) << to_string(which);
      const auto works_on = [] {
        return shared_cluster().sql(
                   "select count(*) from pg_stat_activity where state = 'active' and query like '%600), ''hook''%' and "
                   "pid <> pg_backend_pid()") != "0";
      };
      EXPECT_TRUE(eventually([&] { return !works_on(); }, 30s)) << to_string(which) << ": it works on";
    });
  }
}

TEST(hooks, a_hook_cannot_use_its_connection_once_its_time_is_over) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    connection kept;
    config.hooks.after_connect = [&](connection& db) -> asio::awaitable<void> {
      kept = std::move(db);
      co_return;
    };
    pool pool(io.get_executor(), std::move(config));
    lease db = co_await pool.async_acquire();
    EXPECT_FALSE(kept.is_open());
    try {
      co_await kept.async_query("select 1");
      ADD_FAILURE() << "the hook's handle still works";
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::lease_revoked);
    }
    EXPECT_EQ((co_await db->async_query<std::int32_t>("select 7")).one(), 7);
    db.release();
    co_await pool.async_close();
  });
}

TEST(hooks, P78_a_close_in_the_middle_of_a_hook_ends) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = hooked(1);
    config.min_size = 1;
    config.hook_timeout = 1h;
    const auto started = std::make_shared<bool>(false);
    config.hooks.after_connect = [started](connection& db) -> asio::awaitable<void> {
      *started = true;
      co_await db.async_query("select pg_sleep(3600), 'interrupted'");
    };
    pool pool(io.get_executor(), std::move(config));
    const auto sleeping = [] {
      return shared_cluster().sql(
                 "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and "
                 "query like '%''interrupted''%'") == "1";
    };
    while (!*started || !sleeping()) co_await asio::post(io, asio::use_awaitable);
    co_await pool.async_close(0s);
    EXPECT_EQ(pool.stats().size(), 0U);
    EXPECT_EQ(pool.stats().created, 0U);
    EXPECT_TRUE(eventually([&] { return !sleeping(); }, 30s)) << "it works on (I9)";
  });
}

}  // namespace
}  // namespace lido::testing
