// Who may be sent traffic, and when a bad verdict ends.
#include "pool/core/readiness.hpp"

#include "tests/core/pool_fixture.hpp"

namespace core_test {

using core::readiness;

namespace {

core::limits lonely_limits() {
  core::limits l = plain_limits(2);
  l.min_size = 0;
  l.connect_backoff_min = l.connect_backoff_max = 100ms;
  return l;
}

// One task asks, its connect fails, and it goes away.
void fail_once(pool& p) {
  core::waiter a;
  p.acquire(a);
  const core::slot_id id = p.slots(action_kind::connect).front();
  p.next().connect_failed(id);
  p.next().cancel(a);
}

}  // namespace

TEST(readiness, a_pool_that_never_connected_is_ready) {
  pool p{lonely_limits()};
  EXPECT_EQ(judge(p.book, p.now), readiness::ready);
}

TEST(readiness, without_a_connection_and_with_failing_connects_it_is_not) {
  pool p{lonely_limits()};
  fail_once(p);
  EXPECT_EQ(judge(p.book, p.now), readiness::unreachable);
}

TEST(readiness, a_failure_is_forgotten_or_no_traffic_would_ever_come_back) {
  pool p{lonely_limits()};
  fail_once(p);
  const auto end = p.book.connect_breaker().pause().until() + core::failure_is_news_for;
  EXPECT_EQ(judge(p.book, end - 1ns), readiness::unreachable);
  EXPECT_EQ(judge(p.book, end), readiness::ready);
}

TEST(readiness, while_a_connect_is_under_way_the_last_failure_counts) {
  pool p{lonely_limits()};
  fail_once(p);
  p.now = p.book.connect_breaker().pause().until() + core::failure_is_news_for;
  core::waiter b;
  p.next().acquire(b);
  ASSERT_EQ(p.slots(action_kind::connect).size(), 1U);
  EXPECT_EQ(judge(p.book, p.now), readiness::unreachable);
  const core::slot_id id = p.slots(action_kind::connect).front();
  p.next().connected(id);
  EXPECT_TRUE(p.resume(b));
  EXPECT_EQ(judge(p.book, p.now), readiness::ready);
}

TEST(readiness, one_connection_that_is_left_makes_failures_bearable) {
  pool p{lonely_limits()};
  const core::lease_id held = p.lease();
  core::waiter b;
  p.next().acquire(b);
  const core::slot_id id = p.slots(action_kind::connect).front();
  p.next().connect_failed(id);
  EXPECT_EQ(judge(p.book, p.now), readiness::ready);
  p.next().disconnected(held);
  EXPECT_EQ(judge(p.book, p.now), readiness::unreachable) << "it is held, and dead";
  p.next().cancel(b);
}

TEST(readiness, paused_and_closing_say_so) {
  pool p{lonely_limits()};
  p.book.pause(p.now, p.actions);
  EXPECT_EQ(judge(p.book, p.now), readiness::paused);
  p.book.begin_close(p.now, p.actions);
  EXPECT_EQ(judge(p.book, p.now), readiness::closing);
}

}  // namespace core_test
