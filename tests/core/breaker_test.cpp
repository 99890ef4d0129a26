// The breaker: when it opens, who is told at once and who waits on, the single prober, slow start, connect_rate.
#include "tests/core/pool_fixture.hpp"

#include <algorithm>

namespace core_test {

using core::breaker_state;

namespace {

core::limits careful_limits(std::uint32_t max_size, std::uint32_t threshold) {
  core::limits l = plain_limits(max_size);
  l.breaker_threshold = threshold;
  l.connect_backoff_min = l.connect_backoff_max = 100ms;
  return l;
}

// Lets every connect of this round fail, then waits out the pause.
void fail_round(pool& p) {
  const auto under_way = p.slots(action_kind::connect);
  p.next();
  for (const core::slot_id id : under_way) p.connect_failed(id);
}

void wait_out(pool& p) {
  p.now = std::max(p.now, p.book.connect_breaker().ready_at());
  p.next().expire();
}

}  // namespace

TEST(breaker, P62_opens_after_so_many_failed_rounds_and_waiters_fail_fast) {
  pool p{careful_limits(4, 3)};
  core::waiter a;
  p.acquire(a);
  for (int round = 0; round < 2; ++round) {
    fail_round(p);
    EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::closed);
    EXPECT_EQ(a.state(), waiter_state::queued) << "he waits on";
    wait_out(p);
  }
  fail_round(p);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::open);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a});
  EXPECT_EQ(p.actions[0].failure, core::fail_reason::breaker_open);
  core::waiter b;
  EXPECT_EQ(p.next().acquire(b), core::acquire_result::breaker_open);
  EXPECT_TRUE(p.actions.empty()) << "nobody connects while the pause lasts";
  EXPECT_EQ(p.stats().refused[static_cast<std::size_t>(core::refusal::breaker)], 2U);
  EXPECT_EQ(p.stats().breaker_opened, 1U);
}

TEST(breaker, P62_one_success_closes_it) {
  pool p{careful_limits(4, 1)};
  core::waiter a, b;
  p.acquire(a);
  fail_round(p);
  wait_out(p);
  p.acquire(b);
  const auto probe = p.slots(action_kind::connect);
  ASSERT_EQ(probe.size(), 1U);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::half_open);
  p.next().connected(probe[0]);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::closed);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&b});
  p.cancel(b);
}

TEST(breaker, the_first_to_ask_after_the_pause_sends_the_prober_and_waits_for_it_alone) {
  pool p{careful_limits(4, 1)};
  core::waiter a, b, c;
  p.acquire(a);
  fail_round(p);
  wait_out(p);
  EXPECT_EQ(p.acquire(b), core::acquire_result::queued);
  EXPECT_EQ(p.acquire(c), core::acquire_result::breaker_open);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U) << "one prober";
  fail_round(p);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&b});
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::open);
}

TEST(breaker, nobody_is_failed_while_a_lease_is_out_that_will_come_back) {
  pool p{careful_limits(2, 1)};
  const core::lease_id lease = p.lease();
  core::waiter a, b;
  p.acquire(a);
  fail_round(p);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::open);
  EXPECT_EQ(a.state(), waiter_state::queued);
  EXPECT_EQ(p.acquire(b), core::acquire_result::queued);
  p.next().release(lease);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&a});
  p.cancel(a);
  p.cancel(b);
}

TEST(breaker, a_recovery_may_serve_too) {
  pool p{careful_limits(2, 1)};
  const core::lease_id lease = p.lease();
  core::waiter a;
  p.acquire(a);
  fail_round(p);
  p.next().release(lease, core::condition::needs_recovery);
  EXPECT_EQ(a.state(), waiter_state::queued);
  p.book.recovered(lease, false, core::close_reason::recovery_failed, p.now, p.actions);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a}) << "that was the last hope";
}

TEST(breaker, a_lease_whose_connection_has_died_is_no_hope) {
  pool p{careful_limits(2, 1)};
  const core::lease_id lease = p.lease();
  core::waiter a;
  p.acquire(a);
  fail_round(p);
  p.next().disconnected(lease);
  EXPECT_EQ(p.waiters(action_kind::fail), these_waiters{&a});
  p.next().release(lease);
  p.closed(lease);
  core::waiter b;
  EXPECT_EQ(p.acquire(b), core::acquire_result::breaker_open);
}

TEST(breaker, zero_means_that_it_never_opens) {
  pool p{careful_limits(1, 0)};
  core::waiter a;
  p.acquire(a);
  for (int round = 0; round < 50; ++round) {
    fail_round(p);
    wait_out(p);
  }
  EXPECT_EQ(a.state(), waiter_state::queued);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::closed);
  p.cancel(a);
}

TEST(breaker, failures_of_connects_that_were_under_way_together_count_once) {
  pool p{careful_limits(4, 2)};
  core::waiter a, b, c, d;
  for (core::waiter* w : {&a, &b, &c, &d}) p.acquire(*w);
  ASSERT_EQ(p.slots(action_kind::connect).size(), 4U);
  fail_round(p);
  EXPECT_EQ(p.book.connect_breaker().failed_rounds(), 1U);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::closed);
  for (core::waiter* w : {&a, &b, &c, &d}) p.cancel(*w);
}

TEST(breaker, min_size_keeps_probing_without_any_user) {
  core::limits l = careful_limits(2, 1);
  l.min_size = 1;
  pool p{l};
  p.expire();
  fail_round(p);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::open);
  wait_out(p);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 1U);
  EXPECT_EQ(p.book.connect_breaker().state(), breaker_state::half_open);
}

TEST(breaker, slow_start_lets_each_success_allow_one_more) {
  core::limits l = careful_limits(32, 1);
  l.connect_concurrency = 8;
  pool p{l};
  std::vector<core::waiter> crowd(32);
  for (core::waiter& w : crowd) p.acquire(w);
  fail_round(p);
  for (core::waiter& w : crowd) EXPECT_EQ(w.state(), waiter_state::detached);
  wait_out(p);
  // A lease is out, so that the crowd may wait.
  core::waiter first;
  p.acquire(first);
  const auto probe = p.slots(action_kind::connect);
  ASSERT_EQ(probe.size(), 1U);
  p.next().connected(probe[0]);
  ASSERT_TRUE(p.resume(first));
  for (core::waiter& w : crowd) p.acquire(w);
  std::vector<std::size_t> rounds;
  for (int round = 0; round < 4; ++round) {
    const auto made = p.slots(action_kind::connect);
    rounds.push_back(made.size());
    p.next();
    for (const core::slot_id id : made) p.connected(id);
  }
  EXPECT_EQ(rounds, (std::vector<std::size_t>{2, 4, 8, 8}));
  for (core::waiter& w : crowd) p.cancel(w);
}

TEST(breaker, connect_rate_keeps_its_distance_however_short_the_pause) {
  core::limits l = careful_limits(1, 0);
  l.connect_backoff_min = l.connect_backoff_max = 1ns;
  l.connect_rate = 20;
  pool p{l};
  core::waiter a;
  p.acquire(a);
  const core::time_point begin = p.now;
  std::size_t connects = 1;
  while (p.now < begin + 10s) {
    fail_round(p);
    if (p.slots(action_kind::connect).empty()) {
      ASSERT_GT(p.book.next_deadline(), p.now) << "busy loop";
      p.now = p.book.next_deadline();
      p.next().expire();
    }
    connects += p.slots(action_kind::connect).size();
  }
  EXPECT_GT(connects, 190U);
  EXPECT_LE(connects, 201U);
  EXPECT_GT(p.stats().connects_throttled, 190U);
  p.cancel(a);
}

TEST(breaker, connect_rate_does_not_hold_a_healthy_pool_back) {
  core::limits l = careful_limits(64, 1);
  l.connect_rate = 1;
  l.connect_concurrency = 64;
  pool p{l};
  std::vector<core::waiter> crowd(64);
  for (core::waiter& w : crowd) p.acquire(w);
  EXPECT_EQ(p.slots(action_kind::connect).size(), 64U);
  for (core::waiter& w : crowd) p.cancel(w);
}

TEST(breaker, a_full_server_is_asked_now_and_then_while_leases_go_round) {
  pool p{careful_limits(4, 2)};
  const core::lease_id lease = p.lease();
  core::waiter a;
  p.acquire(a);
  for (int round = 0; round < 10; ++round) {
    fail_round(p);  // 53300
    wait_out(p);
    EXPECT_LE(p.slots(action_kind::connect).size(), 1U);
  }
  EXPECT_EQ(a.state(), waiter_state::queued);
  p.next().release(lease);
  EXPECT_EQ(p.waiters(action_kind::grant), these_waiters{&a});
  p.cancel(a);
}

}  // namespace core_test
