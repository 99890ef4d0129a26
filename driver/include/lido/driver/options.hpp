// Options of one operation. A trivially destructible aggregate: safe to brace in place inside a co_await expression
// with g++ 12.
#pragma once

#include <lido/driver/error.hpp>

#include <chrono>

namespace lido {
inline namespace v0 {

using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

struct op_options {
  /// When the operation ends with errc::timeout (acquire: acquire_timeout), whatever the server does. Monotonic clock.
  time_point deadline = time_point::max();
  /// Where the error_code styles leave what the server said; written on the handler's executor, right before the
  /// handler runs. Not owned.
  diagnostics* diag = nullptr;
};

/// `lido::within(250ms)`: a deadline that far from now.
inline op_options within(std::chrono::nanoseconds patience, diagnostics* diag = nullptr) noexcept {
  const time_point now = std::chrono::steady_clock::now();
  return {patience > time_point::max() - now ? time_point::max() : now + patience, diag};
}
inline op_options until(time_point deadline, diagnostics* diag = nullptr) noexcept { return {deadline, diag}; }

}  // namespace v0
}  // namespace lido
