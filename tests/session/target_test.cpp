// target_session_attrs: what a server says of itself, what it is asked, and what follows from that.
#include "driver/session/target.hpp"

#include "driver/wire/frame.hpp"
#include "tests/support/backend_messages.hpp"

#include <lido/driver/error.hpp>

#include <gtest/gtest.h>

namespace lido::session {
namespace {

using target = target_session_attrs;
using namespace lido::testing;

server_parameters said(std::string_view hot_standby, std::string_view read_only) {
  server_parameters p;
  if (!hot_standby.empty()) p.emplace("in_hot_standby", hot_standby);
  if (!read_only.empty()) p.emplace("default_transaction_read_only", read_only);
  return p;
}

fitness judged(target wanted, std::string_view hot_standby, std::string_view read_only) {
  return judge(wanted, standing_of(said(hot_standby, read_only)));
}

TEST(target, P107_the_six_kinds_against_the_three_servers) {
  struct row {
    target wanted;
    fitness primary, read_only_primary, standby;
  };
  const row rows[] = {
      {target::any, fitness::fits, fitness::fits, fitness::fits},
      {target::read_write, fitness::fits, fitness::does_not, fitness::does_not},
      {target::read_only, fitness::does_not, fitness::fits, fitness::fits},
      {target::primary, fitness::fits, fitness::fits, fitness::does_not},
      {target::standby, fitness::does_not, fitness::does_not, fitness::fits},
      {target::prefer_standby, fitness::does_not, fitness::does_not, fitness::fits},
  };
  for (const row& r : rows) {
    SCOPED_TRACE(in_words(r.wanted));
    EXPECT_EQ(judged(r.wanted, "off", "off"), r.primary);
    EXPECT_EQ(judged(r.wanted, "off", "on"), r.read_only_primary);
    EXPECT_EQ(judged(r.wanted, "on", "off"), r.standby);
    EXPECT_EQ(judged(r.wanted, "on", "on"), r.standby);
  }
}

TEST(target, a_server_that_has_not_said_enough_is_asked) {
  EXPECT_EQ(judged(target::any, "", ""), fitness::fits) << "nothing to ask";
  for (const target wanted : {target::read_write, target::read_only, target::primary, target::standby}) {
    EXPECT_EQ(judged(wanted, "", ""), fitness::ask) << in_words(wanted);
  }
  EXPECT_EQ(judged(target::read_write, "", "off"), fitness::ask) << "it may be a standby";
  EXPECT_EQ(judged(target::read_write, "", "on"), fitness::does_not);
  EXPECT_EQ(judged(target::read_only, "", "on"), fitness::fits);
}

role_query::step feed(role_query& query, std::string_view bytes) {
  auto last = role_query::step::read;
  while (!bytes.empty() && last == role_query::step::read) {
    const auto frame = wire::next_frame(bytes, wire::phase::ready, {});
    EXPECT_EQ(frame.status, wire::frame_status::complete);
    if (frame.status != wire::frame_status::complete) break;
    last = query.on_frame(frame.value);
    bytes.remove_prefix(frame.size);
  }
  return last;
}

std::string answer(const std::string& value) {
  return row_description({{"answer"}}) + data_row({value}) + command_complete("SELECT 1") + ready();
}

TEST(target, the_answer_is_a_boolean_or_a_setting) {
  role_query recovery(target::standby, {});
  EXPECT_NE(recovery.request().find("pg_catalog.pg_is_in_recovery()"), std::string::npos);
  EXPECT_EQ(feed(recovery, answer("t")), role_query::step::done);
  EXPECT_EQ(judge(target::standby, recovery.answer()), fitness::fits);
  EXPECT_EQ(judge(target::primary, recovery.answer()), fitness::does_not);

  role_query read_only(target::read_write, {});
  EXPECT_NE(read_only.request().find("SHOW transaction_read_only"), std::string::npos);
  EXPECT_EQ(feed(read_only, answer("off")), role_query::step::done);
  EXPECT_EQ(judge(target::read_write, read_only.answer()), fitness::fits);
}

TEST(target, an_answer_that_is_none_fails) {
  for (const std::string& bytes :
       {answer("perhaps"), answer(""), command_complete("SELECT 0") + ready(),
        row_description({{"answer"}}) + command_complete("SELECT 0") + ready(),
        row_description({{"answer"}}) + data_row({"t"}) + data_row({"f"}) + command_complete("SELECT 2") + ready(),
        row_description({{"answer"}}) + data_row({"t"}) + command_complete("SELECT 1") + ready('T')}) {
    role_query query(target::primary, {});
    EXPECT_EQ(feed(query, bytes), role_query::step::fail);
    EXPECT_EQ(query.error(), errc::protocol_error);
  }
  role_query refused(target::primary, {});
  EXPECT_EQ(feed(refused, error_response("ERROR", "42501", "no")), role_query::step::fail);
  EXPECT_EQ(refused.error(), condition::insufficient_privilege);
}

TEST(target, what_the_server_reported_meanwhile_is_kept) {
  role_query query(target::primary, said("", "off"));
  EXPECT_EQ(feed(query, parameter_status("application_name", "x") + answer("f")), role_query::step::done);
  const server_parameters kept = query.take_parameters();
  EXPECT_EQ(kept.at("application_name"), "x");
  EXPECT_EQ(kept.at("default_transaction_read_only"), "off");
}

}  // namespace
}  // namespace lido::session
