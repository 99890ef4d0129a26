// A run in words and numbers: the live line, the table, JSON.
#pragma once

#include "bench/storm/tally.hpp"

#include <lido/pool/stats.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace lido::storm {

struct run_result {
  tally_snapshot seen;             // by the tasks
  pool_stats pool;                 // when all tasks had ended and the pool had come to rest, before it was closed
  std::uint64_t slots_leaked = 0;  // slots that were in use although nobody used them, or left over by the close
  std::chrono::duration<double> took{0};  // until the last task had ended
  std::uint64_t seed = 0;
  std::size_t tasks = 0;

  /// Nothing happened that the contract forbids.
  [[nodiscard]] bool good() const noexcept;
};

[[nodiscard]] std::string live_line(const tally_snapshot& seen, const pool_stats& pool,
                                    std::chrono::duration<double> elapsed);
[[nodiscard]] std::string table(const run_result& r);
[[nodiscard]] std::string json(const run_result& r);

// Shared with the demo.
[[nodiscard]] std::string grouped(std::uint64_t n);                           // 12,345
[[nodiscard]] std::string human_us(double microseconds);                      // 17 us, 1.2 ms, 3.4 s
[[nodiscard]] std::string padded(std::string_view text, std::size_t width);   // to the right with blanks
[[nodiscard]] std::string right_padded(std::string text, std::size_t width);  // right-justified

}  // namespace lido::storm
