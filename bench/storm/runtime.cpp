#include "bench/storm/runtime.hpp"

namespace lido::storm {

runtime::runtime(std::size_t threads) : io_{static_cast<int>(threads)} {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { io_.run(); });
  }
}

runtime::~runtime() { stop(); }

void runtime::stop() {
  work_.reset();
  io_.stop();
  threads_.clear();
}

bool holds_within(std::chrono::nanoseconds budget, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + budget;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

}  // namespace lido::storm
