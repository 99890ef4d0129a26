// Random work from many threads, a good part of it cancelled: one io_context with four threads, and a pool over four
// io_contexts. Every user sees its own result or its own cancellation, and every slot comes home (I1, I3, I10, I24).
#include "tests/contract/crew.hpp"
#include "tests/contract/harness.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace lido::testing {
namespace {

constexpr int threads = 4;
constexpr int users = 16;

struct tally {
  std::atomic<int> completed{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> wrong{0};
  std::atomic<int> finished{0};
};

asio::awaitable<void> sleeping_query(lido::pool& pool, std::int32_t number, tally& count) {
  lido::lease db = co_await pool.async_acquire();
  const auto got = co_await db->async_query<std::int32_t>("select $1::int from pg_sleep(0.002)", number);
  if (got.one() != number) ++count.wrong;
}

asio::awaitable<void> query_in_transaction(lido::pool& pool, std::int32_t number, tally& count) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction tx = co_await db->async_begin();
  const auto got = co_await tx.async_query<std::int32_t>("select $1::int", number);
  if (got.one() != number) ++count.wrong;
  if (number % 2 == 0) co_await tx.async_commit();
}

// The user's whole life runs on a strand of its own: there its signal is emitted (Asio's rule).
asio::awaitable<void> one_user(lido::pool& pool, int rounds, unsigned seed, tally& count) {
  const auto executor = co_await asio::this_coro::executor;
  std::mt19937 random(seed);
  for (int i = 0; i < rounds; ++i) {
    const auto number = static_cast<std::int32_t>(random() % 1'000'000);
    const auto stop = std::make_shared<asio::cancellation_signal>();
    asio::steady_timer timer(executor, std::chrono::microseconds(random() % 6000));
    timer.async_wait([stop](std::error_code ec) {
      if (!ec) stop->emit(asio::cancellation_type::terminal);
    });
    auto token = asio::bind_cancellation_slot(stop->slot(), asio::use_awaitable);
    try {
      auto work = random() % 2 == 0 ? sleeping_query(pool, number, count) : query_in_transaction(pool, number, count);
      co_await asio::co_spawn(executor, std::move(work), token);
      ++count.completed;
    } catch (const std::system_error& e) {
      const bool own = is_aborted(e.code()) || e.code() == errc::outcome_unknown;
      ++(own ? count.cancelled : count.wrong);
    }
    timer.cancel();
    try {
      const auto mine = co_await pool.async_query<std::int32_t>("select $1::int + 1", number);
      if (mine.one() != number + 1) ++count.wrong;
    } catch (const lido::error&) {
      ++count.wrong;
    }
  }
  ++count.finished;
}

pool_config busy_pool(route way) {
  auto& cluster = shared_cluster();
  pool_config config;
  config.connect = connect_to(cluster, way, nullptr);
  config.connect.application_name = "contract-threads";
  config.max_size = 6;
  config.cancel.timeout = 30s;
  config.drain.timeout = 30s;
  config.acquire_timeout = 60s;
  return config;
}

void work_hard(crew& c, lido::pool& pool) {
  const int rounds = scaled(40, 5);
  tally count;
  for (int user = 0; user < users; ++user) {
    asio::io_context& home = c.of(user);
    asio::co_spawn(asio::make_strand(home), one_user(pool, rounds, 7 + static_cast<unsigned>(user), count),
                   [&count](const std::exception_ptr& thrown) {
                     if (thrown) ++count.wrong;
                   });
  }
  while (count.finished < users) {
    if (!eventually([&] { return count.finished == users; }, 120s)) std::abort();  // frames refer to ours
  }
  EXPECT_EQ(count.wrong, 0);
  EXPECT_EQ(count.completed + count.cancelled, users * rounds);
  EXPECT_GT(count.cancelled, 0);
  const auto home = [&] {
    const pool_stats s = pool.stats();
    return s.waiting == 0 && s.size() == s.idle;
  };
  EXPECT_TRUE(eventually(home));
  EXPECT_EQ(pool.stats().stray_cancels, 0U);
  EXPECT_EQ(pool.stats().cancels.unknown, 0U);
  std::atomic<bool> closed{false};
  pool.async_close(5s, [&closed] { closed = true; });
  if (!eventually([&] { return closed.load(); }, 60s)) std::abort();
  EXPECT_EQ(pool.stats().size(), 0U);
}

TEST(contract_threads, I24_one_io_context_with_four_threads) {
  for (const route way : {route::unix_socket, route::tls}) {
    crew c{1, threads};
    lido::pool pool{c.of(0).get_executor(), busy_pool(way)};
    work_hard(c, pool);
  }
}

TEST(contract_threads, I24_one_pool_over_four_io_contexts) {
  for (const route way : {route::unix_socket, route::tls}) {
    crew c{threads, 1};
    lido::pool pool{c.executors(), busy_pool(way)};
    work_hard(c, pool);
  }
}

// Whoever has a pool may do anything with it from any thread at any time.
TEST(contract_threads, I24_stats_try_acquire_and_cancel_from_foreign_threads) {
  crew c{1, 2};
  lido::pool pool{c.of(0).get_executor(), busy_pool(route::unix_socket)};
  std::atomic<int> ended{0};
  std::atomic<int> wrong{0};
  const int operations = scaled(300, 40);
  std::vector<std::thread> foreign;
  for (int t = 0; t < 3; ++t) {
    foreign.emplace_back([&, t] {
      for (int i = 0; i < operations; ++i) {
        pool.async_acquire([&](std::error_code ec, lido::lease db) {
          if (ec && !is_aborted(ec)) ++wrong;
          db.release();
          ++ended;
        });
        lido::lease now = pool.try_acquire();
        if (now) {
          const lido::canceller stop = now->canceller();
          now->async_query_with(
              [&](std::error_code code, const lido::result<>&) {
                if (code && !is_aborted(code)) ++wrong;
              },
              op_options{}, "select 1");
          if (i % 4 == 0) stop.cancel();
        }
        if (i % 50 == t) pool.cancel_all();
        EXPECT_LE(pool.stats().size(), 6U);
      }
    });
  }
  for (std::thread& each : foreign) each.join();
  EXPECT_TRUE(eventually([&] { return ended == 3 * operations; }, 60s));
  EXPECT_EQ(wrong, 0);
  std::atomic<bool> closed{false};
  pool.async_close(5s, [&closed] { closed = true; });
  if (!eventually([&] { return closed.load(); }, 60s)) std::abort();
}

}  // namespace
}  // namespace lido::testing
