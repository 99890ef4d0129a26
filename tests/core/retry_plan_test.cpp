// What follows an attempt at a transaction: by its end, its number and the time that is left.
#include "pool/core/retry_plan.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lido::core {
namespace {

using namespace std::chrono_literals;

constexpr time_point t0{std::chrono::hours(1)};

retry_limits patient() {
  retry_limits l;
  l.attempts = 3;
  l.backoff_min = 10ms;
  l.backoff_max = 1s;
  l.resolve_timeout = 5s;
  l.can_ask = true;
  return l;
}

TEST(retry_plan, what_is_worth_another_attempt_gets_one_as_often_as_is_allowed) {
  for (const attempt_end how : {attempt_end::conflict, attempt_end::lost, attempt_end::found_aborted}) {
    retry_plan plan(patient(), 7);
    EXPECT_EQ(plan.attempt(), 1U);
    EXPECT_EQ(plan.after(how, t0), retry_step::again);
    EXPECT_EQ(plan.attempt(), 2U);
    EXPECT_EQ(plan.after(how, t0), retry_step::again);
    EXPECT_EQ(plan.attempt(), 3U);
    EXPECT_EQ(plan.after(how, t0), retry_step::give_up);
  }
}

TEST(retry_plan, success_ends_it_and_so_does_an_error_that_is_not_worth_another_attempt) {
  retry_plan plan(patient(), 7);
  EXPECT_EQ(plan.after(attempt_end::committed, t0), retry_step::succeed);
  EXPECT_EQ(plan.after(attempt_end::failed, t0), retry_step::give_up);
}

TEST(retry_plan, I15_one_in_doubt_is_never_tried_again_before_the_server_says_that_it_was_aborted) {
  retry_plan plan(patient(), 7);
  ASSERT_EQ(plan.after(attempt_end::in_doubt, t0), retry_step::ask);
  EXPECT_EQ(plan.until(), t0 + 5s);
  EXPECT_EQ(plan.after(attempt_end::not_found_out, t0 + 5s), retry_step::give_up);
  EXPECT_EQ(plan.after(attempt_end::found_committed, t0), retry_step::succeed);
  EXPECT_EQ(plan.attempt(), 1U);
  EXPECT_EQ(plan.after(attempt_end::found_aborted, t0), retry_step::again);
  EXPECT_EQ(plan.attempt(), 2U);

  retry_limits nameless = patient();
  nameless.can_ask = false;
  EXPECT_EQ(retry_plan(nameless, 7).after(attempt_end::in_doubt, t0), retry_step::give_up);
}

TEST(retry_plan, I5_one_deadline_bounds_the_pauses_and_the_question) {
  retry_limits l = patient();
  l.deadline = t0 + 2s;
  retry_plan plan(l, 7);
  ASSERT_EQ(plan.after(attempt_end::in_doubt, t0), retry_step::ask);
  EXPECT_EQ(plan.until(), l.deadline);
  EXPECT_EQ(plan.after(attempt_end::in_doubt, l.deadline), retry_step::give_up);
  EXPECT_EQ(plan.after(attempt_end::conflict, l.deadline), retry_step::give_up) << "it would begin too late";
  EXPECT_EQ(plan.attempt(), 1U);
  EXPECT_EQ(plan.after(attempt_end::conflict, t0), retry_step::again);
}

TEST(retry_plan, pauses_have_full_jitter_under_a_ceiling_that_doubles) {
  retry_limits l = patient();
  l.attempts = 100;
  std::set<duration> first;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    retry_plan plan(l, seed);
    duration ceiling = l.backoff_min;
    for (int i = 0; i < 12; ++i) {
      ASSERT_EQ(plan.after(attempt_end::conflict, t0), retry_step::again);
      const duration pause = plan.until() - t0;
      EXPECT_GE(pause, duration::zero());
      EXPECT_LT(pause, ceiling);
      if (i == 0) first.insert(pause);
      ceiling = std::min<duration>(ceiling * 2, l.backoff_max);
    }
  }
  EXPECT_GT(first.size(), 45U);
  EXPECT_LT(*first.begin(), l.backoff_min / 5) << "full jitter begins at nothing";
}

TEST(retry_plan, nonsensical_bounds_do_no_harm) {
  retry_limits l;
  l.attempts = 0;
  EXPECT_EQ(retry_plan(l, 7).after(attempt_end::conflict, t0), retry_step::give_up);
  l.attempts = 2;
  l.backoff_min = 1s;
  l.backoff_max = -1s;
  retry_plan plan(l, 7);
  EXPECT_EQ(plan.after(attempt_end::conflict, t0), retry_step::again);
  EXPECT_EQ(plan.until(), t0);
}

}  // namespace
}  // namespace lido::core
