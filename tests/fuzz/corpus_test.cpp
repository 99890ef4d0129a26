// Every seed of every fuzz target, whole, cut at each byte, and with bytes flipped: what a fuzzer would find in its
// first second fails in the ordinary tests.
#include "tests/fuzz/target.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace lido::fuzz {
namespace {

std::vector<std::string> seeds_of(const target& which) {
  std::vector<std::string> seeds;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(LIDO_FUZZ_CORPUS) / which.name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

void feed(const target& which, std::string_view input) {
  const std::vector<char> exact(input.begin(), input.end());
  which.run({exact.data(), exact.size()});
}

class corpus : public testing::TestWithParam<const target*> {};

TEST_P(corpus, every_seed_and_its_mutants_are_survived) {
  const target& which = *GetParam();
  const auto seeds = seeds_of(which);
  EXPECT_FALSE(seeds.empty()) << "tests/fuzz/corpus/" << which.name << " is empty";
  feed(which, "");
  std::mt19937_64 rng(26);
  constexpr std::size_t most = 300;  // of a long seed only as many cuts
  for (const std::string& seed : seeds) {
    feed(which, seed);
    feed(which, seed + seed);
    const std::size_t step = 1 + seed.size() / most;
    for (std::size_t cut = 0; cut < seed.size(); cut += step) feed(which, std::string_view(seed).substr(0, cut));
    for (std::size_t i = 0; i < most && !seed.empty(); ++i) {
      std::string mutant = seed;
      for (std::size_t flips = 1 + rng() % 4; flips > 0; --flips) {
        constexpr char edges[] = {'\0', '\x01', '\x7f', '\x80', '\xff'};
        char& byte = mutant[rng() % mutant.size()];
        byte = rng() % 2 == 0 ? edges[rng() % std::size(edges)] : static_cast<char>(rng());
      }
      feed(which, mutant);
    }
  }
}

std::vector<const target*> all_targets() {
  std::vector<const target*> all;
  for (const target* t = first_target(); t != nullptr; t = t->next) all.push_back(t);
  std::ranges::sort(all, {}, [](const target* t) { return std::string_view(t->name); });
  return all;
}

INSTANTIATE_TEST_SUITE_P(fuzz, corpus, testing::ValuesIn(all_targets()),
                         [](const auto& each) { return std::string(each.param->name); });

}  // namespace
}  // namespace lido::fuzz
