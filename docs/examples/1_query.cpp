// One connection, one statement: the driver without a pool.
//   1_query "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem"
#include <lido/driver/connection.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <tuple>

namespace {

asio::awaitable<void> ask(lido::connect_config config) {
  lido::connection db = co_await lido::connection::async_connect(config);
  using word = std::tuple<std::int64_t, std::string>;
  for (const auto& [n, text] :
       co_await db.async_query<word>("select n, 'line ' || n from generate_series(1, $1) n", std::int64_t{3})) {
    std::cout << n << ": " << text << '\n';
  }
  co_await db.async_close();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto config = lido::connect_config::parse(argc > 1 ? argv[1] : "postgresql://localhost/postgres");
    asio::io_context io;
    asio::co_spawn(io, ask(config), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    io.run();
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
