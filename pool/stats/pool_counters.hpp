// Where the pool and its recovery write down what happened. Counters and histograms of pool_stats that pool/core does
// not keep itself (it counts acquires, connects, pings and states: see from_core.hpp). Relaxed atomics: any thread, no
// lock, noexcept, readable while written.
//
//   counters.cancel_requested();                       counters.closed(close_reason::idle_timeout);
//   counters.cancel_suppressed(cancel_suppression::overtaken);    counters.fenced(now - abandoned_at);
#pragma once

#include "pool/stats/histogram.hpp"

#include <lido/pool/stats.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace lido::inline v0::stats {

class pool_counters {
 public:
  using duration = std::chrono::nanoseconds;

  // The side channel, one call per event.
  void cancel_requested() noexcept { add(requested_); }
  void cancel_suppressed(cancel_suppression why) noexcept { add(suppressed_[static_cast<std::size_t>(why)]); }
  void cancel_sent(cancel_channel by = cancel_channel::request) noexcept { add(on(by).sent); }
  void cancel_retried() noexcept { add(retried_); }
  void cancel_eof(cancel_channel by = cancel_channel::request) noexcept { add(on(by).eof); }
  void cancel_failed(cancel_phase where, cancel_channel by = cancel_channel::request) noexcept {
    add(on(by).failed[static_cast<std::size_t>(where)]);
  }
  void cancel_unknown(cancel_channel by = cancel_channel::request) noexcept { add(on(by).unknown); }
  void cancel_missed() noexcept { add(missed_); }
  void cancel_fell_back() noexcept { add(fell_back_); }
  void control_batch() noexcept { add(batches_); }
  void control_opened() noexcept { add(control_opened_); }
  void control_refused() noexcept { add(control_refused_); }
  void stray_cancel() noexcept { add(stray_); }

  // The fate of a connection. `closed` is called when the close begins.
  void closed(close_reason why) noexcept { add(closed_[static_cast<std::size_t>(why)]); }

  // Foreign code that threw (I27).
  void hook_failed(pool_hook which) noexcept { add(hook_errors_[static_cast<std::size_t>(which)]); }
  void sink_failed() noexcept { add(sink_errors_); }

  void slow_acquire() noexcept { add(slow_acquires_); }

  // Durations. The _serialised ones only under the pool's mutex: they cost a third.
  void waited(duration d) noexcept { wait_.observe(d); }
  void waited_serialised(duration d) noexcept { wait_.observe_serialised(d); }
  void did_not_wait_serialised(std::uint64_t times = 1) noexcept { wait_.observe_instant_serialised(times); }
  void used(duration d) noexcept { use_.observe(d); }
  void used_serialised(duration d) noexcept { use_.observe_serialised(d); }
  // Leaves `more` empty.
  void used_serialised(histogram& more) noexcept { use_.move_in_serialised(more); }
  void created_in(duration d) noexcept { create_.observe(d); }
  void pinged(duration d) noexcept { ping_.observe(d); }
  // From the abandonment of the operation to the connection's next usability, or to its close.
  void fenced(duration d) noexcept { fence_.observe(d); }
  void reset(const std::array<bool, reset_kind_count>& kinds, duration d) noexcept {
    bool some = false;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (kinds[i]) add(resets_[i]);
      some = some || kinds[i];
    }
    if (some) reset_.observe(d);
  }

  /// Writes its own part of `out`, leaves the rest.
  void snapshot(pool_stats& out) const noexcept;

 private:
  using counter = std::atomic<std::uint64_t>;
  struct channel_counters {
    counter sent{0};
    counter eof{0};
    std::array<counter, cancel_phase_count> failed{};
    counter unknown{0};
  };
  channel_counters& on(cancel_channel by) noexcept { return channels_[static_cast<std::size_t>(by)]; }
  static void add(counter& c) noexcept { c.fetch_add(1, std::memory_order_relaxed); }

  // Recorded on every acquire and release, and therefore apart from what the recovery of some connection writes on
  // another core.
  alignas(64) histogram wait_;
  histogram use_;

  alignas(64) histogram create_;
  histogram fence_;
  histogram reset_;
  histogram ping_;
  counter requested_{0};
  std::array<counter, cancel_suppression_count> suppressed_{};
  counter retried_{0};
  std::array<channel_counters, cancel_channel_count> channels_{};
  counter missed_{0};
  counter fell_back_{0};
  counter batches_{0};
  counter control_opened_{0};
  counter control_refused_{0};
  counter stray_{0};
  std::array<counter, close_reason_count> closed_{};
  std::array<counter, reset_kind_count> resets_{};
  std::array<counter, pool_hook_count> hook_errors_{};
  counter sink_errors_{0};
  counter slow_acquires_{0};
};

}  // namespace lido::inline v0::stats
