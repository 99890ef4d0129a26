#include "pool/stats/histogram.hpp"

#include "pool/stats/pool_counters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

namespace {

using lido::histogram_snapshot;
using lido::stats::histogram;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

std::size_t bucket_by_search(nanoseconds d) {
  const auto& bounds = histogram_snapshot::bounds();
  return static_cast<std::size_t>(std::distance(bounds.begin(), std::lower_bound(bounds.begin(), bounds.end(), d)));
}

TEST(histogram, every_duration_falls_into_the_first_bucket_that_holds_it) {
  std::vector<nanoseconds> probes{0ns, 1ns, 2ns, 999ns, 200s, nanoseconds::max()};
  for (const nanoseconds bound : histogram_snapshot::bounds()) {
    for (const int off : {-1, 0, 1}) probes.push_back(bound + nanoseconds{off});
  }
  for (int width = 0; width < 62; ++width) {
    for (const int off : {-1, 0, 1}) probes.push_back(nanoseconds{(std::int64_t{1} << width) + off});
  }
  for (const nanoseconds d : probes) {
    EXPECT_EQ(lido::stats::buckets::bucket_of(d.count()), bucket_by_search(d)) << d.count();
  }
}

TEST(histogram, bounds_hold_those_that_dashboards_use) {
  const auto& bounds = histogram_snapshot::bounds();
  EXPECT_TRUE(std::is_sorted(bounds.begin(), bounds.end()));
  for (const nanoseconds wanted :
       {nanoseconds{1ms}, nanoseconds{5ms}, nanoseconds{10ms}, nanoseconds{50ms}, nanoseconds{100ms},
        nanoseconds{500ms}, nanoseconds{1s}, nanoseconds{5s}, nanoseconds{10s}, nanoseconds{2500us}}) {
    EXPECT_TRUE(std::binary_search(bounds.begin(), bounds.end(), wanted)) << wanted.count();
  }
}

TEST(histogram, a_bound_is_inclusive_as_le_says) {
  histogram h;
  h.observe(5ms);
  h.observe(5ms + 1ns);
  const histogram_snapshot s = h.snapshot();
  EXPECT_EQ(s.count(), 2U);
  EXPECT_EQ(s.count_up_to(4ms), 0U);
  EXPECT_EQ(s.count_up_to(5ms), 1U);
  EXPECT_EQ(s.count_up_to(10ms), 2U);
  EXPECT_EQ(s.sum, 10ms + 1ns);
  EXPECT_EQ(s.max, 5ms + 1ns);
}

TEST(histogram, negative_durations_count_as_none) {
  histogram h;
  h.observe(-5s);
  h.observe_serialised(nanoseconds::min());
  EXPECT_EQ(h.snapshot().counts[0], 2U);
  EXPECT_EQ(h.snapshot().sum, 0ns);
}

TEST(histogram, what_is_beyond_the_last_bound_is_kept) {
  histogram h;
  h.observe(1h);
  const histogram_snapshot s = h.snapshot();
  EXPECT_EQ(s.counts[histogram_snapshot::bound_count], 1U);
  EXPECT_EQ(s.count_up_to(100s), 0U);
  EXPECT_EQ(s.quantile(0.5), 1h);
}

TEST(histogram, quantiles_are_right_within_a_bucket) {
  histogram h;
  for (int i = 1; i <= 10'000; ++i) h.observe(std::chrono::microseconds{i});
  const histogram_snapshot s = h.snapshot();
  for (const double q : {0.1, 0.5, 0.9, 0.99}) {
    const double exact = q * 10'000'000;
    EXPECT_NEAR(static_cast<double>(s.quantile(q).count()), exact, exact * 0.13) << q;
  }
  EXPECT_EQ(s.quantile(1), 10ms);
  EXPECT_EQ(histogram_snapshot{}.quantile(0.5), 0ns);
}

TEST(histogram, serialised_and_free_recording_agree) {
  histogram a;
  histogram b;
  for (int i = 0; i < 1'000; ++i) {
    a.observe(std::chrono::microseconds{i * 37});
    b.observe_serialised(std::chrono::microseconds{i * 37});
  }
  a.observe(0ns);
  b.observe_instant_serialised();
  EXPECT_EQ(a.snapshot().counts, b.snapshot().counts);
  EXPECT_EQ(a.snapshot().sum, b.snapshot().sum);
  EXPECT_EQ(a.snapshot().max, b.snapshot().max);
}

TEST(I23_counters, threads_lose_no_event) {
  // On the heap: g++ 12 does not align what it puts on AddressSanitizer's fake stack by 64 bytes.
  const auto on_heap = std::make_unique<lido::stats::pool_counters>();
  lido::stats::pool_counters& counters = *on_heap;
  constexpr int each = 20'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&counters] {
      for (int i = 0; i < each; ++i) {
        counters.cancel_sent();
        counters.closed(lido::close_reason::cancel_unknown);
        counters.fenced(std::chrono::microseconds{i});
      }
    });
  }
  for (std::thread& t : threads) t.join();
  lido::pool_stats s;
  counters.snapshot(s);
  EXPECT_EQ(s.cancels.sent, 4U * each);
  EXPECT_EQ(s.of(lido::close_reason::cancel_unknown), 4U * each);
  EXPECT_EQ(s.fence_time.count(), 4U * each);
  EXPECT_EQ(s.fence_time.max, std::chrono::microseconds{each - 1});
}

TEST(I23_counters, each_event_has_its_own_place) {
  const auto on_heap = std::make_unique<lido::stats::pool_counters>();
  lido::stats::pool_counters& c = *on_heap;
  c.cancel_requested();
  c.cancel_suppressed(lido::cancel_suppression::overtaken);
  c.cancel_retried();
  c.cancel_eof();
  c.cancel_failed(lido::cancel_phase::tls);
  c.cancel_unknown();
  c.stray_cancel();
  c.hook_failed(lido::pool_hook::after_connect);
  c.sink_failed();
  c.waited(1ms);
  c.used(2ms);
  c.created_in(3ms);
  lido::pool_stats s;
  c.snapshot(s);
  EXPECT_EQ(s.cancels.requested, 1U);
  EXPECT_EQ(s.cancels.of(lido::cancel_suppression::overtaken), 1U);
  EXPECT_EQ(s.cancels.of(lido::cancel_suppression::unsent), 0U);
  EXPECT_EQ(s.cancels.sent, 0U);
  EXPECT_EQ(s.cancels.retried, 1U);
  EXPECT_EQ(s.cancels.eof, 1U);
  EXPECT_EQ(s.cancels.of(lido::cancel_phase::tls), 1U);
  EXPECT_EQ(s.cancels.of(lido::cancel_phase::eof), 0U);
  EXPECT_EQ(s.cancels.unknown, 1U);
  EXPECT_EQ(s.stray_cancels, 1U);
  EXPECT_EQ(s.of(lido::pool_hook::after_connect), 1U);
  EXPECT_EQ(s.sink_errors, 1U);
  EXPECT_EQ(s.wait_time.sum, 1ms);
  EXPECT_EQ(s.use_time.sum, 2ms);
  EXPECT_EQ(s.create_time.sum, 3ms);
}

}  // namespace
