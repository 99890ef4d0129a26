#include "bench/storm/latency.hpp"

#include <algorithm>
#include <bit>

namespace lido::storm {

// The highest bits choose: those below 2^sub_bits have a bucket of their own, above it each octave has 2^sub_bits.
std::size_t latency_recorder::bucket_of(std::uint64_t ns) noexcept {
  const auto width = static_cast<std::size_t>(std::bit_width(ns));
  if (width <= sub_bits) return ns;
  const std::size_t octave = width - sub_bits;
  const auto mantissa = static_cast<std::size_t>(ns >> (octave - 1)) & ((std::size_t{1} << sub_bits) - 1);
  return std::min((octave << sub_bits) + mantissa, buckets - 1);
}

double latency_recorder::middle_of(std::size_t bucket) noexcept {
  const std::size_t octave = bucket >> sub_bits;
  if (octave == 0) return static_cast<double>(bucket);
  const std::uint64_t mantissa = (bucket & ((std::size_t{1} << sub_bits) - 1)) | (std::size_t{1} << sub_bits);
  const std::uint64_t low = mantissa << (octave - 1);
  const std::uint64_t size = std::uint64_t{1} << (octave - 1);
  return static_cast<double>(low) + static_cast<double>(size) / 2;
}

void latency_recorder::record(std::chrono::nanoseconds d) noexcept {
  const std::uint64_t ns = d.count() > 0 ? static_cast<std::uint64_t>(d.count()) : 0;
  counts_[bucket_of(ns)].fetch_add(1, std::memory_order_relaxed);
  std::uint64_t seen = max_.load(std::memory_order_relaxed);
  while (ns > seen && !max_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
  }
}

latency_summary latency_recorder::summary() const noexcept {
  latency_summary s;
  for (const auto& c : counts_) s.count += c.load(std::memory_order_relaxed);
  s.max_us = static_cast<double>(max_.load(std::memory_order_relaxed)) / 1e3;
  const auto quantile = [&](double q) {
    const double rank = q * static_cast<double>(s.count);
    double below = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
      below += static_cast<double>(counts_[i].load(std::memory_order_relaxed));
      if (below > 0 && below >= rank) return std::min(middle_of(i) / 1e3, s.max_us);
    }
    return s.max_us;
  };
  if (s.count == 0) return s;
  s.p50_us = quantile(0.5);
  s.p99_us = quantile(0.99);
  return s;
}

}  // namespace lido::storm
