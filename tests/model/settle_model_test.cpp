// Random schedules of the fence in virtual time. A schedule that fails prints its seed; `model_settle --seed=N` replays
// it alone.
#include "tests/model/fence.hpp"
#include "tests/model/settle_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

namespace lido::model {

static std::optional<std::uint64_t> only_seed;

namespace {

constexpr std::uint64_t all_schedules = 1000000;
constexpr std::uint64_t least_schedules = 200000;  // fewer would not meet every event in every state

std::uint64_t schedules() {
  const char* scale = std::getenv("LIDO_TEST_SCALE");  // NOLINT(concurrency-mt-unsafe): nothing else runs
  const double factor = scale == nullptr ? 1.0 : std::atof(scale);
  return std::max(least_schedules, static_cast<std::uint64_t>(static_cast<double>(all_schedules) * factor));
}

template <typename Subject>
verdict run_one(std::uint64_t seed, const world_rules& rules, tally& counts) {
  Subject subject;
  return settle_world(seed, subject, rules, counts).run();
}

constexpr std::array<const char*, states> state_names{
    "over",     "flushing",     "flushing_ready",    "connecting",     "written",        "written_ready",
    "draining", "draining_eof", "doomed_connecting", "doomed_written", "doomed_draining"};
constexpr std::array<const char*, events> event_names{"flushed", "ready",  "recv", "recv_over", "may_write", "eof",
                                                      "failed",  "missed", "lost", "deadline",  "retry",     "hurry"};
constexpr std::array<const char*, reasons> reason_names{
    "none",          "no_key",      "policy",        "cancel_unknown", "cancel_failed",
    "drain_timeout", "drain_bytes", "write_stalled", "discarded",      "lost"};

// An attempt is due behind an EOF, and where none was tried in time; what is over has no schedule any more.
bool can_happen(state s, event e) {
  if (s == state::over) return false;
  if (e == event::retry)
    return s == state::draining_eof || s == state::draining || s == state::flushing || s == state::doomed_draining;
  if (e == event::missed)
    return s == state::connecting || s == state::written || s == state::written_ready ||
           s == state::doomed_connecting || s == state::doomed_written;
  return true;
}

void print(const tally& counts, std::uint64_t runs, double seconds) {
  std::printf("%llu schedules, %llu steps, %.1f s; quiet %llu, signals %llu, innocent queries behind a fence %llu\n",
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(counts.steps), seconds,
              static_cast<unsigned long long>(counts.quiet), static_cast<unsigned long long>(counts.signals),
              static_cast<unsigned long long>(counts.innocent_queries));
  for (std::size_t r = 1; r < reasons; ++r)
    std::printf("  closed %-15s %llu\n", reason_names[r], static_cast<unsigned long long>(counts.closed[r]));
  std::printf("%-18s", "");
  for (const char* name : event_names) std::printf("%10s", name);
  for (std::size_t s = 1; s < states; ++s) {
    std::printf("\n%-18s", state_names[s]);
    for (std::size_t e = 0; e < events; ++e) {
      if (can_happen(static_cast<state>(s), static_cast<event>(e))) {
        std::printf("%10llu", static_cast<unsigned long long>(counts.taken[s][e]));
      } else {
        std::printf("%10s", "-");
      }
    }
  }
  std::printf("\n");
}

// Seeds until one fails, as a mutant has to.
template <typename Subject>
std::optional<std::uint64_t> first_failure(const world_rules& rules, std::uint64_t limit, std::string* why = nullptr) {
  tally counts;
  for (std::uint64_t seed = 1; seed <= limit; ++seed) {
    const verdict v = run_one<Subject>(seed, rules, counts);
    const bool failed = rules.check_rules ? v.violation != nullptr : v.harmed;
    if (failed && why != nullptr) *why = v.violation == nullptr ? "harm" : v.violation;
    if (failed) return seed;
  }
  return std::nullopt;
}

TEST(settle_model, I3_I4_I5_I7_I9_I15_no_schedule_breaks_the_fence) {
  tally counts;
  const auto started = std::chrono::steady_clock::now();
  const std::uint64_t first = only_seed.value_or(1);
  const std::uint64_t last = only_seed.value_or(schedules());
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const verdict v = run_one<fence>(seed, {}, counts);
    ASSERT_EQ(v.violation, nullptr) << v.violation << "; replay with --seed=" << seed;
    ASSERT_FALSE(v.harmed) << "a user's query was killed; replay with --seed=" << seed;
  }
  print(counts, last - first + 1, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
  if (only_seed) return;
  for (std::size_t s = 0; s < states; ++s) {
    for (std::size_t e = 0; e < events; ++e) {
      const bool possible = can_happen(static_cast<state>(s), static_cast<event>(e));
      EXPECT_TRUE(!possible || counts.taken[s][e] > 0) << state_names[s] << " never met " << event_names[e];
    }
  }
  for (std::size_t r = 1; r < reasons; ++r) EXPECT_GT(counts.closed[r], 0U) << reason_names[r];
}

TEST(settle_model, a_schedule_is_its_seed) {
  tally once;
  tally again;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    (void)run_one<fence>(seed, {}, once);
    (void)run_one<fence>(seed, {}, again);
  }
  EXPECT_EQ(once.taken, again.taken);
  EXPECT_EQ(once.signals, again.signals);
}

TEST(settle_model, I3_behind_a_lying_eof_only_discard_is_safe) {
  world_rules lies;
  lies.eof_lies = true;
  lies.check_rules = false;
  EXPECT_TRUE(first_failure<fence>(lies, 20000)) << "a lying EOF should have hurt somebody: the model is too kind";
  lies.only_discard = true;
  EXPECT_FALSE(first_failure<fence>(lies, 50000));
}

// What a mutant does wrong has to be seen twice: as a broken rule, and, where there is one, as the harm itself.
template <typename Mutant>
void expect_caught(const char* rule, bool harms) {
  std::string why;
  const auto by_rule = first_failure<Mutant>({}, 20000, &why);
  ASSERT_TRUE(by_rule);
  EXPECT_EQ(why.find(rule), 0U) << why << ", seed " << by_rule.value_or(0);
  world_rules harm_only;
  harm_only.check_rules = false;
  EXPECT_EQ(first_failure<Mutant>(harm_only, 50000).has_value(), harms);
}

TEST(settle_model, I3_mutant_that_does_not_wait_for_eof_is_caught) {
  expect_caught<written_counts_as_eof>("quiet: a cancel connection is open", true);
}
TEST(settle_model, I4_mutant_that_trusts_a_broken_cancel_is_caught) { expect_caught<unknown_counts_as_eof>("", true); }
TEST(settle_model, I4_mutant_that_trusts_a_late_cancel_is_caught) { expect_caught<late_counts_as_eof>("", true); }
TEST(settle_model, I5_mutant_without_budgets_is_caught) { expect_caught<has_no_budget>("I5", false); }
TEST(settle_model, I9_mutant_that_cancels_half_a_request_is_caught) {
  expect_caught<cancels_half_a_request>("", false);
}
TEST(settle_model, I9_mutant_that_closes_behind_the_first_of_many_segments_is_caught) {
  expect_caught<closes_behind_the_first_segment>("I9: ", false);
}
TEST(settle_model, I15_mutant_that_cancels_a_commit_is_caught) {
  expect_caught<cancels_what_is_not_to_be_cancelled>("I7, I15", false);
}
TEST(settle_model, I4_mutant_that_forgets_the_first_byte_is_caught) { expect_caught<forgets_the_first_byte>("", true); }

}  // namespace
}  // namespace lido::model

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("--seed=", 0) == 0) lido::model::only_seed = std::stoull(argument.substr(7));
  }
  return RUN_ALL_TESTS();
}
