#include "bench/storm/tally.hpp"

#include <algorithm>

namespace lido::storm {
namespace {
constexpr std::size_t max_examples = 8;
}

std::uint64_t tally_snapshot::error_count() const noexcept {
  std::uint64_t n = 0;
  for (const auto& [label, count] : errors) n += count;
  return n;
}

void tally::ended(const outcome& o, const std::string& detail) {
  const verdict what = judge(o);
  if (what == verdict::interrupted) {
    interrupted_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  operations_.fetch_add(1, std::memory_order_relaxed);
  switch (what) {
    case verdict::interrupted: return;
    case verdict::completed: completed_.fetch_add(1, std::memory_order_relaxed); return;
    case verdict::cancelled: cancelled_.fetch_add(1, std::memory_order_relaxed); return;
    case verdict::error: {
      const std::string label = label_of(o.error);
      const std::lock_guard lock{mutex_};
      if (++errors_[label] == 1) first_of_[label] = detail;
      return;
    }
    case verdict::stray_cancel:
      stray_.fetch_add(1, std::memory_order_relaxed);
      keep_example("hit by somebody else's cancel: " + detail);
      return;
    case verdict::unexpected:
      unexpected_.fetch_add(1, std::memory_order_relaxed);
      keep_example((o.error ? name_of(o.error) + ": " : std::string{}) + detail);
      return;
  }
}

void tally::breach(const std::string& what) {
  unexpected_.fetch_add(1, std::memory_order_relaxed);
  keep_example(what);
}

void tally::keep_example(const std::string& text) {
  const std::lock_guard lock{mutex_};
  if (examples_.size() < max_examples && std::find(examples_.begin(), examples_.end(), text) == examples_.end()) {
    examples_.push_back(text);
  }
}

tally_snapshot tally::snapshot() const {
  tally_snapshot s;
  s.operations = operations_.load(std::memory_order_relaxed);
  s.completed = completed_.load(std::memory_order_relaxed);
  s.cancelled = cancelled_.load(std::memory_order_relaxed);
  s.unexpected = unexpected_.load(std::memory_order_relaxed);
  s.stray_cancels = stray_.load(std::memory_order_relaxed);
  s.interrupted = interrupted_.load(std::memory_order_relaxed);
  s.cancel_latency = cancel_.summary();
  s.acquire_latency = acquire_.summary();
  const std::lock_guard lock{mutex_};
  s.errors = errors_;
  s.first_of = first_of_;
  s.examples = examples_;
  return s;
}

}  // namespace lido::storm
