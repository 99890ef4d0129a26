#include "pool/stats/sink.hpp"

#include <algorithm>

namespace lido::inline v0::stats {

namespace {

constexpr std::array lease_topics{topic::long_lease, topic::taken_lease};

std::string_view words_for(topic about, bool several) noexcept {
  if (about == topic::long_lease) return several ? " long leases: " : "a long lease, ";
  return several ? " leases were taken away (leak_reclaim): " : "a lease was taken away (leak_reclaim), ";
}

}  // namespace

bool sink::passes(topic about, clock::time_point now) noexcept {
  std::atomic<std::int64_t>& next_ns = limit_of(about).next_ns;
  const std::int64_t ns = now.time_since_epoch().count();
  std::int64_t next = next_ns.load(std::memory_order_relaxed);
  return ns >= next && next_ns.compare_exchange_strong(next, ns + interval.count(), std::memory_order_relaxed);
}

void sink::say(std::string_view text) noexcept try { log_(text); } catch (...) {
  counters_.sink_failed();  // foreign code: contained, and visible as a counter
}

void sink::line(topic about, std::string_view text, clock::time_point now) noexcept {
  if (!log_) return;
  std::atomic<std::uint64_t>& swallowed = limit_of(about).swallowed;
  if (!passes(about, now)) {
    swallowed.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const auto more = swallowed.exchange(0, std::memory_order_relaxed);
  if (more == 0) return say(text);
  try {
    say(std::string(text) + " (and " + std::to_string(more) + " more since)");
  } catch (const std::bad_alloc&) {
    say(text);
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

sink::clock::time_point sink::lease(topic about, std::string holder, clock::time_point now) noexcept {
  if (!log_) return clock::time_point::max();
  {
    const detail::lock guard(mutex_);
    gathering& all = gathered(about);
    try {
      if (all.holders.size() < most_gathered) {
        all.holders.push_back(std::move(holder));
      } else {
        ++all.more;
      }
    } catch (const std::bad_alloc&) {
      ++all.more;
    }
  }
  return tell_leases(now);
}

bool sink::has_gathered(topic about) noexcept {
  const detail::lock guard(mutex_);
  return !gathered(about).holders.empty() || gathered(about).more > 0;
}

sink::clock::time_point sink::tell_leases(clock::time_point now) noexcept {
  auto due = clock::time_point::max();
  for (const topic about : lease_topics) {
    if (!has_gathered(about)) continue;
    if (passes(about, now)) {
      tell(about);
    } else {
      const std::int64_t next = limit_of(about).next_ns.load(std::memory_order_relaxed);
      due = std::min(due, clock::time_point(clock::duration(next)));
    }
  }
  return due;
}

void sink::tell_last_leases() noexcept {
  for (const topic about : lease_topics) {
    if (has_gathered(about)) tell(about);
  }
}

void sink::tell(topic about) noexcept {
  gathering all;
  {
    const detail::lock guard(mutex_);
    std::swap(all, gathered(about));
  }
  const std::uint64_t number = all.holders.size() + all.more;
  if (number == 0) return;  // another thread was faster
  try {
    std::string text = "pool " + pool_ + ": ";
    if (number > 1) text += std::to_string(number);
    text += words_for(about, number > 1);
    for (std::size_t i = 0; i < all.holders.size(); ++i) text += (i == 0 ? "" : "; ") + all.holders[i];
    if (all.more > 0) text += " (and " + std::to_string(all.more) + " more)";
    say(text);
  } catch (const std::bad_alloc&) {
    return;  // the counters tell
  }
}

}  // namespace lido::inline v0::stats
