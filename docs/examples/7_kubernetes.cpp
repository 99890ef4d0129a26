// A pod: warm up, say ready, serve, and on SIGTERM stop admitting, drain, cancel, close, telling how far it is.
//   7_kubernetes "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem&pool_max_size=4"
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>

using namespace std::chrono_literals;

namespace {

// What the readiness endpoint answers; serve it with the HTTP library of your choice.
void probe(const lido::pool& pool, bool draining) {
  const lido::pool_readiness state = pool.readiness();
  std::cout << (state.ready && !draining ? "200 " : "503 ") << (draining ? "draining" : state.reason) << '\n';
}

asio::awaitable<void> wait(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

// One of the pod's requests.
asio::awaitable<void> serve(lido::pool& pool) {
  try {
    const auto answer = co_await pool.async_query<std::int64_t>(lido::within(1s), "select count(*) from pg_class");
    std::cout << "answered " << answer.one() << '\n';
  } catch (const lido::error& e) {
    std::cout << "refused: " << e.what() << '\n';  // pool_closed while the pod goes
  }
}

asio::awaitable<void> close(lido::pool& pool) {
  pool.async_close(10s, asio::detached);
  for (lido::close_progress at = pool.close_progress(); at.phase != lido::pool_phase::closed;
       at = pool.close_progress()) {
    std::cout << to_string(at.phase) << ": " << at.leased << " leased, " << at.recovering << " recovering, "
              << at.closing << " closing\n";
    co_await wait(100ms);
  }
}

asio::awaitable<void> live(lido::pool& pool, asio::signal_set& terminate) {
  std::cout << co_await pool.async_warm_up(2, lido::within(20s)) << " connections are open\n";
  probe(pool, false);
  asio::co_spawn(co_await asio::this_coro::executor, serve(pool), asio::detached);
  co_await terminate.async_wait(asio::use_awaitable);
  probe(pool, true);     // 1: not ready, but serving: the endpoints hear of it
  co_await wait(100ms);  // 5 s in earnest
  co_await close(pool);  // 2, 3: requests end, the pool drains and closes
}

}  // namespace

int main(int argc, char** argv) {
  try {
    asio::io_context io;
    lido::pool pool{io.get_executor(),
                    lido::pool_config::from_dsn(argc > 1 ? argv[1] : "postgresql://localhost/postgres")};
    asio::signal_set terminate(io, SIGTERM, SIGINT);
    std::exception_ptr failure;
    asio::co_spawn(io, live(pool, terminate), [&](std::exception_ptr failed) {
      failure = failed;
      if (failed) io.stop();
    });
    io.run();
    if (failure) std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
