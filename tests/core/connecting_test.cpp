// Connects, back-off, concurrency, min_size.
#include "tests/core/pool_fixture.hpp"

namespace core_test {

TEST(connecting, I9_never_more_than_max_size) {
  pool p{2};
  core::waiter a, b, c;
  for (core::waiter* w : {&a, &b, &c}) p.acquire(*w);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 2U);
  for (core::waiter* w : {&a, &b, &c}) p.cancel(*w);
}

TEST(connecting, I9_a_closing_connection_keeps_its_slot_until_the_server_is_done) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a;
  p.acquire(a);
  p.release(lease, core::condition::broken);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{lease});
  EXPECT_TRUE(p.slots(action_kind::connect).empty());
  p.next().closed(lease);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
  p.cancel(a);
}

TEST(connecting, I9_what_outlives_the_close_deadline_is_counted_as_orphaned) {
  pool p{1};
  const core::lease_id lease = p.lease();
  p.release(lease, core::condition::broken);
  p.closed(lease, true);
  EXPECT_EQ(p.stats().orphaned, 1U);
  EXPECT_EQ(p.count(slot_state::absent), 1U);
}

TEST(connecting, connect_concurrency_bounds_the_connects_under_way) {
  core::limits l = plain_limits(10);
  l.connect_concurrency = 2;
  pool p{l};
  core::waiter a, b, c;
  for (core::waiter* w : {&a, &b, &c}) p.acquire(*w);
  const auto made = p.slots(action_kind::connect);
  ASSERT_EQ(made.size(), 2U);
  p.next().connected(made[0]);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
  for (core::waiter* w : {&a, &b, &c}) p.cancel(*w);
}

TEST(connecting, a_failed_connect_backs_off_and_the_waiter_waits_on) {
  core::limits l = plain_limits(1);
  l.connect_backoff_min = l.connect_backoff_max = 100ms;
  pool p{l};
  core::waiter a{p.now + 1s};
  p.acquire(a);
  p.connect_failed(p.slots(action_kind::connect)[0]);
  EXPECT_EQ(a.state(), waiter_state::queued);
  const core::time_point again = p.book.next_deadline();
  EXPECT_GT(again, p.now);
  EXPECT_LE(again, p.now + 100ms);
  p.next().expire();
  EXPECT_TRUE(p.actions.empty()) << "not before the pause is over";
  p.now = again;
  p.next().expire();
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
  p.cancel(a);
}

TEST(connecting, I1_one_that_is_not_to_be_used_is_replaced_and_no_failure_of_its_server) {
  core::limits l = plain_limits(1);
  l.breaker_threshold = 1;
  pool p{l};
  core::waiter a;
  p.acquire(a);
  const auto first = p.slots(action_kind::connect);
  ASSERT_EQ(first.size(), 1U);
  p.next().connect_given_up(first[0]);
  const auto second = p.slots(action_kind::connect);
  ASSERT_EQ(second.size(), 1U) << "at once, without a pause";
  EXPECT_EQ(a.state(), core::waiter_state::queued);
  EXPECT_EQ(p.book.connect_breaker().state(), core::breaker_state::closed);
  p.next().connected(second[0]);
  EXPECT_EQ(a.state(), core::waiter_state::granted);
  p.cancel(a);
}

TEST(connecting, while_failing_one_connect_at_a_time_asks_whether_the_server_is_back) {
  pool p{10};
  core::waiter a, b, c;
  for (core::waiter* w : {&a, &b, &c}) p.acquire(*w);
  for (const core::slot_id id : p.slots(action_kind::connect)) p.connect_failed(id);
  p.now = p.book.next_deadline();
  p.next().expire();
  const auto probe = p.slots(action_kind::connect);
  ASSERT_EQ(probe.size(), 1U);
  p.next().connected(probe[0]);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 2U) << "it is: all who still wait get theirs";
  for (core::waiter* w : {&a, &b, &c}) p.cancel(*w);
}

TEST(connecting, the_ceiling_of_the_back_off_doubles_up_to_its_maximum_and_success_resets_it) {
  core::limits l = plain_limits(1);
  l.connect_backoff_min = 100ms;
  l.connect_backoff_max = 350ms;
  core::random r{3};
  core::backoff b;
  core::time_point now{1h};
  for (const core::duration ceiling : {100ms, 200ms, 350ms, 350ms}) {
    b.failed(l, r, now);
    EXPECT_LE(b.until(), now + ceiling);
    EXPECT_GE(b.until(), now);
    now = b.until() + 1ns;
  }
  b.succeeded();
  EXPECT_FALSE(b.failing());
  b.failed(l, r, now);
  EXPECT_LE(b.until(), now + 100ms);
}

TEST(connecting, the_jitter_is_full) {
  core::limits l = plain_limits(1);
  l.connect_backoff_min = l.connect_backoff_max = 1000ms;
  core::random r{5};
  int low = 0;
  for (int i = 0; i < 1000; ++i) {
    core::backoff b;
    b.failed(l, r, core::time_point{1h});
    low += b.until() < core::time_point{1h} + 500ms;
  }
  EXPECT_GT(low, 400);
  EXPECT_LT(low, 600);
}

TEST(connecting, failures_of_one_batch_count_once) {
  core::limits l = plain_limits(1);
  l.connect_backoff_min = 100ms;
  l.connect_backoff_max = 100s;
  core::random r{3};
  core::backoff b;
  core::time_point now{1h};
  b.failed(l, r, now);
  const core::time_point until = b.until();
  ASSERT_GT(until, now);
  for (int i = 0; i < 20; ++i) b.failed(l, r, now);
  EXPECT_EQ(b.until(), until);
}

TEST(connecting, a_permanent_failure_is_told_to_everybody_who_waits) {
  pool p{1};
  core::waiter a, b;
  p.acquire(a);
  p.acquire(b);
  const auto made = p.slots(action_kind::connect);
  p.next().connect_failed(made[0], true);
  EXPECT_EQ(p.waiters(action_kind::fail), (these_waiters{&a, &b}));
  EXPECT_EQ(p.actions[0].failure, core::fail_reason::connect_refused);
  EXPECT_TRUE(p.slots(action_kind::connect).empty());
}

TEST(connecting, the_first_expire_fills_up_to_min_size) {
  core::limits l = plain_limits(4);
  l.min_size = 3;
  pool p{l};
  EXPECT_LE(p.book.next_deadline(), p.now);
  p.expire();
  EXPECT_EQ(p.slots(action_kind::connect).size(), 3U);
}

TEST(connecting, min_size_comes_back_after_a_loss) {
  core::limits l = plain_limits(2);
  l.min_size = 1;
  pool p{l};
  p.expire();
  const auto made = p.slots(action_kind::connect);
  p.connected(made[0]);
  p.next().disconnected(made[0]);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
}

TEST(connecting, a_connect_is_made_for_the_shard_that_asked) {
  core::limits l = plain_limits(4);
  l.shards = 3;
  pool p{l};
  core::waiter a{core::never, 2}, b, c;
  p.acquire(a);
  p.acquire(b);
  p.acquire(c);
  ASSERT_EQ(p.actions.size(), 3U);
  EXPECT_EQ(p.actions[0].shard, 2);
  EXPECT_EQ(p.actions[1].shard, 0) << "who does not care goes round";
  EXPECT_EQ(p.actions[2].shard, 1);
  for (core::waiter* w : {&a, &b, &c}) p.cancel(*w);
}

}  // namespace core_test
