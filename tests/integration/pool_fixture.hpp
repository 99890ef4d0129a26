// A pool on the shared throw-away server, and a way to run a coroutine to its end.
#pragma once

#include "tests/support/channel_of_tests.hpp"
#include "tests/support/coroutines.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres_cluster.hpp"

#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <system_error>
#include <utility>

namespace lido::testing {

// No deadline of these is a test's subject, unless it sets its own: a slow machine must not meet one.

inline connect_config tls_config(const postgres_cluster& server) {
  connect_config config;
  config.host = "localhost";
  config.port = server.port();
  config.user = server.user();
  config.database = server.database();
  config.password = std::string_view(server.password());
  config.sslrootcert = server.ca_file();
  config.connect_timeout = hang_guard;
  return config;
}

inline connect_config unix_config(const postgres_cluster& server) {
  connect_config config = tls_config(server);
  config.host = server.socket_dir();
  config.password = {};
  return config;
}

inline pool_config pool_of(connect_config connect, std::size_t size) {
  pool_config config;
  config.connect = std::move(connect);
  config.max_size = size;
  config.acquire_timeout = config.validation_timeout = hang_guard;
  config.cancel.timeout = config.drain.timeout = hang_guard;
  config.cancel.channel = channel_of_tests();
  return config;
}

// What `work` threw, if anything.
template <class Result>
asio::awaitable<std::error_code> error_of(asio::awaitable<Result> work) {
  std::error_code ec;
  try {
    co_await std::move(work);
  } catch (const error& e) {
    ec = e.code();
  }
  co_return ec;
}

// `body` has the only connection of a pool that connects so.
using on_connection = std::function<asio::awaitable<void>(connection&)>;
void with_lease(const on_connection& body, connect_config connect = unix_config(shared_cluster()));

}  // namespace lido::testing
