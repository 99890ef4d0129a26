// The real pool, its recovery and its coroutines over a simulated driver, server and clock: millions of events of
// cancels, crashes, lost answers, reloads and shutdowns, replayed by seed. `--seed=N [--verbose]` tells one schedule's
// story.
#include "tests/simulation/real/run.hpp"
#include "tests/simulation/seeds.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <limits>
#include <string>

namespace simulation {

TEST(pool_simulation, no_task_is_hurt_by_another_ones_cancel_and_everything_ends_in_any_weather) {
  const schedule<tally> run = run_world;
  if (asked().only_seed) return tell_one(run);
  outcome_of_seeds<tally> seen;
  run_seeds(seen, std::numeric_limits<std::uint64_t>::max(), scaled(5'000'000), run);
  ASSERT_EQ(seen.failed, 0U) << story_of(seen.failed, run);
  const tally& t = seen.all;
  std::cout << "simulated " << seen.next - 1 << " pools, " << t.events << " events: " << t.acquires << " leases, "
            << t.answers << " answers, " << t.cancelled << " tasks cancelled, " << t.timeouts << " timed out, "
            << t.lost << " lost their connection, " << t.refused << " were refused, " << t.closed
            << " met a closed pool, " << t.misled << " the wrong host in " << t.changes << " changes of clusters; "
            << t.reloads << " reloads, " << t.bad_reloads << " refused; " << t.requests << " CancelRequests, "
            << t.control_calls << " statements of control sessions with " << t.control_signals << " signals, "
            << t.window << " into the window, " << t.unanswered
            << " connections closed for a cancel without an answer\n";
  EXPECT_GT(t.cancelled, 0U);
  EXPECT_GT(t.timeouts, 0U);
  EXPECT_GT(t.lost, 0U);
  EXPECT_GT(t.closed, 0U);
  EXPECT_GT(t.reloads, 0U);
  EXPECT_GT(t.bad_reloads, 0U);
  EXPECT_GT(t.misled, 0U);
  EXPECT_GT(t.changes, 0U);
  EXPECT_GT(t.requests, 0U);
  EXPECT_GT(t.control_signals, 0U);
  EXPECT_GT(t.unanswered, 0U);
}

TEST(pool_simulation, the_same_seed_tells_the_same_story) {
  const schedule<tally> run = run_world;
  for (const std::uint64_t seed : {1U, 2U, 3U, 77U}) {
    const std::string once = story_of(seed, run);
    EXPECT_EQ(once, story_of(seed, run));
  }
}

}  // namespace simulation

int main(int argc, char** argv) { return simulation::run_simulation(argc, argv, "pool_simulation.no_task*"); }
