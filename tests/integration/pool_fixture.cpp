#include "tests/integration/pool_fixture.hpp"

#include <chrono>
#include <utility>

namespace lido::testing {

void with_lease(const on_connection& body, connect_config connect) {
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(std::move(connect), 1));
    {
      lease db = co_await pool.async_acquire(within(hang_guard));
      co_await body(*db);
    }
    co_await pool.async_close(std::chrono::seconds(1));
  });
}

}  // namespace lido::testing
