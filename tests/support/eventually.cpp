#include "tests/support/eventually.hpp"

#include <poll.h>

namespace lido::testing {

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds budget) {
  const auto deadline = std::chrono::steady_clock::now() + budget;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return condition();
    ::poll(nullptr, 0, 2);
  }
  return true;
}

}  // namespace lido::testing
