// A million random schedules of the pool's bookkeeping, every invariant checked after every event; and the proof that
// the checks can fail. A failing seed prints its story: `--seed=N` runs that one alone, `--seed=N --verbose` tells it.
#include "tests/simulation/seeds.hpp"
#include "tests/simulation/world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <limits>
#include <string>

namespace simulation {

namespace {

struct core_tally {
  transition_table table;
  std::uint64_t events = 0;
  void add(const core_tally& other) {
    table.merge(other.table);
    events += other.events;
  }
};

schedule<core_tally> with(fault f) {
  return [f](std::uint64_t seed, core_tally& into, std::ostream* trace) {
    world w{seed, f, into.table, trace};
    std::optional<std::string> broken;
    try {
      w.run();
    } catch (const violation& v) {
      broken = v.what();
    }
    into.events += w.events();
    return broken;
  };
}

}  // namespace

TEST(pool_core_simulation, every_invariant_holds_after_every_event_and_every_transition_is_taken) {
  const auto run = with(fault::none);
  if (asked().only_seed) return tell_one(run);
  const std::uint64_t schedules = scaled(1'000'000);
  outcome_of_seeds<core_tally> seen;
  const auto start = std::chrono::steady_clock::now();
  run_seeds(seen, schedules, std::numeric_limits<std::uint64_t>::max(), run);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_EQ(seen.failed, 0U) << story_of(seen.failed, run);
  const core_tally& all = seen.all;
  std::cout << "transitions taken (state>state and how often, by event):\n";
  all.table.print(std::cout);
  std::cout << "simulated " << schedules << " schedules, " << all.events << " events in " << took.count() << " s\n";
  EXPECT_GE(all.events, schedules * 50);
  if (schedules < 100'000) return;
  EXPECT_EQ(all.table.missing(), "") << "legal transitions that were never taken";
  std::cout << "every one of the " << transition_table::required() << " required transitions was taken\n";
}

TEST(pool_core_simulation, the_same_seed_tells_the_same_story) {
  const auto run = with(fault::none);
  for (const std::uint64_t seed : {1U, 2U, 3U, 77U, 4711U}) {
    const std::string once = story_of(seed, run);
    EXPECT_EQ(once, story_of(seed, run));
    EXPECT_GT(once.size(), 1000U);
  }
}

class simulation_notices : public testing::TestWithParam<fault> {};

TEST_P(simulation_notices, the_fault) { expect_noticed(20'000, with(GetParam())); }

INSTANTIATE_TEST_SUITE_P(mutants, simulation_notices,
                         testing::Values(fault::leak_cancelled_grant, fault::lost_baton, fault::double_grant,
                                         fault::lost_timeout, fault::early_vacate, fault::oversleep, fault::lost_goal,
                                         fault::no_inspection, fault::impatient_connect, fault::lost_connect,
                                         fault::resume_dead, fault::blind_to_class, fault::open_reserve,
                                         fault::silent_hold),
                         [](const auto& tested) { return fault_names[static_cast<std::size_t>(tested.param)]; });

}  // namespace simulation

int main(int argc, char** argv) { return simulation::run_simulation(argc, argv, "pool_core_simulation.every_*"); }
