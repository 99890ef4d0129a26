// When the server is told of a deadline, and what.
#include "driver/session/server_timeout.hpp"

#include <gtest/gtest.h>

namespace lido::session {
namespace {

using namespace std::chrono_literals;
using status = wire::transaction_status;

class server_deadline : public ::testing::Test {
 protected:
  server_deadline() { timeout.enable(true); }
  // What goes out, and that it succeeds.
  std::string before(std::optional<std::chrono::nanoseconds> left, status in = status::idle) {
    const std::string sql = timeout.prologue(left, in);
    if (!sql.empty()) timeout.answered(true, in);
    return sql;
  }
  server_timeout timeout;
};

TEST_F(server_deadline, is_off_by_default) {
  server_timeout off;
  EXPECT_EQ(off.prologue(1s, status::idle), "");
  EXPECT_EQ(off.prologue(std::nullopt, status::idle), "");
}

TEST_F(server_deadline, the_server_gets_a_little_more_than_is_left) {
  EXPECT_EQ(before(1600ms), "SET statement_timeout = 1710");
  EXPECT_EQ(before(1ns), "SET statement_timeout = 11");
  EXPECT_EQ(before(-5s), "") << "11 ms will do";
  EXPECT_EQ(before(std::chrono::nanoseconds::max()), "SET statement_timeout = 2147483647");
}

TEST_F(server_deadline, what_is_there_and_fits_is_not_said_again) {
  EXPECT_NE(before(1000ms), "");
  EXPECT_EQ(before(1000ms), "");
  EXPECT_EQ(before(990ms), "");
  EXPECT_EQ(before(950ms), "");
  EXPECT_NE(before(900ms), "") << "too late by more than an eighth";
  EXPECT_NE(before(1000ms), "") << "a longer one must not be cut off by the last one's";
}

TEST_F(server_deadline, an_operation_without_a_deadline_has_the_sessions_own) {
  EXPECT_EQ(before(std::nullopt), "");
  before(1s);
  EXPECT_EQ(before(std::nullopt), "RESET statement_timeout");
  EXPECT_EQ(before(std::nullopt), "");
}

TEST_F(server_deadline, a_failed_transaction_hears_nothing) {
  EXPECT_EQ(before(1s, status::failed), "");
  before(1s);
  EXPECT_EQ(before(std::nullopt, status::failed), "");
}

TEST_F(server_deadline, what_was_set_inside_a_transaction_is_uncertain_behind_it) {
  before(1s, status::in_transaction);
  timeout.ready(status::in_transaction);
  EXPECT_EQ(before(1s, status::in_transaction), "");
  timeout.ready(status::idle);
  EXPECT_NE(before(1s), "");
  timeout.ready(status::idle);
  EXPECT_EQ(before(1s), "");
}

TEST_F(server_deadline, what_was_set_before_a_transaction_outlives_it) {
  before(1s);
  for (const status each : {status::in_transaction, status::failed, status::idle}) timeout.ready(each);
  EXPECT_EQ(before(1s), "");
}

TEST_F(server_deadline, what_a_user_may_have_undone_is_said_again) {
  before(1s);
  timeout.rewound();
  EXPECT_NE(before(1s), "");
  timeout.rewound();
  EXPECT_EQ(before(std::nullopt), "RESET statement_timeout");
}

TEST_F(server_deadline, what_goes_out_behind_the_setting_may_undo_it_before_it_is_answered) {
  EXPECT_NE(timeout.prologue(1s, status::in_transaction), "");
  timeout.rewound();
  timeout.answered(true, status::in_transaction);
  EXPECT_NE(before(1s, status::in_transaction), "");
  EXPECT_EQ(before(1s, status::in_transaction), "");
}

TEST_F(server_deadline, a_set_that_failed_is_said_again) {
  EXPECT_NE(timeout.prologue(1s, status::idle), "");
  timeout.answered(false, status::idle);
  EXPECT_NE(before(1s), "");
}

}  // namespace
}  // namespace lido::session
