#include "driver/session/notice_limit.hpp"

#include <gtest/gtest.h>

namespace lido::session {
namespace {

using namespace std::chrono_literals;

TEST(notice_limit, B90_so_many_a_second_and_no_more) {
  notice_limit limit;
  const notice_limit::time_point start{5s};
  for (std::uint32_t i = 0; i < notice_limit::most_a_second; ++i) EXPECT_TRUE(limit.admit(start + i * 900us)) << i;
  EXPECT_FALSE(limit.admit(start + 950ms));
  EXPECT_FALSE(limit.admit(start + 1s - 1ns));
  EXPECT_TRUE(limit.admit(start + 1s)) << "the next second";
}

TEST(notice_limit, a_quiet_connection_never_meets_it) {
  notice_limit limit;
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(limit.admit(notice_limit::time_point{i * 1ms}));
}

}  // namespace
}  // namespace lido::session
