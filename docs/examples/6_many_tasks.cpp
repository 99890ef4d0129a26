// A server's skeleton: a thread and an io_context for each core, one pool over all of them, many tasks, and a clean end
// at SIGINT or SIGTERM: the pool refuses new work, lets leases end, cancels what is left, and closes.
//   6_many_tasks "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem&pool_max_size=8"
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

std::atomic<std::uint64_t> answered{0};

// One client: asks until the pool closes.
asio::awaitable<void> client(lido::pool& pool, std::int32_t id) {
  for (;;) {
    try {
      const auto back = co_await pool.async_query<std::int32_t>(lido::within(1s), "select $1 from pg_sleep(0.001)", id);
      if (back.one() == id) ++answered;
    } catch (const lido::error& e) {
      if (e.code() == lido::errc::pool_closed || e.code() == lido::condition::cancelled) co_return;
      std::cerr << e.what() << '\n';
    }
  }
}

asio::awaitable<void> watch(lido::pool& pool) {
  asio::signal_set stop{co_await asio::this_coro::executor, SIGINT, SIGTERM};
  asio::steady_timer limit{co_await asio::this_coro::executor, 5s};
  limit.async_wait([&stop](std::error_code) { stop.cancel(); });
  try {
    co_await stop.async_wait(asio::use_awaitable);
  } catch (const std::system_error&) {
    std::cout << "five seconds are enough\n";
  }
  limit.cancel();
  co_await pool.async_close(2s);
  const lido::pool_stats s = pool.stats();
  std::cout << answered << " answers over " << s.created << " connections, longest wait "
            << std::chrono::duration_cast<std::chrono::microseconds>(s.wait_time.max).count() << " us\n";
}

void serve(const lido::pool_config& config) {
  constexpr std::int32_t clients = 200;
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::unique_ptr<asio::io_context>> contexts;
  std::vector<asio::any_io_executor> executors;
  for (std::size_t i = 0; i < cores; ++i) {
    contexts.push_back(std::make_unique<asio::io_context>(1));  // one thread each
    executors.emplace_back(contexts.back()->get_executor());
  }

  lido::pool pool{executors, config};
  for (std::int32_t id = 0; id < clients; ++id) {
    asio::co_spawn(executors[static_cast<std::size_t>(id) % cores], client(pool, id), asio::detached);
  }
  asio::co_spawn(executors.front(), watch(pool), asio::detached);

  std::vector<std::thread> threads;
  threads.reserve(cores);
  for (const auto& context : contexts) threads.emplace_back([&context] { context->run(); });
  for (std::thread& t : threads) t.join();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    serve(lido::pool_config::from_dsn(argc > 1 ? argv[1] : "postgresql://localhost/postgres"));
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
