// lido-metrics-cost DSN: what it costs an acquire and release that somebody looks at the pool. Short blocks without and
// with an exposer that is scraped ten times a second, in turn; processor time of the pool's thread, so that what else
// runs on the machine does not count.
#include <lido/metrics/exposer.hpp>
#include <lido/pool/pool.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr int rounds = 60;
constexpr int per_block = 200'000;
constexpr auto scrape_interval = 100ms;

double thread_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

void scrape(std::uint16_t port) {
  asio::io_context io;
  asio::ip::tcp::socket s{io};
  s.connect({asio::ip::make_address("127.0.0.1"), port});
  asio::write(s, asio::buffer(std::string{"GET /metrics HTTP/1.0\r\n\r\n"}));
  std::string all;
  std::error_code end;
  asio::read(s, asio::dynamic_buffer(all), end);
}

// An exposer and a Prometheus in a hurry.
class watched {
 public:
  explicit watched(const lido::pool& pool) : exposer_{lido::metrics::exposer_config::parse("127.0.0.1:0")} {
    exposer_.add(pool);
    reader_ = std::jthread([this](const std::stop_token& stop) {
      std::mutex mutex;
      std::unique_lock lock{mutex};
      std::condition_variable_any none;
      do {
        scrape(exposer_.port());
      } while (!none.wait_for(lock, stop, scrape_interval, [] { return false; }) && !stop.stop_requested());
    });
  }

 private:
  lido::metrics::exposer exposer_;
  std::jthread reader_;
};

asio::awaitable<double> block(lido::pool& pool) {
  const double begin = thread_ns();
  for (int i = 0; i < per_block; ++i) const lido::lease db = co_await pool.async_acquire();
  co_return (thread_ns() - begin) / per_block;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

asio::awaitable<void> compare(lido::pool& pool) {
  (void)co_await block(pool);
  std::vector<double> alone;
  std::vector<double> with;
  std::vector<double> ratios;
  for (int i = 0; i < rounds; ++i) {
    alone.push_back(co_await block(pool));
    const watched w{pool};
    with.push_back(co_await block(pool));
    ratios.push_back(with.back() / alone.back());
  }
  std::printf("acquire and release: %.1f ns alone, %.1f ns scraped 10 times a second, ratio %.3f (medians of %d)\n",
              median(alone), median(with), median(ratios), rounds);
  co_await pool.async_close(1s);
}

}  // namespace

int main(int argc, char** argv) try {
  asio::io_context io{1};
  lido::pool pool{io.get_executor(), lido::pool_config::from_dsn(argc > 1 ? argv[1] : "")};
  std::exception_ptr failed;
  asio::co_spawn(io, compare(pool), [&failed](std::exception_ptr e) { failed = std::move(e); });
  io.run();
  if (failed) std::rethrow_exception(failed);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "lido-metrics-cost: %s\n", e.what());
  return 2;
}
