// The real pool, its recovery and its coroutines over a simulated driver, server and clock: millions of events of
// cancels, crashes, lost answers and shutdowns, replayed by seed. `--seed=N [--verbose]` tells one schedule's story.
#include "tests/simulation/real/world.hpp"

#include <gtest/gtest.h>

#include <atomic>
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

std::uint64_t events_to_see() {
  constexpr double all = 5'000'000;
  const char* scale = std::getenv("LIDO_TEST_SCALE");
  const double part = scale != nullptr ? std::strtod(scale, nullptr) : 1.0;
  return static_cast<std::uint64_t>(all * (part > 0 ? part : 1.0));
}

// The rule that this seed breaks, or nothing.
std::optional<std::string> run_one(std::uint64_t seed, tally& into, std::ostream* trace = nullptr) {
  std::optional<std::string> broken;
  world w(seed, trace);
  try {
    w.run();
  } catch (const violation& v) {
    broken = v.what();
  }
  into.add(w.counts());
  return broken;
}

std::string story(std::uint64_t seed) {
  std::ostringstream out;
  tally ignored;
  const auto broken = run_one(seed, ignored, &out);
  out << "  " << broken.value_or("holds") << "\nreplay: " << program << " --seed=" << seed << " --verbose\n";
  return out.str();
}

struct shared_tally {
  std::atomic<std::uint64_t> next{1};
  std::atomic<std::uint64_t> failed{0};  // a failing seed
  std::atomic<std::uint64_t> events{0};
  std::mutex mutex;
  tally all;
};

void work(shared_tally& shared, std::uint64_t wanted) {
  tally mine;
  while (shared.failed == 0 && shared.events < wanted) {
    const std::uint64_t seed = shared.next++;
    const std::uint64_t before = mine.events;
    if (run_one(seed, mine)) shared.failed = seed;
    shared.events += mine.events - before;
  }
  const std::lock_guard lock{shared.mutex};
  shared.all.add(mine);
}

}  // namespace

TEST(pool_simulation, no_task_is_hurt_by_another_ones_cancel_and_everything_ends_in_any_weather) {
  if (only_seed) {
    const std::string told = story(*only_seed);
    if (verbose) std::cout << told;
    ASSERT_NE(told.find("  holds\n"), std::string::npos) << told;
    return;
  }
  shared_tally shared;
  const std::uint64_t wanted = events_to_see();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([&] { work(shared, wanted); });
  }
  ASSERT_EQ(shared.failed, 0U) << story(shared.failed);
  const tally& t = shared.all;
  std::cout << "simulated " << shared.next - 1 << " pools, " << t.events << " events: " << t.acquires << " leases, "
            << t.answers << " answers, " << t.cancelled << " tasks cancelled, " << t.timeouts << " timed out, "
            << t.lost << " lost their connection, " << t.refused << " were refused, " << t.closed
            << " met a closed pool; " << t.reloads << " reloads, " << t.bad_reloads << " refused\n";
  EXPECT_GT(t.cancelled, 0U);
  EXPECT_GT(t.timeouts, 0U);
  EXPECT_GT(t.lost, 0U);
  EXPECT_GT(t.closed, 0U);
  EXPECT_GT(t.reloads, 0U);
  EXPECT_GT(t.bad_reloads, 0U);
}

TEST(pool_simulation, the_same_seed_tells_the_same_story) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 77U}) {
    const std::string once = story(seed);
    EXPECT_EQ(once, story(seed));
  }
}

}  // namespace simulation

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  simulation::program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg.starts_with("--seed=")) simulation::only_seed = std::strtoull(argv[i] + 7, nullptr, 10);
    if (arg == "--verbose") simulation::verbose = true;
  }
  if (simulation::only_seed) testing::GTEST_FLAG(filter) = "pool_simulation.no_task*";
  return RUN_ALL_TESTS();
}
