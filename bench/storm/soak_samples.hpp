// What a soak measures while nothing runs, and what it concludes: descriptors and threads as at the start, memory that
// does not grow beyond its noise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lido::storm {

struct soak_sample {
  double at_s = 0;
  std::uint64_t descriptors = 0;  // without the fault proxy's, which lives in the same process
  std::uint64_t threads = 0;      // without the helpers, which come and go
  double resident_kib = 0;
  double heap_kib = 0;        // allocated and not freed
  std::uint64_t parked = 0;   // cancel connections that wait for an end that does not come: up to a minute, bounded
  std::uint64_t foreign = 0;  // the proxy's descriptors: what a fault has stalled ends with the server's patience

  /// Of this process, now; `foreign` descriptors are not the pool's.
  static soak_sample take(double at_s, std::uint64_t parked, std::uint64_t foreign);
  /// Nothing lingers that would have memory of its own.
  [[nodiscard]] bool at_rest(const soak_sample& first) const noexcept {
    return parked == 0 && foreign == first.foreign;
  }
};

/// A straight line through the values: its slope, and the slope's standard error.
struct trend {
  double per_hour = 0;
  double error = 0;
  [[nodiscard]] bool flat() const noexcept { return per_hour <= 2 * error; }
};
[[nodiscard]] trend trend_of(const std::vector<double>& at_s, const std::vector<double>& values);

struct soak_verdict {
  std::size_t samples = 0;
  trend heap;
  trend resident;
  std::uint64_t descriptors_at_first = 0;
  std::uint64_t descriptors_at_last = 0;
  std::uint64_t most_descriptors = 0;
  std::uint64_t threads_at_first = 0;
  std::uint64_t threads_at_last = 0;
  std::vector<std::string> complaints;  // empty: it held
};

/// The first quarter is left out of the trends: caches fill and arenas grow; and so are samples that are not at rest,
/// since what lingers holds memory and descriptors for a bounded while. At least 60 others have to be there.
[[nodiscard]] soak_verdict conclude(const std::vector<soak_sample>& samples);
[[nodiscard]] std::string soak_table(const std::vector<soak_sample>& samples, const soak_verdict& v);

}  // namespace lido::storm
