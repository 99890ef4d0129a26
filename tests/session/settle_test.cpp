// The fence, transition by transition. Time is a number here: `at(n)` is n milliseconds after the operation was
// abandoned.
#include "tests/session/settle_steps.hpp"

#include <gtest/gtest.h>

namespace lido::session {

namespace {

// ---- nothing to do, nothing allowed ----

TEST(settle_fence, I19_nothing_owed_and_all_written_is_quiet_at_once) {
  for (const cancel_permission permission :
       {cancel_permission::allowed, cancel_permission::drain_only, cancel_permission::forbidden}) {
    settle s;
    EXPECT_EQ(s.begin(budgets(), permission, 0, true, at(0)), quiet());
    EXPECT_EQ(s.attempt(), 0U);
    EXPECT_EQ(s.cancel(), cancel_state::none);
    expect_over(s);
  }
}

TEST(settle_fence, I3_nothing_owed_but_bytes_unwritten_waits_for_them) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::forbidden, 0, false, at(0)), nothing);
  EXPECT_EQ(s.flushed(at(5)), quiet());
  expect_over(s);
}

TEST(settle_fence, I7_without_a_key_the_connection_is_closed) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::forbidden, 1, true, at(0)), closes(give_up::no_key));
  expect_over(s);
  settle unflushed;
  EXPECT_EQ(unflushed.begin(budgets(), cancel_permission::forbidden, 1, false, at(0)), closes(give_up::no_key));
}

TEST(settle_fence, I7_policy_never_closes_whatever_the_permission_says) {
  for (const cancel_permission permission : {cancel_permission::allowed, cancel_permission::forbidden}) {
    settle s;
    EXPECT_EQ(s.begin(budgets(cancel_after::never), permission, 1, true, at(0)), closes(give_up::policy));
    expect_over(s);
  }
}

// ---- our own request first ----

TEST(settle_fence, I3_no_cancel_before_the_request_is_written_to_its_sync) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::allowed, 1, false, at(0)), nothing);
  EXPECT_FALSE(s.may_write());
  EXPECT_EQ(s.attempt(), 0U);
  EXPECT_EQ(s.tick(at(499)), nothing);
  EXPECT_EQ(s.flushed(at(499)), starts());
  EXPECT_EQ(s.attempt(), 1U);
  EXPECT_EQ(s.next_deadline(), at(1499));
}

TEST(settle_fence, I5_I9_a_request_that_the_socket_does_not_take_is_sent_its_cancel_and_closes) {
  const auto stalled = [] {
    settle s;
    EXPECT_EQ(s.begin(budgets(), cancel_permission::allowed, 1, false, at(0)), nothing);
    EXPECT_EQ(s.next_deadline(), at(500));
    EXPECT_EQ(s.tick(at(500)), starts());
    return s;
  };
  settle s = stalled();
  EXPECT_TRUE(s.may_write());
  EXPECT_EQ(s.flushed(at(510)), nothing) << "too late";
  EXPECT_EQ(s.cancel_eof(at(520)), closes(give_up::write_stalled));
  expect_over(s);

  settle refused = stalled();
  EXPECT_EQ(refused.cancel_failed(cancel_phase::connect, at(510)), closes(give_up::write_stalled));
  expect_over(refused);

  settle silent = stalled();
  EXPECT_EQ(silent.tick(at(1499)), nothing);
  EXPECT_EQ(silent.tick(at(1500)), closes_and_drops(give_up::write_stalled));
  expect_over(silent);

  settle commit;
  EXPECT_EQ(commit.begin(budgets(), cancel_permission::drain_only, 1, false, at(0)), nothing);
  EXPECT_EQ(commit.tick(at(500)), closes(give_up::write_stalled)) << "I15";
  expect_over(commit);
}

TEST(settle_fence, I19_an_answer_that_overtakes_the_writes_completion_needs_no_cancel) {
  settle s;
  ASSERT_EQ(s.begin(budgets(), cancel_permission::allowed, 1, false, at(0)), nothing);
  EXPECT_EQ(s.ready(at(5)), nothing);
  EXPECT_FALSE(s.may_write());
  EXPECT_EQ(s.flushed(at(6)), quiet());
  EXPECT_EQ(s.attempt(), 0U);
  expect_over(s);

  settle stalled;
  ASSERT_EQ(stalled.begin(budgets(), cancel_permission::allowed, 1, false, at(0)), nothing);
  ASSERT_EQ(stalled.ready(at(5)), nothing);
  EXPECT_EQ(stalled.ready(at(6)), nothing);
  EXPECT_EQ(stalled.tick(at(500)), closes(give_up::write_stalled));
}

// ---- connecting ----

TEST(settle_fence, I19_overtaken_before_the_first_byte_drops_the_cancel_for_free) {
  for (const cancel_after after : {cancel_after::recover, cancel_after::discard}) {
    settle s = connecting(after);
    EXPECT_EQ(s.ready(at(5)), quiet(true));
    EXPECT_EQ(s.cancel(), cancel_state::none);
    expect_over(s);
  }
}

TEST(settle_fence, I4_failure_before_the_first_byte_leaves_no_cancel_and_drains) {
  for (const cancel_phase phase : {cancel_phase::resolve, cancel_phase::connect, cancel_phase::tls}) {
    settle s = connecting();
    EXPECT_EQ(s.cancel_failed(phase, at(300)), nothing);
    EXPECT_EQ(s.cancel(), cancel_state::none);
    EXPECT_FALSE(s.may_write());
    EXPECT_EQ(s.next_deadline(), at(800));
    settle late = s;
    EXPECT_EQ(s.ready(at(799)), quiet());
    expect_over(s);
    EXPECT_EQ(late.tick(at(800)), closes(give_up::cancel_failed));
    expect_over(late);
  }
}

TEST(settle_fence, I5_a_cancel_that_does_not_connect_in_time_is_dropped) {
  settle s = connecting();
  EXPECT_EQ(s.next_deadline(), at(1000));
  EXPECT_EQ(s.tick(at(999)), nothing);
  EXPECT_EQ(s.tick(at(1000)), drops());
  EXPECT_EQ(s.cancel(), cancel_state::none);
  EXPECT_EQ(s.next_deadline(), at(1500));
  EXPECT_EQ(s.tick(at(1500)), closes(give_up::cancel_failed));
}

TEST(settle_fence, I4_an_end_without_a_written_request_proves_nothing) {
  settle s = connecting();
  EXPECT_EQ(s.cancel_eof(at(5)), nothing);
  EXPECT_EQ(s.cancel(), cancel_state::none);
  EXPECT_EQ(s.tick(at(505)), closes(give_up::cancel_failed));
}

// ---- written ----

TEST(settle_fence, I3_eof_then_ready_is_quiet) {
  settle s = after_eof();
  EXPECT_EQ(s.ready(at(20)), quiet());
  EXPECT_EQ(s.cancel(), cancel_state::eof);
  expect_over(s);
}

TEST(settle_fence, I3_ready_then_eof_is_quiet_and_not_before) {
  settle s = written();
  EXPECT_EQ(s.ready(at(5)), nothing);
  EXPECT_TRUE(s.active());
  EXPECT_EQ(s.ready(at(6)), nothing);
  EXPECT_EQ(s.tick(at(999)), nothing);
  EXPECT_EQ(s.cancel_eof(at(999)), quiet());
  expect_over(s);
}

TEST(settle_fence, I4_no_eof_in_time_is_unknown_closes_and_parks) {
  for (const bool answered : {false, true}) {
    settle s = written();
    if (answered) {
      EXPECT_EQ(s.ready(at(5)), nothing);
    }
    EXPECT_EQ(s.next_deadline(), at(1000));  // of the whole attempt, connecting included
    EXPECT_EQ(s.tick(at(1000)), closes_and_parks(give_up::cancel_unknown));
    EXPECT_EQ(s.cancel(), cancel_state::unknown);
    expect_over(s);
  }
}

TEST(settle_fence, I4_a_broken_end_after_the_first_byte_is_unknown) {
  for (const cancel_phase phase : {cancel_phase::write, cancel_phase::eof}) {
    for (const bool answered : {false, true}) {
      settle s = written();
      if (answered) {
        EXPECT_EQ(s.ready(at(5)), nothing);
      }
      EXPECT_EQ(s.cancel_failed(phase, at(6)), closes(give_up::cancel_unknown));
      EXPECT_EQ(s.cancel(), cancel_state::unknown);
      expect_over(s);
    }
  }
}

TEST(settle_fence, I8_the_first_byte_is_granted_once) {
  settle s = written();
  EXPECT_FALSE(s.may_write());
}

// ---- eof but no ReadyForQuery ----

TEST(settle_fence, I3_a_lost_cancel_is_sent_once_more_and_only_once) {
  settle s = after_eof();
  EXPECT_EQ(s.next_deadline(), at(110));
  EXPECT_EQ(s.tick(at(109)), nothing);
  EXPECT_EQ(s.tick(at(110)), starts());
  EXPECT_EQ(s.attempt(), 2U);
  EXPECT_EQ(s.next_deadline(), at(1110));
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(150)), nothing);
  EXPECT_EQ(s.next_deadline(), at(650));
  EXPECT_EQ(s.tick(at(649)), nothing);
  EXPECT_EQ(s.attempt(), 2U);
  EXPECT_EQ(s.tick(at(650)), closes(give_up::drain_timeout));
  expect_over(s);
}

TEST(settle_fence, I3_the_second_attempt_obeys_the_same_fence) {
  settle overtaken = second_attempt();
  EXPECT_EQ(overtaken.ready(at(120)), quiet(true));

  settle waits = second_attempt();
  ASSERT_TRUE(waits.may_write());
  EXPECT_EQ(waits.ready(at(120)), nothing);
  EXPECT_EQ(waits.cancel_eof(at(130)), quiet());

  settle unknown = second_attempt();
  ASSERT_TRUE(unknown.may_write());
  EXPECT_EQ(unknown.ready(at(120)), nothing);
  EXPECT_EQ(unknown.tick(at(1110)), closes_and_parks(give_up::cancel_unknown));

  settle failed = second_attempt();
  EXPECT_EQ(failed.cancel_failed(cancel_phase::connect, at(120)), nothing);
  EXPECT_EQ(failed.tick(at(619)), nothing);
  EXPECT_EQ(failed.tick(at(620)), closes(give_up::cancel_failed));
}

TEST(settle_fence, I5_the_whole_is_bounded_whatever_happens) {
  settle_budgets b = budgets();
  b.retry_after = milliseconds(499);
  settle s;
  ASSERT_EQ(s.begin(b, cancel_permission::allowed, 1, false, at(0)), nothing);
  ASSERT_EQ(s.flushed(at(499)), starts());
  ASSERT_TRUE(s.may_write());
  ASSERT_EQ(s.cancel_eof(at(1498)), nothing);
  ASSERT_EQ(s.tick(at(1997)), starts());
  ASSERT_TRUE(s.may_write());
  ASSERT_EQ(s.cancel_eof(at(2996)), nothing);
  EXPECT_EQ(s.next_deadline(), at(3000));  // and not 3496: 2 * cancel + 2 * drain
  EXPECT_EQ(s.tick(at(3000)), closes(give_up::drain_timeout));
}

TEST(settle_fence, I5_a_late_tick_does_not_start_what_is_over_already) {
  settle s = after_eof();
  EXPECT_EQ(s.tick(at(100000)), closes(give_up::drain_timeout));
  EXPECT_EQ(s.attempt(), 1U);

  settle never_connected = connecting();
  EXPECT_EQ(never_connected.tick(at(100000)), closes_and_drops(give_up::cancel_failed));
}

TEST(settle_fence, I5_huge_budgets_do_not_wrap) {
  settle_budgets b;
  b.cancel_timeout = b.retry_after = b.drain_timeout = duration::max();
  settle s;
  ASSERT_EQ(s.begin(b, cancel_permission::allowed, 1, true, at(0)), starts());
  EXPECT_GT(s.next_deadline(), at(1000000000));
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(5)), nothing);
  EXPECT_EQ(s.tick(at(1000000000)), nothing);
  EXPECT_EQ(s.ready(at(1000000001)), quiet());
}

// ---- after = discard ----

TEST(settle_fence, discard_sends_the_cancel_and_closes_after_its_end) {
  settle eof = written(cancel_after::discard);
  EXPECT_EQ(eof.cancel_eof(at(5)), closes(give_up::discarded));
  expect_over(eof);

  settle answered = written(cancel_after::discard);
  EXPECT_EQ(answered.ready(at(4)), nothing);
  EXPECT_EQ(answered.cancel_eof(at(5)), closes(give_up::discarded));

  settle failed = connecting(cancel_after::discard);
  EXPECT_EQ(failed.cancel_failed(cancel_phase::tls, at(5)), closes(give_up::discarded));

  settle late = connecting(cancel_after::discard);
  EXPECT_EQ(late.tick(at(1000)), closes_and_drops(give_up::discarded));

  settle unknown = written(cancel_after::discard);
  EXPECT_EQ(unknown.tick(at(1000)), closes_and_parks(give_up::cancel_unknown));
}

// ---- COMMIT, or no budget for a cancel ----

TEST(settle_fence, I15_a_commit_is_drained_and_never_cancelled) {
  for (const cancel_after after : {cancel_after::recover, cancel_after::discard, cancel_after::never}) {
    settle s;
    EXPECT_EQ(s.begin(budgets(after), cancel_permission::drain_only, 1, true, at(0)), nothing);
    EXPECT_FALSE(s.may_write());
    EXPECT_EQ(s.tick(at(499)), nothing);
    settle late = s;
    EXPECT_EQ(s.ready(at(499)), quiet());
    EXPECT_EQ(late.tick(at(500)), closes(give_up::drain_timeout));
    EXPECT_EQ(late.attempt(), 0U);
  }
}

TEST(settle_fence, I15_a_commit_that_is_half_written_is_written_first) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::drain_only, 1, false, at(0)), nothing);
  EXPECT_EQ(s.flushed(at(400)), nothing);
  EXPECT_EQ(s.next_deadline(), at(900));
  EXPECT_EQ(s.ready(at(899)), quiet());
}

// ---- bytes ----

TEST(settle_fence, I5_the_byte_budget_closes_at_its_first_byte_too_many) {
  settle s = after_eof();
  EXPECT_EQ(s.received(600, at(20)), nothing);
  EXPECT_EQ(s.received(400, at(21)), nothing);
  EXPECT_EQ(s.received(1, at(22)), closes(give_up::drain_bytes));
  expect_over(s);

  settle wraps = after_eof();
  EXPECT_EQ(wraps.received(1000, at(20)), nothing);
  EXPECT_EQ(wraps.received(SIZE_MAX, at(20)), closes(give_up::drain_bytes));

  settle flushing;
  ASSERT_EQ(flushing.begin(budgets(), cancel_permission::allowed, 1, false, at(0)), nothing);
  EXPECT_EQ(flushing.received(1001, at(1)), starts()) << "I9";
  EXPECT_EQ(flushing.cancel_failed(cancel_phase::tls, at(2)), closes(give_up::drain_bytes));

  settle answered = written();
  ASSERT_EQ(answered.ready(at(1)), nothing);
  EXPECT_EQ(answered.received(1001, at(2)), closes_and_parks(give_up::drain_bytes));
}

TEST(settle_fence, I9_a_connection_out_of_bytes_is_sent_its_cancel_before_it_is_closed) {
  settle s = connecting();
  EXPECT_EQ(s.received(1001, at(5)), nothing);
  EXPECT_EQ(s.received(1001, at(6)), nothing);
  EXPECT_EQ(s.next_deadline(), at(1000));
  settle late = s;
  settle failed = s;
  settle answered = s;
  settle dead = s;
  settle no_end = s;
  settle broken = s;
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.received(1001, at(7)), nothing);
  EXPECT_EQ(s.cancel_eof(at(8)), closes(give_up::drain_bytes));
  expect_over(s);

  EXPECT_EQ(late.tick(at(1000)), closes_and_drops(give_up::drain_bytes));
  EXPECT_EQ(failed.cancel_failed(cancel_phase::connect, at(8)), closes(give_up::drain_bytes));
  EXPECT_EQ(answered.ready(at(8)), closes_and_drops(give_up::drain_bytes));
  EXPECT_EQ(dead.lost(at(8)), closes_and_drops(give_up::lost));
  ASSERT_TRUE(no_end.may_write());
  EXPECT_EQ(no_end.tick(at(1000)), closes_and_parks(give_up::drain_bytes));
  EXPECT_EQ(no_end.cancel(), cancel_state::unknown);
  ASSERT_TRUE(broken.may_write());
  EXPECT_EQ(broken.cancel_failed(cancel_phase::write, at(8)), closes(give_up::drain_bytes));
  EXPECT_EQ(broken.cancel(), cancel_state::unknown);
}

TEST(settle_fence, I9_out_of_bytes_while_written_waits_for_the_end_of_the_cancel) {
  settle s = written();
  EXPECT_EQ(s.received(1001, at(5)), nothing);
  settle answered = s;
  settle dead = s;
  EXPECT_EQ(s.cancel_eof(at(6)), closes(give_up::drain_bytes));
  EXPECT_EQ(answered.ready(at(6)), closes_and_parks(give_up::drain_bytes));
  EXPECT_EQ(dead.lost(at(6)), closes_and_parks(give_up::lost));
}

// ---- the connection dies ----

TEST(settle_fence, a_dead_connection_is_closed_whatever_the_cancel_does) {
  settle unflushed;
  ASSERT_EQ(unflushed.begin(budgets(), cancel_permission::allowed, 1, false, at(0)), nothing);
  EXPECT_EQ(unflushed.lost(at(1)), closes(give_up::lost));
  settle opening = connecting();
  EXPECT_EQ(opening.lost(at(1)), closes_and_drops(give_up::lost));
  settle out = written();
  EXPECT_EQ(out.lost(at(1)), closes_and_parks(give_up::lost));
  expect_over(out);
  settle answered = written();
  ASSERT_EQ(answered.ready(at(1)), nothing);
  EXPECT_EQ(answered.lost(at(2)), closes_and_parks(give_up::lost));
  settle ended = after_eof();
  EXPECT_EQ(ended.lost(at(20)), closes(give_up::lost));
}

// ---- hurry ----

TEST(settle_fence, I8_hurry_shrinks_budgets_and_never_grows_them) {
  settle_budgets smaller = budgets();
  smaller.cancel_timeout = milliseconds(50);
  smaller.drain_timeout = milliseconds(20);
  smaller.retry_after = milliseconds(10);

  settle s = connecting();
  EXPECT_EQ(s.hurry(smaller, at(100)), nothing);
  EXPECT_EQ(s.next_deadline(), at(150));
  settle_budgets larger;
  larger.drain_max_bytes = 1U << 30;
  EXPECT_EQ(s.hurry(larger, at(110)), nothing);
  EXPECT_EQ(s.next_deadline(), at(150));
  EXPECT_EQ(s.tick(at(150)), drops());
  EXPECT_EQ(s.next_deadline(), at(170));

  settle out = written();
  EXPECT_EQ(out.hurry(smaller, at(100)), nothing);
  EXPECT_EQ(out.tick(at(150)), closes_and_parks(give_up::cancel_unknown));

  settle ended = after_eof();
  EXPECT_EQ(ended.hurry(smaller, at(20)), nothing);
  EXPECT_EQ(ended.next_deadline(), at(30));
  EXPECT_EQ(ended.tick(at(40)), closes(give_up::drain_timeout));

  settle unflushed;
  ASSERT_EQ(unflushed.begin(budgets(), cancel_permission::allowed, 1, false, at(0)), nothing);
  EXPECT_EQ(unflushed.hurry(smaller, at(10)), nothing);
  EXPECT_EQ(unflushed.tick(at(30)), starts());
  EXPECT_TRUE(unflushed.may_write());
  EXPECT_EQ(unflushed.cancel_eof(at(31)), closes(give_up::write_stalled));
}

TEST(settle_fence, I8_hurry_applies_a_smaller_byte_budget_to_what_came_already) {
  settle_budgets smaller = budgets();
  smaller.drain_max_bytes = 100;
  settle s = after_eof();
  ASSERT_EQ(s.received(500, at(20)), nothing);
  EXPECT_EQ(s.hurry(smaller, at(21)), closes(give_up::drain_bytes));
}

TEST(settle_fence, hurry_into_discard_closes_what_relied_on_an_eof) {
  settle s = after_eof();
  EXPECT_EQ(s.hurry(budgets(cancel_after::discard), at(20)), closes(give_up::discarded));
  settle again =
      second_attempt();  // its first attempt relied on an EOF; being overtaken now would not make that one true
  EXPECT_EQ(again.hurry(budgets(cancel_after::discard), at(120)), closes_and_drops(give_up::discarded));
  settle out = written();
  EXPECT_EQ(out.hurry(budgets(cancel_after::discard), at(20)), nothing);
  EXPECT_EQ(out.cancel_eof(at(21)), closes(give_up::discarded));
  settle commit;
  ASSERT_EQ(commit.begin(budgets(), cancel_permission::drain_only, 1, true, at(0)), nothing);
  EXPECT_EQ(commit.hurry(budgets(cancel_after::discard), at(20)), nothing);
  EXPECT_EQ(commit.ready(at(21)), quiet());
}

TEST(settle_fence, can_be_used_again_for_the_next_operation) {
  settle s = second_attempt();
  ASSERT_EQ(s.ready(at(120)), quiet(true));
  EXPECT_EQ(s.begin(budgets(), cancel_permission::allowed, 1, true, at(5000)), starts());
  EXPECT_EQ(s.attempt(), 1U);
  EXPECT_EQ(s.next_deadline(), at(6000));
}

// ---- the control session: a way to cancel that may end without having cancelled ----

TEST(settle_fence, a_missed_cancel_goes_another_way_within_the_same_attempt) {
  for (const bool was_written : {false, true}) {
    settle s = connecting();
    if (was_written) {
      EXPECT_TRUE(s.may_write());
    }
    EXPECT_EQ(s.cancel_missed(true, at(400)), starts());
    EXPECT_EQ(s.cancel(), cancel_state::connecting);
    EXPECT_EQ(s.attempt(), 1U);
    EXPECT_EQ(s.next_deadline(), at(1000)) << "I5: the time of the attempt goes on";
    EXPECT_TRUE(s.may_write());
    EXPECT_EQ(s.ready(at(500)), nothing);
    EXPECT_EQ(s.cancel_eof(at(510)), quiet());
    expect_over(s);
  }
}

TEST(settle_fence, I5_a_second_miss_of_one_attempt_does_not_go_round_again) {
  settle s = connecting();
  EXPECT_EQ(s.cancel_missed(true, at(10)), starts());
  EXPECT_EQ(s.cancel_missed(true, at(20)), nothing);
  EXPECT_EQ(s.cancel(), cancel_state::none);
  EXPECT_EQ(s.tick(at(520)), closes(give_up::cancel_failed));
  expect_over(s);
}

TEST(settle_fence, a_miss_without_another_way_is_drained) {
  settle s = written();
  EXPECT_EQ(s.cancel_missed(false, at(10)), nothing);
  EXPECT_EQ(s.ready(at(20)), quiet());
  expect_over(s);
}

TEST(settle_fence, I3_ready_for_query_waits_for_a_written_cancel_and_a_miss_settles_it) {
  settle s = written();
  EXPECT_EQ(s.ready(at(10)), nothing);
  EXPECT_EQ(s.cancel_missed(true, at(20)), quiet()) << "nothing more comes of it, and nothing is owed";
  expect_over(s);
}

TEST(settle_fence, I9_a_doomed_connection_whose_cancel_missed_is_sent_another) {
  settle s = written();
  EXPECT_EQ(s.received(2000, at(10)), nothing);
  EXPECT_EQ(s.cancel_missed(true, at(20)), starts());
  EXPECT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(30)), closes(give_up::drain_bytes));
  expect_over(s);
}

TEST(settle_fence, I7_after_a_miss_policy_discard_still_discards) {
  settle s = written(cancel_after::discard);
  EXPECT_EQ(s.cancel_missed(false, at(10)), closes(give_up::discarded));
  expect_over(s);
}

TEST(settle_fence, each_attempt_has_its_second_way) {
  settle s = second_attempt();
  EXPECT_EQ(s.cancel_missed(true, at(120)), starts());
  EXPECT_EQ(s.cancel_missed(true, at(130)), nothing);
}

}  // namespace
}  // namespace lido::session
