// W1t: acquire and release of idle connections by two threads at once, against one thread of the same two. What sharing
// a pool costs each of them; the rounds are mixed, so that a busy machine is as bad to both.
#include "bench/peers/lido_threads.hpp"

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <barrier>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <deque>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lido::bench {
namespace {

struct pace {
  double wall_ns = 0;
  double cpu_ns = 0;
};

double thread_cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// Never suspends: there is a connection for each thread. So it stays on the thread that began it.
asio::awaitable<void> borrow(lido::pool& pool, std::size_t count, std::barrier<>& all, pace& into) {
  all.arrive_and_wait();
  const double cpu = thread_cpu_ns();
  const std::uint64_t begun = now_ns();
  for (std::size_t i = 0; i < count; ++i) const lido::lease db = co_await pool.async_acquire();
  const auto n = static_cast<double>(count);
  into = {static_cast<double>(now_ns() - begun) / n, (thread_cpu_ns() - cpu) / n};
  all.arrive_and_wait();
}

class setting {
 public:
  setting(const lido::pool_config& config, std::size_t contexts, std::size_t threads) : contexts_(contexts) {
    std::vector<asio::any_io_executor> executors;
    executors.reserve(contexts);
    for (asio::io_context& each : contexts_) executors.emplace_back(each.get_executor());
    pool_.emplace_back(executors, config);
    for (asio::io_context& each : contexts_) {
      work_.emplace_back(each.get_executor());
      for (std::size_t i = 0; i < threads / contexts; ++i) workers_.emplace_back([&each] { each.run(); });
    }
    if (pool_[0]
            .async_warm_up(config.max_size, within(std::chrono::seconds(30)), warm_up_mode::fail_fast, asio::use_future)
            .get() < config.max_size)
      fail("no connections");
  }
  setting(const setting&) = delete;
  setting& operator=(const setting&) = delete;
  ~setting() {
    pool_[0].async_close(std::chrono::seconds(1), asio::use_future).get();
    work_.clear();
    for (std::thread& each : workers_) each.join();
  }

  // Only so many of the threads work.
  void round(std::size_t count, std::size_t at_work) {
    std::barrier<> all(static_cast<std::ptrdiff_t>(at_work));
    std::vector<pace> paces(at_work);
    std::vector<std::future<void>> ends;
    ends.reserve(at_work);
    for (std::size_t i = 0; i < at_work; ++i)
      ends.push_back(
          asio::co_spawn(contexts_[i % contexts_.size()], borrow(pool_[0], count, all, paces[i]), asio::use_future));
    for (auto& each : ends) each.get();
    for (const pace& each : paces) {
      walls_.push_back(each.wall_ns);
      cpus_.push_back(each.cpu_ns);
    }
  }
  pace median() {
    const auto middle = [](std::vector<double>& v) {
      std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
      return v[v.size() / 2];
    };
    return {middle(walls_), middle(cpus_)};
  }

 private:
  std::deque<asio::io_context> contexts_;
  std::deque<lido::pool> pool_;
  std::deque<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::vector<std::thread> workers_;
  std::vector<double> walls_;
  std::vector<double> cpus_;
};

}  // namespace

// For each way to run a pool on two threads: what it costs when one of them works, and when both do.
void two_threads(const lido::pool_config& config, std::size_t count) {
  constexpr std::size_t rounds = 15;
  for (const std::size_t contexts : {1U, 2U}) {
    setting alone(config, contexts, 2);
    setting together(config, contexts, 2);
    for (std::size_t i = 0; i < rounds; ++i) {
      alone.round(count / rounds, 1);
      together.round(count / rounds, 2);
    }
    const pace one = alone.median();
    const pace two = together.median();
    std::printf(
        "{\"peer\": \"lido\", \"workload\": \"W1t\", \"io_contexts\": %zu, \"one_ns\": %.0f, \"two_ns\": %.0f, "
        "\"ratio\": %.2f, "
        "\"one_cpu_ns\": %.0f, \"two_cpu_ns\": %.0f, \"cpu_ratio\": %.2f}\n",
        contexts, one.wall_ns, two.wall_ns, two.wall_ns / one.wall_ns, one.cpu_ns, two.cpu_ns, two.cpu_ns / one.cpu_ns);
  }
}

}  // namespace lido::bench
