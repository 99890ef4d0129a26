// The proof that the simulation sees what it is for: each rule that mutants.py breaks in a copy of the pool's sources
// is noticed, and the copy with nothing broken is not blamed.
#include "tests/simulation/real/mutant.hpp"
#include "tests/simulation/real/run.hpp"
#include "tests/simulation/seeds.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace simulation {

TEST(pool_mutants, nothing_broken_nothing_noticed) {
  tally all;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) EXPECT_EQ(run_world(seed, all, nullptr), std::nullopt) << seed;
}

struct broken_rule {
  std::string_view name;
  std::uint64_t try_first;  // a schedule
};

class pool_simulation_notices : public testing::TestWithParam<broken_rule> {};

TEST_P(pool_simulation_notices, the_broken_rule) {
  mutant = GetParam().name;
  expect_noticed<tally>(10'000, run_world, GetParam().try_first);
  mutant = {};
}

constexpr broken_rule rules[] = {
#include "mutant_names.inc"
};
INSTANTIATE_TEST_SUITE_P(mutants, pool_simulation_notices, testing::ValuesIn(rules),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace simulation

int main(int argc, char** argv) { return simulation::run_simulation(argc, argv, "pool_mutants.*"); }
