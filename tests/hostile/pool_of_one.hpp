// A pool of one connection to a fake server, and the thread that runs it: the caller's.
#pragma once

#include "tests/hostile/hostile_server.hpp"
#include "tests/support/coroutines.hpp"

#include <lido/pool/pool.hpp>

#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace lido::testing {

struct pool_of_one {
  explicit pool_of_one(const fake_server& server) : pool_of_one{config_for(plain_config(server))} {}
  explicit pool_of_one(const pool_config& config) : pool{io.get_executor(), config} {}

  static pool_config config_for(connect_config connect) {
    pool_config config;
    config.connect = std::move(connect);
    config.max_size = 1;
    config.cancel.channel = cancel_channel_choice::request;
    config.connect_backoff_min = std::chrono::milliseconds{1};
    config.connect_backoff_max = std::chrono::milliseconds{2};
    return config;
  }
  bool turn_until(const std::function<bool()>& over) {
    const auto deadline = std::chrono::steady_clock::now() + hang_guard;
    io.restart();
    while (!over() && io.run_one_until(deadline) > 0) continue;
    return over();
  }
  std::error_code finish(asio::awaitable<void> task) {
    std::optional<std::error_code> end;
    spawn(io.get_executor(), std::move(task), [&end](const std::exception_ptr& failure) {
      try {
        end = std::error_code{};
        if (failure) std::rethrow_exception(failure);
      } catch (const error& said) {
        end = said.code();
      }
    });
    EXPECT_TRUE(turn_until([&] { return end.has_value(); })) << "the task did not end";
    return end.value_or(std::error_code{});
  }
  std::error_code query() {
    const auto ask = [](lido::pool& on) -> asio::awaitable<void> {
      co_await on.async_query(within(std::chrono::seconds{3}), "select answer");
    };
    return finish(ask(pool));
  }
  lease acquire() {
    lease db;
    const auto take = [](lido::pool& from, lease& into) -> asio::awaitable<void> {
      into = co_await from.async_acquire();
    };
    EXPECT_FALSE(finish(take(pool, db)));
    return db;
  }

  // Starts a query and cancels it, terminally, once the server has it.
  std::error_code cancelled_query(fake_server& server, const std::string& when) {
    std::optional<std::error_code> end;
    lease db = acquire();
    const canceller stop = db->canceller();
    db->async_query_with([&end](std::error_code ec, const lido::result<>&) { end = ec; }, {}, "select answer");
    while (io.poll_one() > 0) continue;
    EXPECT_TRUE(server.wait_until_reached(when));
    stop.cancel();
    EXPECT_TRUE(turn_until([&] { return end.has_value(); })) << "the query did not end";
    return end.value_or(std::error_code{});
  }

  asio::io_context io{1};
  lido::pool pool;
};

}  // namespace lido::testing
