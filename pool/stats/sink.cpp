#include "pool/stats/sink.hpp"

namespace lido::inline v0::stats {

void sink::line(std::string_view text, clock::time_point now) noexcept {
  if (!log_) return;
  const std::int64_t ns = now.time_since_epoch().count();
  std::int64_t next = next_ns_.load(std::memory_order_relaxed);
  if (ns < next || !next_ns_.compare_exchange_strong(next, ns + interval.count(), std::memory_order_relaxed)) {
    swallowed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  try {
    std::string whole(text);
    if (const auto more = swallowed_.exchange(0, std::memory_order_relaxed); more > 0)
      whole += " (and " + std::to_string(more) + " more since)";
    log_(whole);
  } catch (...) {  // foreign code: contained, and visible as a counter
    counters_.sink_failed();
  }
}

void sink::notice(const diagnostics& note) noexcept {
  if (!notices_) return;
  try {
    notices_(note);
  } catch (...) {  // as above
    counters_.sink_failed();
  }
}

}  // namespace lido::inline v0::stats
