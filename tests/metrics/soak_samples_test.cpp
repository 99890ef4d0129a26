// The soak's judgement: what grows is found, what only wavers is not.
#include "bench/storm/soak_samples.hpp"

#include <gtest/gtest.h>

#include <random>

namespace {

using lido::storm::conclude;
using lido::storm::soak_sample;

std::vector<soak_sample> samples(std::size_t count, double kib_an_hour) {
  std::mt19937 random(7);
  std::normal_distribution<double> noise(0, 50);
  std::vector<soak_sample> all;
  for (std::size_t i = 0; i < count; ++i) {
    soak_sample s;
    s.at_s = 5.0 * static_cast<double>(i);
    s.descriptors = 40;
    s.threads = 6;
    s.heap_kib = 5000 + noise(random) + kib_an_hour * s.at_s / 3600;
    s.resident_kib = 20000;
    all.push_back(s);
  }
  return all;
}

TEST(soak, noise_is_no_growth) { EXPECT_TRUE(conclude(samples(100, 0)).complaints.empty()); }

TEST(soak, growth_is_found_in_the_noise) { EXPECT_FALSE(conclude(samples(100, 2000)).complaints.empty()); }

TEST(soak, what_parked_cancel_connections_hold_is_no_growth_and_hides_none) {
  const auto with_parked = [](double kib_an_hour) {
    auto all = samples(100, kib_an_hour);
    for (std::size_t i = 60; i < all.size(); i += 2) {
      all[i].parked = 60;
      all[i].heap_kib += 8000;
    }
    return conclude(all).complaints;
  };
  EXPECT_TRUE(with_parked(0).empty());
  EXPECT_FALSE(with_parked(4000).empty());
  auto few = samples(100, 0);
  for (std::size_t i = 0; i < 50; ++i) few[i].parked = 1;
  EXPECT_EQ(conclude(few).complaints.size(), 1U) << "fifty at rest are too few";
}

TEST(soak, one_descriptor_or_thread_more_is_found) {
  auto all = samples(100, 0);
  all[50].descriptors = 41;
  EXPECT_EQ(conclude(all).complaints.size(), 1U);
  all[50].parked = 1;
  EXPECT_TRUE(conclude(all).complaints.empty()) << "a parked cancel connection has one";
  all[50].heap_kib = 1e6;
  EXPECT_TRUE(conclude(all).complaints.empty()) << "and memory";
  all[51].foreign = 2;
  all[51].heap_kib = 1e6;
  EXPECT_TRUE(conclude(all).complaints.empty()) << "so has what the proxy has stalled";
  all[60].threads = 7;
  EXPECT_EQ(conclude(all).complaints.size(), 1U);
}

TEST(soak, too_few_samples_prove_nothing) { EXPECT_FALSE(conclude(samples(30, 0)).complaints.empty()); }

TEST(soak, a_process_is_measured) {
  const auto s = soak_sample::take(1, 0, 0);
  EXPECT_GE(s.descriptors, 3U);
  EXPECT_EQ(soak_sample::take(1, 0, 2).descriptors, s.descriptors - 2);
  EXPECT_GE(s.threads, 1U);
  EXPECT_GT(s.resident_kib, s.heap_kib / 2);
}

}  // namespace
