// What the demo keeps of one phase, and how it is judged and told.
#pragma once

#include "bench/storm/exposition.hpp"
#include "bench/storm/tally.hpp"

#include <lido/pool/stats.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace lido::storm {

struct phase_record {
  std::string name;
  std::string broken;                         // on purpose, for a reader who knows nothing
  bool may_disconnect = false;                // the main connections are hit, too: then callers may see that
  std::chrono::nanoseconds cancel_budget{0};  // cancel.timeout of that phase
  tally_snapshot seen;
  pool_stats before;
  pool_stats after;           // when the pool had come to rest
  exposition scraped_before;  // the same two moments over HTTP
  exposition scraped_after;
  bool full_again = false;                  // every connection back or replaced
  std::chrono::duration<double> refill{0};  // how long that took after the load and the fault had ended
  std::uint64_t slots_leaked = 0;
  std::uint64_t most_backends = 0;  // of ours, as the server counted them
  std::uint64_t left_running = 0;   // statements that nobody waited for any more and that the server still ran

  /// Every promise that this phase broke, in words; empty when it kept all.
  [[nodiscard]] std::vector<std::string> breaches(std::uint64_t max_backends) const;
};

/// Counters and histograms of `after` minus those of `before`; gauges as in `after`.
[[nodiscard]] pool_stats difference(const pool_stats& after, const pool_stats& before);

/// What was broken, what callers saw, what it cost, where connections went.
[[nodiscard]] std::string phase_table(const std::vector<phase_record>& phases);
/// What Prometheus would have shown, phase by phase.
[[nodiscard]] std::string operator_table(const std::vector<phase_record>& phases);

}  // namespace lido::storm
