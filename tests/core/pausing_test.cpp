// Pause and rest, warming up, and the user's own check before an acquire.
#include "tests/core/pool_fixture.hpp"

namespace core_test {

namespace {

std::vector<const core::goal*> ended(const pool& p) {
  std::vector<const core::goal*> found;
  for (const core::action& a : p.actions) {
    if (a.kind == action_kind::goal_ended) found.push_back(a.what);
  }
  return found;
}
using these_goals = std::vector<const core::goal*>;

void pause(pool& p) { p.book.pause(p.now, p.actions); }
void unpause(pool& p) { p.book.unpause(p.now, p.actions); }

core::limits inspecting_limits(std::uint32_t max_size) {
  core::limits l = plain_limits(max_size);
  l.inspect = true;
  return l;
}

}  // namespace

TEST(pausing, acquires_wait_and_are_served_in_order_after_the_pause) {
  pool p{2};
  p.idle(2);
  pause(p);
  core::waiter a, b;
  core::lease_id none;
  EXPECT_FALSE(p.book.try_acquire(0, p.now, none));
  EXPECT_EQ(p.acquire(a), core::acquire_result::queued);
  EXPECT_EQ(p.acquire(b), core::acquire_result::queued);
  EXPECT_TRUE(p.actions.empty());
  unpause(p);
  EXPECT_EQ(p.waiters(action_kind::grant), (these_waiters{&a, &b}));
  p.cancel(a);
  p.cancel(b);
}

TEST(pausing, who_waits_keeps_his_own_deadline) {
  pool p{1};
  pause(p);
  core::waiter a{p.now + 1s};
  p.acquire(a);
  p.later(1s).expire();
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a});
}

TEST(pausing, a_lease_that_ends_goes_to_idle_and_the_pool_has_come_to_rest) {
  pool p{2};
  const core::lease_id lease = p.lease();
  core::waiter a;
  pause(p);
  p.acquire(a);
  core::goal rest{core::goal_kind::rest, 0, core::never};
  p.book.await(rest, p.now, p.actions);
  EXPECT_TRUE(ended(p).empty());
  p.release(lease);
  EXPECT_EQ(ended(p), these_goals{&rest});
  EXPECT_EQ(rest.end, core::goal_end::reached);
  EXPECT_EQ(p.count(slot_state::idle), 1U);
  EXPECT_EQ(a.state(), waiter_state::queued);
  unpause(p);
  EXPECT_EQ(a.state(), waiter_state::granted);
  p.cancel(a);
}

TEST(pausing, rest_waits_for_recoveries_too) {
  pool p{1};
  const core::lease_id lease = p.lease();
  pause(p);
  core::goal rest{core::goal_kind::rest, 0, core::never};
  p.book.await(rest, p.now, p.actions);
  p.release(lease, core::condition::needs_recovery);
  EXPECT_TRUE(ended(p).empty());
  p.book.recovered(lease, true, core::close_reason::broken, p.now, p.actions);
  EXPECT_EQ(ended(p), these_goals{&rest});
}

TEST(pausing, rest_ends_at_its_deadline_and_the_pool_stays_paused) {
  pool p{1};
  const core::lease_id lease = p.lease();
  pause(p);
  core::goal rest{core::goal_kind::rest, 0, p.now + 1s};
  p.book.await(rest, p.now, p.actions);
  EXPECT_LE(p.book.next_deadline(), p.now + 1s);
  p.later(1s).expire();
  EXPECT_EQ(rest.end, core::goal_end::timeout);
  EXPECT_EQ(p.book.state(), core::pool_state::paused);
  p.release(lease);
}

TEST(pausing, I21_close_ends_the_pause_its_goals_and_its_waiters) {
  pool p{1};
  const core::lease_id lease = p.lease();
  pause(p);
  core::waiter a;
  p.acquire(a);
  core::goal rest{core::goal_kind::rest, 0, core::never};
  p.book.await(rest, p.now, p.actions);
  p.book.begin_close(p.now, p.actions);
  EXPECT_EQ(rest.end, core::goal_end::pool_closed);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a});
  unpause(p);
  EXPECT_EQ(p.book.state(), core::pool_state::lingering);
  p.release(lease);
  p.closed(lease);
  EXPECT_TRUE(p.book.is_closed());
}

TEST(warming_up, connects_up_to_the_target_as_many_at_a_time_as_allowed) {
  core::limits l = plain_limits(10);
  l.connect_concurrency = 4;
  pool p{l};
  core::goal warm{core::goal_kind::warm, 6, core::never};
  p.book.await(warm, p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 4U);
  while (warm.end == core::goal_end::pending) {
    const auto made = p.slots(action_kind::connect);
    ASSERT_FALSE(made.empty());
    p.next();
    for (const core::slot_id id : made) p.connected(id);
  }
  EXPECT_EQ(warm.end, core::goal_end::reached);
  EXPECT_EQ(p.count(slot_state::idle), 6U);
}

TEST(warming_up, more_than_max_size_means_max_size) {
  pool p{2};
  core::goal warm{core::goal_kind::warm, 100, core::never};
  p.book.await(warm, p.now, p.actions);
  for (const core::slot_id id : p.slots(action_kind::connect)) p.connected(id);
  EXPECT_EQ(warm.end, core::goal_end::reached);
}

TEST(warming_up, P78_impatient_fails_with_the_first_connect_patient_tries_on) {
  pool p{2};
  core::goal fast{core::goal_kind::warm, 1, core::never, true};
  core::goal lazy{core::goal_kind::warm, 1, core::never, false};
  p.book.await(fast, p.now, p.actions);
  p.book.await(lazy, p.now, p.actions);
  const auto made = p.slots(action_kind::connect);
  p.next().connect_failed(made[0]);
  EXPECT_EQ(ended(p), these_goals{&fast});
  EXPECT_EQ(fast.end, core::goal_end::failed);
  p.now = std::max(p.now, p.book.next_deadline());
  if (p.slots(action_kind::connect).empty()) p.next().expire();
  const auto again = p.slots(action_kind::connect);
  ASSERT_EQ(again.size(), 1U);
  p.next().connected(again[0]);
  EXPECT_EQ(lazy.end, core::goal_end::reached);
}

TEST(warming_up, a_deadline_ends_it_and_with_it_the_floor) {
  core::limits l = plain_limits(4);
  l.idle_timeout = 1s;
  pool p{l};
  core::goal warm{core::goal_kind::warm, 2, p.now + 10s};
  p.book.await(warm, p.now, p.actions);
  const auto made = p.slots(action_kind::connect);
  p.next().connected(made[0]);
  p.later(5s).expire();
  EXPECT_EQ(p.count(slot_state::idle), 1U) << "it is wanted, however idle";
  p.later(5s).expire();
  EXPECT_EQ(warm.end, core::goal_end::timeout);
  p.later(1s).expire();
  EXPECT_EQ(p.count(slot_state::idle), 0U);
}

TEST(inspecting, every_grant_goes_through_the_users_check) {
  pool p{inspecting_limits(1)};
  core::waiter a;
  p.acquire(a);
  const auto made = p.slots(action_kind::connect);
  p.next().connected(made[0]);
  ASSERT_EQ(p.actions.size(), 1U);
  EXPECT_EQ(p.actions[0].kind, action_kind::validate);
  EXPECT_TRUE(p.actions[0].inspect);
  EXPECT_FALSE(p.actions[0].ping) << "it has just worked";
  p.next().validated(made[0], true);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&a});
  ASSERT_TRUE(p.resume(a));
  core::waiter b;
  p.next().acquire(b);
  p.release(a.lease());
  EXPECT_EQ(p.slots(action_kind::validate), one_slot{made[0]}) << "handed over: again";
  p.next().validated(made[0], true);
  ASSERT_TRUE(p.resume(b));
  p.release(b.lease());
  core::lease_id none;
  EXPECT_FALSE(p.book.try_acquire(0, p.now, none)) << "idle: again";
}

TEST(inspecting, P38_a_veto_destroys_the_connection_and_another_is_tried) {
  pool p{inspecting_limits(2)};
  core::waiter w;
  p.acquire(w);
  const auto first = p.slots(action_kind::connect);
  p.next().connected(first[0]);
  p.validated(first[0], true);
  ASSERT_TRUE(p.resume(w));
  p.release(w.lease());
  core::waiter a;
  p.next().acquire(a);
  p.book.validated(first[0], false, p.now, p.actions, core::close_reason::vetoed);
  EXPECT_EQ(p.stats().vetoes, 1U);
  EXPECT_EQ(p.stats().ping_failures, 0U);
  EXPECT_EQ(p.slots(action_kind::close), one_slot{first[0]});
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
  p.cancel(a);
}

TEST(inspecting, P42_newborn_connections_that_fail_their_check_are_spaced_by_the_back_off) {
  core::limits l = inspecting_limits(1);
  l.connect_backoff_min = l.connect_backoff_max = 100ms;
  l.connect_rate = 20;
  pool p{l};
  core::waiter a{p.now + 10s};
  p.acquire(a);
  std::size_t connects = 0;
  while (a.state() == waiter_state::queued) {
    for (const core::slot_id id : p.slots(action_kind::connect)) {
      ++connects;
      p.connected(id);
      p.book.validated(id, false, p.now, p.actions, core::close_reason::vetoed);
      p.next().closed(id);
    }
    if (!p.slots(action_kind::connect).empty()) continue;
    ASSERT_GT(p.book.next_deadline(), p.now) << "busy loop";
    p.now = p.book.next_deadline();
    p.next().expire();
  }
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a}) << "P41: at his own deadline";
  EXPECT_LE(connects, 201U);
}

}  // namespace core_test
