// Options of one operation. A trivially destructible aggregate: safe to brace in place inside a co_await expression
// with g++ 12.
#pragma once

#include <lido/driver/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lido {
inline namespace v0 {

using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

struct op_options {
  /// When the operation ends with errc::timeout (acquire: acquire_timeout), whatever the server does. Monotonic clock.
  time_point deadline = time_point::max();
  /// Where the error_code styles leave what the server said; written on the handler's executor, right before the
  /// handler runs. Not owned.
  diagnostics* diag = nullptr;
  /// Of a buffered result, or of all answers of a pipeline together, in bytes; more is errc::result_too_large, the
  /// statement is stopped on the server, and the lease stays. 0: `max_result_bytes` of the connection. It may be above
  /// that, too. Streams and COPY keep no more than a batch, whatever it says.
  std::size_t max_result_bytes = 0;
};

/// Options of connection::async_stream().
struct stream_options {
  /// Rows that the server sends at a time, at most; 0: as many as fit, without asking in between.
  std::uint32_t batch_rows = 1000;
  /// Of the first step, which brings the first batch; the others have their own.
  op_options open{};
};

/// `lido::within(250ms)`: a deadline that far from now.
inline op_options within(std::chrono::nanoseconds patience, diagnostics* diag = nullptr) noexcept {
  const time_point now = std::chrono::steady_clock::now();
  return {patience > time_point::max() - now ? time_point::max() : now + patience, diag};
}
inline op_options until(time_point deadline, diagnostics* diag = nullptr) noexcept { return {deadline, diag}; }
/// `lido::at_most(1U << 20, lido::within(1s))`: the same with a result of so many bytes at most.
inline op_options at_most(std::size_t result_bytes, op_options rest = {}) noexcept {
  rest.max_result_bytes = result_bytes;
  return rest;
}

}  // namespace v0
}  // namespace lido
