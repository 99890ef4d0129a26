// Priorities and their reserved slots, tasks that wait for themselves, leases that last too long.
#include "tests/core/pool_fixture.hpp"

#include <memory>

namespace core_test {

using core::acquire_result;
using core::priority;

namespace {

struct of : core::waiter {
  explicit of(priority p, core::time_point deadline = core::never) : waiter(deadline) { set_priority(p); }
};
struct task : core::waiter {
  explicit task(core::task_id id, core::time_point deadline = core::never) : waiter(deadline) { set_task(id); }
};

core::limits reserving(std::uint32_t max_size, std::uint32_t reserved) {
  core::limits l = plain_limits(max_size);
  l.reserved_slots = reserved;
  return l;
}

core::lease_id lease(pool& p, core::waiter& w) {
  if (p.acquire(w) == acquire_result::queued) p.connected(p.slots(action_kind::connect).back());
  EXPECT_TRUE(p.resume(w));
  p.next();
  return w.lease();
}

}  // namespace

TEST(priorities, the_higher_class_is_served_first_and_within_one_who_came_first) {
  pool p{1};
  core::lease_id current = p.lease();
  of low{priority::low}, first{priority::normal}, second{priority::normal}, high{priority::high};
  for (core::waiter* w : {&low, &first, &second, &high}) p.acquire(*w);
  for (core::waiter* w : {&high, &first, &second, &low}) {
    p.next().release(current);
    EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{w});
    ASSERT_TRUE(p.resume(*w));
    current = w->lease();
  }
}

TEST(priorities, a_class_that_was_passed_over_eight_times_is_served_next) {
  pool p{1};
  core::lease_id current = p.lease();
  of low{priority::low};
  p.acquire(low);
  std::vector<std::unique_ptr<core::waiter>> high;
  for (std::uint32_t i = 0; i < 20; ++i) {
    high.push_back(std::make_unique<of>(priority::high));
    p.acquire(*high.back());
  }
  std::uint32_t before = 0;
  for (;; ++before) {
    p.next().release(current);
    const auto granted = p.waiters(action_kind::grant);
    ASSERT_EQ(granted.size(), 1U);
    if (granted[0] == &low) break;
    ASSERT_TRUE(p.resume(*high[before]));
    current = high[before]->lease();
  }
  EXPECT_EQ(before, core::waiter_queue::patience);
  EXPECT_TRUE(p.resume(low));
  for (const auto& w : high) p.cancel(*w);
}

TEST(priorities, who_leaves_takes_the_claim_of_his_class_along) {
  pool p{1};
  core::lease_id current = p.lease();
  of first{priority::low}, second{priority::low};
  p.acquire(first);
  for (std::uint32_t i = 0; i < core::waiter_queue::patience - 1; ++i) {
    of high{priority::high};
    p.acquire(high);
    p.next().release(current);
    ASSERT_TRUE(p.resume(high));
    current = high.lease();
  }
  p.cancel(first);
  p.acquire(second);
  for (int i = 0; i < 2; ++i) {
    of high{priority::high};
    p.acquire(high);
    p.next().release(current);
    EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&high});
    ASSERT_TRUE(p.resume(high));
    current = high.lease();
  }
  p.cancel(second);
}

TEST(priorities, the_reserved_slots_are_for_high_priority_alone) {
  pool p{reserving(3, 1)};
  of a{priority::normal}, b{priority::low}, c{priority::normal}, health{priority::high};
  lease(p, a);
  lease(p, b);
  EXPECT_EQ(p.acquire(c), acquire_result::queued);
  EXPECT_TRUE(p.actions.empty()) << "no connection is made for somebody who may not have it";
  EXPECT_EQ(p.acquire(health), acquire_result::queued);
  ASSERT_EQ(p.slots(action_kind::connect).size(), 1U);
  p.connected(p.slots(action_kind::connect)[0]);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&health});
  ASSERT_TRUE(p.resume(health));
  p.next().release(health.lease());
  EXPECT_TRUE(p.actions.empty()) << "it stays idle, though somebody waits";
  EXPECT_EQ(p.acquire(health), acquire_result::granted) << "and is there at once the next time";
  ASSERT_TRUE(p.resume(health));
  p.next().release(a.lease());
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&c});
  ASSERT_TRUE(p.resume(c));
}

TEST(priorities, a_connection_that_recovers_or_closes_is_not_replaced_out_of_the_reserve) {
  pool p{reserving(2, 1)};
  of a{priority::normal}, b{priority::normal}, health{priority::high};
  lease(p, a);
  p.release(a.lease(), core::condition::needs_recovery);
  p.next();
  EXPECT_EQ(p.acquire(b), acquire_result::queued);
  EXPECT_TRUE(p.actions.empty());
  lease(p, health);
  p.cancel(b);
}

TEST(priorities, high_priority_beyond_the_reserve_takes_from_the_common_part) {
  pool p{reserving(3, 1)};
  of h1{priority::high}, h2{priority::high}, a{priority::normal}, b{priority::normal};
  lease(p, h1);
  lease(p, h2);
  lease(p, a);
  EXPECT_EQ(p.acquire(b), acquire_result::queued);
  p.next().release(h1.lease());
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&b}) << "the other high one has the reserved slot now";
  ASSERT_TRUE(p.resume(b));
}

TEST(priorities, the_fast_path_leaves_the_reserve_alone) {
  pool p{reserving(2, 1)};
  p.idle(1);
  of a{priority::normal};
  lease(p, a);
  of h{priority::high};
  lease(p, h);
  p.release(h.lease());
  core::lease_id out;
  EXPECT_FALSE(p.book.try_acquire(0, p.now, out));
}

TEST(nested, a_task_that_holds_the_last_connection_and_wants_another_is_told_at_once) {
  pool p{1};
  task outer{7}, inner{7};
  lease(p, outer);
  EXPECT_EQ(p.acquire(inner), acquire_result::queued);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&inner});
  EXPECT_EQ(inner.state(), waiter_state::detached);
  ASSERT_EQ(p.slots(action_kind::fail).size(), 1U);
  EXPECT_EQ(p.slots(action_kind::fail)[0].index, outer.lease().index) << "and which connection it holds";
  EXPECT_EQ(p.stats().refused[static_cast<std::size_t>(core::refusal::nested)], 1U);
}

TEST(nested, of_a_circle_the_one_is_told_whose_deadline_comes_first) {
  pool p{2};
  task a{1}, b{2};
  lease(p, a);
  lease(p, b);
  task impatient{1, p.now + 1s}, patient{2, p.now + 2s};
  p.acquire(impatient);
  EXPECT_TRUE(p.actions.empty()) << "the other may yet give its connection back";
  p.acquire(patient);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&impatient});
  p.next().release(a.lease());
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&patient});
  EXPECT_TRUE(p.resume(patient));
}

TEST(nested, of_a_circle_the_one_is_told_whose_deadline_comes_first_whoever_closed_it) {
  pool p{2};
  task a{1}, b{2};
  lease(p, a);
  lease(p, b);
  task patient{1, p.now + 2s}, impatient{2, p.now + 1s};
  p.acquire(patient);
  p.acquire(impatient);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&impatient});
  p.cancel(patient);
}

TEST(nested, nobody_is_told_while_one_connection_may_come_back) {
  const auto wants_another = [](pool& p) {
    task inner{1};
    p.next().acquire(inner);
    const auto told = p.waiters(action_kind::fail);
    p.cancel(inner);
    return !told.empty();
  };
  pool strangers{2};
  task a{1};
  lease(strangers, a);
  (void)strangers.lease();
  EXPECT_FALSE(wants_another(strangers)) << "a task without a name";
  pool busy{2};
  task b{1}, c{2};
  lease(busy, b);
  lease(busy, c);
  EXPECT_FALSE(wants_another(busy)) << "a task that does not wait";
  pool recovering{2};
  task d{1};
  lease(recovering, d);
  recovering.release(recovering.lease(), core::condition::needs_recovery);
  EXPECT_FALSE(wants_another(recovering));
  pool room{2};
  task e{1};
  lease(room, e);
  EXPECT_FALSE(wants_another(room)) << "a connection can be made";
}

TEST(nested, waiting_with_a_connection_in_hand_is_counted) {
  pool p{2};
  task a{1}, other{2}, inner{1};
  lease(p, a);
  lease(p, other);
  p.acquire(inner);
  EXPECT_EQ(p.stats().nested_waits, 1U);
  p.cancel(inner);
}

TEST(holds, P82_a_lease_that_lasts_too_long_is_told_of_once) {
  core::limits l = plain_limits(1);
  l.leak_threshold = 10s;
  pool p{l};
  const core::lease_id lease = p.lease();
  ASSERT_LE(p.book.next_deadline(), p.now + 10s);
  p.later(10s).expire();
  EXPECT_EQ(p.slots(action_kind::long_hold), one_slot{lease});
  p.later(10s).expire();
  EXPECT_TRUE(p.actions.empty());
  p.release(lease);
  (void)p.lease();
  p.later(10s).expire();
  EXPECT_EQ(p.slots(action_kind::long_hold).size(), 1U) << "the next one is a case of its own";
  EXPECT_EQ(p.stats().long_holds, 2U);
}

TEST(holds, without_a_threshold_nothing_wakes_the_pool) {
  pool p{1};
  (void)p.lease();
  EXPECT_EQ(p.book.next_deadline(), core::never);
}

TEST(holds, a_lease_is_taken_away_after_leak_reclaim_and_its_connection_recovers) {
  core::limits l = plain_limits(1);
  l.leak_reclaim = 10s;
  pool p{l};
  const core::lease_id lease = p.lease();
  p.later(10s).expire();
  ASSERT_EQ(p.actions.size(), 2U);
  EXPECT_EQ(p.actions[0].kind, action_kind::reclaim);
  EXPECT_EQ(p.actions[1].kind, action_kind::recover);
  p.next().release(lease);
  EXPECT_TRUE(p.actions.empty()) << "he has nothing to give back any more";
  EXPECT_EQ(p.count(slot_state::recovering), 1U);
}

TEST(holds, a_reclaimed_lease_whose_connection_is_dead_is_closed) {
  core::limits l = plain_limits(1);
  l.leak_reclaim = 10s;
  pool p{l};
  p.disconnected(p.lease());
  p.later(10s).expire();
  EXPECT_EQ(p.slots(action_kind::close).size(), 1U);
}

}  // namespace core_test
