// Which host is the primary, where the next connect goes, whose connections are retired.
#include "pool/core/endpoints.hpp"

#include "tests/core/pool_fixture.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace core_test {
namespace {

using core::endpoint_choice;
using core::endpoint_role;
using core::endpoint_set;
using core::endpoint_wish;
using core::endpoints;

endpoint_set set_of(std::initializer_list<core::endpoint_id> which) {
  endpoint_set s;
  for (const auto e : which) s.add(e);
  return s;
}

core::sighting primary_on(std::uint32_t timeline) { return {endpoint_role::primary, timeline, {}}; }
core::sighting standby_behind(core::duration lag) { return {endpoint_role::standby, 0, lag}; }

struct hosts : endpoints {
  hosts(std::size_t n, endpoint_wish wish, core::duration max_lag = {}) : endpoints(n, wish, max_lag) {}
  endpoint_set connect(core::endpoint_id where, endpoint_role role) { return connected(where, role, choice()); }
};

TEST(endpoints, the_first_to_be_found_is_the_primary_and_the_next_connect_goes_there_first) {
  hosts h(3, endpoint_wish::primary);
  EXPECT_EQ(h.choice().first, core::no_endpoint);
  EXPECT_TRUE(h.connect(1, endpoint_role::primary).empty());
  EXPECT_EQ(h.primary(), 1);
  EXPECT_EQ(h.choice().first, 1);
  EXPECT_TRUE(h.choice().barred.empty());
}

TEST(endpoints, F10_a_connect_that_had_to_go_elsewhere_moves_the_primary) {
  hosts h(2, endpoint_wish::primary);
  h.connect(0, endpoint_role::primary);
  EXPECT_EQ(h.connect(1, endpoint_role::primary), set_of({0}));
  EXPECT_EQ(h.primary(), 1);
}

TEST(endpoints, F10_the_connect_that_finds_the_promoted_standby_is_used) {
  hosts h(2, endpoint_wish::primary);
  h.connect(0, endpoint_role::primary);
  h.seen(1, standby_behind({}));
  h.unreachable(0);
  EXPECT_EQ(h.connect(1, endpoint_role::primary), set_of({0})) << "only the old one's are retired";
  EXPECT_EQ(h.state(0), core::endpoint_state::down);
}

TEST(endpoints, F55_of_two_that_claim_it_at_the_same_time_only_one_is_used) {
  hosts h(2, endpoint_wish::primary);
  const endpoint_choice before = h.choice();  // both connects began when nothing was known
  EXPECT_TRUE(h.connected(0, endpoint_role::primary, before).empty());
  EXPECT_EQ(h.connected(1, endpoint_role::primary, before), set_of({1})) << "the newcomer's connection is not used";
  EXPECT_EQ(h.primary(), 0);
}

TEST(endpoints, F55_a_later_timeline_wins_and_the_old_primary_is_barred_until_it_follows) {
  hosts h(2, endpoint_wish::primary);
  h.connect(0, endpoint_role::primary);
  EXPECT_TRUE(h.seen(0, primary_on(1)).empty());
  EXPECT_TRUE(h.seen(1, standby_behind({})).empty());
  EXPECT_EQ(h.seen(1, primary_on(2)), set_of({0}));
  EXPECT_EQ(h.primary(), 1);
  EXPECT_TRUE(h.barred(0));
  EXPECT_TRUE(h.seen(0, primary_on(1)).empty()) << "known already";
  EXPECT_EQ(h.primary(), 1);
  h.seen(0, standby_behind({}));
  EXPECT_FALSE(h.barred(0)) << "it follows now";
}

TEST(endpoints, F55_an_old_primary_is_not_gone_back_to_when_the_new_one_fails) {
  hosts h(2, endpoint_wish::primary);
  h.seen(0, primary_on(1));
  h.seen(1, primary_on(2));
  EXPECT_EQ(h.primary(), 1);
  EXPECT_EQ(h.connect(0, endpoint_role::primary), set_of({0})) << "a connect that began before: not used";
  EXPECT_EQ(h.primary(), 1);
}

TEST(endpoints, two_on_the_same_timeline_do_not_take_turns) {
  hosts h(2, endpoint_wish::primary);
  h.connect(0, endpoint_role::primary);
  h.seen(0, primary_on(3));
  EXPECT_TRUE(h.seen(1, primary_on(3)).empty());
  EXPECT_EQ(h.primary(), 0);
}

TEST(endpoints, F11_a_primary_that_is_demoted_is_none) {
  hosts h(2, endpoint_wish::primary);
  h.connect(0, endpoint_role::primary);
  EXPECT_EQ(h.role_changed(0, endpoint_role::standby), set_of({0}));
  EXPECT_EQ(h.primary(), core::no_endpoint);
  EXPECT_TRUE(h.role_changed(0, endpoint_role::standby).empty()) << "said twice is said once";
}

TEST(endpoints, a_standby_that_is_promoted_is_not_a_replica_any_more) {
  hosts h(2, endpoint_wish::standby);
  EXPECT_TRUE(h.connect(0, endpoint_role::standby).empty());
  EXPECT_EQ(h.role_changed(0, endpoint_role::primary), set_of({0}));
  EXPECT_TRUE(h.connect(1, endpoint_role::standby).empty()) << "the other one is unharmed";
}

TEST(endpoints, a_replica_that_lags_is_left_until_it_has_caught_up) {
  hosts h(2, endpoint_wish::standby, 1s);
  EXPECT_TRUE(h.seen(0, standby_behind(900ms)).empty());
  EXPECT_EQ(h.seen(0, standby_behind(1500ms)), set_of({0}));
  EXPECT_TRUE(h.barred(0));
  EXPECT_TRUE(h.seen(0, standby_behind(2s)).empty()) << "retired once, not at every look";
  EXPECT_TRUE(h.barred(1)) << "nobody has looked yet";
  EXPECT_EQ(h.connect(1, endpoint_role::standby), set_of({1}));
  EXPECT_TRUE(h.seen(1, standby_behind(0s)).empty());
  EXPECT_TRUE(h.connect(1, endpoint_role::standby).empty());
  EXPECT_TRUE(h.seen(0, standby_behind(0s)).empty());
  EXPECT_FALSE(h.barred(0));
}

TEST(endpoints, who_takes_any_host_keeps_all_of_them) {
  hosts h(2, endpoint_wish::any);
  EXPECT_TRUE(h.connect(0, endpoint_role::primary).empty());
  EXPECT_TRUE(h.connect(1, endpoint_role::standby).empty());
  EXPECT_TRUE(h.seen(1, primary_on(2)).empty());
  EXPECT_TRUE(h.role_changed(0, endpoint_role::standby).empty());
  EXPECT_TRUE(h.choice().barred.empty());
}

TEST(endpoints, a_host_that_says_nothing_of_its_role_is_believed_to_be_what_the_driver_found) {
  hosts h(2, endpoint_wish::primary);
  EXPECT_TRUE(h.connect(0, endpoint_role::unknown).empty());
  EXPECT_EQ(h.primary(), 0);
}

// ---- generations of single hosts ----

// A connection to that host, leased.
core::lease_id lease_at(pool& p, core::endpoint_id where) {
  core::waiter w;
  EXPECT_EQ(p.acquire(w), core::acquire_result::queued);
  p.book.connected(p.slots(action_kind::connect).back(), where, p.now, p.actions);
  EXPECT_TRUE(p.resume(w));
  p.next();
  return w.lease();
}

TEST(endpoint_generation, idle_connections_to_that_host_go_now_and_leased_ones_when_they_come_back) {
  pool p(3);
  const core::lease_id idle = lease_at(p, 0);
  const core::lease_id leased = lease_at(p, 0);
  const core::lease_id other = lease_at(p, 1);
  p.release(idle);
  p.next();
  p.book.retire_endpoint(0, p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::close), (one_slot{idle}));
  p.next();
  p.release(leased);
  EXPECT_EQ(p.slots(action_kind::close), (one_slot{leased}));
  p.next();
  p.release(other);
  EXPECT_TRUE(p.slots(action_kind::close).empty()) << "the other host's connections are unharmed";
  EXPECT_EQ(p.count(slot_state::idle), 1U);
}

TEST(endpoint_generation, P108_a_server_that_shuts_down_takes_its_own_connections_only) {
  pool p(3);
  const core::lease_id a = lease_at(p, 0);
  const core::lease_id b = lease_at(p, 0);
  const core::lease_id c = lease_at(p, 1);
  for (const auto& l : {a, b, c}) p.release(l);
  p.next();
  p.disconnected(a, core::disconnect_scope::endpoint);
  EXPECT_EQ(p.slots(action_kind::close), (one_slot{a, b}));
  EXPECT_EQ(p.count(slot_state::idle), 1U);
}

TEST(endpoint_generation, a_connect_under_way_is_judged_by_where_it_ends) {
  pool p(2);
  core::waiter first;
  core::waiter second;
  p.acquire(first);
  p.acquire(second);
  const auto connects = p.slots(action_kind::connect);
  ASSERT_EQ(connects.size(), 2U);
  p.next();
  p.book.retire_endpoint(0, p.now, p.actions);
  p.book.connected(connects[0], 1, p.now, p.actions);
  EXPECT_EQ(p.waiters(action_kind::grant), (these_waiters{&first}));
  p.book.connected(connects[1], 0, p.now, p.actions);
  EXPECT_EQ(p.slots(action_kind::close), (one_slot{connects[1]})) << "it may have been asked before the host changed";
  EXPECT_TRUE(p.resume(first));
  p.cancel(second);
}

TEST(endpoint_generation, a_whole_new_generation_is_for_every_host) {
  pool p(2);
  const core::lease_id a = lease_at(p, 0);
  const core::lease_id b = lease_at(p, 1);
  p.book.retire_endpoint(1, p.now, p.actions);
  p.book.new_generation(p.now, p.actions);
  p.next();
  p.release(a);
  p.release(b);
  EXPECT_EQ(p.slots(action_kind::close).size(), 2U);
}

TEST(endpoint_generation, one_connection_can_be_retired_alone) {
  pool p(2);
  const core::lease_id a = lease_at(p, 0);
  const core::lease_id b = lease_at(p, 0);
  p.book.retire(a, p.now, p.actions);
  EXPECT_TRUE(p.actions.empty()) << "its user keeps it";
  p.book.retire_endpoint(1, p.now, p.actions);  // another host's change does not make it good again
  p.release(a);
  EXPECT_EQ(p.slots(action_kind::close), (one_slot{a}));
  p.next();
  p.release(b);
  EXPECT_TRUE(p.slots(action_kind::close).empty());
}

TEST(endpoint_generation, I10_a_grant_that_is_not_picked_up_yet_is_void_and_its_waiter_is_first_again) {
  pool p(1);
  const core::lease_id held = lease_at(p, 0);
  core::waiter w;
  EXPECT_EQ(p.acquire(w), core::acquire_result::queued);
  p.next();
  p.release(held);
  EXPECT_EQ(p.waiters(action_kind::grant), (these_waiters{&w}));
  p.book.retire_endpoint(0, p.now, p.actions);
  EXPECT_FALSE(p.resume(w));
  EXPECT_EQ(w.state(), waiter_state::queued);
  p.next();
  p.closed(held);
  const auto connect = p.slots(action_kind::connect);
  ASSERT_EQ(connect.size(), 1U);
  p.book.connected(connect[0], 1, p.now, p.actions);
  EXPECT_TRUE(p.resume(w));
}

}  // namespace
}  // namespace core_test
