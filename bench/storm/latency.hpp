// Latencies of a run, recorded from many threads: 32 buckets an octave, so that a quantile is right within 3 %.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lido::storm {

struct latency_summary {
  std::uint64_t count = 0;
  double p50_us = 0;
  double p99_us = 0;
  double max_us = 0;
};

class latency_recorder {
 public:
  void record(std::chrono::nanoseconds d) noexcept;
  [[nodiscard]] latency_summary summary() const noexcept;

 private:
  static constexpr std::size_t sub_bits = 5;
  static constexpr std::size_t buckets = (64 - sub_bits) << sub_bits;
  static std::size_t bucket_of(std::uint64_t ns) noexcept;
  static double middle_of(std::size_t bucket) noexcept;

  std::array<std::atomic<std::uint64_t>, buckets> counts_{};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace lido::storm
