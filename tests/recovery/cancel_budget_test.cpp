#include "pool/recovery/cancel_budget.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using lido::recovery::cancel_budget;

constexpr cancel_budget::time_point t0{1h};

TEST(cancel_budget, I8_no_more_than_the_concurrency_are_under_way) {
  cancel_budget budget(2, 0);
  EXPECT_TRUE(budget.admit(t0));
  EXPECT_TRUE(budget.admit(t0));
  EXPECT_FALSE(budget.admit(t0));
  budget.ended();
  EXPECT_TRUE(budget.admit(t0));
  EXPECT_EQ(budget.under_way(), 2U);
}

TEST(cancel_budget, I8_a_refused_one_holds_nothing) {
  cancel_budget budget(1, 0);
  EXPECT_TRUE(budget.admit(t0));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(budget.admit(t0));
  budget.ended();
  EXPECT_EQ(budget.under_way(), 0U);
}

TEST(cancel_budget, I8_the_rate_holds_after_a_burst) {
  cancel_budget budget(4, 10);  // ten a second, four at once
  const auto try_at = [&budget](std::chrono::milliseconds after) {
    const bool admitted = budget.admit(t0 + after);
    if (admitted) budget.ended();
    return admitted;
  };
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(try_at(0ms));
  EXPECT_FALSE(try_at(0ms));
  EXPECT_FALSE(try_at(99ms));
  EXPECT_TRUE(try_at(100ms));
  EXPECT_FALSE(try_at(100ms));
  EXPECT_TRUE(try_at(10s));
}

TEST(cancel_budget, I8_an_adjusted_budget_holds_for_those_to_come) {
  cancel_budget budget(2, 0);
  EXPECT_TRUE(budget.admit(t0));
  EXPECT_TRUE(budget.admit(t0));
  budget.adjust(1, 0);
  budget.ended();
  EXPECT_FALSE(budget.admit(t0)) << "one is under way still";
  budget.ended();
  EXPECT_TRUE(budget.admit(t0));
  budget.adjust(3, 0);
  EXPECT_TRUE(budget.admit(t0));
}

TEST(cancel_budget, I8_many_threads_never_exceed_it) {
  cancel_budget budget(3, 0);
  std::atomic<std::size_t> worst{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        if (!budget.admit(t0)) continue;
        std::size_t seen = worst.load();
        const std::size_t now = budget.under_way();
        while (now > seen && !worst.compare_exchange_weak(seen, now)) {
        }
        budget.ended();
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_LE(worst.load(), 3U + 4U);  // under_way() also counts who is just being refused
  EXPECT_EQ(budget.under_way(), 0U);
}

}  // namespace
