// The recording side of histogram_snapshot: one relaxed increment in a fixed bucket, a sum and a maximum. No lock, no
// allocation, a few ns.
#pragma once

#include <lido/pool/stats.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lido::inline v0::stats {

namespace buckets {

inline constexpr std::size_t bound_count = histogram_snapshot::bound_count;

// Mantissas in percent. 1, 2.5 and 5 are among them because those are what dashboards and alerts are written against.
inline constexpr std::array<std::int64_t, 10> mantissas{100, 125, 160, 200, 250, 320, 400, 500, 630, 800};

consteval std::array<std::int64_t, bound_count> make_bounds() {
  std::array<std::int64_t, bound_count> bounds{};
  std::int64_t decade = 10;  // a hundredth of 1 us, as mantissas are in percent
  for (std::size_t i = 0; i < bound_count; ++i) {
    bounds[i] = mantissas[i % mantissas.size()] * decade;
    if (i % mantissas.size() == mantissas.size() - 1) decade *= 10;
  }
  return bounds;
}

inline constexpr auto bounds_ns = make_bounds();
static_assert(bounds_ns.front() == 1'000 && bounds_ns.back() == 100'000'000'000);

// Where a value lies, by its octave and the eighth of it: its highest bit and the three below. No two bounds lie within
// one eighth, which spans a ninth to a sixteenth of its values while bounds are a fifth apart at least. So one look
// into a table and one comparison find the bucket.
inline constexpr std::size_t eighths = 8;

constexpr std::size_t eighth_of(std::uint64_t value) noexcept {
  value |= eighths;  // what is smaller is far below the first bound
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - 4U;
  return shift * eighths + static_cast<std::size_t>(value >> shift) - eighths;
}

inline constexpr std::size_t eighth_count = eighth_of(UINT64_MAX) + 1;

// For each, how many bounds are below all of its values.
consteval std::array<std::uint8_t, eighth_count> make_starts() {
  std::array<std::uint8_t, eighth_count> starts{};
  for (std::size_t at = 0; at < eighth_count; ++at) {
    const std::uint64_t least = std::uint64_t{eighths + at % eighths} << (at / eighths);
    std::size_t i = 0;
    while (i < bound_count && static_cast<std::uint64_t>(bounds_ns[i]) < least) ++i;
    starts[at] = static_cast<std::uint8_t>(i);
  }
  return starts;
}

inline constexpr auto starts = make_starts();

consteval bool at_most_one_bound_in_each() {
  for (std::size_t i = 1; i < bound_count; ++i) {
    if (eighth_of(static_cast<std::uint64_t>(bounds_ns[i - 1])) == eighth_of(static_cast<std::uint64_t>(bounds_ns[i])))
      return false;
  }
  return true;
}
static_assert(at_most_one_bound_in_each());

// A bound behind the last one that no value exceeds, so that the comparison needs no range check. Unsigned: the
// comparison's carry is then what is added.
consteval std::array<std::uint64_t, bound_count + 1> make_padded() {
  std::array<std::uint64_t, bound_count + 1> padded{};
  padded.fill(UINT64_MAX);
  for (std::size_t i = 0; i < bound_count; ++i) padded[i] = static_cast<std::uint64_t>(bounds_ns[i]);
  return padded;
}

inline constexpr auto padded_bounds = make_padded();

// Of a duration that is not negative.
constexpr std::size_t bucket_of(std::int64_t ns) noexcept {
  const auto value = static_cast<std::uint64_t>(ns);
  const std::size_t first = starts[eighth_of(value)];
  return first + (value > padded_bounds[first] ? 1U : 0U);
}

}  // namespace buckets

class histogram {
 public:
  /// Any thread. Negative durations (a clock that somebody got wrong) count as 0.
  void observe(std::chrono::nanoseconds d) noexcept {
    const std::int64_t ns = d.count() > 0 ? d.count() : 0;
    counts_[buckets::bucket_of(ns)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(ns, std::memory_order_relaxed);
    raise_max(ns);
  }

  /// For callers that are never two at once, e.g. under the pool's mutex: the same without the bus-locked instructions.
  [[gnu::always_inline]] void observe_serialised(std::chrono::nanoseconds d) noexcept {
    const std::int64_t ns = d.count();
    if (ns <= 0) return observe_instant_serialised();  // both ends by one reading of the clock
    bump(counts_[buckets::bucket_of(ns)], std::uint64_t{1});
    bump(sum_, ns);
    raise_max(ns);
  }

  /// A duration too short to be worth two readings of the clock. Under the same rule as observe_serialised().
  void observe_instant_serialised(std::uint64_t times = 1) noexcept { bump(counts_[0], times); }

  /// All that `from` has observed, which is empty then. Under the same rule, for both.
  void move_in_serialised(histogram& from) noexcept;
  /// Adds what it has observed.
  void add_to(histogram_snapshot& to) const noexcept;

  [[nodiscard]] histogram_snapshot snapshot() const noexcept;

 private:
  template <class T>
  static void bump(std::atomic<T>& a, T by) noexcept {
    a.store(a.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  void raise_max(std::int64_t ns) noexcept {
    std::int64_t seen = max_.load(std::memory_order_relaxed);
    while (ns > seen && !max_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
    }
  }

  std::array<std::atomic<std::uint64_t>, buckets::bound_count + 1> counts_{};
  std::atomic<std::int64_t> sum_{0};
  std::atomic<std::int64_t> max_{0};
};

}  // namespace lido::inline v0::stats
