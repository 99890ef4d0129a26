// What the log is told, and how often: a line a second of each kind, and of leases that last too long every one.
#include "pool/stats/sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lido::stats {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

class log_sink : public ::testing::Test {
 protected:
  std::vector<std::string> lines;
  pool_counters counters;
  sink to{"web", [this](std::string_view line) { lines.emplace_back(line); }, nullptr, counters};
  sink::clock::time_point now{1h};
};

TEST_F(log_sink, I23_one_kind_of_line_does_not_swallow_another) {
  to.line(topic::slow_acquire, "slow", now);
  to.line(topic::slow_acquire, "slow", now);
  to.line(topic::connect, "refused", now);
  to.line(topic::connect, "refused", now + 999ms);
  to.line(topic::tls_files, "tls", now + 999ms);
  EXPECT_THAT(lines, ElementsAre("slow", "refused", "tls"));
  lines.clear();
  to.line(topic::slow_acquire, "slow", now + 1s);
  to.line(topic::connect, "refused", now + 1s);
  to.line(topic::connect, "refused", now + 2s);
  EXPECT_THAT(lines, ElementsAre("slow (and 1 more since)", "refused (and 1 more since)", "refused"));
}

TEST_F(log_sink, P82_a_lease_that_the_limit_holds_back_is_told_when_it_is_due) {
  EXPECT_EQ(to.lease(topic::long_lease, "a", now), sink::clock::time_point::max());
  EXPECT_EQ(to.lease(topic::long_lease, "b", now), now + 1s);
  EXPECT_EQ(to.lease(topic::taken_lease, "c", now), now + 1s) << "of another kind: told, and b still waits";
  EXPECT_EQ(to.lease(topic::long_lease, "d", now + 500ms), now + 1s);
  EXPECT_EQ(to.tell_leases(now + 999ms), now + 1s);
  EXPECT_EQ(to.tell_leases(now + 1s), sink::clock::time_point::max());
  EXPECT_EQ(to.tell_leases(now + 5s), sink::clock::time_point::max());
  EXPECT_THAT(lines, ElementsAre("pool web: a long lease, a", "pool web: a lease was taken away (leak_reclaim), c",
                                 "pool web: 2 long leases: b; d"));
}

TEST_F(log_sink, P82_a_line_names_a_bounded_number_of_leases_and_counts_the_rest) {
  to.lease(topic::long_lease, "first", now);
  for (std::size_t i = 0; i < sink::most_gathered + 3; ++i) to.lease(topic::long_lease, "x", now);
  to.tell_leases(now + 1s);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[1].starts_with("pool web: 19 long leases: x; x; x")) << lines[1];
  EXPECT_TRUE(lines[1].ends_with("x (and 3 more)")) << lines[1];
}

TEST_F(log_sink, P82_what_is_held_back_is_told_at_the_end) {
  to.lease(topic::long_lease, "a", now);
  to.lease(topic::long_lease, "b", now);
  to.tell_last_leases();
  to.tell_last_leases();
  EXPECT_THAT(lines, ElementsAre("pool web: a long lease, a", "pool web: a long lease, b"));
}

TEST_F(log_sink, I27_what_the_log_throws_is_counted) {
  sink throws{"web", [](std::string_view) { throw std::runtime_error("full"); }, nullptr, counters};
  throws.line(topic::hook, "x", now);
  throws.lease(topic::long_lease, "y", now);
  pool_stats seen;
  counters.snapshot(seen);
  EXPECT_EQ(seen.sink_errors, 2U);
}

TEST_F(log_sink, without_a_log_nothing_is_kept) {
  sink silent{"web", nullptr, nullptr, counters};
  EXPECT_EQ(silent.lease(topic::long_lease, "a", now), sink::clock::time_point::max());
  EXPECT_EQ(silent.lease(topic::long_lease, "b", now), sink::clock::time_point::max());
}

}  // namespace
}  // namespace lido::stats
