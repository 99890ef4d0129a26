// The smallest program that uses a pool: there is no server, and it says so in time.
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <iostream>

namespace {

asio::awaitable<void> ask(lido::pool& pool, bool& refused) {
  try {
    const lido::lease db = co_await pool.async_acquire(lido::within(std::chrono::milliseconds(200)));
  } catch (const lido::error& failure) {
    std::cout << failure.code().category().name() << ": " << failure.code().message() << '\n';
    refused = failure.code() == lido::condition::timeout || lido::is_disconnect(failure.code());
  }
  co_await pool.async_close();
}

}  // namespace

int main() {
  asio::io_context io;
  lido::pool pool{io.get_executor(),
                  lido::pool_config::from_dsn("postgresql://nobody@127.0.0.1:1/none?sslmode=disable")};
  bool refused = false;
  asio::co_spawn(io, ask(pool, refused), asio::detached);
  io.run();
  return refused ? 0 : 1;
}
