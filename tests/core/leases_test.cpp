// Leases: the fast path, coming back, being revoked, dying; and that an ended one can do no harm.
#include "tests/core/pool_fixture.hpp"

namespace core_test {

TEST(leases, the_fast_path_takes_the_one_that_was_used_last) {
  pool p{3};
  const auto idle = p.idle(3);
  core::lease_id got;
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  EXPECT_EQ(got.index, idle[2].index);
  EXPECT_NE(got, idle[2]) << "a new tenure of the same connection";
  p.release(got);
  EXPECT_TRUE(p.actions.empty());
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  EXPECT_EQ(got.index, idle[2].index) << "LIFO";
}

TEST(leases, I10_a_shard_prefers_its_own_idle_connections_and_takes_any_before_it_waits) {
  core::limits l = plain_limits(2);
  l.shards = 2;
  pool p{l};
  core::waiter a{core::never, 0}, b{core::never, 1};
  p.acquire(a);
  p.acquire(b);
  const auto made = p.slots(action_kind::connect);
  p.connected(made[0]);
  p.connected(made[1]);
  ASSERT_TRUE(p.resume(a) && p.resume(b));
  p.release(b.lease());
  p.later(1s).release(a.lease());
  core::lease_id got;
  ASSERT_TRUE(p.book.try_acquire(1, p.now, got));
  EXPECT_EQ(got.index, made[1].index) << "its own, though the other was used later";
  core::lease_id other;
  ASSERT_TRUE(p.book.try_acquire(1, p.now, other));
  EXPECT_EQ(other.index, made[0].index);
}

TEST(leases, a_dirty_release_is_recovered_before_the_next_user_has_it) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a;
  p.acquire(a);
  p.next().release(lease, core::condition::needs_recovery);
  EXPECT_EQ(p.slots(action_kind::recover), one_slot{lease});
  EXPECT_EQ(a.state(), waiter_state::queued);
  p.next();
  p.book.recovered(lease, true, core::close_reason::recovery_failed, p.now, p.actions);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&a});
  p.cancel(a);
}

TEST(leases, a_failed_recovery_closes_with_its_reason) {
  pool p{1};
  const core::lease_id lease = p.lease();
  p.release(lease, core::condition::needs_recovery);
  p.next();
  p.book.recovered(lease, false, core::close_reason::recovery_timeout, p.now, p.actions);
  ASSERT_EQ(p.slots(action_kind::close), one_slot{lease});
  EXPECT_EQ(p.actions[0].reason, core::close_reason::recovery_timeout);
  EXPECT_EQ(p.stats().closed[static_cast<std::size_t>(core::close_reason::recovery_timeout)], 1U);
}

TEST(leases, I13_a_revoked_lease_cannot_give_back_the_connection_of_its_successor) {
  pool p{1};
  const core::lease_id first = p.lease();
  p.book.revoked(first, p.now, p.actions);
  p.book.recovered(first, true, core::close_reason::broken, p.now, p.actions);
  core::lease_id second;
  ASSERT_TRUE(p.book.try_acquire(0, p.now, second));
  p.next().release(first);
  p.book.revoked(first, p.now, p.actions);
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(p.count(slot_state::leased), 1U);
  EXPECT_EQ(p.stats().stale_events, 2U);
}

TEST(leases, I9_each_slot_returns_exactly_once) {
  pool p{2};
  const core::lease_id lease = p.lease();
  p.release(lease);
  p.release(lease);
  p.release(lease, core::condition::broken);
  EXPECT_EQ(p.count(slot_state::idle), 1U);
  EXPECT_EQ(p.stats().stale_events, 2U);
}

TEST(leases, a_dead_lease_keeps_its_slot_until_its_owner_lets_go) {
  pool p{1};
  const core::lease_id lease = p.lease();
  p.disconnected(lease);
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(p.count(slot_state::leased), 1U);
  p.release(lease);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{lease});
}

TEST(leases, a_dead_lease_that_is_revoked_needs_no_recovery) {
  pool p{1};
  const core::lease_id lease = p.lease();
  p.disconnected(lease);
  p.book.revoked(lease, p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{lease});
  EXPECT_TRUE(p.slots(action_kind::recover).empty());
}

TEST(leases, events_of_an_older_incarnation_are_ignored_and_counted) {
  pool p{1};
  const core::lease_id old = p.lease();
  p.release(old, core::condition::broken);
  p.closed(old);
  const core::lease_id lease = p.lease();
  ASSERT_EQ(lease.index, old.index);
  p.disconnected(old);
  p.closed(old);
  p.connected(old);
  p.connect_failed(old, true);
  p.validated(old, false);
  p.release(old);
  EXPECT_TRUE(p.actions.empty());
  EXPECT_EQ(p.stats().stale_events, 6U);
  EXPECT_EQ(p.count(slot_state::leased), 1U);
}

TEST(leases, a_disconnect_of_one_connection_leaves_the_others) {
  pool p{3};
  const auto idle = p.idle(3);
  p.disconnected(idle[1]);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{idle[1]});
  EXPECT_EQ(p.count(slot_state::idle), 2U);
  EXPECT_EQ(p.stats().generation, 0U);
}

TEST(leases, a_disconnect_of_the_endpoint_replaces_all_that_are_older) {
  pool p{3};
  const auto idle = p.idle(3);
  core::waiter granted;
  p.acquire(granted);
  const core::lease_id used = p.lease();
  p.disconnected(idle[0], core::disconnect_scope::endpoint);
  EXPECT_EQ(p.stats().generation, 1U);
  EXPECT_EQ(p.count(slot_state::closing), 2U) << "the idle one, and the one granted and not picked up";
  EXPECT_FALSE(p.resume(granted));
  p.next().release(used);
  ASSERT_EQ(p.slots(action_kind::close), one_slot{used});
  EXPECT_EQ(p.actions[0].reason, core::close_reason::stale_generation);
  p.cancel(granted);
}

TEST(leases, stragglers_of_one_outage_do_not_condemn_the_connections_made_after_it) {
  pool p{3};
  const core::lease_id a = p.lease(), b = p.lease();
  p.disconnected(a, core::disconnect_scope::endpoint);
  const core::lease_id fresh = p.lease();
  p.release(fresh);
  p.disconnected(b, core::disconnect_scope::endpoint);
  EXPECT_EQ(p.stats().generation, 1U);
  EXPECT_EQ(p.count(slot_state::idle), 1U);
}

TEST(leases, a_connect_begun_before_the_outage_is_of_the_old_generation) {
  pool p{2};
  const auto lease = p.lease();
  core::waiter a;
  p.acquire(a);
  const auto made = p.slots(action_kind::connect);
  p.disconnected(lease, core::disconnect_scope::endpoint);
  p.next().connected(made[0]);
  EXPECT_EQ(p.slots(action_kind::close), made);
  EXPECT_EQ(a.state(), waiter_state::queued);
  p.cancel(a);
}

TEST(leases, counters_tell_what_happened) {
  pool p{1};
  const core::lease_id lease = p.lease();
  core::waiter a{p.now + 1s}, b;
  p.acquire(a);
  p.acquire(b);
  p.later(1s).expire();
  p.cancel(b);
  p.release(lease);
  const core::stats s = p.stats();
  EXPECT_EQ(s.acquires, 1U);
  EXPECT_EQ(s.waits, 3U);
  EXPECT_EQ(s.timeouts, 1U);
  EXPECT_EQ(s.cancelled_acquires, 1U);
  EXPECT_EQ(s.connects, 1U);
  EXPECT_EQ(s.created, 1U);
  EXPECT_EQ(s.slots[static_cast<std::size_t>(slot_state::idle)], 1U);
  EXPECT_EQ(s.waiting, 0U);
}

}  // namespace core_test
