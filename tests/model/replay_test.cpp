// The counterexamples of tests/model/spin.sh's mutants (traces/*.txt, the shortest of each), against the code: the rule
// that the mutant broke holds, and the very step that broke it is refused.
#include "tests/model/replay.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace lido::model {
namespace {

std::vector<std::string> trace(const std::string& name) {
  std::ifstream file{std::filesystem::path{LIDO_MODEL_TRACES} / (name + ".txt")};
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

void run(replay& world, const std::string& name) {
  for (const std::string& line : trace(name)) world.step(line);
}

struct story {
  const char* trace;
  const char* refused;  // the step that the code does not go along with; empty: it differs by what it does instead
  std::uint32_t max_size = 2;
  cancel_after after = cancel_after::recover;
};

void PrintTo(const story& s, std::ostream* out) { *out << s.trace; }

class replayed : public ::testing::TestWithParam<story> {};

TEST_P(replayed, I3_I4_I9_I10_I15_counterexample_does_no_harm_to_the_code) {
  replay_settings settings;
  settings.max_size = GetParam().max_size;
  settings.after = GetParam().after;
  replay world{settings};
  run(world, GetParam().trace);
  EXPECT_EQ(world.violation(), "");
  if (*GetParam().refused != '\0') {
    EXPECT_TRUE(world.refused_a(GetParam().refused));
  } else {
    EXPECT_TRUE(world.refused().empty()) << world.refused().front();
  }
  EXPECT_TRUE(world.finish()) << "I21: it always ends";
  EXPECT_EQ(world.violation(), "");
}

std::string name_of(const ::testing::TestParamInfo<story>& tested) { return tested.param.trace; }

INSTANTIATE_TEST_SUITE_P(model, replayed,
                         ::testing::Values(story{"no_eof", "roll_back"}, story{"no_eof_barrier", "quiet"},
                                           story{"unknown", "recovered"}, story{"unknown_harm", "roll_back"},
                                           // A server that ends the cancel connection before its signals: no fence
                                           // helps there, cancel.after = discard does.
                                           story{"early_eof", "roll_back", 2, cancel_after::discard},
                                           story{"early_eof_barrier", "quiet", 2, cancel_after::discard},
                                           story{"leak", ""}, story{"no_baton", ""}, story{"no_budget", "first_byte"},
                                           story{"server_count", "closed"}, story{"overtake", "", 1},
                                           story{"stale", ""}, story{"cancelled_commit", "cancel_written"}),
                         name_of);

// The replay can see harm: with the mutant's rule in the place of the real one the same traces do it.
TEST(replay, sees_the_harm_when_the_eof_is_not_awaited) {
  replay_settings settings;
  settings.make_fence = [] { return std::make_unique<written_counts_as_eof>(); };
  replay world{settings};
  run(world, "no_eof");
  EXPECT_NE(world.violation().find("I3"), std::string::npos) << world.violation();
}

TEST(replay, sees_the_harm_when_unknown_counts_as_settled) {
  replay_settings settings;
  settings.make_fence = [] { return std::make_unique<unknown_counts_as_eof>(); };
  replay world{settings};
  run(world, "unknown_harm");
  EXPECT_NE(world.violation().find("I3"), std::string::npos) << world.violation();
}

TEST(replay, sees_the_harm_of_an_eof_that_lies) {
  replay world{{}};
  run(world, "early_eof");
  EXPECT_NE(world.violation().find("I3"), std::string::npos) << world.violation();
}

}  // namespace
}  // namespace lido::model
