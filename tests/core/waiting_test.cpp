// I10, I11: waiting, hand-over, cancelling.
#include "tests/core/pool_fixture.hpp"

#include <memory>

namespace core_test {

TEST(waiting, I10_an_idle_connection_is_granted_at_once) {
  pool p{1};
  const auto idle = p.idle(1);
  core::waiter w;
  EXPECT_EQ(p.acquire(w), core::acquire_result::granted);
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(w.lease().index, idle[0].index);
  EXPECT_TRUE(p.resume(w));
  EXPECT_EQ(w.state(), waiter_state::detached);
}

TEST(waiting, I10_waiters_are_served_in_order_of_arrival) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a, b, c;
  for (core::waiter* w : {&a, &b, &c}) EXPECT_EQ(p.acquire(*w), core::acquire_result::queued);
  core::lease_id current = lease;
  for (core::waiter* w : {&a, &b, &c}) {
    p.next().release(current);
    EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{w});
    ASSERT_TRUE(p.resume(*w));
    current = w->lease();
  }
}

TEST(waiting, I10_nobody_overtakes_a_grant_that_has_not_resumed) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a;
  p.acquire(a);
  p.release(lease);
  core::lease_id stolen;
  EXPECT_FALSE(p.book.try_acquire(0, p.now, stolen));
  core::waiter b;
  EXPECT_EQ(p.acquire(b), core::acquire_result::queued);
  EXPECT_TRUE(p.resume(a));
  p.cancel(b);
}

TEST(waiting, I10_cancel_in_the_queue_leaves_no_trace) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a, b;
  p.acquire(a);
  p.acquire(b);
  p.next();
  EXPECT_TRUE(p.cancel(a));
  EXPECT_TRUE(p.actions.empty());
  EXPECT_FALSE(p.cancel(a)) << "twice is once";
  p.release(lease);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&b});
  EXPECT_TRUE(p.resume(b));
}

TEST(waiting, I10_cancel_after_grant_passes_the_baton) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a, b;
  p.acquire(a);
  p.acquire(b);
  p.release(lease);
  p.next().cancel(a);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&b});
  p.next().cancel(b);
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(p.count(slot_state::idle), 1U);
}

TEST(waiting, I10_a_granted_waiter_whose_connection_dies_goes_back_to_the_head) {
  pool p{2};
  const core::lease_id first = p.lease(), second = p.lease();
  core::waiter a, b, c;
  for (core::waiter* w : {&a, &b, &c}) p.acquire(*w);
  p.release(first);
  p.release(second);
  p.disconnected(a.lease());
  p.disconnected(b.lease());
  EXPECT_FALSE(p.resume(b)) << "whatever the order in which they resume";
  EXPECT_FALSE(p.resume(a));
  p.next().closed(first);
  p.closed(second);
  const auto made = p.slots(action_kind::connect);
  ASSERT_EQ(made.size(), 2U);
  p.next().connected(made[0]);
  p.connected(made[1]);
  EXPECT_EQ(p.waiters(action_kind::grant), (these_waiters{&a, &b}));
  for (core::waiter* w : {&a, &b, &c}) p.cancel(*w);
}

TEST(waiting, I10_a_waiter_put_back_keeps_its_own_deadline) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a{p.now + 10ms};
  p.acquire(a);
  p.release(lease);
  p.disconnected(lease);
  EXPECT_FALSE(p.resume(a));
  EXPECT_LE(p.book.next_deadline(), p.now + 10ms);
  p.later(10ms).expire();
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a});
}

TEST(waiting, I10_a_waiter_whose_connection_died_takes_another_idle_one_unseen) {
  pool p{2};
  const auto idle = p.idle(2);
  core::waiter a;
  p.acquire(a);
  p.disconnected(a.lease());
  EXPECT_TRUE(p.resume(a));
  EXPECT_EQ(a.lease().index, idle[0].index);
  EXPECT_EQ(p.stats().voided_grants, 1U);
}

TEST(waiting, I11_a_connect_outlives_the_acquire_that_asked_for_it) {
  pool p{1};
  core::waiter a;
  p.acquire(a);
  const auto made = p.slots(action_kind::connect);
  ASSERT_EQ(made.size(), 1U);
  p.next().cancel(a);
  EXPECT_TRUE(p.actions.empty());
  p.connected(made[0]);
  EXPECT_EQ(p.count(slot_state::idle), 1U);
}

TEST(waiting, I10_every_waiter_has_a_connect_under_way_and_no_more_than_that) {
  pool p{10};
  core::waiter a, b, c;
  for (core::waiter* w : {&a, &b, &c}) p.acquire(*w);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 3U);
  p.cancel(c);
  p.cancel(b);
  core::waiter d, e;
  p.next().acquire(d);
  p.acquire(e);
  EXPECT_TRUE(p.actions.empty()) << "the connects of those who left will do";
  for (core::waiter* w : {&a, &d, &e}) p.cancel(*w);
}

TEST(waiting, the_queue_has_a_bound) {
  core::limits l = plain_limits(1);
  l.max_waiters = 1;
  pool p{l};
  (void)p.lease();
  core::waiter a, b;
  EXPECT_EQ(p.acquire(a), core::acquire_result::queued);
  EXPECT_EQ(p.acquire(b), core::acquire_result::too_many_waiters);
  EXPECT_EQ(b.state(), waiter_state::detached);
  p.cancel(a);
}

TEST(waiting, an_acquire_past_its_deadline_never_connects) {
  pool p{1};
  core::waiter a{p.now};
  EXPECT_EQ(p.acquire(a), core::acquire_result::timeout);
  EXPECT_TRUE(p.actions.empty());
}

TEST(waiting, deadlines_fire_in_their_own_order) {
  pool p{1};
  (void)p.lease();
  core::waiter late{p.now + 3s}, early{p.now + 1s}, middle{p.now + 2s}, patient;
  for (core::waiter* w : {&late, &early, &middle, &patient}) p.acquire(*w);
  EXPECT_EQ(p.book.next_deadline(), p.now + 1s);
  p.later(1s).expire();
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&early});
  p.later(2s).expire();
  EXPECT_EQ(p.waiters(action_kind::fail), (these_waiters{&middle, &late}));
  EXPECT_EQ(p.book.next_deadline(), core::never);
  p.cancel(patient);
}

TEST(waiting, many_deadlines_in_any_order_all_fire_on_time) {
  pool p{1};
  (void)p.lease();
  core::random r{7};
  std::vector<std::unique_ptr<core::waiter>> all;
  for (int i = 0; i < 500; ++i) {
    all.push_back(std::make_unique<core::waiter>(p.now + core::duration{1 + static_cast<int>(r.next() % 1000)}));
    p.acquire(*all.back());
  }
  for (std::size_t i = 0; i < all.size(); i += 3) p.cancel(*all[i]);
  while (p.book.next_deadline() != core::never) {
    ASSERT_GT(p.book.next_deadline(), p.now);
    p.now = p.book.next_deadline();
    p.next().expire();
    for (const core::waiter* w : p.waiters(action_kind::fail)) EXPECT_EQ(w->deadline(), p.now);
  }
  EXPECT_TRUE(p.book.waiters().empty());
  EXPECT_EQ(p.stats().timeouts, 500U - 167U);
}

// W7's promise in its pure form: under churn nobody waits longer than those who came before him need.
TEST(waiting, I10_fair_under_churn) {
  pool p{4};
  std::vector<core::lease_id> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(p.lease());
  std::vector<std::unique_ptr<core::waiter>> all;
  std::vector<int> waited(64, 0);
  for (int i = 0; i < 64; ++i) {
    all.push_back(std::make_unique<core::waiter>());
    p.acquire(*all.back());
  }
  int longest = 0;
  for (int round = 0; round < 10'000; ++round) {
    const core::lease_id freed = leases[static_cast<std::size_t>(round) % 4];
    p.next().release(freed);
    const auto served = p.waiters(action_kind::grant);
    ASSERT_EQ(served.size(), 1U);
    for (std::size_t i = 0; i < all.size(); ++i) {
      ++waited[i];
      if (all[i].get() != served[0]) continue;
      ASSERT_TRUE(p.resume(*all[i]));
      leases[static_cast<std::size_t>(round) % 4] = all[i]->lease();
      longest = std::max(longest, waited[i]);
      waited[i] = 0;
      p.acquire(*all[i]);
    }
  }
  EXPECT_LE(longest, 64);
  for (const auto& w : all) p.cancel(*w);
}

}  // namespace core_test
