#include "bench/storm/verdict.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>
#include <gtest/gtest.h>

namespace {

using lido::storm::judge;
using lido::storm::label_of;
using lido::storm::verdict;

const std::error_code none;
const std::error_code aborted = asio::error::operation_aborted;
const std::error_code query_canceled = lido::make_sqlstate("57014");

TEST(storm_verdict, own_result_is_completed_whoever_cancelled) {
  EXPECT_EQ(judge({none, true, false}), verdict::completed);
  EXPECT_EQ(judge({none, true, true}), verdict::completed);  // I22: the result won
}

TEST(storm_verdict, foreign_result_is_a_breach) {
  EXPECT_EQ(judge({none, false, false}), verdict::unexpected);
  EXPECT_EQ(judge({none, false, true}), verdict::unexpected);
}

TEST(storm_verdict, operation_aborted_belongs_to_the_cancelled_alone) {
  EXPECT_EQ(judge({aborted, false, true}), verdict::cancelled);
  EXPECT_EQ(judge({aborted, false, false}), verdict::unexpected);
}

TEST(storm_verdict, a_57014_is_stray_or_wrong_but_never_fine) {
  EXPECT_EQ(judge({query_canceled, false, false}), verdict::stray_cancel);
  EXPECT_EQ(judge({query_canceled, false, true}), verdict::unexpected);  // I1: it must be operation_aborted
}

TEST(storm_verdict, a_broken_world_is_an_error_and_a_broken_driver_is_not) {
  EXPECT_EQ(judge({lido::errc::connection_lost, false, false}), verdict::error);
  EXPECT_EQ(judge({lido::errc::acquire_timeout, false, false}), verdict::error);
  EXPECT_EQ(judge({lido::make_sqlstate("42601"), false, false}), verdict::error);
  EXPECT_EQ(judge({lido::errc::protocol_error, false, false}), verdict::unexpected);
  EXPECT_EQ(judge({lido::errc::connection_busy, false, false}), verdict::unexpected);
  EXPECT_EQ(judge({lido::errc::lease_revoked, false, true}), verdict::unexpected);
  EXPECT_EQ(judge({std::make_error_code(std::errc::invalid_argument), false, false}), verdict::unexpected);
}

TEST(storm_verdict, labels_are_conditions) {
  EXPECT_EQ(label_of(query_canceled), "query_canceled");
  EXPECT_EQ(label_of(lido::errc::connection_lost), "disconnected");
  EXPECT_EQ(label_of(lido::errc::acquire_timeout), "timeout");
  EXPECT_EQ(label_of(lido::make_sqlstate("22012")), "sqlstate_22012");
}

}  // namespace
