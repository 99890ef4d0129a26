// The tags of acquires: few, however many the application invents. Each keeps its own counters and histograms.
#pragma once

#include "driver/sync.hpp"
#include "pool/stats/histogram.hpp"

#include <lido/pool/stats.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lido::inline v0::stats {

class tag_table {
 public:
  using duration = std::chrono::nanoseconds;
  static constexpr std::uint16_t none = 0;
  static constexpr std::uint16_t other = 1;
  static constexpr std::size_t longest = 64;

  explicit tag_table(std::size_t most);

  // Its number; `other` for one too many, or for a text that is no label. Any thread, never fails.
  [[nodiscard]] std::uint16_t intern(std::string_view name) noexcept LIDO_EXCLUDES(mutex_);
  // Empty for `none`. Only for numbers that intern() gave.
  [[nodiscard]] std::string_view name(std::uint16_t tag) const noexcept { return entries_.data()[tag]->name; }

  // Under the pool's mutex; nothing happens for `none`.
  void began(std::uint16_t tag, duration waited) noexcept {
    if (tag != none) entries_.data()[tag]->wait.observe_serialised(waited);
  }
  void ended(std::uint16_t tag, duration held) noexcept {
    if (tag != none) entries_.data()[tag]->hold.observe_serialised(held);
  }
  void failed(std::uint16_t tag) noexcept {
    if (tag != none) entries_.data()[tag]->failures.fetch_add(1, std::memory_order_relaxed);
  }

  // All that were ever seen, `other` last if it was needed. Allocates.
  [[nodiscard]] std::vector<tag_stats> snapshot() const LIDO_EXCLUDES(mutex_);

 private:
  struct entry {
    explicit entry(std::string_view n) : name(n) {}
    const std::string name;
    histogram wait;
    histogram hold;
    std::atomic<std::uint64_t> failures{0};
  };
  std::uint16_t add(std::string_view name) LIDO_REQUIRES(mutex_);

  mutable detail::mutex mutex_;                  // of who adds: what is there never changes nor moves
  std::vector<std::unique_ptr<entry>> entries_;  // by number
  const std::size_t most_;
};

}  // namespace lido::inline v0::stats
