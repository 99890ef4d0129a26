// What takes seconds on a real server, at once and to the nanosecond: the pool in virtual time, without any weather.
#include "tests/simulation/real/session.hpp"

#include <lido/pool/pool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <system_error>

namespace simulation {
namespace {

using namespace std::chrono_literals;

// One primary, and a standby that is down; one connection each.
lido::pool_config with_replicas() {
  lido::pool_config c;
  c.connect.hosts = {{"h0", {}, 5432}, {"h1", {}, 5432}};
  c.connect.sslmode = lido::sslmode::disable;
  c.connect.connect_timeout = 2s;
  c.max_size = 1;
  c.replica.max_size = 1;
  c.acquire_timeout = 3s;
  c.role_probe_interval = 0s;
  return c;
}

TEST(waiting_in_virtual_time, I5_a_replica_and_then_the_primary_are_waited_for_with_one_acquire_timeout) {
  virtual_time time;
  server servers(1, time);
  servers.hosts.build(2, false);
  servers.limit = {1, 1};
  servers.most_requests = 1;
  asio::io_context io;
  std::error_code failure;
  std::chrono::nanoseconds waited{};
  {
    lido::pool pool(io.get_executor(), with_replicas());
    const auto task = [&]() -> asio::awaitable<void> {
      const lido::lease only_one = co_await pool.async_acquire();
      servers.today.swallows = 100;  // a connect to a replica takes all of connect_timeout
      const instant begun = time.now();
      try {
        co_await pool.async_acquire(lido::role::replica);
      } catch (const std::system_error& e) {
        failure = e.code();
      }
      waited = time.now() - begun;
      servers.today.swallows = 0;
    };
    asio::co_spawn(io, task, asio::detached);
    do {
      while (io.poll() > 0) {
      }
      io.restart();
    } while (time.step(time.now() + 20s));
  }
  EXPECT_EQ(failure, lido::errc::acquire_timeout);
  EXPECT_EQ(waited, 3s);
  EXPECT_EQ(servers.broken(), "");
  while (io.poll() > 0 || time.step(time.now() + 20s)) io.restart();
  time.forget_all();
}

}  // namespace
}  // namespace simulation
