// One pool, many threads: one io_context run by several, and several io_contexts of one thread each. Every task checks
// that what it gets is its own.
#include "tests/integration/pool_fixture.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using lido::testing::pool_of;
using lido::testing::shared_cluster;
using lido::testing::unix_config;

struct tally {
  std::atomic<int> own{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> foreign{0};
  std::atomic<int> unexpected{0};
};

// `rounds` statements, about a third of them cancelled on their own strand after 0 to 2 ms.
asio::awaitable<void> task(lido::pool& pool, tally& seen, int number, int rounds) {
  const auto executor = co_await asio::this_coro::executor;
  std::minstd_rand dice(static_cast<unsigned>(number) + 1);
  for (int i = 0; i < rounds; ++i) {
    const int mine = number * 1000 + i;
    const bool to_be_cancelled = dice() % 3 == 0;
    asio::steady_timer fuse(executor, std::chrono::microseconds(dice() % 2000));
    const auto stop = std::make_shared<asio::cancellation_signal>();  // an expired fuse may be heard when all is over
    if (to_be_cancelled) {
      fuse.async_wait([stop](const std::error_code& ec) {
        if (!ec) stop->emit(asio::cancellation_type::terminal);
      });
    }
    asio::steady_timer done(executor, asio::steady_timer::time_point::max());
    bool over = false;
    std::exception_ptr failure;
    const auto work = [](lido::pool& p, tally& t, int n, bool slow) -> asio::awaitable<void> {
      lido::lease db = co_await p.async_acquire(lido::within(30s));
      const auto rows =
          co_await db->async_query<int>(slow ? "select $1::int from pg_sleep(0.01)" : "select $1::int", n);
      (rows.one() == n ? t.own : t.foreign).fetch_add(1);
    };
    asio::co_spawn(executor, work(pool, seen, mine, to_be_cancelled),
                   asio::bind_cancellation_slot(stop->slot(), [&](std::exception_ptr e) {
                     failure = std::move(e);
                     over = true;
                     done.cancel();
                   }));
    while (!over) {
      std::error_code ignored;
      co_await done.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    fuse.cancel();
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const lido::error& e) {
      (to_be_cancelled && e.code() == asio::error::operation_aborted ? seen.cancelled : seen.unexpected).fetch_add(1);
    }
  }
}

void expect_all_well(const tally& seen, int statements) {
  EXPECT_EQ(seen.foreign, 0);
  EXPECT_EQ(seen.unexpected, 0);
  EXPECT_EQ(seen.own + seen.cancelled, statements);
  EXPECT_GT(seen.cancelled, 0);
}

TEST(threads, one_io_context_with_four_threads) {
  constexpr int tasks = 24;
  constexpr int rounds = 20;
  asio::io_context io(4);
  lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 6));
  tally seen;
  std::atomic<int> left{tasks};
  for (int t = 0; t < tasks; ++t) {
    asio::co_spawn(asio::make_strand(io), task(pool, seen, t, rounds), [&](std::exception_ptr e) {
      if (e) seen.unexpected.fetch_add(1);
      if (left.fetch_sub(1) == 1) pool.async_close(5s, [] {});
    });
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&io] { io.run(); });
  for (auto& t : threads) t.join();
  expect_all_well(seen, tasks * rounds);
  EXPECT_EQ(pool.stats().size(), 0U);
}

TEST(threads, four_io_contexts_share_one_cap) {
  constexpr int contexts = 4;
  constexpr int tasks = 24;
  constexpr int rounds = 20;
  std::vector<std::unique_ptr<asio::io_context>> ios;
  std::vector<asio::any_io_executor> executors;
  for (int i = 0; i < contexts; ++i) {
    ios.push_back(std::make_unique<asio::io_context>(1));
    executors.emplace_back(ios.back()->get_executor());
  }
  lido::pool pool(executors, pool_of(unix_config(shared_cluster()), 6));
  tally seen;
  std::atomic<int> left{tasks};
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work;
  for (auto& io : ios) work.push_back(asio::make_work_guard(*io));
  for (int t = 0; t < tasks; ++t) {
    asio::co_spawn(*ios[static_cast<std::size_t>(t % contexts)], task(pool, seen, t, rounds),
                   [&](std::exception_ptr e) {
                     if (e) seen.unexpected.fetch_add(1);
                     if (left.fetch_sub(1) == 1) pool.async_close(5s, [&work] { work.clear(); });
                   });
  }
  std::vector<std::thread> threads;
  for (auto& io : ios) threads.emplace_back([&io] { io->run(); });
  for (auto& t : threads) t.join();
  expect_all_well(seen, tasks * rounds);
  EXPECT_LE(pool.stats().created, 6U + static_cast<unsigned>(tasks * rounds));
  EXPECT_EQ(pool.stats().size(), 0U);
}

// Each thread keeps what it gives back, while others look at the pool and change it.
TEST(threads, I9_leases_that_threads_keep_are_counted_through_reloads_and_lookers_on) {
  asio::io_context io(1);
  auto config = pool_of(unix_config(shared_cluster()), 3);
  config.min_size = 3;  // nobody else replaces what a reload retires
  lido::pool pool(io.get_executor(), config);
  pool.async_warm_up(3, lido::within(20s), lido::warm_up_mode::fail_fast, [](std::error_code, std::size_t) {});
  while (pool.stats().idle < 3) io.run_one();
  const auto before = pool.stats();
  const auto guard = asio::make_work_guard(io);
  std::thread runner([&io] { io.run(); });

  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> leases{0};
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i) {
    users.emplace_back([&] {
      while (!stop) {
        if (const lido::lease db = pool.try_acquire()) leases.fetch_add(1);
      }
    });
  }
  for (int i = 0; i < 40; ++i) {
    config.connect.application_name = i % 2 == 0 ? "one" : "other";
    pool.reconfigure(config);
    const auto enough = leases + 200;
    while (leases < enough) {
      const auto now = pool.stats();
      EXPECT_LE(now.size(), 3U);
      EXPECT_LE(pool.holders().size(), 3U);
    }
  }
  stop = true;
  for (auto& each : users) each.join();
  const auto now = pool.stats();
  EXPECT_EQ(now.acquires - before.acquires, leases);
  EXPECT_EQ(now.use_time.count() - before.use_time.count(), leases);
  EXPECT_EQ(now.leased, 0U);
  pool.async_close(5s, [&io] { io.stop(); });
  runner.join();
}

TEST(threads, I28_a_stopped_io_context_gives_its_connections_back_to_the_cap) {
  asio::io_context alive(1);
  asio::io_context stopped(1);
  lido::pool pool({stopped.get_executor(), alive.get_executor()}, pool_of(unix_config(shared_cluster()), 1));
  // its only connection is made on the first io_context, which then stops for good
  asio::co_spawn(
      stopped,
      [](lido::pool& p, asio::io_context& self) -> asio::awaitable<void> {
        co_await p.async_query("select 1");
        self.stop();
      }(pool, stopped),
      [](std::exception_ptr) {});
  stopped.run();
  ASSERT_EQ(pool.stats().idle, 1U);

  int answer = 0;
  asio::co_spawn(
      alive,
      [](lido::pool& p) -> asio::awaitable<int> {
        const auto rows = co_await p.async_query<int>(lido::within(20s), "select 5");
        co_return rows.one();
      }(pool),
      [&](std::exception_ptr e, int got) {
        answer = e ? -1 : got;
        pool.async_close(1s, [] {});
      });
  alive.run();
  EXPECT_EQ(answer, 5);
}

TEST(threads, I28_an_io_context_destroyed_with_work_pending_destroys_handlers_and_frees_sockets) {
  const auto token = std::make_shared<int>(0);
  {
    asio::io_context io;
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    const auto sleeper = [](lido::pool& p, std::shared_ptr<int>) -> asio::awaitable<void> {
      co_await p.async_query("select pg_sleep(30)");
    };
    for (int i = 0; i < 3; ++i) asio::co_spawn(io, sleeper(pool, token), [](std::exception_ptr) {});
    for (int i = 0; i < 2000 && pool.stats().leased == 0; ++i) io.run_one_for(10ms);
    EXPECT_EQ(pool.stats().leased, 1U);
    EXPECT_EQ(pool.stats().waiting, 2U);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(threads, I28_waiters_of_a_destroyed_io_context_go_with_it) {
  const auto token = std::make_shared<int>(0);
  asio::io_context alive(1);
  auto doomed = std::make_unique<asio::io_context>(1);
  lido::pool pool({alive.get_executor(), doomed->get_executor()}, pool_of(unix_config(shared_cluster()), 1));
  lido::lease only;
  asio::co_spawn(
      alive,
      [](lido::pool& p, lido::lease& to) -> asio::awaitable<void> { to = co_await p.async_acquire(); }(pool, only),
      [](std::exception_ptr) {});
  for (int i = 0; i < 2000 && !only; ++i) alive.run_one_for(10ms);
  ASSERT_TRUE(only);

  const auto waits = [](lido::pool& p, std::shared_ptr<int>) -> asio::awaitable<void> { co_await p.async_acquire(); };
  asio::co_spawn(*doomed, waits(pool, token), [](std::exception_ptr) {});
  pool.async_acquire(asio::bind_executor(*doomed, [token](std::error_code, const lido::lease&) {}));
  doomed->poll();
  ASSERT_EQ(pool.stats().waiting, 2U);
  doomed.reset();
  EXPECT_EQ(pool.stats().waiting, 0U);
  EXPECT_EQ(token.use_count(), 1);

  only.release();
  EXPECT_TRUE(pool.try_acquire()) << "nobody on the destroyed io_context was in the way";
}

}  // namespace
