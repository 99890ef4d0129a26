// io_contexts with threads of their own: what the tests with many threads run on.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

namespace lido::testing {

// Stopped and joined at the end.
class crew {
 public:
  crew(int contexts, int threads_each) {
    for (int i = 0; i < contexts; ++i) {
      asio::io_context& made = contexts_.emplace_back();
      guards_.emplace_back(made.get_executor());
      for (int j = 0; j < threads_each; ++j) workers_.emplace_back([&made] { made.run(); });
    }
  }
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() {
    guards_.clear();
    for (asio::io_context& each : contexts_) each.stop();
    for (std::thread& each : workers_) each.join();
  }
  asio::io_context& of(int user) { return contexts_[static_cast<std::size_t>(user) % contexts_.size()]; }
  std::vector<asio::any_io_executor> executors() {
    std::vector<asio::any_io_executor> all;
    for (asio::io_context& each : contexts_) all.emplace_back(each.get_executor());
    return all;
  }

 private:
  std::deque<asio::io_context> contexts_;
  std::deque<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
  std::vector<std::thread> workers_;
};

}  // namespace lido::testing
