// I21: close.
#include "tests/core/pool_fixture.hpp"

namespace core_test {

TEST(closing, I21_begin_close_refuses_wakes_and_closes_what_nobody_uses) {
  pool p{4};
  const auto idle = p.idle(1);
  core::waiter first;
  p.acquire(first);
  ASSERT_TRUE(p.resume(first));
  core::waiter a, b;
  p.acquire(a);
  p.acquire(b);
  const auto made = p.slots(action_kind::connect);
  p.next().book.begin_close(p.now, p.actions);
  EXPECT_EQ(p.waiters(action_kind::fail), (these_waiters{&a, &b}));
  EXPECT_EQ(p.actions[0].failure, core::fail_reason::pool_closed);
  EXPECT_EQ(p.slots(action_kind::close), made) << "a connect that nobody waits for is aborted";
  core::waiter late;
  EXPECT_EQ(p.acquire(late), core::acquire_result::pool_closed);
  p.closed(made[0]);
  p.connect_failed(made[1]);
  EXPECT_FALSE(p.book.is_closed()) << "a lease may end by itself";
  p.next().release(first.lease());
  EXPECT_EQ(p.slots(action_kind::close), one_slot{idle[0]});
  p.next().closed(idle[0]);
  ASSERT_EQ(p.actions.size(), 1U);
  EXPECT_EQ(p.actions[0].kind, action_kind::finished);
  EXPECT_TRUE(p.book.is_closed());
}

TEST(closing, I21_an_empty_pool_is_closed_at_once_and_once) {
  pool p{1};
  p.book.begin_close(p.now, p.actions);
  p.book.begin_close(p.now, p.actions);
  p.book.force_close(p.now, p.actions);
  ASSERT_EQ(p.actions.size(), 1U);
  EXPECT_EQ(p.actions[0].kind, action_kind::finished);
}

TEST(closing, I21_the_deadline_takes_leases_away_through_recovery) {
  pool p{1};
  const core::lease_id lease = p.lease();
  p.book.begin_close(p.now, p.actions);
  p.next().book.force_close(p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::recover), one_slot{lease})
      << "what still runs is cancelled before the connection is closed";
  p.next().release(lease);
  EXPECT_TRUE(p.actions.empty()) << "its former owner is too late";
  p.book.recovered(lease, true, core::close_reason::broken, p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{lease}) << "usable, and not wanted any more";
  p.closed(lease, true);
  EXPECT_TRUE(p.book.is_closed());
}

TEST(closing, I10_a_grant_not_picked_up_gets_pool_closed_on_a_forced_close) {
  pool p{1};
  p.idle(1);
  core::waiter a;
  p.acquire(a);
  p.book.begin_close(p.now, p.actions);
  p.book.force_close(p.now, p.actions);
  p.next();
  EXPECT_FALSE(p.resume(a));
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a});
  EXPECT_EQ(p.actions[0].failure, core::fail_reason::pool_closed);
  EXPECT_EQ(a.state(), waiter_state::detached);
}

TEST(closing, I21_a_grant_made_before_close_is_honoured_until_its_deadline) {
  pool p{1};
  p.idle(1);
  core::waiter a;
  p.acquire(a);
  p.book.begin_close(p.now, p.actions);
  EXPECT_TRUE(p.resume(a));
}

TEST(closing, I21_a_late_connect_cannot_hold_up_close) {
  pool p{1};
  core::waiter a;
  p.acquire(a);
  const auto made = p.slots(action_kind::connect);
  p.book.begin_close(p.now, p.actions);
  p.next().connected(made[0]);
  EXPECT_TRUE(p.actions.empty()) << "it succeeded while it was being aborted: the close that was ordered holds";
  p.closed(made[0]);
  EXPECT_TRUE(p.book.is_closed());
}

TEST(closing, no_connect_after_close_not_even_for_min_size) {
  core::limits l = plain_limits(2);
  l.min_size = 2;
  pool p{l};
  p.book.begin_close(p.now, p.actions);
  p.next().expire();
  EXPECT_TRUE(p.actions.empty());
}

}  // namespace core_test
