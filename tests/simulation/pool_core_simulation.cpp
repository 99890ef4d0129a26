// A million random schedules of the pool's bookkeeping, every invariant checked after every event; and the proof that
// the checks can fail. A failing seed prints its story: `--seed=N` runs that one alone, `--seed=N --verbose` tells it.
#include "tests/simulation/world.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace simulation {

namespace {

std::string program;
std::optional<std::uint64_t> only_seed;
bool verbose = false;

std::uint64_t schedules_to_run() {
  constexpr double all = 1'000'000;
  const char* scale = std::getenv("LIDO_TEST_SCALE");
  const double part = scale != nullptr ? std::strtod(scale, nullptr) : 1.0;
  return static_cast<std::uint64_t>(all * (part > 0 ? part : 1.0));
}

// The rule that this seed breaks, or nothing.
std::optional<std::string> run_one(std::uint64_t seed, fault f, transition_table& table, std::uint64_t& events,
                                   std::ostream* trace = nullptr) {
  world w{seed, f, table, trace};
  std::optional<std::string> broken;
  try {
    w.run();
  } catch (const violation& v) {
    broken = v.what();
  }
  events += w.events();
  return broken;
}

std::string story(std::uint64_t seed) {
  std::ostringstream out;
  transition_table table;
  std::uint64_t events = 0;
  const auto broken = run_one(seed, fault::none, table, events, &out);
  out << "  " << broken.value_or("holds") << "\nreplay: " << program << " --seed=" << seed << " --verbose\n";
  return out.str();
}

struct tally {
  std::atomic<std::uint64_t> next{1};
  std::atomic<std::uint64_t> failed{0};  // the first failing seed
  std::mutex mutex;
  transition_table table;
  std::uint64_t events = 0;
};

void work(tally& all, std::uint64_t last) {
  transition_table table;
  std::uint64_t events = 0;
  while (all.failed == 0) {
    const std::uint64_t seed = all.next++;
    if (seed > last) break;
    if (run_one(seed, fault::none, table, events)) all.failed = seed;
  }
  const std::lock_guard lock{all.mutex};
  all.table.merge(table);
  all.events += events;
}

}  // namespace

TEST(pool_core_simulation, every_invariant_holds_after_every_event_and_every_transition_is_taken) {
  if (only_seed) {
    const std::string told = story(*only_seed);
    if (verbose) std::cout << told;
    ASSERT_NE(told.find("  holds\n"), std::string::npos) << told;
    return;
  }
  const std::uint64_t schedules = schedules_to_run();
  tally all;
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([&] { work(all, schedules); });
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  ASSERT_EQ(all.failed, 0U) << story(all.failed);
  std::cout << "transitions taken (state>state and how often, by event):\n";
  all.table.print(std::cout);
  std::cout << "simulated " << schedules << " schedules, " << all.events << " events in " << took.count() << " s\n";
  EXPECT_GE(all.events, schedules * 50);
  if (schedules < 100'000) return;
  EXPECT_EQ(all.table.missing(), "") << "legal transitions that were never taken";
  std::cout << "every one of the " << transition_table::required() << " required transitions was taken\n";
}

TEST(pool_core_simulation, the_same_seed_tells_the_same_story) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 77U, 4711U}) {
    const std::string once = story(seed);
    EXPECT_EQ(once, story(seed));
    EXPECT_GT(once.size(), 1000U);
  }
}

class simulation_notices : public testing::TestWithParam<fault> {};

TEST_P(simulation_notices, the_fault) {
  transition_table table;
  std::uint64_t events = 0;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    const auto broken = run_one(seed, GetParam(), table, events);
    if (!broken) continue;
    std::cout << "noticed in schedule " << seed << ": " << *broken << '\n';
    return;
  }
  FAIL() << "20,000 schedules with this fault, and no invariant broke";
}

INSTANTIATE_TEST_SUITE_P(mutants, simulation_notices,
                         testing::Values(fault::leak_cancelled_grant, fault::lost_baton, fault::double_grant,
                                         fault::lost_timeout, fault::early_vacate, fault::oversleep, fault::lost_goal,
                                         fault::no_inspection, fault::impatient_connect, fault::lost_connect,
                                         fault::resume_dead, fault::blind_to_class, fault::open_reserve,
                                         fault::silent_hold),
                         [](const auto& tested) { return fault_names[static_cast<std::size_t>(tested.param)]; });

}  // namespace simulation

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  simulation::program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg.starts_with("--seed=")) simulation::only_seed = std::strtoull(argv[i] + 7, nullptr, 10);
    if (arg == "--verbose") simulation::verbose = true;
  }
  if (simulation::only_seed) testing::GTEST_FLAG(filter) = "pool_core_simulation.every_*";
  return RUN_ALL_TESTS();
}
