// Cancellation: by a signal, by a deadline, and partial, which keeps the lease. The caller leaves at once; the pool
// wins the connection back behind its back.
//   4_cancel "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem"
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>

using namespace std::chrono_literals;

namespace {

asio::awaitable<void> pause(std::chrono::milliseconds length) {
  asio::steady_timer timer{co_await asio::this_coro::executor, length};
  co_await timer.async_wait(asio::use_awaitable);
}

void report(std::string_view what, std::exception_ptr end) {
  try {
    if (end) std::rethrow_exception(end);
    std::cout << what << ": finished\n";
  } catch (const std::system_error& e) {
    std::cout << what << ": " << (e.code() == lido::condition::cancelled ? "cancelled" : e.what()) << '\n';
  }
}

asio::awaitable<void> sleeper(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query("select pg_sleep(60)");
}

// What co_spawn passes on is terminal: the task ends now.
asio::awaitable<void> by_signal(lido::pool& pool) {
  asio::cancellation_signal stop;
  const auto executor = co_await asio::this_coro::executor;
  asio::co_spawn(executor, sleeper(pool),
                 asio::bind_cancellation_slot(stop.slot(), [](std::exception_ptr end) { report("by signal", end); }));
  co_await pause(100ms);
  stop.emit(asio::cancellation_type::terminal);
  co_await pause(100ms);
}

asio::awaitable<void> by_deadline(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  try {
    co_await db->async_query(lido::within(100ms), "select pg_sleep(60)");
  } catch (const lido::error& e) {
    std::cout << "by deadline: " << e.what() << "; the lease is " << (db ? "kept" : "lost") << '\n';
  }
}

// Partial: the statement is stopped on the server, and the lease stays.
asio::awaitable<void> partly(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  asio::cancellation_signal stop;
  bool ended = false;
  db->async_query_with(asio::bind_cancellation_slot(stop.slot(),
                                                    [&ended](std::error_code ec, lido::result<>) {
                                                      std::cout << "partly: " << ec.message();
                                                      ended = true;
                                                    }),
                       lido::op_options{}, "select pg_sleep(60)");
  co_await pause(100ms);
  stop.emit(asio::cancellation_type::partial);
  while (!ended) co_await pause(1ms);
  const auto one = co_await db->async_query<std::int32_t>("select 1");
  std::cout << "; the lease still answers: " << one.one() << '\n';
}

asio::awaitable<void> run(lido::pool& pool) {
  co_await by_signal(pool);
  co_await by_deadline(pool);
  co_await partly(pool);
  co_await pause(100ms);
  const lido::pool_stats s = pool.stats();
  std::cout << "opened " << s.created << ", cancels sent " << s.cancels.sent << ", confirmed " << s.cancels.eof
            << ", recovered " << s.recovered << '\n';
  co_await pool.async_close();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    asio::io_context io;
    lido::pool pool{io.get_executor(),
                    lido::pool_config::from_dsn(argc > 1 ? argv[1] : "postgresql://localhost/postgres")};
    asio::co_spawn(io, run(pool), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    io.run();
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
