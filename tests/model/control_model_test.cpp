// Random schedules of the control session. A schedule that fails prints its seed.
#include "tests/model/control_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

namespace lido::model {
namespace {

std::uint64_t schedules() {
  const char* scale = std::getenv("LIDO_TEST_SCALE");  // NOLINT(concurrency-mt-unsafe): nothing else runs
  const double factor = scale == nullptr ? 1.0 : std::atof(scale);
  return std::max<std::uint64_t>(10'000, static_cast<std::uint64_t>(60'000 * factor));
}

std::optional<std::uint64_t> first_failure(const control_mutant& wrong, std::uint64_t limit, std::string& why,
                                           control_tally& counts) {
  for (std::uint64_t seed = 1; seed <= limit; ++seed) {
    if (const char* const rule = control_world(seed, wrong, counts).run()) {
      why = rule;
      return seed;
    }
  }
  return std::nullopt;
}

TEST(control_model, I3_I4_no_schedule_hits_a_query_of_ours_that_nobody_cancelled) {
  control_tally t;
  std::string why;
  const auto seed = first_failure({}, schedules(), why, t);
  EXPECT_FALSE(seed) << why << "; seed " << seed.value_or(0);
  std::printf(
      "%llu steps, %llu statements, %llu signals; signalled %llu, missed %llu, unknown %llu, withdrawn %llu; "
      "new connections that waited %llu, closed unused %llu; innocent queries %llu; strangers hit %llu\n",
      static_cast<unsigned long long>(t.steps), static_cast<unsigned long long>(t.statements),
      static_cast<unsigned long long>(t.signals), static_cast<unsigned long long>(t.signalled),
      static_cast<unsigned long long>(t.missed), static_cast<unsigned long long>(t.unknown),
      static_cast<unsigned long long>(t.withdrawn), static_cast<unsigned long long>(t.waited),
      static_cast<unsigned long long>(t.closed_unused), static_cast<unsigned long long>(t.innocents),
      static_cast<unsigned long long>(t.strangers_hit));
  for (const auto n : {t.statements, t.signalled, t.missed, t.unknown, t.withdrawn, t.waited, t.closed_unused,
                       t.innocents, t.strangers_hit})
    EXPECT_GT(n, 0U) << "the schedules do not reach everything";
}

void expect_caught(const control_mutant& wrong) {
  control_tally t;
  std::string why;
  EXPECT_TRUE(first_failure(wrong, 50'000, why, t));
  EXPECT_EQ(why.find("I3"), 0U) << why;
}

TEST(control_model, I3_mutant_that_names_a_bare_pid_is_caught) { expect_caught({.bare_pid = true}); }
TEST(control_model, I3_mutant_without_a_pid_fence_is_caught) { expect_caught({.no_pid_fence = true}); }
TEST(control_model, I3_mutant_that_forgets_what_a_lost_session_may_still_do_is_caught) {
  expect_caught({.forgets_ghosts = true});
}
TEST(control_model, I4_mutant_that_falls_back_from_an_unanswered_statement_is_caught) {
  expect_caught({.unknown_is_missed = true});
}

}  // namespace
}  // namespace lido::model
