#include "bench/storm/verdict.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>
#include <asio/ssl/error.hpp>
#include <gtest/gtest.h>

#include <set>
#include <span>
#include <string>
#include <system_error>

namespace {

using lido::errc;
using lido::storm::judge;
using lido::storm::label_of;
using lido::storm::name_of;
using lido::storm::stage;
using lido::storm::strike;
using lido::storm::verdict;

const std::error_code none;
const std::error_code aborted = asio::error::operation_aborted;
const std::error_code query_canceled = lido::make_sqlstate("57014");

verdict acquiring(std::error_code ec) { return judge({ec, false, strike::none, stage::acquiring}); }
verdict bystander(std::error_code ec) { return judge({ec, false, strike::none, stage::statement}); }
verdict cancelled(std::error_code ec) { return judge({ec, false, strike::in_time, stage::statement}); }
verdict cancelled_too_late(std::error_code ec) { return judge({ec, false, strike::too_late, stage::statement}); }

// What a connection's end may look like from below Lido, whose users see none of it (contract I25).
const std::error_code raw_errors[] = {
    asio::error::connection_reset,
    asio::error::broken_pipe,
    asio::error::connection_refused,
    asio::error::eof,
    asio::error::host_not_found,
    std::make_error_code(std::errc::connection_reset),
    std::make_error_code(std::errc::timed_out),
    std::make_error_code(std::errc::invalid_argument),
    std::error_code{336130315, asio::error::get_ssl_category()},
};

constexpr errc of_connecting[] = {errc::resolve_failed, errc::connect_failed,   errc::tls_refused,
                                  errc::tls_failed,     errc::auth_failed,      errc::auth_unsupported,
                                  errc::auth_refused,   errc::acquire_timeout,  errc::too_many_waiters,
                                  errc::overloaded,     errc::wrong_server_role};
constexpr errc of_statements[] = {errc::outcome_unknown, errc::rolled_back, errc::result_too_large,
                                  errc::message_too_large};
constexpr errc of_both[] = {errc::connection_lost, errc::server_shutdown, errc::timeout};
constexpr errc of_a_broken_driver[] = {errc::protocol_error,    errc::connection_busy, errc::lease_revoked,
                                       errc::connection_closed, errc::pool_closed,     errc::type_mismatch,
                                       errc::server_not_proven, errc::no_row,          errc::plaintext_before_tls};

TEST(I22_storm_verdict, own_result_is_completed_whoever_cancelled) {
  for (const strike s : {strike::none, strike::too_late, strike::in_time})
    EXPECT_EQ(judge({none, true, s, stage::statement}), verdict::completed);
}

TEST(I3_storm_verdict, foreign_result_is_a_breach_whoever_cancelled) {
  for (const strike s : {strike::none, strike::too_late, strike::in_time})
    EXPECT_EQ(judge({none, false, s, stage::statement}), verdict::unexpected);
}

TEST(I1_storm_verdict, operation_aborted_belongs_to_the_cancelled_alone) {
  EXPECT_EQ(cancelled(aborted), verdict::cancelled);
  EXPECT_EQ(bystander(aborted), verdict::unexpected);
  EXPECT_EQ(acquiring(aborted), verdict::unexpected);
  EXPECT_EQ(cancelled_too_late(aborted), verdict::unexpected) << "it was decided before anybody cancelled";
}

TEST(storm_verdict, what_the_end_of_the_run_cancels_is_counted_apart) {
  EXPECT_EQ(judge({aborted, false, strike::in_time, stage::statement, true}), verdict::interrupted);
  EXPECT_EQ(judge({aborted, false, strike::in_time, stage::acquiring, true}), verdict::interrupted);
  EXPECT_EQ(judge({none, true, strike::in_time, stage::statement, true}), verdict::completed);
  EXPECT_EQ(judge({errc::connection_lost, false, strike::in_time, stage::statement, true}), verdict::unexpected);
  EXPECT_EQ(judge({query_canceled, false, strike::in_time, stage::statement, true}), verdict::unexpected);
  EXPECT_EQ(judge({errc::acquire_timeout, false, strike::in_time, stage::acquiring, true}), verdict::error);
  EXPECT_EQ(judge({asio::error::connection_reset, false, strike::in_time, stage::acquiring, true}),
            verdict::unexpected);
}

TEST(I16_storm_verdict, a_57014_is_stray_or_wrong_but_never_fine) {
  EXPECT_EQ(bystander(query_canceled), verdict::stray_cancel);
  EXPECT_EQ(acquiring(query_canceled), verdict::stray_cancel);
  EXPECT_EQ(cancelled_too_late(query_canceled), verdict::stray_cancel) << "this task's own had not been sent";
  EXPECT_EQ(cancelled(query_canceled), verdict::unexpected) << "it must be operation_aborted";
}

TEST(I1_storm_verdict, a_cancelled_task_sees_no_error_of_the_connection_the_server_or_the_cancel_path) {
  for (const auto& list : {std::span<const errc>{of_connecting}, std::span<const errc>{of_statements},
                           std::span<const errc>{of_both}, std::span<const errc>{of_a_broken_driver}})
    for (const errc e : list) EXPECT_EQ(cancelled(e), verdict::unexpected) << lido::make_error_code(e).message();
  for (const std::error_code& raw : raw_errors) EXPECT_EQ(cancelled(raw), verdict::unexpected) << raw.message();
  for (const char* state : {"57P01", "22012", "08006"})
    EXPECT_EQ(cancelled(lido::make_sqlstate(state)), verdict::unexpected) << state;
}

TEST(I1_storm_verdict, what_was_decided_before_the_strike_is_judged_as_if_there_were_none) {
  for (const errc e : of_both) EXPECT_EQ(cancelled_too_late(e), verdict::error);
  EXPECT_EQ(cancelled_too_late(lido::make_sqlstate("57P01")), verdict::error);
  EXPECT_EQ(cancelled_too_late(errc::tls_failed), verdict::unexpected);
  EXPECT_EQ(cancelled_too_late(asio::error::connection_reset), verdict::unexpected);
}

TEST(I1_storm_verdict, errors_of_connecting_are_for_those_who_wait_for_a_connection) {
  for (const errc e : of_connecting) {
    EXPECT_EQ(acquiring(e), verdict::error) << lido::make_error_code(e).message();
    EXPECT_EQ(bystander(e), verdict::unexpected) << lido::make_error_code(e).message();
  }
}

TEST(I1_storm_verdict, errors_of_statements_are_for_those_who_run_one) {
  for (const errc e : of_statements) {
    EXPECT_EQ(bystander(e), verdict::error) << lido::make_error_code(e).message();
    EXPECT_EQ(acquiring(e), verdict::unexpected) << lido::make_error_code(e).message();
  }
}

TEST(storm_verdict, a_lost_connection_a_deadline_and_what_the_server_says_are_errors_in_either_stage) {
  for (const errc e : of_both) {
    EXPECT_EQ(acquiring(e), verdict::error) << lido::make_error_code(e).message();
    EXPECT_EQ(bystander(e), verdict::error) << lido::make_error_code(e).message();
  }
  for (const char* state : {"42601", "57P01", "53300", "28P01"}) {
    EXPECT_EQ(acquiring(lido::make_sqlstate(state)), verdict::error) << state;
    EXPECT_EQ(bystander(lido::make_sqlstate(state)), verdict::error) << state;
  }
}

TEST(I25_storm_verdict, an_error_of_no_vocabulary_is_a_breach_in_either_stage) {
  for (const std::error_code& raw : raw_errors) {
    EXPECT_EQ(acquiring(raw), verdict::unexpected) << raw.message();
    EXPECT_EQ(bystander(raw), verdict::unexpected) << raw.message();
  }
}

TEST(storm_verdict, a_broken_driver_is_a_breach_in_either_stage) {
  for (const errc e : of_a_broken_driver) {
    EXPECT_EQ(acquiring(e), verdict::unexpected) << lido::make_error_code(e).message();
    EXPECT_EQ(bystander(e), verdict::unexpected) << lido::make_error_code(e).message();
  }
}

TEST(storm_verdict, labels_are_names_of_conditions_or_of_the_code_and_never_numbers) {
  EXPECT_EQ(label_of(query_canceled), "query_canceled");
  EXPECT_EQ(label_of(errc::connection_lost), "disconnected");
  EXPECT_EQ(label_of(lido::make_sqlstate("57P01")), "disconnected");
  EXPECT_EQ(label_of(errc::acquire_timeout), "timeout");
  EXPECT_EQ(label_of(errc::auth_failed), "authentication");
  EXPECT_EQ(label_of(errc::too_many_waiters), "too_many_waiters");
  EXPECT_EQ(label_of(errc::overloaded), "overloaded");
  EXPECT_EQ(label_of(lido::make_sqlstate("22012")), "division_by_zero");
  EXPECT_EQ(label_of(lido::make_sqlstate("23505")), "unique_violation");
  EXPECT_EQ(label_of(lido::make_sqlstate("53300")), "too_many_connections");
  EXPECT_EQ(label_of(lido::make_sqlstate("ZZ123")), "sqlstate_ZZ123") << "a user's own";
}

TEST(storm_verdict, every_code_of_lidos_has_its_own_name) {
  std::set<std::string> names;
  const int last = static_cast<int>(errc::wrong_scope);
  for (int value = 1; value <= last; ++value) names.insert(name_of(static_cast<errc>(value)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(last));
}

TEST(storm_verdict, the_example_of_a_breach_names_the_code_itself) {
  EXPECT_EQ(name_of(errc::tls_failed), "tls_failed");
  EXPECT_EQ(name_of(asio::error::connection_reset), "ECONNRESET");
  EXPECT_EQ(name_of(aborted), "operation_aborted");
}

}  // namespace
