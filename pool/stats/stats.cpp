#include "pool/stats/from_core.hpp"
#include "pool/stats/histogram.hpp"
#include "pool/stats/pool_counters.hpp"

#include <lido/pool/stats.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace lido::inline v0 {

std::string_view to_string(close_reason r) noexcept {
  switch (r) {
    case close_reason::disconnected: return "disconnected";
    case close_reason::broken: return "broken";
    case close_reason::ping_failed: return "ping_failed";
    case close_reason::recovery_failed: return "recovery_failed";
    case close_reason::recovery_timeout: return "recovery_timeout";
    case close_reason::discarded: return "discarded";
    case close_reason::idle_timeout: return "idle_timeout";
    case close_reason::max_lifetime: return "max_lifetime";
    case close_reason::stale_generation: return "stale_generation";
    case close_reason::shrunk: return "shrunk";
    case close_reason::pool_closed: return "pool_closed";
    case close_reason::cancel_unknown: return "cancel_unknown";
    case close_reason::cancel_failed: return "cancel_failed";
    case close_reason::no_cancel_key: return "no_cancel_key";
    case close_reason::drain_bytes: return "drain_bytes";
    case close_reason::write_stalled: return "write_stalled";
    case close_reason::left_state: return "left_state";
    case close_reason::max_uses: return "max_uses";
    case close_reason::max_bytes: return "max_bytes";
    case close_reason::vetoed: return "vetoed";
    case close_reason::hook_failed: return "hook_failed";
  }
  return "unspecified";
}

std::string_view to_string(breaker_state s) noexcept {
  switch (s) {
    case breaker_state::closed: return "closed";
    case breaker_state::half_open: return "half_open";
    case breaker_state::open: return "open";
  }
  return "unspecified";
}

std::string_view to_string(pool_hook h) noexcept {
  switch (h) {
    case pool_hook::before_connect: return "before_connect";
    case pool_hook::after_connect: return "after_connect";
    case pool_hook::before_acquire: return "before_acquire";
    case pool_hook::after_release: return "after_release";
    case pool_hook::before_close: return "before_close";
  }
  return "unspecified";
}

std::string_view to_string(pool_phase p) noexcept {
  switch (p) {
    case pool_phase::open: return "open";
    case pool_phase::paused: return "paused";
    case pool_phase::draining: return "draining";
    case pool_phase::forcing: return "forcing";
    case pool_phase::closed: return "closed";
  }
  return "unspecified";
}

std::string_view to_string(acquire_refusal r) noexcept {
  switch (r) {
    case acquire_refusal::max_waiters: return "max_waiters";
    case acquire_refusal::admission: return "admission";
    case acquire_refusal::pool_closed: return "pool_closed";
    case acquire_refusal::connect: return "connect";
    case acquire_refusal::breaker: return "breaker";
    case acquire_refusal::nested: return "nested";
  }
  return "unspecified";
}

std::string_view to_string(cancel_suppression s) noexcept {
  switch (s) {
    case cancel_suppression::unsent: return "unsent";
    case cancel_suppression::overtaken: return "overtaken";
    case cancel_suppression::budget: return "budget";
    case cancel_suppression::no_key: return "no_key";
  }
  return "unspecified";
}

std::string_view to_string(cancel_phase p) noexcept {
  switch (p) {
    case cancel_phase::resolve: return "resolve";
    case cancel_phase::connect: return "connect";
    case cancel_phase::tls: return "tls";
    case cancel_phase::write: return "write";
    case cancel_phase::eof: return "eof";
  }
  return "unspecified";
}

std::string_view to_string(reset_kind k) noexcept {
  switch (k) {
    case reset_kind::rollback: return "rollback";
    case reset_kind::exact: return "exact";
    case reset_kind::discard_all: return "discard_all";
  }
  return "unspecified";
}

std::string_view to_string(cancel_channel c) noexcept {
  switch (c) {
    case cancel_channel::request: return "request";
    case cancel_channel::session: return "session";
  }
  return "unspecified";
}

std::string_view to_string(control_state s) noexcept {
  switch (s) {
    case control_state::absent: return "absent";
    case control_state::opening: return "opening";
    case control_state::ready: return "ready";
    case control_state::busy: return "busy";
    case control_state::refused: return "refused";
    case control_state::untrusted: return "untrusted";
  }
  return "unspecified";
}

const std::array<std::chrono::nanoseconds, histogram_snapshot::bound_count>& histogram_snapshot::bounds() noexcept {
  static constexpr auto bounds = [] {
    std::array<std::chrono::nanoseconds, bound_count> all{};
    for (std::size_t i = 0; i < bound_count; ++i) all[i] = std::chrono::nanoseconds{stats::buckets::bounds_ns[i]};
    return all;
  }();
  return bounds;
}

std::uint64_t histogram_snapshot::count() const noexcept {
  std::uint64_t total = 0;
  for (const std::uint64_t n : counts) total += n;
  return total;
}

std::uint64_t histogram_snapshot::count_up_to(std::chrono::nanoseconds bound) const noexcept {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bound_count && bounds()[i] <= bound; ++i) total += counts[i];
  return total;
}

std::chrono::nanoseconds histogram_snapshot::quantile(double q) const noexcept {
  const std::uint64_t total = count();
  if (total == 0) return std::chrono::nanoseconds{0};
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
  std::uint64_t below = 0;
  std::size_t i = 0;
  while (i < bound_count && static_cast<double>(below + counts[i]) < rank) below += counts[i++];
  if (i == bound_count || counts[i] == 0) return max;
  const double lower = i == 0 ? 0.0 : static_cast<double>(bounds()[i - 1].count());
  const double upper = static_cast<double>(bounds()[i].count());
  const double share = (rank - static_cast<double>(below)) / static_cast<double>(counts[i]);
  return std::min(max, std::chrono::nanoseconds{std::llround(lower + (upper - lower) * share)});
}

namespace stats {

histogram_snapshot histogram::snapshot() const noexcept {
  histogram_snapshot s;
  for (std::size_t i = 0; i < counts_.size(); ++i) s.counts[i] = counts_[i].load(std::memory_order_relaxed);
  s.sum = std::chrono::nanoseconds{sum_.load(std::memory_order_relaxed)};
  s.max = std::chrono::nanoseconds{max_.load(std::memory_order_relaxed)};
  return s;
}

void histogram::move_in_serialised(histogram& from) noexcept {
  const auto taken = [](auto& a) {
    const auto was = a.load(std::memory_order_relaxed);
    a.store(0, std::memory_order_relaxed);
    return was;
  };
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (from.counts_[i].load(std::memory_order_relaxed) != 0) bump(counts_[i], taken(from.counts_[i]));
  }
  bump(sum_, taken(from.sum_));
  raise_max(taken(from.max_));
}

void histogram::add_to(histogram_snapshot& to) const noexcept {
  const histogram_snapshot mine = snapshot();
  for (std::size_t i = 0; i < mine.counts.size(); ++i) to.counts[i] += mine.counts[i];
  to.sum += mine.sum;
  to.max = std::max(to.max, mine.max);
}

void pool_counters::snapshot(pool_stats& out) const noexcept {
  const auto load = [](const counter& c) { return c.load(std::memory_order_relaxed); };
  const auto load_all = [&load](const auto& from, auto& to) {
    std::transform(from.begin(), from.end(), to.begin(), load);
  };
  cancel_stats& cancels = out.cancels;
  // Effects before their causes, so that a copy taken in the midst of things never shows more ends than beginnings.
  cancels.unknown = cancels.eof = cancels.sent = 0;
  cancels.failed = {};
  for (std::size_t c = 0; c < cancel_channel_count; ++c) {
    cancel_channel_stats& part = cancels.by_channel[c];
    part.unknown = load(channels_[c].unknown);
    part.eof = load(channels_[c].eof);
    load_all(channels_[c].failed, part.failed);
    cancels.unknown += part.unknown;
    cancels.eof += part.eof;
    for (std::size_t p = 0; p < cancel_phase_count; ++p) cancels.failed[p] += part.failed[p];
  }
  cancels.missed = load(missed_);
  cancels.fell_back = load(fell_back_);
  cancels.batches = load(batches_);
  cancels.control_refused = load(control_refused_);
  cancels.control_opened = load(control_opened_);
  cancels.retried = load(retried_);
  for (std::size_t c = 0; c < cancel_channel_count; ++c) {
    cancels.by_channel[c].sent = load(channels_[c].sent);
    cancels.sent += cancels.by_channel[c].sent;
  }
  load_all(suppressed_, cancels.suppressed);
  cancels.requested = load(requested_);
  out.stray_cancels = load(stray_);
  load_all(closed_, out.closed);
  load_all(resets_, out.resets);
  load_all(hook_errors_, out.hook_errors);
  out.sink_errors += load(sink_errors_);  // those of the connections are in there
  out.slow_acquires = load(slow_acquires_);
  out.wait_time = wait_.snapshot();
  out.use_time = use_.snapshot();
  out.create_time = create_.snapshot();
  out.fence_time = fence_.snapshot();
  out.reset_time = reset_.snapshot();
  out.ping_time = ping_.snapshot();
}

void copy(const core::stats& from, pool_stats& to) noexcept {
  const auto in_state = [&from](core::slot_state s) { return from.slots[static_cast<std::size_t>(s)]; };
  to.idle = in_state(core::slot_state::idle);
  to.leased = in_state(core::slot_state::leased);
  to.connecting = in_state(core::slot_state::connecting);
  to.validating = in_state(core::slot_state::validating);
  to.recovering = in_state(core::slot_state::recovering);
  to.closing = in_state(core::slot_state::closing);
  to.waiting = from.waiting;
  to.max_size = from.max_size;
  to.phase = to_public(from.state);
  to.generation = from.generation;
  to.acquires = from.acquires;
  to.acquires_queued = from.waits;
  to.acquire_timeouts = from.timeouts;
  to.acquires_cancelled = from.cancelled_acquires;
  to.acquires_failed_fast = from.refused[static_cast<std::size_t>(core::refusal::breaker)];
  to.refused = from.refused;
  to.waiting_by_priority = from.waiting_in;
  to.nested_waits = from.nested_waits;
  to.long_holds = from.long_holds;
  to.reclaimed = from.reclaimed;
  to.connects = from.connects;
  to.created = from.created;
  to.connect_failures = from.connect_failures;
  to.connects_throttled = from.connects_throttled;
  to.breaker_opened = from.breaker_opened;
  to.breaker = to_public(from.breaker);
  to.pings = from.pings;
  to.ping_failures = from.ping_failures;
  to.keepalives = from.keepalives;
  to.recoveries = from.recoveries;
  to.recovered = from.recovered;
  to.orphaned = from.orphaned;
}

}  // namespace stats
}  // namespace lido::inline v0
