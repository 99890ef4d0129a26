#include "pool/clock.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace lido {
namespace {

using namespace std::chrono_literals;

TEST(recent_now, is_never_later_than_the_clock_and_never_goes_back) {
  core::time_point last{};
  for (int i = 0; i < 100'000; ++i) {
    const auto recent = detail::recent_now();
    EXPECT_LE(recent, detail::steady_now());
    EXPECT_GE(recent, last);
    last = recent;
  }
}

TEST(recent_now, knows_of_time_that_has_passed) {
  for (int i = 0; i < 100; ++i) {
    const auto begun = detail::recent_now();
    const auto end = detail::steady_now() + 50us;
    while (detail::steady_now() < end) {
    }
    EXPECT_GT(detail::recent_now(), begun);
    EXPECT_GE(detail::recent_now(), end - 2us);
  }
}

}  // namespace
}  // namespace lido
