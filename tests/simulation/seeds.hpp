// What the simulations have in common: a seed is one schedule, many are run side by side until one breaks a rule or
// there were enough, and the one that did tells its story. `--seed=N` runs that one alone, `--verbose` tells it all.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace simulation {

struct command_line {
  std::string program;
  std::optional<std::uint64_t> only_seed;
  bool verbose = false;
};
inline command_line& asked() {
  static command_line line;
  return line;
}

// The fraction of the usual volume that is wanted.
inline std::uint64_t scaled(double all) {
  const char* const scale = std::getenv("LIDO_TEST_SCALE");
  const double part = scale != nullptr ? std::strtod(scale, nullptr) : 1.0;
  return static_cast<std::uint64_t>(all * (part > 0 ? part : 1.0));
}

// Runs one schedule and adds to the tally what happened; the rule that it breaks, or nothing.
template <class Tally>
using schedule = std::function<std::optional<std::string>(std::uint64_t seed, Tally& into, std::ostream* trace)>;

template <class Tally>
std::string story_of(std::uint64_t seed, const schedule<Tally>& run) {
  std::ostringstream out;
  Tally ignored;
  const auto broken = run(seed, ignored, &out);
  out << "  " << broken.value_or("holds") << "\nreplay: " << asked().program << " --seed=" << seed << " --verbose\n";
  return out.str();
}

// For `--seed=N`.
template <class Tally>
void tell_one(const schedule<Tally>& run) {
  const std::string told = story_of(*asked().only_seed, run);
  if (asked().verbose) std::cout << told;
  EXPECT_NE(told.find("  holds\n"), std::string::npos) << told;
}

template <class Tally>
struct outcome_of_seeds {
  std::atomic<std::uint64_t> next{1};
  std::atomic<std::uint64_t> failed{0};  // a seed that did
  std::atomic<std::uint64_t> events{0};
  std::mutex mutex;
  Tally all;
};

// Seeds 1, 2, 3 ... until there were `seeds` of them, or `events` events in all. Tally: `events`, add(other).
template <class Tally>
void run_seeds(outcome_of_seeds<Tally>& out, std::uint64_t seeds, std::uint64_t events, const schedule<Tally>& run) {
  const auto work = [&] {
    Tally mine;
    while (out.failed == 0 && out.events < events) {
      const std::uint64_t seed = out.next++;
      if (seed > seeds) break;
      const std::uint64_t before = mine.events;
      if (run(seed, mine, nullptr)) out.failed = seed;
      out.events += mine.events - before;
    }
    const std::lock_guard lock{out.mutex};
    out.all.add(mine);
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back(work);
}

// A fault must be noticed within so many schedules, of which one may be tried first.
template <class Tally>
void expect_noticed(std::uint64_t seeds, const schedule<Tally>& run, std::uint64_t first = 1) {
  Tally ignored;
  const auto notices = [&](std::uint64_t seed) {
    const auto broken = run(seed, ignored, nullptr);
    if (broken) std::cout << "noticed in schedule " << seed << ": " << *broken << '\n';
    return broken.has_value();
  };
  if (notices(first)) return;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    if (notices(seed)) return;
  }
  FAIL() << seeds << " schedules with this fault, and no rule was broken";
}

// main() of a simulation; `one_seed` is the test that --seed is for.
inline int run_simulation(int argc, char** argv, const char* one_seed) {
  testing::InitGoogleTest(&argc, argv);
  asked().program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg.starts_with("--seed=")) asked().only_seed = std::strtoull(argv[i] + 7, nullptr, 10);
    if (arg == "--verbose") asked().verbose = true;
  }
  if (asked().only_seed) testing::GTEST_FLAG(filter) = one_seed;
  return RUN_ALL_TESTS();
}

}  // namespace simulation
