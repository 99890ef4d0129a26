// A pool that can be watched while it works for ten seconds: http://127.0.0.1:9187/pools in a browser, /metrics for
// Prometheus.
//   5_metrics "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem"
#include <lido/metrics/exposer.hpp>
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>

using namespace std::chrono_literals;

namespace {

asio::awaitable<void> work(lido::pool& pool) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < end) {
    co_await pool.async_query<std::int32_t>("select 1 from pg_sleep(0.01)");
  }
  co_await pool.async_close();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    asio::io_context io;
    lido::pool pool{io.get_executor(),
                    lido::pool_config::from_dsn(argc > 1 ? argv[1] : "postgresql://localhost/postgres")};

    lido::metrics::exposer exposer{lido::metrics::exposer_config::parse("127.0.0.1:9187")};
    exposer.add(pool);  // does not keep the pool alive

    asio::co_spawn(io, work(pool), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    io.run();
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
