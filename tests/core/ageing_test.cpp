// Lifetimes, idle time-outs, validation before use, lost time, and limits that change.
#include "tests/core/pool_fixture.hpp"

namespace core_test {

core::limits validating_limits(std::uint32_t max_size, core::duration after) {
  core::limits l = plain_limits(max_size);
  l.validate_after_idle = after;
  return l;
}

TEST(ageing, a_connection_idle_for_too_long_is_pinged_before_use) {
  pool p{validating_limits(1, 1s)};
  const auto idle = p.idle(1);
  core::lease_id got;
  p.later(1s);
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  p.release(got);
  p.later(1s + 1ns);
  EXPECT_FALSE(p.book.try_acquire(0, p.now, got));
  core::waiter a;
  EXPECT_EQ(p.acquire(a), core::acquire_result::queued);
  EXPECT_EQ(p.slots(action_kind::validate), one_slot{idle[0]});
  p.next().validated(idle[0], true);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&a});
  p.cancel(a);
}

TEST(ageing, a_failed_ping_tries_the_next_and_at_last_a_new_one_unseen) {
  pool p{validating_limits(3, 1s)};
  const auto idle = p.idle(2);
  core::waiter a;
  p.later(2s).acquire(a);
  p.validated(idle[1], false);
  EXPECT_EQ(p.slots(action_kind::validate), (one_slot{idle[1], idle[0]}));
  p.next().validated(idle[0], false);
  const auto made = p.slots(action_kind::connect);
  ASSERT_EQ(made.size(), 1U);
  p.connected(made[0]);
  EXPECT_TRUE(p.resume(a));
  EXPECT_EQ(p.stats().ping_failures, 2U);
}

TEST(ageing, zero_means_that_age_alone_is_no_reason_for_a_ping) {
  pool p{validating_limits(1, 0s)};
  p.idle(1);
  core::lease_id got;
  p.later(1000h);
  EXPECT_TRUE(p.book.try_acquire(0, p.now, got));
}

TEST(ageing, negative_means_always) {
  pool p{validating_limits(1, -1ns)};
  p.idle(1);
  core::lease_id got;
  EXPECT_FALSE(p.book.try_acquire(0, p.now, got));
}

TEST(ageing, I10_a_lease_that_was_never_used_does_not_make_its_connection_younger) {
  pool p{validating_limits(1, 10s)};
  const auto idle = p.idle(1);
  core::waiter a, b;
  p.later(8s).acquire(a);
  p.acquire(b);
  p.later(8s).cancel(a);
  EXPECT_EQ(p.slots(action_kind::validate), one_slot{idle[0]}) << "16 s since anybody heard of it";
  p.cancel(b);
}

TEST(ageing, max_lifetime_holds_for_idle_and_for_leased_connections) {
  core::limits l = plain_limits(2);
  l.max_lifetime = 1h;
  l.max_lifetime_jitter = 0;
  pool p{l};
  const auto idle = p.idle(1);
  const core::lease_id used = [&] {
    core::waiter w, second;
    p.acquire(w);
    EXPECT_TRUE(p.resume(w));
    return w.lease();
  }();
  p.later(59min).release(used);
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(p.book.next_deadline(), p.now + 1min);
  core::lease_id got;
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  p.later(1min).release(got);
  ASSERT_EQ(p.slots(action_kind::close), one_slot{idle[0]});
  EXPECT_EQ(p.actions[0].reason, core::close_reason::max_lifetime);
}

TEST(ageing, lifetimes_are_spread_and_never_longer_than_the_maximum) {
  core::limits l = plain_limits(1);
  l.max_lifetime = 1000s;
  l.max_lifetime_jitter = 0.2;
  const core::lifecycle policy{l};
  core::random r{1};
  core::time_point first = core::never, last = core::time_point::min();
  for (int i = 0; i < 1000; ++i) {
    const core::time_point t = policy.retirement(r, core::time_point{});
    first = std::min(first, t);
    last = std::max(last, t);
  }
  EXPECT_GE(first, core::time_point{800s});
  EXPECT_LT(first, core::time_point{810s});
  EXPECT_LE(last, core::time_point{1000s});
  EXPECT_GT(last, core::time_point{990s});
}

TEST(ageing, the_surplus_ages_out_and_min_size_stays) {
  core::limits l = plain_limits(3);
  l.min_size = 1;
  l.idle_timeout = 10s;
  pool p{l};
  p.expire();
  p.connected(p.slots(action_kind::connect)[0]);
  p.next().idle(3);
  p.later(5s);
  core::lease_id got;
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  p.release(got);
  p.later(5s).expire();
  EXPECT_EQ(p.slots(action_kind::close).size(), 2U);
  EXPECT_EQ(p.count(slot_state::idle), 1U);
  p.later(1h).expire();
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(p.book.next_deadline(), core::never) << "nothing to wake up for";
}

TEST(ageing, I28_a_timer_that_is_far_too_late_means_that_time_was_lost) {
  core::limits l = plain_limits(1);
  l.stall_gap = 5s;
  l.idle_timeout = 60s;
  pool p{l};
  const auto idle = p.idle(1);
  core::waiter a{p.now + 1s};
  const core::lease_id lease = p.lease();
  p.acquire(a);
  p.release(lease);
  ASSERT_TRUE(p.resume(a));
  p.release(a.lease());
  core::lease_id got;
  p.later(6s);
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got)) << "the waiter's deadline, 5 s ago, was at most 5 s late";
  p.release(got);
  p.later(1s);
  EXPECT_FALSE(p.book.try_acquire(0, p.now, got));
  core::waiter b;
  p.acquire(b);
  EXPECT_EQ(p.slots(action_kind::validate), one_slot{idle[0]});
  EXPECT_EQ(p.stats().stalls, 1U);
  p.cancel(b);
}

TEST(ageing, I28_after_a_suspend_all_that_is_idle_is_pinged_before_use) {
  pool p{2};
  const auto idle = p.idle(2);
  p.book.time_was_lost(p.now);
  core::lease_id got;
  EXPECT_FALSE(p.book.try_acquire(0, p.now, got));
  core::waiter a;
  p.later(1ns).acquire(a);
  EXPECT_EQ(p.slots(action_kind::validate), one_slot{idle[1]});
  p.validated(idle[1], true);
  ASSERT_TRUE(p.resume(a));
  p.release(a.lease());
  EXPECT_TRUE(p.book.try_acquire(0, p.now, got)) << "that one is known to work again";
  EXPECT_FALSE(p.book.try_acquire(0, p.now, got)) << "the other is not";
}

TEST(ageing, a_smaller_max_size_takes_effect_as_connections_come_back) {
  pool p{3};
  const core::lease_id a = p.lease(), b = p.lease(), c = p.lease();
  p.release(c);
  p.next().book.reconfigure(plain_limits(1), p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{c});
  p.next().release(a);
  ASSERT_EQ(p.slots(action_kind::close), one_slot{a});
  EXPECT_EQ(p.actions[0].reason, core::close_reason::shrunk);
  p.next().release(b);
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(p.count(slot_state::idle), 1U);
}

TEST(ageing, a_larger_max_size_serves_those_who_wait) {
  pool p{1};
  (void)p.lease();
  core::waiter a, b;
  p.acquire(a);
  p.acquire(b);
  p.next().book.reconfigure(plain_limits(3), p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 2U);
  p.cancel(a);
  p.cancel(b);
}

TEST(ageing, shrinking_fails_nobody_who_waits) {
  pool p{3};
  const core::lease_id a = p.lease(), b = p.lease(), c = p.lease();
  core::waiter w;
  p.acquire(w);
  p.next().book.reconfigure(plain_limits(1), p.now, p.actions);
  EXPECT_TRUE(p.actions.empty());
  p.release(a);
  p.release(b);
  EXPECT_EQ(p.slots(action_kind::close).size(), 2U);
  EXPECT_EQ(p.waiters(action_kind::grant).size(), 0U);
  p.next().release(c);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&w});
  EXPECT_TRUE(p.resume(w));
}

TEST(ageing, what_a_rolling_change_connects_is_of_the_new_generation) {
  pool p{1};
  const core::lease_id a = p.lease();
  core::waiter w;
  p.acquire(w);
  // as the shell does it
  p.next().book.new_generation(p.now, p.actions);
  p.book.reconfigure(plain_limits(2), p.now, p.actions);
  const auto fresh = p.slots(action_kind::connect);
  ASSERT_EQ(fresh.size(), 1U);
  p.next().connected(fresh[0]);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&w}) << "not retired on arrival";
  EXPECT_TRUE(p.resume(w));
  p.next().release(a);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{a});
}

TEST(ageing, a_new_generation_replaces_everything) {
  pool p{3};
  const core::lease_id used = p.lease();
  const auto idle = p.idle(1);
  p.book.new_generation(p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{idle[0]});
  p.next().release(used);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{used});
}

}  // namespace core_test
