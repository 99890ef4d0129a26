// A pool under load while its servers change roles. Each answer says which server gave it and whether that was in
// recovery; what must never be seen is checked of every single one.
#include "tests/integration/pool_fixture.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres_cluster.hpp"

#include <lido/pool/pool.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

struct pair_of_servers {
  pair_of_servers() {
    primary = std::make_unique<postgres_cluster>();
    primary->sql("create table writes (id bigint generated always as identity, worker int, said text)");
    primary->sql("grant all on writes to lido");
    cluster_settings settings;
    settings.standby_of = primary.get();
    standby = std::make_unique<postgres_cluster>(settings);
  }
  std::unique_ptr<postgres_cluster> primary;
  std::unique_ptr<postgres_cluster> standby;
};

pool_config pool_over(const std::vector<const postgres_cluster*>& servers, target_session_attrs wanted) {
  pool_config config = pool_of(tls_config(*servers.front()), 8);
  for (const postgres_cluster* each : servers) config.connect.hosts.push_back({"localhost", "", each->port()});
  config.connect.target_session_attrs = wanted;
  config.connect.connect_timeout = 5s;
  config.connect_backoff_min = 20ms;
  config.connect_backoff_max = 200ms;
  config.role_probe_interval = 100ms;
  return config;
}

// One acknowledged write.
struct answer {
  clock::time_point asked;  // before its lease was
  clock::time_point given;
  int port = 0;
  bool recovering = false;
};

// Workers that write without pause, in a thread of their own; who fails tries again.
class load {
 public:
  explicit load(const pool_config& config) : pool_(std::make_unique<lido::pool>(io_.get_executor(), config)) {
    for (int i = 0; i < workers; ++i) asio::co_spawn(io_, work(i), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  ~load() {
    stop();
    if (thread_.joinable()) thread_.join();
  }

  void stop() {
    if (stopping_.exchange(true)) return;
    asio::post(io_, [this] { asio::co_spawn(io_, pool_->async_close(1s), asio::detached); });
  }
  std::vector<answer> answers() const {
    const std::lock_guard lock(mutex_);
    return answers_;
  }
  bool served_by(int port, clock::time_point since) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(answers_, [&](const answer& a) { return a.port == port && a.asked > since; });
  }
  lido::pool& pool() { return *pool_; }

 private:
  static constexpr int workers = 16;

  asio::awaitable<void> work(int number) {
    asio::steady_timer pause(io_);
    while (!stopping_) {
      answer a;
      a.asked = clock::now();
      bool failed = false;
      try {
        lease db = co_await pool_->async_acquire(within(2s));
        const auto result = co_await db->async_query(within(2s),
                                                     "with w as (insert into writes (worker, said) values ($1, 'x')) "
                                                     "select current_setting('port')::int, pg_is_in_recovery()",
                                                     number);
        a.port = result[0].get<std::int32_t>(0);
        a.recovering = result[0].get<bool>(1);
        a.given = clock::now();
      } catch (const error&) {
        failed = true;
      }
      if (!failed) {
        const std::lock_guard lock(mutex_);
        answers_.push_back(a);
      }
      pause.expires_after(failed ? 20ms : 1ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
  }

  asio::io_context io_{1};
  std::unique_ptr<lido::pool> pool_;
  mutable std::mutex mutex_;
  std::vector<answer> answers_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// From the last answer of the old one to the first of the new one.
std::chrono::milliseconds outage(const std::vector<answer>& answers, int old_port, int new_port) {
  clock::time_point last{};
  clock::time_point first = clock::time_point::max();
  for (const answer& a : answers) {
    if (a.port == old_port) last = std::max(last, a.given);
    if (a.port == new_port) first = std::min(first, a.given);
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(first - last);
}

void expect_no_answer_of_a_standby(const std::vector<answer>& answers) {
  for (const answer& a : answers) ASSERT_FALSE(a.recovering) << "a lease that was to write was on a standby";
}

TEST(failover, F10_the_standby_is_promoted_under_load_and_no_write_is_acknowledged_by_the_old_primary) {
  pair_of_servers servers;
  const int old_port = servers.primary->port();
  const int new_port = servers.standby->port();
  load tasks(pool_over({servers.primary.get(), servers.standby.get()}, target_session_attrs::primary));
  ASSERT_TRUE(eventually([&] { return tasks.answers().size() > 200; }, 20s));

  servers.primary->stop(stop_mode::fast);
  servers.standby->promote();
  const auto promoted = clock::now();
  ASSERT_TRUE(eventually([&] { return tasks.served_by(new_port, promoted); }, 20s));
  const auto found = clock::now();
  tasks.stop();

  const auto answers = tasks.answers();
  expect_no_answer_of_a_standby(answers);
  for (const answer& a : answers) {
    EXPECT_FALSE(a.port == old_port && a.given > promoted) << "acknowledged by the old primary after the promotion";
  }
  std::cout << "failover: " << outage(answers, old_port, new_port).count()
            << " ms from the last write on the old primary to the first on the new one; "
            << std::chrono::duration_cast<std::chrono::milliseconds>(found - promoted).count()
            << " ms after the promotion; " << answers.size() << " writes\n";
}

TEST(failover, F55_an_old_primary_that_lives_on_is_left_and_never_gone_back_to) {
  pair_of_servers servers;
  const int old_port = servers.primary->port();
  const int new_port = servers.standby->port();
  load tasks(pool_over({servers.primary.get(), servers.standby.get()}, target_session_attrs::primary));
  ASSERT_TRUE(eventually([&] { return tasks.served_by(old_port, {}); }, 20s));

  servers.standby->promote();  // nobody told the old one
  const auto promoted = clock::now();
  ASSERT_TRUE(eventually([&] { return tasks.served_by(new_port, promoted); }, 20s));
  const auto moved = clock::now();
  servers.standby->restart();  // connects that fail there must not end at the old one
  ASSERT_TRUE(
      eventually([&] { return tasks.served_by(new_port, clock::now() - 1s) && clock::now() > moved + 1s; }, 20s));
  tasks.stop();

  const auto answers = tasks.answers();
  expect_no_answer_of_a_standby(answers);
  clock::time_point first_new = clock::time_point::max();
  for (const answer& a : answers) {
    if (a.port == new_port) first_new = std::min(first_new, a.given);
  }
  for (const answer& a : answers) {
    EXPECT_FALSE(a.port == old_port && a.asked > first_new) << "two primaries in one pool";
  }
  std::cout << "two primaries: " << std::chrono::duration_cast<std::chrono::milliseconds>(moved - promoted).count()
            << " ms until the pool had moved to the later timeline\n";
}

// What an acquire ends with, in words.
std::string refusal(asio::io_context& io, lido::pool& pool, std::chrono::milliseconds patience) {
  std::string words = "nothing";
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        try {
          lease db = co_await pool.async_acquire(within(patience));
          words = "a lease";
        } catch (const error& e) {
          words = e.what();
        }
      },
      asio::detached);
  const auto deadline = clock::now() + patience + 10s;
  io.restart();
  while (words == "nothing" && io.run_one_until(deadline) > 0) continue;
  return words;
}

TEST(failover, F11_a_primary_demoted_in_place_is_an_error_that_says_so_not_silent_read_only) {
  postgres_cluster server;
  asio::io_context io;
  lido::pool pool(io.get_executor(), pool_over({&server}, target_session_attrs::primary));
  EXPECT_EQ(refusal(io, pool, 10s), "a lease");
  server.demote();
  std::string words;
  EXPECT_TRUE(eventually([&] { return (words = refusal(io, pool, 2s)) != "a lease"; }, 20s));
  EXPECT_THAT(words, ::testing::HasSubstr("wanted primary, but it is a standby"));
  server.promote();
  // The breaker may be open by now: then who asks first is told so, and sends the prober.
  EXPECT_TRUE(eventually([&] { return (words = refusal(io, pool, 10s)) == "a lease"; }, 20s)) << words;
}

TEST(failover, B91_a_standby_that_is_promoted_is_no_replica_any_more) {
  pair_of_servers servers;
  asio::io_context io;
  lido::pool pool(io.get_executor(),
                  pool_over({servers.primary.get(), servers.standby.get()}, target_session_attrs::standby));
  EXPECT_EQ(refusal(io, pool, 10s), "a lease");
  servers.standby->promote();
  EXPECT_TRUE(eventually([&] { return refusal(io, pool, 300ms) != "a lease"; }, 10s));
  EXPECT_THAT(refusal(io, pool, 1s), ::testing::HasSubstr("wanted standby"));
}

// Which server answers.
int port_of(asio::io_context& io, lido::pool& pool, std::chrono::nanoseconds max_lag) {
  int port = 0;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        try {
          lease db = co_await pool.async_acquire(role::replica, max_lag, within(5s));
          const auto result = co_await db->async_query("select current_setting('port')::int");
          port = result[0].get<std::int32_t>(0);
        } catch (const error& e) {
          port = -1;
          std::cout << e.what() << "\n";
        }
      },
      asio::detached);
  const auto deadline = clock::now() + 15s;
  io.restart();
  while (port == 0 && io.run_one_until(deadline) > 0) continue;
  return port;
}

TEST(failover, replicas_are_a_role_of_the_pool_and_the_primary_stands_in_for_them) {
  pair_of_servers servers;
  pool_config config = pool_over({servers.primary.get(), servers.standby.get()}, target_session_attrs::any);
  config.replica.max_size = 4;
  asio::io_context io;
  lido::pool pool(io.get_executor(), config);
  EXPECT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.standby->port(); }, 20s));
  EXPECT_EQ(port_of(io, pool, -1ns), servers.primary->port()) << "nobody is ahead of the primary";
  EXPECT_EQ(pool.replica_stats().max_size, 4U);

  servers.standby->stop();
  EXPECT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.primary->port(); }, 20s))
      << "no replica is left";
  servers.standby->start();
  EXPECT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.standby->port(); }, 20s)) << "it is back";
}

// With all that an acquire may say, by any token; the table of holders has both lanes.
TEST(failover, an_acquire_by_role_takes_options_tokens_and_cancellation) {
  pair_of_servers servers;
  pool_config config = pool_over({servers.primary.get(), servers.standby.get()}, target_session_attrs::any);
  config.replica.max_size = 1;
  asio::io_context io;
  lido::pool pool(io.get_executor(), config);
  ASSERT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.standby->port(); }, 20s));

  lease from_primary;
  lease from_replica;
  std::error_code failed;
  const auto turn_until = [&io](const std::function<bool()>& condition) {
    return eventually([&] {
      io.restart();
      io.poll();
      return condition();
    });
  };
  constexpr auto any_lag = std::chrono::nanoseconds::max();
  pool.async_acquire(role::primary, any_lag, tagged("writes"),
                     [&](std::error_code ec, lease db) { (failed = ec), from_primary = std::move(db); });
  pool.async_acquire(role::replica, any_lag, with_priority(priority::high).tag("reads"),
                     [&](std::error_code ec, lease db) { (failed = ec), from_replica = std::move(db); });
  ASSERT_TRUE(turn_until([&] { return failed || (from_primary && from_replica); })) << failed.message();
  ASSERT_FALSE(failed) << failed.message();

  const auto holders = pool.holders();
  ASSERT_EQ(holders.size(), 2U);
  for (const lease_holder& h : holders) {
    EXPECT_EQ(h.tag, h.replica ? "reads" : "writes");
    EXPECT_EQ(h.priority, h.replica ? priority::high : priority::normal);
    EXPECT_EQ(h.to_string().ends_with(" of a replica"), h.replica) << h.to_string();
  }
  EXPECT_NE(holders[0].replica, holders[1].replica);

  asio::cancellation_signal stop;
  std::error_code ended;
  pool.async_acquire(role::replica, any_lag, tagged("waits"),
                     asio::bind_cancellation_slot(stop.slot(), [&](std::error_code ec, const lease& db) {
                       ended = ec;
                       EXPECT_FALSE(db);
                     }));
  ASSERT_TRUE(turn_until([&] { return pool.replica_stats().waiting == 1; }));
  stop.emit(asio::cancellation_type::total);
  ASSERT_TRUE(turn_until([&] { return static_cast<bool>(ended); }));
  EXPECT_EQ(ended, asio::error::operation_aborted);
  EXPECT_EQ(pool.replica_stats().waiting, 0U);

  diagnostics words;
  std::error_code late;
  pool.async_acquire(role::replica, any_lag, acquire_options(within(50ms, &words)),
                     [&](std::error_code ec, const lease&) { late = ec; });
  ASSERT_TRUE(turn_until([&] { return static_cast<bool>(late); }));
  EXPECT_EQ(late, errc::acquire_timeout);
  EXPECT_THAT(words.context, ::testing::HasSubstr("of a replica")) << "who has it";
  std::future<lease> future = pool.async_acquire(role::replica, 1h, tagged("future"), asio::use_future);
  from_replica.release();
  ASSERT_TRUE(turn_until([&] { return future.wait_for(0s) == std::future_status::ready; }));
  EXPECT_TRUE(future.get());
}

// A switchover must not begin, nor a close be told as over, while somebody still reads from a replica.
TEST(failover, pause_and_close_progress_wait_for_the_leases_of_replicas) {
  pair_of_servers servers;
  pool_config config = pool_over({servers.primary.get(), servers.standby.get()}, target_session_attrs::any);
  config.replica.max_size = 1;
  asio::io_context io;
  lido::pool pool(io.get_executor(), config);
  ASSERT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.standby->port(); }, 20s));
  const auto turn_until = [&io](const std::function<bool()>& condition) {
    return eventually([&] {
      io.restart();
      io.poll();
      return condition();
    });
  };
  lease out;
  const auto lend_replica = [&] {
    pool.async_acquire(role::replica, std::chrono::nanoseconds::max(), within(5s),
                       [&](std::error_code, lease db) { out = std::move(db); });
    return turn_until([&] { return static_cast<bool>(out); });
  };
  ASSERT_TRUE(lend_replica());
  ASSERT_EQ(pool.replica_stats().leased, 1U);

  std::optional<std::error_code> ended;
  std::size_t connections = 0;
  const auto pause = [&](op_options options) {
    ended.reset();
    pool.async_pause(options, [&](std::error_code ec, std::size_t n) { (ended = ec), connections = n; });
  };
  diagnostics words;
  pause(within(50ms, &words));
  ASSERT_TRUE(turn_until([&] { return ended.has_value(); }));
  EXPECT_EQ(*ended, errc::timeout) << "at rest with the lease of a replica out";
  EXPECT_EQ(words.context, "pause of pool default_replica: 1 leases are still out");
  EXPECT_EQ(pool.stats().phase, pool_phase::paused);
  EXPECT_EQ(pool.replica_stats().phase, pool_phase::paused);

  pause(within(1h));
  io.restart();
  io.poll();
  EXPECT_FALSE(ended.has_value());
  out.release();
  ASSERT_TRUE(turn_until([&] { return ended.has_value(); }));
  EXPECT_EQ(*ended, std::error_code());
  EXPECT_EQ(connections, pool.stats().size() + pool.replica_stats().size());

  pool.resume();
  pool.retire_connections();
  EXPECT_EQ(pool.replica_stats().generation, 1U) << "replicas are replaced, too";
  ASSERT_TRUE(lend_replica());
  pause(within(1h));
  pool.resume();
  ASSERT_TRUE(turn_until([&] { return ended.has_value(); }));
  EXPECT_EQ(*ended, asio::error::operation_aborted);

  bool closed = false;
  pool.async_close(1h, [&] { closed = true; });
  ASSERT_TRUE(turn_until([&] { return pool.stats().phase == pool_phase::closed; }));
  auto at = pool.close_progress();
  EXPECT_EQ(at.phase, pool_phase::draining);
  EXPECT_EQ(at.leased, 1U);
  EXPECT_GT(at.until_forced, 59min);
  EXPECT_FALSE(closed);
  out.release();
  ASSERT_TRUE(turn_until([&] { return closed; }));
  EXPECT_EQ(pool.close_progress().phase, pool_phase::closed);
}

TEST(failover, a_replica_that_does_not_replay_is_too_far_behind) {
  pair_of_servers servers;
  pool_config config = pool_over({servers.primary.get(), servers.standby.get()}, target_session_attrs::any);
  config.replica.max_size = 4;
  config.max_lag = 300ms;
  asio::io_context io;
  lido::pool pool(io.get_executor(), config);
  EXPECT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.standby->port(); }, 20s));
  servers.standby->sql("select pg_wal_replay_pause()");
  servers.primary->sql("insert into writes (worker) values (0)");
  EXPECT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.primary->port(); }, 20s));
  servers.standby->sql("select pg_wal_replay_resume()");
  EXPECT_TRUE(eventually([&] { return port_of(io, pool, 1h) == servers.standby->port(); }, 20s));
}

TEST(failover, F22_two_of_three_hosts_are_dead) {
  postgres_cluster server;
  pool_config config = pool_of(tls_config(server), 2);
  config.connect.hosts = {
      {"127.0.0.2", "", server.port()}, {"127.0.0.3", "", server.port()}, {"localhost", "", server.port()}};
  asio::io_context io;
  lido::pool pool(io.get_executor(), config);
  EXPECT_EQ(refusal(io, pool, 10s), "a lease");
}

}  // namespace
}  // namespace lido::testing
