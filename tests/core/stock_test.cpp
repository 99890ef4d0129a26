// What is kept in stock, and what is sorted out: min_idle, keepalive, pruning, max_uses, bytes received.
#include "tests/core/pool_fixture.hpp"

#include <algorithm>

namespace core_test {

namespace {

std::vector<core::close_reason> reasons(const pool& p) {
  std::vector<core::close_reason> found;
  for (const core::action& a : p.actions) {
    if (a.kind == action_kind::close) found.push_back(a.reason);
  }
  return found;
}
using these_reasons = std::vector<core::close_reason>;

// Connects whatever was ordered, until nothing more is.
void connect_all(pool& p) {
  for (auto made = p.slots(action_kind::connect); !made.empty(); made = p.slots(action_kind::connect)) {
    p.next();
    for (const core::slot_id id : made) p.connected(id);
  }
}

}  // namespace

TEST(stock, min_idle_is_there_before_anybody_asks) {
  core::limits l = plain_limits(10);
  l.min_idle = 3;
  pool p{l};
  p.expire();
  connect_all(p);
  EXPECT_EQ(p.count(slot_state::idle), 3U);
}

TEST(stock, min_idle_is_refilled_behind_a_lease_up_to_max_size) {
  core::limits l = plain_limits(3);
  l.min_idle = 2;
  pool p{l};
  p.expire();
  connect_all(p);
  core::lease_id a, b;
  ASSERT_TRUE(p.book.try_acquire(0, p.now, a));
  EXPECT_TRUE(p.book.wants_stock());
  p.next().expire();
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
  EXPECT_FALSE(p.book.wants_stock()) << "it is on its way";
  connect_all(p);
  ASSERT_TRUE(p.book.try_acquire(0, p.now, b));
  EXPECT_FALSE(p.book.wants_stock()) << "max_size";
  p.next().expire();
  EXPECT_TRUE(p.slots(action_kind::connect).empty());
}

TEST(stock, P68_pruning_never_goes_below_min_idle) {
  core::limits l = plain_limits(4);
  l.idle_timeout = 1min;
  pool p{l};
  p.idle(4);
  l.min_idle = 2;
  p.book.reconfigure(l, p.now, p.actions);
  p.later(1min).expire();
  EXPECT_EQ(reasons(p), (these_reasons{core::close_reason::idle_timeout, core::close_reason::idle_timeout}));
  EXPECT_EQ(p.count(slot_state::idle), 2U);
}

TEST(stock, P68_the_surplus_of_a_burst_goes_by_quarters) {
  core::limits l = plain_limits(16);
  l.idle_timeout = 1min;
  l.prune_interval = 10s;
  pool p{l};
  p.idle(16);
  p.later(1min);
  std::vector<std::size_t> left;
  while (p.count(slot_state::idle) > 0) {
    p.next().expire();
    left.push_back(p.count(slot_state::idle));
    EXPECT_TRUE(p.count(slot_state::idle) == 0 || p.book.next_deadline() == p.now + 10s);
    p.now += 10s;
  }
  EXPECT_EQ(left, (std::vector<std::size_t>{12, 9, 6, 4, 3, 2, 1, 0}));
}

TEST(stock, P68_what_the_demand_needed_stays) {
  core::limits l = plain_limits(4);
  l.idle_timeout = 1min;
  pool p{l};
  p.idle(4);
  for (int i = 0; i < 10; ++i) {  // two at a time are enough, the others were one burst's
    p.later(10s);
    core::lease_id a, b;
    ASSERT_TRUE(p.book.try_acquire(0, p.now, a));
    ASSERT_TRUE(p.book.try_acquire(0, p.now, b));
    p.release(a);
    p.release(b);
    p.expire();
  }
  EXPECT_EQ(p.count(slot_state::idle), 2U);
}

TEST(stock, keepalive_pings_what_is_idle_and_does_not_make_it_used) {
  core::limits l = plain_limits(1);
  l.keepalive_interval = 10s;
  l.idle_timeout = 25s;
  pool p{l};
  const auto idle = p.idle(1);
  const core::time_point released = p.now;
  for (int i = 1; i <= 2; ++i) {
    p.now = released + i * 10s;
    EXPECT_LE(p.book.next_deadline(), p.now);
    p.next().expire();
    EXPECT_EQ(p.slots(action_kind::validate), one_slot{idle[0]});
    p.next().validated(idle[0], true);
    EXPECT_EQ(p.count(slot_state::idle), 1U);
  }
  p.now = released + 25s;
  p.next().expire();
  EXPECT_EQ(reasons(p), these_reasons{core::close_reason::idle_timeout});
  EXPECT_EQ(p.stats().keepalives, 2U);
}

TEST(stock, keepalive_counts_from_the_last_use) {
  core::limits l = plain_limits(1);
  l.keepalive_interval = 10s;
  pool p{l};
  p.idle(1);
  core::lease_id a;
  p.later(9s);
  ASSERT_TRUE(p.book.try_acquire(0, p.now, a));
  p.later(5s).release(a);
  p.later(5s).expire();
  EXPECT_TRUE(p.slots(action_kind::validate).empty());
  p.later(5s).expire();
  EXPECT_EQ(p.slots(action_kind::validate).size(), 1U);
}

TEST(stock, P64_a_failed_keepalive_closes_and_min_size_comes_back) {
  core::limits l = plain_limits(1);
  l.keepalive_interval = 10s;
  l.min_size = 1;
  pool p{l};
  p.expire();
  connect_all(p);
  const core::slot_id id = p.book.slots().id(0);
  p.later(10s).expire();
  p.validated(id, false);
  EXPECT_EQ(reasons(p), these_reasons{core::close_reason::ping_failed});
  p.next().closed(id);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
}

TEST(stock, half_of_the_idle_connections_stay_while_the_others_are_kept_alive) {
  core::limits l = plain_limits(4);
  l.keepalive_interval = 10s;
  pool p{l};
  p.idle(4);
  p.later(10s).expire();
  const auto away = p.slots(action_kind::validate);
  EXPECT_EQ(away.size(), 2U);
  EXPECT_GT(p.book.next_deadline(), p.now) << "no busy loop while they are away";
  p.next().validated(away[0], true);
  EXPECT_LE(p.book.next_deadline(), p.now);
  p.expire();
  EXPECT_EQ(p.slots(action_kind::validate).size(), 1U);
}

TEST(stock, a_waiter_gets_the_connection_that_comes_back_from_its_keepalive) {
  core::limits l = plain_limits(1);
  l.keepalive_interval = 10s;
  pool p{l};
  const auto idle = p.idle(1);
  p.later(10s).expire();
  core::waiter a;
  EXPECT_EQ(p.next().acquire(a), core::acquire_result::queued);
  EXPECT_TRUE(p.slots(action_kind::connect).empty());
  p.validated(idle[0], true);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&a});
  p.cancel(a);
}

TEST(stock, P17_a_connection_retires_after_max_uses_and_the_waiter_gets_another) {
  core::limits l = plain_limits(1);
  l.max_uses = 3;
  pool p{l};
  core::lease_id got = p.lease();
  for (int use = 1; use <= 3; ++use) {
    p.book.wear(got, 0);
    p.next().release(got);
    if (use == 3) break;
    EXPECT_TRUE(reasons(p).empty());
    ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  }
  EXPECT_EQ(reasons(p), these_reasons{core::close_reason::max_uses});
  core::waiter a;
  p.next().acquire(a);
  p.closed(got);
  const auto made = p.slots(action_kind::connect);
  ASSERT_EQ(made.size(), 1U);
  p.next().connected(made[0]);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&a}) << "its uses begin anew";
  ASSERT_TRUE(p.resume(a));
  p.book.wear(a.lease(), 0);
  p.next().release(a.lease());
  EXPECT_TRUE(reasons(p).empty());
}

TEST(stock, a_connection_that_received_too_much_retires_when_it_comes_back) {
  core::limits l = plain_limits(1);
  l.max_bytes_received = 1000;
  pool p{l};
  core::lease_id got = p.lease();
  p.book.wear(got, 999);
  p.release(got);
  EXPECT_TRUE(reasons(p).empty());
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  p.book.wear(got, 1000);
  p.next().release(got);
  EXPECT_EQ(reasons(p), these_reasons{core::close_reason::max_bytes});
}

TEST(stock, wear_told_of_a_lease_that_has_ended_is_ignored) {
  core::limits l = plain_limits(1);
  l.max_bytes_received = 1;
  pool p{l};
  const core::lease_id old = p.lease();
  p.release(old);
  core::lease_id got;
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  p.book.wear(old, 5);
  p.next().release(got);
  EXPECT_TRUE(reasons(p).empty());
}

}  // namespace core_test
