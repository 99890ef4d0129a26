// A thread keeps what it gives back, for its next lease: nobody sees a difference (I9, I10, docs/architecture.md).
#include "tests/integration/pool_fixture.hpp"

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using lido::testing::hang_guard;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::unix_config;

asio::awaitable<int> pid_of(lido::connection& db) {
  co_return (co_await db.async_query<int>("select pg_backend_pid()")).one();
}

// Until this thread keeps what it gives back: not in the first millisecond after something else has happened to the
// pool. `is_kept`: nothing tells, but that a lease of the same thread gets a kept one counts as no lease of the books.
void lend_often(lido::pool& pool) {
  const auto end = std::chrono::steady_clock::now() + 4ms;
  while (std::chrono::steady_clock::now() < end) EXPECT_TRUE(pool.try_acquire());
}

void on_another_thread(const std::function<void()>& work) { std::thread(work).join(); }

asio::awaitable<void> warm(lido::pool& pool, std::size_t connections) {
  EXPECT_EQ(co_await pool.async_warm_up(connections, lido::within(hang_guard)), connections);
}

TEST(keeping, I9_each_lease_is_counted_though_the_books_saw_few) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool{io.get_executor(), pool_of(unix_config(shared_cluster()), 3)};
    co_await warm(pool, 2);
    const auto before = pool.stats();
    std::uint64_t leases = 0;
    const auto end = std::chrono::steady_clock::now() + 50ms;  // over two terms
    while (std::chrono::steady_clock::now() < end) {
      const lido::lease db = pool.try_acquire();
      ++leases;
      if (leases % 1000 != 0) continue;
      const auto now = pool.stats();
      EXPECT_EQ(now.acquires - before.acquires, leases);
      EXPECT_EQ(now.wait_time.count() - before.wait_time.count(), leases);
      EXPECT_EQ(now.use_time.count() - before.use_time.count(), leases - 1);
      EXPECT_EQ(now.leased, 1U);
      EXPECT_EQ(now.idle, 1U);
      EXPECT_EQ(pool.holders().size(), 1U);
    }
    const auto now = pool.stats();
    EXPECT_EQ(now.leased, 0U);
    EXPECT_EQ(now.idle, 2U);
    EXPECT_EQ(now.use_time.count() - before.use_time.count(), leases);
    EXPECT_TRUE(pool.holders().empty());
    co_await pool.async_close();
    EXPECT_EQ(pool.stats().acquires - before.acquires, leases);
    EXPECT_EQ(pool.stats().use_time.count() - before.use_time.count(), leases);
  });
}

TEST(keeping, I10_what_another_thread_keeps_is_lent_to_who_asks) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool{io.get_executor(), pool_of(unix_config(shared_cluster()), 1)};
    co_await warm(pool, 1);
    on_another_thread([&] { lend_often(pool); });
    EXPECT_EQ(pool.stats().idle, 1U);
    EXPECT_TRUE(pool.try_acquire());
    on_another_thread([&] { lend_often(pool); });
    EXPECT_TRUE(co_await pool.async_acquire());
    on_another_thread([&] { lend_often(pool); });
    EXPECT_EQ((co_await pool.async_query<int>("select 7")).one(), 7);
    EXPECT_EQ(pool.stats().created, 1U);
    co_await pool.async_close();
  });
}

TEST(keeping, I10_a_waiter_gets_what_a_thread_would_keep) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool{io.get_executor(), pool_of(unix_config(shared_cluster()), 1)};
    co_await warm(pool, 1);
    lend_often(pool);
    std::optional<lido::lease> held = pool.try_acquire();
    bool served = false;
    asio::co_spawn(
        io,
        [](lido::pool& p) -> asio::awaitable<void> {
          const lido::lease db = co_await p.async_acquire(lido::within(hang_guard));
        }(pool),
        [&](const std::exception_ptr& e) { served = !e; });
    while (pool.stats().waiting == 0) co_await asio::post(asio::use_awaitable);
    held.reset();
    EXPECT_FALSE(pool.try_acquire()) << "past the waiter";
    while (!served) co_await asio::post(asio::use_awaitable);
    EXPECT_TRUE(pool.try_acquire());
    co_await pool.async_close();
  });
}

TEST(keeping, what_is_kept_or_out_when_the_configuration_changes_is_not_lent_again) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 3);
    lido::pool pool{io.get_executor(), config};
    co_await warm(pool, 3);
    std::set<int> old;
    {
      std::vector<lido::lease> all;
      for (int i = 0; i < 3; ++i) all.push_back(co_await pool.async_acquire());
      for (lido::lease& each : all) old.insert(co_await pid_of(*each));
    }
    lend_often(pool);
    std::optional<lido::lease> out = pool.try_acquire();
    config.connect.application_name = "another";
    pool.reconfigure(config);
    co_await warm(pool, 3);
    lend_often(pool);  // open again
    const lido::lease other = pool.try_acquire();
    EXPECT_TRUE(other);  // the thread keeps nothing now, and may
    out.reset();
    for (int i = 0; i < 10; ++i) {
      lido::lease db = co_await pool.async_acquire();
      EXPECT_FALSE(old.contains(co_await pid_of(*db)));
    }
    co_await pool.async_close();
  });
}

TEST(keeping, one_that_died_while_it_was_kept_is_not_lent_and_its_end_has_its_reason) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool{io.get_executor(), pool_of(unix_config(shared_cluster()), 1)};
    int pid = 0;
    {
      lido::lease db = co_await pool.async_acquire();
      pid = co_await pid_of(*db);
    }
    lend_often(pool);
    shared_cluster().sql("select pg_terminate_backend(" + std::to_string(pid) + ")");
    const auto ended = [&] { return pool.stats().closed[static_cast<std::size_t>(lido::close_reason::disconnected)]; };
    while (ended() == 0) co_await asio::post(asio::use_awaitable);
    lido::lease db = co_await pool.async_acquire();
    EXPECT_NE(co_await pid_of(*db), pid);
    db.release();
    co_await pool.async_close();
  });
}

TEST(keeping, I13_a_handle_of_the_lease_before_can_do_nothing_to_the_next) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool{io.get_executor(), pool_of(unix_config(shared_cluster()), 1)};
    co_await warm(pool, 1);
    lend_often(pool);
    lido::lease first = pool.try_acquire();
    const lido::canceller before = first->canceller();
    first.release();
    lido::lease second = pool.try_acquire();
    bool over = false;
    asio::co_spawn(
        io, [](lido::lease& db) -> asio::awaitable<void> { co_await db->async_query("select pg_sleep(0.02)"); }(second),
        [&](const std::exception_ptr& e) { over = !e; });
    co_await asio::post(asio::use_awaitable);
    before.cancel();
    while (!over) co_await asio::post(asio::use_awaitable);
    second.release();
    co_await pool.async_close();
    EXPECT_EQ(pool.stats().cancels.requested, 0U);
  });
}

TEST(keeping, I9_what_was_counted_stays_counted_when_a_lease_is_taken_away) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool{io.get_executor(), pool_of(unix_config(shared_cluster()), 1)};
    co_await warm(pool, 1);
    lend_often(pool);
    lido::lease out = pool.try_acquire();
    const auto before = pool.stats();
    EXPECT_GT(before.acquires, 2U);
    co_await pool.async_close(1ms);
    const auto after = pool.stats();
    EXPECT_EQ(after.acquires, before.acquires);
    EXPECT_EQ(after.use_time.count(), before.use_time.count());
    EXPECT_EQ(after.size(), 0U);
    EXPECT_FALSE(out);
  });
}

TEST(keeping, I28_the_connections_of_an_io_context_that_is_gone_are_made_and_kept_on_another) {
  auto doomed = std::make_unique<asio::io_context>(1);
  asio::io_context alive(1);
  lido::pool pool({doomed->get_executor(), alive.get_executor()}, pool_of(unix_config(shared_cluster()), 2));
  doomed.reset();
  asio::co_spawn(
      alive,
      [](lido::pool& p) -> asio::awaitable<void> {
        co_await warm(p, 2);
        lend_often(p);
        for (int i = 0; i < 4; ++i) EXPECT_EQ((co_await p.async_query<int>("select 3")).one(), 3);
        lend_often(p);
        co_await p.async_close();
      }(pool),
      [](const std::exception_ptr& e) { EXPECT_FALSE(e); });
  alive.run();
}

TEST(keeping, a_pool_that_goes_takes_along_what_is_kept) {
  asio::io_context io;
  {
    lido::pool pool{io.get_executor(), pool_of(unix_config(shared_cluster()), 2)};
    pool.async_warm_up(2, lido::within(hang_guard), lido::warm_up_mode::fail_fast, [](std::error_code, std::size_t) {});
    while (pool.stats().idle < 2) io.run_one();
    lend_often(pool);
  }
  io.run();  // ends, since nothing is left
}

TEST(keeping, an_io_context_that_goes_takes_along_what_is_kept) {
  std::optional<asio::io_context> io(std::in_place);
  lido::pool pool{io->get_executor(), pool_of(unix_config(shared_cluster()), 2)};
  pool.async_warm_up(2, lido::within(hang_guard), lido::warm_up_mode::fail_fast, [](std::error_code, std::size_t) {});
  while (pool.stats().idle < 2) io->run_one();
  lend_often(pool);
  io.reset();
  EXPECT_FALSE(pool.try_acquire());
}

}  // namespace
