// The threads under a run: one io_context, any number of threads, joined by the destructor.
#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace lido::storm {

class runtime {
 public:
  explicit runtime(std::size_t threads);
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;
  ~runtime();

  [[nodiscard]] asio::io_context& io() noexcept { return io_; }
  /// Ends the threads. What is still pending is destroyed with the io_context.
  void stop();

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::vector<std::jthread> threads_;
};

/// Looks every few milliseconds whether it holds; false when it still does not at the end of the budget.
[[nodiscard]] bool holds_within(std::chrono::nanoseconds budget, const std::function<bool()>& condition);

}  // namespace lido::storm
