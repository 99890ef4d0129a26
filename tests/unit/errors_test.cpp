// What is said of an error, and by which name it can be asked for (reliability.md C44, S8, S15).
#include "driver/escape.hpp"

#include <lido/driver/error.hpp>
#include <lido/driver/sqlstate.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace lido {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::string_literals;

std::string escaped(std::string_view text, std::size_t cap = 1024) {
  std::string out;
  detail::append_escaped(out, text, cap);
  return out;
}

TEST(escaping, C44_nothing_of_a_servers_text_can_steer_a_terminal_or_break_a_line) {
  EXPECT_EQ(escaped("plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x98"), "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x98");
  EXPECT_EQ(escaped("\x1b[2J\r\n\t\x7f"), R"(\x1b[2J\x0d\x0a\x09\x7f)");
  EXPECT_EQ(escaped("a\0b"s), R"(a\x00b)");
  EXPECT_EQ(escaped("\xc2\x9b"
                    "31m"),
            R"(\xc2\x9b31m)")
      << "CSI as one character";
  EXPECT_EQ(escaped("\xe2\x80\xae"), R"(\xe2\x80\xae)") << "right-to-left override";
  EXPECT_EQ(escaped("\xe2\x80\xa8"), R"(\xe2\x80\xa8)") << "line separator";
}

TEST(escaping, S15_what_is_no_utf_8_is_shown_byte_by_byte) {
  for (const std::string& bad :
       {"\x80"s, "\xc0\xaf"s, "\xc1\xbf"s, "\xe0\x80\xaf"s, "\xed\xa0\x80"s, "\xf0\x80\x80\xaf"s, "\xf4\x90\x80\x80"s,
        "\xf5\x80\x80\x80"s, "\xfe"s, "\xff"s, "\xc3"s, "\xe2\x82"s, "\xf0\x9f\x90"s, "\xc3("s}) {
    const std::string out = escaped(bad);
    EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) << out;
  }
}

TEST(escaping, S15_text_is_cut_between_characters) {
  EXPECT_EQ(escaped("abcdef", 3), "abc...");
  EXPECT_EQ(escaped("ab\xc3\xa4", 3), "ab...");
  EXPECT_EQ(escaped("ab\xc3\xa4", 4), "ab\xc3\xa4");
  EXPECT_LT(escaped(std::string(64U << 10, '\x1b')).size(), 5000U);
}

TEST(summary, C44_every_word_of_the_servers_is_escaped) {
  diagnostics diag;
  diag.severity = diag.sqlstate = diag.message = diag.hint = diag.context = "\x1b[2J\n";
  const std::string line = diag.summary();
  EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](char c) { return c >= 0 && c < 0x20; })) << line;
}

TEST(summary, S8_what_may_hold_rows_or_statements_is_withheld) {
  diagnostics diag;
  diag.severity = "ERROR";
  diag.sqlstate = "23505";
  diag.message = "duplicate key";
  diag.hint = "try another";
  diag.context = "on db:5432";
  diag.detail = diag.where = diag.internal_query = "Key (card)=(hunter2)";
  const std::string line = error(make_sqlstate("23505"), diag).what();
  EXPECT_THAT(line, AllOf(HasSubstr("23505"), HasSubstr("duplicate key"), HasSubstr("try another"),
                          HasSubstr("on db:5432"), Not(HasSubstr("hunter2"))));
  EXPECT_EQ(error(make_sqlstate("23505"), diag).diag().detail, "Key (card)=(hunter2)") << "who asks for it has it";
}

TEST(sqlstates, have_names) {
  const std::error_code unique = make_sqlstate("23505");
  EXPECT_TRUE(unique == sqlstate::unique_violation);
  EXPECT_FALSE(unique == sqlstate::foreign_key_violation);
  EXPECT_TRUE(make_error_code(sqlstate::unique_violation) == condition::unique_violation);
  EXPECT_EQ(sqlstate_of(sqlstate::serialization_failure), "40001");
  EXPECT_EQ(sqlstate_of(sqlstate::internal_error), "XX000");
  EXPECT_EQ(sqlstate_name(unique), "unique_violation");
  EXPECT_EQ(sqlstate_name(make_sqlstate("57014")), "query_canceled");
  EXPECT_EQ(sqlstate_name(make_sqlstate("ZZ123")), "");
  EXPECT_EQ(sqlstate_name(errc::timeout), "");
}

TEST(sqlstates, an_error_answers_for_its_class) {
  EXPECT_TRUE(error(make_sqlstate("40001")).retryable());
  EXPECT_FALSE(error(make_sqlstate("40001")).is_disconnect());
  EXPECT_TRUE(error(make_sqlstate("57P01")).is_disconnect());
  for (const char* const state : {"08006", "08P01", "57P03"}) {
    diagnostics said;
    said.severity = "ERROR";  // raised by a function: the session goes on
    EXPECT_FALSE(error(make_sqlstate(state), said).is_disconnect()) << state;
    EXPECT_EQ(error(make_sqlstate(state), said).retryable(), std::string_view(state) == "57P03") << state;
    said.severity = "FATAL";
    EXPECT_TRUE(error(make_sqlstate(state), said).is_disconnect()) << state;
    EXPECT_TRUE(error(make_sqlstate(state), said).retryable()) << state;
  }
  EXPECT_FALSE(error(errc::outcome_unknown).retryable());
  diagnostics sent;
  sent.outcome_known = false;
  EXPECT_FALSE(error(errc::connection_lost, sent).outcome_known());
}

}  // namespace
}  // namespace lido
