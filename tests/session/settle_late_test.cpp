// The fence where the end is on its way by itself (a COPY that was failed, a portal that was closed), and where several
// ends are owed.
#include "tests/session/settle_steps.hpp"

#include <gtest/gtest.h>

namespace lido::session {
namespace {

// ---- a COPY that was failed, a portal that was closed: the end comes by itself (I17) ----

settle late(cancel_after after = cancel_after::recover) {
  settle s;
  EXPECT_EQ(s.begin(budgets(after), cancel_permission::late, 1, true, at(0)), nothing);
  return s;
}

TEST(settle_fence, I17_what_ends_by_itself_is_not_sent_a_cancel) {
  settle s = late();
  EXPECT_EQ(s.ready(at(1)), quiet());
  EXPECT_TRUE(s.came_by_itself());
  expect_over(s);
}

TEST(settle_fence, I17_a_cancel_follows_only_if_no_answer_came) {
  settle s = late();
  EXPECT_EQ(s.tick(s.next_deadline()), starts());
  EXPECT_EQ(s.attempt(), 1U);
  EXPECT_TRUE(s.may_write());
  EXPECT_EQ(s.ready(at(200)), nothing) << "I3: the signal may still come";
  EXPECT_EQ(s.cancel_eof(at(210)), quiet());
  EXPECT_FALSE(s.came_by_itself());
  expect_over(s);
}

TEST(settle_fence, I17_the_wait_begins_when_all_is_written) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::late, 1, false, at(0)), nothing);
  EXPECT_EQ(s.flushed(at(50)), nothing);
  EXPECT_GT(s.next_deadline(), at(50));
  EXPECT_EQ(s.ready(at(60)), quiet());
  expect_over(s);
}

// The server runs the COPY and does not read: a lock, a trigger. Nothing but a cancel makes it read on.
settle late_and_stuck() {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::late, 1, false, at(0)), nothing);
  EXPECT_EQ(s.tick(at(99)), nothing);
  EXPECT_EQ(s.tick(at(100)), starts());
  EXPECT_TRUE(s.may_write());
  return s;
}

TEST(settle_fence, I17_a_copy_whose_end_the_server_does_not_take_is_cancelled_and_won_back) {
  settle s = late_and_stuck();
  EXPECT_EQ(s.cancel_eof(at(110)), nothing);
  EXPECT_EQ(s.flushed(at(111)), nothing);
  EXPECT_EQ(s.ready(at(112)), quiet());
  EXPECT_FALSE(s.came_by_itself());
  expect_over(s);
}

TEST(settle_fence, I3_quiet_waits_for_our_own_bytes_whatever_came_first) {
  settle s = late_and_stuck();
  EXPECT_EQ(s.ready(at(105)), nothing);
  EXPECT_EQ(s.cancel_eof(at(110)), nothing) << "the rest of the COPY is not written";
  EXPECT_EQ(s.flushed(at(120)), quiet());
  expect_over(s);

  settle drained = late_and_stuck();
  EXPECT_EQ(drained.cancel_eof(at(110)), nothing);
  EXPECT_EQ(drained.ready(at(120)), nothing);
  EXPECT_EQ(drained.tick(at(210)), nothing) << "nothing is owed that could be cancelled again";
  EXPECT_EQ(drained.flushed(at(220)), quiet());

  settle overtaken;
  EXPECT_EQ(overtaken.begin(budgets(), cancel_permission::late, 1, false, at(0)), nothing);
  EXPECT_EQ(overtaken.tick(at(100)), starts());
  EXPECT_EQ(overtaken.ready(at(101)), drops());
  EXPECT_EQ(overtaken.tick(at(601)), closes(give_up::write_stalled));

  settle distrusted = late_and_stuck();
  EXPECT_EQ(distrusted.ready(at(105)), nothing);
  EXPECT_EQ(distrusted.cancel_eof(at(110)), nothing);
  EXPECT_EQ(distrusted.hurry(budgets(cancel_after::discard), at(115)), closes(give_up::discarded));
}

TEST(settle_fence, I17_a_cancel_before_the_last_byte_does_not_count) {
  settle s = late_and_stuck();
  EXPECT_EQ(s.cancel_eof(at(110)), nothing);
  EXPECT_EQ(s.tick(at(210)), starts()) << "the second";
  EXPECT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(220)), nothing);
  EXPECT_EQ(s.tick(at(330)), nothing);
  EXPECT_EQ(s.flushed(at(340)), nothing);
  EXPECT_EQ(s.flushed(at(341)), nothing);
  EXPECT_EQ(s.tick(at(440)), starts()) << "it may have met a server that was waiting for us";
  EXPECT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(450)), nothing);
  EXPECT_EQ(s.tick(at(900)), nothing);
  EXPECT_EQ(s.tick(at(950)), closes(give_up::drain_timeout));
  expect_over(s);
}

TEST(settle_fence, I9_what_ends_by_itself_and_does_not_is_sent_a_cancel_before_the_close) {
  settle_budgets short_drain = budgets();
  short_drain.drain_timeout = milliseconds(50);  // less than retry_after
  settle s;
  EXPECT_EQ(s.begin(short_drain, cancel_permission::late, 1, true, at(0)), nothing);
  EXPECT_EQ(s.tick(at(50)), starts());
  EXPECT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(60)), closes(give_up::drain_timeout));

  settle large = late();
  EXPECT_EQ(large.received(1001, at(1)), starts());
  EXPECT_TRUE(large.may_write());
  EXPECT_EQ(large.ready(at(2)), closes_and_parks(give_up::drain_bytes));
}

TEST(settle_fence, I17_policy_discard_has_nothing_to_distrust_when_no_cancel_was_sent) {
  settle s = late(cancel_after::discard);
  EXPECT_EQ(s.hurry(budgets(cancel_after::discard), at(1)), nothing);
  EXPECT_EQ(s.ready(at(2)), quiet());
  expect_over(s);
}

// ---- several segments ----

TEST(settle, I18_each_segment_that_is_still_owed_gets_a_cancel_of_its_own) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::allowed, 3, true, at(0)), starts());
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(2)), nothing);
  EXPECT_EQ(s.segment_over(at(3)), starts());
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.ready(at(4)), nothing) << "quiet needs its EOF as any";
  EXPECT_EQ(s.cancel_eof(at(5)), quiet());
}

TEST(settle, I18_a_signal_that_met_the_end_of_a_segment_is_followed_by_one_for_the_next) {
  settle s;
  s.begin(budgets(), cancel_permission::allowed, 2, true, at(0));
  ASSERT_TRUE(s.may_write());
  s.segment_over(at(1));
  EXPECT_EQ(s.cancel_eof(at(2)), starts()) << "it may have hit either";
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(3)), nothing);
  EXPECT_EQ(s.tick(at(102)), nothing);
  EXPECT_EQ(s.tick(at(103)), starts()) << "and again, within the budget of the whole";
}

TEST(settle, I18_a_pipeline_that_is_not_taken_is_cancelled_as_it_stands_after_retry_after) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::early, 1, false, at(0)), nothing);
  EXPECT_EQ(s.tick(at(99)), nothing);
  EXPECT_EQ(s.tick(at(100)), starts());
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(101)), nothing);
  EXPECT_FALSE(s.is_doomed()) << "the rest may go out now";
  EXPECT_EQ(s.flushed(at(102)), nothing);
  EXPECT_EQ(s.ready(at(103)), quiet());
}

TEST(settle, I9_a_distrusted_pipeline_is_cancelled_segment_by_segment_before_it_is_closed) {
  settle s;
  EXPECT_EQ(s.begin(budgets(cancel_after::discard), cancel_permission::early, 3, true, at(0)), starts());
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(1)), nothing) << "the next segment may run: not closed yet";
  EXPECT_TRUE(s.is_doomed()) << "and nothing more is written";
  EXPECT_EQ(s.segment_over(at(2)), starts());
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(3)), nothing);
  EXPECT_EQ(s.tick(at(102)), nothing);
  EXPECT_EQ(s.tick(at(103)), starts()) << "a signal before the Bind does nothing: once more";
  ASSERT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel_eof(at(104)), nothing);
  EXPECT_EQ(s.tick(at(204)), closes(give_up::discarded)) << "nothing ends any more: the server has no more of it";
}

TEST(settle, I15_no_segment_of_a_pipeline_with_a_commit_is_cancelled) {
  settle s;
  EXPECT_EQ(s.begin(budgets(), cancel_permission::drain_only, 2, true, at(0)), nothing);
  EXPECT_EQ(s.segment_over(at(1)), nothing);
  EXPECT_EQ(s.ready(at(2)), quiet());
}

}  // namespace
}  // namespace lido::session
