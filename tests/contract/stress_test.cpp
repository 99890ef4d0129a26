// Eight threads on one pool while everything happens to it at once: random cancels, leases given back by foreign
// threads, canceller, statistics, another configuration every moment, and at last a close in the midst of it (I1, I3,
// I9, I21, I24). And what several io_contexts are to one pool: one cap, one queue, and a lease from one's own.
#include "tests/contract/crew.hpp"
#include "tests/contract/harness.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

namespace lido::testing {
namespace {

constexpr int threads = 8;
constexpr int users = 24;
constexpr std::size_t most_connections = 8;

struct tally {
  std::atomic<int> completed{0};
  std::atomic<int> cut_short{0};
  std::atomic<int> wrong{0};
  std::atomic<int> finished{0};
  std::atomic<bool> closing{false};
  std::mutex mutex;
  std::string first_wrong;

  void note_wrong(const std::string& what) {
    ++wrong;
    const std::lock_guard guard(mutex);
    if (first_wrong.empty()) first_wrong = what;
  }
  // What somebody may see whose task or pool was ended by somebody else, and nothing besides.
  void note(const std::error_code& ec) {
    const bool by_cancel = is_aborted(ec) || ec == errc::lease_revoked || ec == errc::outcome_unknown;
    const bool by_close = closing && (ec == errc::pool_closed || ec == errc::connection_closed);
    if (by_cancel || by_close) {
      ++cut_short;
    } else {
      note_wrong(ec.message());
    }
  }
};

// Where leases are given back by a thread that has nothing to do with any io_context.
class foreign_hands {
 public:
  foreign_hands() : worker_([this] { work(); }) {}
  foreign_hands(const foreign_hands&) = delete;
  foreign_hands& operator=(const foreign_hands&) = delete;
  ~foreign_hands() {
    over_ = true;
    worker_.join();
  }
  void give(lido::lease db) {
    const std::lock_guard guard(mutex_);
    leases_.push_back(std::move(db));
  }

 private:
  void work() {
    while (!over_) {
      std::deque<lido::lease> those;
      {
        const std::lock_guard guard(mutex_);
        those.swap(leases_);
      }
      for (std::size_t i = 0; i < those.size(); ++i) {
        if (i % 3 == 0) those[i]->canceller().cancel();
        those[i].release();
      }
      std::this_thread::yield();
    }
    const std::lock_guard guard(mutex_);
    leases_.clear();
  }

  std::mutex mutex_;
  std::deque<lido::lease> leases_;
  std::atomic<bool> over_{false};
  std::thread worker_;
};

asio::awaitable<void> asks(lido::pool& pool, std::int32_t number, tally& count) {
  const auto got = co_await pool.async_query<std::int32_t>("select $1::int", number);
  if (got.one() != number) count.note_wrong("another's answer");
}

asio::awaitable<void> sleeps(lido::pool& pool, std::int32_t number, tally& count) {
  lido::lease db = co_await pool.async_acquire();
  const auto got = co_await db->async_query<std::int32_t>("select $1::int from pg_sleep(0.002)", number);
  if (got.one() != number) count.note_wrong("another's answer");
}

asio::awaitable<void> commits_or_leaves(lido::pool& pool, std::int32_t number, tally& count) {
  lido::lease db = co_await pool.async_acquire(bounded_by(within(60s)));
  lido::transaction tx = co_await db->async_begin();
  const auto got = co_await tx.async_query<std::int32_t>("select $1::int", number);
  if (got.one() != number) count.note_wrong("another's answer");
  if (number % 2 == 0) co_await tx.async_commit();
}

asio::awaitable<void> gives_away(lido::pool& pool, std::int32_t number, tally& count, foreign_hands& hands) {
  lido::lease db = co_await pool.async_acquire();
  if (number % 2 == 0) {  // with something still running on it
    db->async_query_with(
        [&count](std::error_code ec, const lido::result<>&) {
          if (ec) count.note(ec);
        },
        op_options{}, "select pg_sleep(0.001)");
  }
  hands.give(std::move(db));
}

asio::awaitable<void> one_thing(lido::pool& pool, std::int32_t number, tally& count, foreign_hands& hands) {
  switch (number % 4) {
    case 0: return asks(pool, number, count);
    case 1: return sleeps(pool, number, count);
    case 2: return commits_or_leaves(pool, number / 4, count);
    default: return gives_away(pool, number / 4, count, hands);
  }
}

// The user's whole life runs on a strand of its own: there its signal is emitted (Asio's rule).
asio::awaitable<void> one_user(lido::pool& pool, int rounds, unsigned seed, tally& count, foreign_hands& hands) {
  const auto executor = co_await asio::this_coro::executor;
  std::mt19937 random(seed);
  for (int i = 0; i < rounds; ++i) {
    const auto stop = std::make_shared<asio::cancellation_signal>();
    asio::steady_timer timer(executor);
    if (random() % 2 == 0) {
      timer.expires_after(std::chrono::microseconds(random() % 6000));
      timer.async_wait([stop](std::error_code ec) {
        if (!ec) stop->emit(asio::cancellation_type::terminal);
      });
    }
    auto token = asio::bind_cancellation_slot(stop->slot(), asio::use_awaitable);
    try {
      auto work = one_thing(pool, static_cast<std::int32_t>(random() % 1'000'000), count, hands);
      co_await asio::co_spawn(executor, std::move(work), token);
      ++count.completed;
    } catch (const std::system_error& e) {
      count.note(e.code());
    }
  }
  ++count.finished;
}

pool_config busy_pool(route way, std::size_t size) {
  auto& cluster = shared_cluster();
  pool_config config;
  config.connect = connect_to(cluster, way, nullptr);
  config.connect.application_name = "contract-stress";
  config.max_size = size;
  config.cancel.timeout = 30s;
  config.drain.timeout = 30s;
  config.acquire_timeout = 60s;
  return config;
}

// True whenever so much has happened since the last time: disturbances that come faster than connects are made, each of
// which a new generation makes worthless, would let nothing happen at all.
class every {
 public:
  every(int steps, const tally& count) : steps_(steps), count_(count) {}
  bool due() {
    const int so_far = count_.completed + count_.cut_short;
    if (so_far < last_ + steps_) return false;
    last_ = so_far;
    return true;
  }

 private:
  const int steps_;
  const tally& count_;
  int last_ = 0;
};

// Another configuration all the time: live knobs, and one that bumps the generation.
void reconfigure_for_ever(lido::pool& pool, route way, tally& count) {
  std::mt19937 random(5);
  every some_steps(users, count);
  while (count.finished < users && !count.closing) {
    std::this_thread::yield();
    if (!some_steps.due()) continue;
    pool_config next = busy_pool(way, 3 + random() % (most_connections - 2));
    next.max_waiters = 1000 + random() % 10;
    next.connect.statement_cache_size = 1 + random() % 4;
    try {
      pool.reconfigure(next);
    } catch (const lido::error& e) {
      if (!count.closing) count.note_wrong(e.what());
    }
  }
}

void look_for_ever(lido::pool& pool, tally& count) {
  every some_steps(users * 4, count);
  while (count.finished < users) {
    const pool_stats s = pool.stats();
    if (s.size() > most_connections) count.note_wrong("above the cap");
    if (pool.holders().size() > most_connections) count.note_wrong("more holders than the cap");
    if (some_steps.due()) pool.cancel_all();
    std::this_thread::yield();
  }
}

enum class end_of_it { after_all, in_the_midst };

void everything_at_once(crew& c, lido::pool& pool, route way, end_of_it when) {
  const int rounds = scaled(60, 25);
  tally count;
  std::atomic<bool> closed{false};
  {
    foreign_hands hands;
    for (int user = 0; user < users; ++user) {
      asio::co_spawn(asio::make_strand(c.of(user)),
                     one_user(pool, rounds, 11 + static_cast<unsigned>(user), count, hands),
                     [&count](const std::exception_ptr& thrown) {
                       if (thrown) count.note_wrong("an exception");
                     });
    }
    std::thread tuner([&] { reconfigure_for_ever(pool, way, count); });
    std::thread watcher([&] { look_for_ever(pool, count); });
    std::thread closer([&] {
      if (when == end_of_it::after_all) return;
      if (!eventually([&] { return count.completed + count.cut_short > users * rounds / 2; }, 120s)) std::abort();
      count.closing = true;
      pool.async_close(50ms, [&closed] { closed = true; });
    });
    if (!eventually([&] { return count.finished == users; }, 120s)) std::abort();  // frames refer to ours
    tuner.join();
    watcher.join();
    closer.join();
  }
  EXPECT_EQ(count.wrong, 0) << count.first_wrong;
  EXPECT_GT(count.completed, users * rounds / 10);
  EXPECT_GT(count.cut_short, 0);
  if (when == end_of_it::after_all) {
    EXPECT_TRUE(eventually([&] {
      const pool_stats s = pool.stats();
      return s.waiting == 0 && s.size() == s.idle;
    }));
    count.closing = true;
    pool.async_close(5s, [&closed] { closed = true; });
  }
  if (!eventually([&] { return closed.load(); }, 60s)) std::abort();
  const pool_stats s = pool.stats();
  EXPECT_EQ(s.size(), 0U);
  EXPECT_EQ(s.stray_cancels, 0U);
  EXPECT_EQ(s.cancels.unknown, 0U);
}

class stress : public ::testing::TestWithParam<end_of_it> {};

TEST_P(stress, I24_one_io_context_with_eight_threads) {
  crew c{1, threads};
  lido::pool pool{c.of(0).get_executor(), busy_pool(route::unix_socket, 6)};
  everything_at_once(c, pool, route::unix_socket, GetParam());
}

TEST_P(stress, I24_one_pool_over_eight_io_contexts) {
  crew c{threads, 1};
  lido::pool pool{c.executors(), busy_pool(route::unix_socket, 6)};
  everything_at_once(c, pool, route::unix_socket, GetParam());
}

INSTANTIATE_TEST_SUITE_P(closed, stress, ::testing::Values(end_of_it::after_all, end_of_it::in_the_midst),
                         [](const auto& which) {
                           return which.param == end_of_it::after_all ? "after_all" : "in_the_midst";
                         });

// ---- the end of a pool ----

// Idle ones, and ones with something running.
std::vector<lido::lease> take_all(lido::pool& pool, std::size_t count) {
  std::vector<lido::lease> all(count);
  std::atomic<std::size_t> got{0};
  for (lido::lease& each : all) {
    pool.async_acquire([&each, &got](std::error_code, lido::lease db) {
      each = std::move(db);
      ++got;
    });
  }
  if (!eventually([&] { return got == count; }, 60s)) std::abort();  // the handlers refer to ours
  for (std::size_t i = 0; i < count; i += 2)
    all[i]->async_query_with([](std::error_code, const lido::result<>&) {}, op_options{}, "select pg_sleep(0.001)");
  return all;
}

TEST(last_leases, I13_I24_are_given_back_while_their_pool_is_destroyed) {
  constexpr std::size_t size = 4;
  crew c{2, 2};
  const int rounds = scaled(100, 30);
  for (int i = 0; i < rounds; ++i) {
    std::optional<lido::pool> pool{std::in_place, c.executors(), busy_pool(route::unix_socket, size)};
    std::vector<lido::lease> some = take_all(*pool, size);
    std::vector<lido::lease> others(std::make_move_iterator(some.begin() + 2), std::make_move_iterator(some.end()));
    some.resize(2);
    std::barrier all(3);
    const auto gives_back = [&all](std::vector<lido::lease>& leases) {
      all.arrive_and_wait();
      for (lido::lease& each : leases) {
        each->canceller().cancel();
        each.release();
      }
    };
    std::thread one([&] { gives_back(some); });
    std::thread other([&] { gives_back(others); });
    all.arrive_and_wait();
    pool.reset();
    one.join();
    other.join();
    EXPECT_FALSE(some[0]);
  }
}

// ---- several io_contexts, turned by hand ----

bool turn_until(std::deque<asio::io_context>& all, const std::function<bool()>& condition) {
  return eventually([&] {
    for (asio::io_context& each : all) {
      each.restart();
      each.poll();
    }
    return condition();
  });
}

void close(std::deque<asio::io_context>& all, lido::pool& pool) {
  bool closed = false;
  pool.async_close(1s, [&closed] { closed = true; });
  EXPECT_TRUE(turn_until(all, [&] { return closed; }));
}

TEST(io_contexts, I10_waiters_of_all_of_them_stand_in_one_queue) {
  std::deque<asio::io_context> all(3);
  std::vector<asio::any_io_executor> executors;
  for (asio::io_context& each : all) executors.emplace_back(each.get_executor());
  lido::pool pool{executors, busy_pool(route::unix_socket, 1)};
  lido::lease only;
  pool.async_acquire(asio::bind_executor(all[0], [&](std::error_code, lido::lease db) { only = std::move(db); }));
  ASSERT_TRUE(turn_until(all, [&] { return static_cast<bool>(only); }));

  std::vector<int> served;
  const std::vector<std::size_t> homes{2, 0, 1, 1, 0, 2, 0};  // the connection lives on the first
  for (std::size_t i = 0; i < homes.size(); ++i) {
    pool.async_acquire(asio::bind_executor(all[homes[i]], [&served, i](std::error_code ec, lido::lease db) {
      EXPECT_FALSE(ec);
      served.push_back(static_cast<int>(i));
      db.release();
    }));
  }
  ASSERT_EQ(pool.stats().waiting, homes.size());
  only.release();
  ASSERT_TRUE(turn_until(all, [&] { return served.size() == homes.size(); }));
  EXPECT_TRUE(std::is_sorted(served.begin(), served.end()));
  EXPECT_EQ(pool.stats().created, 1U) << "one cap";
  close(all, pool);
}

TEST(io_contexts, a_lease_prefers_the_connection_of_its_own) {
  std::deque<asio::io_context> all(2);
  lido::pool pool{{all[0].get_executor(), all[1].get_executor()}, busy_pool(route::unix_socket, 2)};
  std::vector<lido::lease> both(2);
  for (std::size_t i = 0; i < 2; ++i) {
    pool.async_acquire(
        asio::bind_executor(all[i], [&both, i](std::error_code, lido::lease db) { both[i] = std::move(db); }));
  }
  ASSERT_TRUE(turn_until(all, [&] { return both[0] && both[1]; }));
  EXPECT_NE(both[0]->get_executor(), both[1]->get_executor()) << "one on each";
  both.clear();
  ASSERT_EQ(pool.stats().idle, 2U);

  const auto asks_ten_times = [](lido::pool& p, int& at_home, bool& done) -> asio::awaitable<void> {
    const asio::any_io_executor mine = co_await asio::this_coro::executor;
    for (int i = 0; i < 10; ++i) {
      lido::lease db = co_await p.async_acquire();
      if (db->get_executor() == mine) ++at_home;
      co_await db->async_query("select 1");
    }
    done = true;
  };
  for (asio::io_context& each : all) {
    int at_home = 0;
    bool done = false;
    asio::co_spawn(each, asks_ten_times(pool, at_home, done), [](const std::exception_ptr&) {});
    ASSERT_TRUE(turn_until(all, [&] { return done; }));
    EXPECT_EQ(at_home, 10);
  }
  close(all, pool);
}

}  // namespace
}  // namespace lido::testing
