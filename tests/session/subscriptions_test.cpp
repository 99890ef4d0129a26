// What is listened to, and what waits to be taken.
#include "driver/session/subscriptions.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lido::session {
namespace {

using kind = subscriptions::kind;

subscriptions listening(std::size_t most = 100, std::size_t bytes = 1U << 20) {
  subscriptions s(most, bytes);
  s.want("a");
  return s;
}

TEST(subscriptions, names_are_quoted) {
  EXPECT_EQ(quoted_name("Orders"), "\"Orders\"");
  EXPECT_EQ(quoted_name("a\"; drop table t; --"), "\"a\"\"; drop table t; --\"");
}

TEST(subscriptions, all_channels_are_in_one_message) {
  subscriptions s = listening();
  EXPECT_TRUE(s.want("B"));
  EXPECT_FALSE(s.want("B"));
  EXPECT_EQ(s.listen_to_all(), "LISTEN \"B\"; LISTEN \"a\"");
  EXPECT_TRUE(s.leave("a"));
  EXPECT_TRUE(s.leave("B"));
  EXPECT_FALSE(s.leave("B"));
  EXPECT_EQ(s.listen_to_all(), "");
}

TEST(subscriptions, B88_notifications_come_once_and_in_order) {
  subscriptions s = listening();
  for (int i = 0; i < 3; ++i) s.received("a", std::to_string(i), 7);
  s.received("another", "x", 7);
  for (int i = 0; i < 3; ++i) {
    const auto e = s.next();
    ASSERT_TRUE(e);
    EXPECT_EQ(e->what, kind::notification);
    EXPECT_EQ(e->payload, std::to_string(i));
    EXPECT_EQ(e->process_id, 7);
  }
  EXPECT_FALSE(s.next());
  EXPECT_EQ(s.bytes(), 0U);
}

TEST(subscriptions, P172_after_a_loss_a_gap_stands_where_some_may_be_missing) {
  subscriptions s = listening();
  s.received("a", "before", 1);
  s.connection_lost();
  s.subscribed_again();
  s.received("a", "after", 1);
  EXPECT_EQ(s.next()->payload, "before");
  EXPECT_EQ(s.next()->what, kind::gap);
  EXPECT_EQ(s.next()->payload, "after");
}

TEST(subscriptions, two_losses_in_a_row_are_one_gap_and_the_first_connection_is_none) {
  subscriptions s = listening();
  s.subscribed_again();
  EXPECT_FALSE(s.any());
  for (int i = 0; i < 3; ++i) {
    s.connection_lost();
    s.subscribed_again();
  }
  EXPECT_EQ(s.next()->what, kind::gap);
  EXPECT_FALSE(s.any());
}

TEST(subscriptions, beyond_the_bound_the_oldest_go_and_are_counted) {
  subscriptions s = listening(3);
  for (int i = 0; i < 10; ++i) s.received("a", std::to_string(i), 1);
  const auto lost = s.next();
  EXPECT_EQ(lost->what, kind::overflow);
  EXPECT_EQ(lost->dropped, 7U);
  EXPECT_EQ(s.next()->payload, "7");
  EXPECT_EQ(s.size(), 2U);
}

TEST(subscriptions, bytes_are_bounded_too) {
  subscriptions s = listening(1000, 10'000);
  for (int i = 0; i < 100; ++i) s.received("a", std::string(1000, 'x'), 1);
  EXPECT_LE(s.bytes(), 10'000U);
  EXPECT_EQ(s.next()->dropped + s.size(), 100U);
}

TEST(subscriptions, a_gap_that_is_dropped_is_still_told) {
  subscriptions s = listening(2);
  s.connection_lost();
  s.subscribed_again();
  for (int i = 0; i < 5; ++i) s.received("a", std::to_string(i), 1);
  EXPECT_EQ(s.next()->what, kind::overflow);
  EXPECT_EQ(s.next()->what, kind::gap);
  EXPECT_EQ(s.next()->payload, "3");
}

}  // namespace
}  // namespace lido::session
