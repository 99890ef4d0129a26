// B62-B65, B67-B78, B86, B87: answers to a query that are whole as messages and wrong as answers.
#include "tests/hostile/hostile_server.hpp"

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using row_list = std::vector<std::vector<field>>;

/// DataRow with one field of this length, whatever follows.
std::string row_with_length(std::int64_t length, const std::string& bytes) {
  return raw('D', int16_bytes(1) + int32_bytes(length) + bytes);
}

/// RowDescription as raw bytes behind Parse; extended and simple must agree on it.
void expect_description_killed(const std::string& body) {
  expect_query_killed(parse_complete() + parameter_description({}) + raw('T', body) + bind_complete());
  expect_simple_query_killed(raw('T', body));
}

/// One query that ends as `answer` says; the session goes on behind it.
outcome expect_session_survives(const std::string& answer) {
  const fake_server server{script{steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send(answer),
                                  steps::expect('Q'), steps::send(command_complete("SET") + ready()),
                                  steps::expect('X')}};
  outcome end;
  {
    client user{plain_config(server)};
    EXPECT_FALSE(user.connect().error);
    end = user.query();
    EXPECT_TRUE(user.is_open());
    EXPECT_EQ(user.simple_query("set a = b").tag, "SET");
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  return end;
}

TEST(hostile_results, B62_a_row_without_a_description_kills) {
  expect_query_killed(parse_complete() + parameter_description({}) + no_data() + bind_complete() + data_row({"42"}) +
                      command_complete("SELECT 1") + ready());
  expect_query_killed(data_row({"42"}));
  expect_simple_query_killed(data_row({"42"}) + command_complete("SELECT 1") + ready());
  // The description of a statement that has ended does not count.
  expect_simple_query_killed(row_description({{"answer"}}) + command_complete("SELECT 0") + data_row({"42"}));
}

TEST(hostile_results, B63_a_row_with_another_number_of_fields_kills) {
  for (const std::vector<field>& fields : {std::vector<field>{}, {"1", "2"}}) {
    expect_query_killed(described() + data_row(fields) + command_complete("SELECT 1") + ready());
    expect_query_killed(described() + data_row({"42"}) + data_row(fields) + command_complete("SELECT 2") + ready());
    expect_simple_query_killed(row_description({{"answer"}}) + data_row(fields));
  }
  expect_query_killed(described() + raw('D', int16_bytes(-1)));
}

TEST(hostile_results, B64_negative_lengths_other_than_null_kill) {
  for (const std::int64_t length : {-2, -3, -128, -65536})
    expect_query_killed(described() + row_with_length(length, "42"));
  expect_query_killed(described() + row_with_length(0x80000000, "42"));
  expect_query_killed(described() + row_with_length(0x80000001, ""));
}

TEST(hostile_results, B65_a_field_beyond_its_message_kills) {
  for (const std::int64_t length : {3, 4, 1000, 0x7fffffff}) {
    expect_query_killed(described() + row_with_length(length, "42") + data_row({"43"}));
  }
  expect_query_killed(described() + raw('D', int16_bytes(1) + std::string(3, '\0')) + data_row({"43"}));
  expect_query_killed(described() + raw('D', int16_bytes(1).substr(0, 1)) + data_row({"43"}));
}

TEST(hostile_results, B67_a_description_whose_columns_are_not_there_kills) {
  const std::string one = row_description({{"answer"}}).substr(7);  // behind type, length and count
  expect_description_killed(int16_bytes(-1) + one);
  expect_description_killed(int16_bytes(2) + one);
  expect_description_killed(int16_bytes(0) + one);
  expect_description_killed(int16_bytes(1665) + std::string(1665 * 19, '\0'));
  expect_description_killed(int16_bytes(1) + "a name without its end and enough bytes");
  expect_description_killed("");
}

TEST(hostile_results, B68_a_format_that_does_not_exist_kills) {
  for (const int format : {2, -1, 256}) {
    const std::string body = row_description({{"answer", 25, -1, format}}).substr(5);
    expect_description_killed(body);
  }
}

TEST(hostile_results, B69_a_second_description_in_one_execute_kills) {
  const std::string description = row_description({{"answer"}});
  expect_query_killed(described() + description + data_row({"42"}) + command_complete("SELECT 1") + ready());
  expect_query_killed(described() + data_row({"42"}) + description + command_complete("SELECT 1") + ready());
}

TEST(hostile_results, B70_a_tag_without_its_end_kills) {
  expect_query_killed(described() + raw('C', "SELECT 0") + ready());
  expect_query_killed(described() + raw('C', "") + ready());
  expect_query_killed(described() + raw('C', std::string{"SELECT\0 0\0", 10}) + ready());
}

TEST(hostile_results, B70_a_count_that_no_number_holds_is_unknown) {
  for (const char* tag : {"INSERT 0 99999999999999999999", "INSERT 0 -1", "INSERT 0 1x", "INSERT", "UPDATE ", ""}) {
    const auto end = expect_session_survives(parse_complete() + parameter_description({}) + no_data() +
                                             bind_complete() + command_complete(tag) + ready());
    EXPECT_FALSE(end.error) << words_of(end);
    EXPECT_EQ(end.affected_rows, 0U) << tag;
    EXPECT_EQ(end.tag, tag);
  }
}

TEST(hostile_results, B71_a_commit_answered_by_rollback_is_a_rollback) {
  const fake_server server{script{steps::trusted_session(), steps::expect('Q'),
                                  steps::send(command_complete("BEGIN") + ready('T')), steps::expect('Q'),
                                  steps::send(command_complete("ROLLBACK") + ready()),
                                  steps::expect_all(prepare_and_run), steps::send(one_row("42")), steps::expect('X')}};
  {
    client user{plain_config(server)};
    ASSERT_FALSE(user.connect().error);
    EXPECT_EQ(user.begin_and_commit().error, errc::rolled_back);
    EXPECT_EQ(user.query().rows, (row_list{{"42"}}));
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(hostile_results, B72_ready_without_an_answer_kills) {
  expect_simple_query_killed(ready());
  expect_query_killed(ready());
  expect_query_killed(described() + ready());
  expect_query_killed(described() + data_row({"42"}) + ready());
  expect_simple_query_killed(row_description({{"answer"}}) + data_row({"42"}) + ready());
}

TEST(hostile_results, B73_one_ready_too_many_kills_and_leaves_the_result) {
  for (const bool at_once : {true, false}) {
    std::vector<step> steps{steps::trusted_session(), steps::expect_all(prepare_and_run)};
    if (at_once) {
      steps.push_back(steps::send(one_row("42") + ready()));
    } else {
      steps.push_back(steps::send(one_row("42")));
      steps.push_back(steps::gate("the result was seen"));
      steps.push_back(steps::send(ready()));
    }
    steps.push_back(steps::wait_for_close());
    fake_server server{script{std::move(steps)}};
    client user{plain_config(server)};
    ASSERT_FALSE(user.connect().error);
    EXPECT_EQ(user.query().rows, (row_list{{"42"}}));
    server.open_gate("the result was seen");
    EXPECT_TRUE(user.wait_until_closed());
    EXPECT_EQ(user.query().error, errc::protocol_error);
    EXPECT_TRUE(server.wait_until_done(1));
    EXPECT_EQ(server.problems(), "");
    EXPECT_EQ(sent(server), "^PDBES");
  }
}

TEST(hostile_results, B73_a_ready_behind_the_start_kills) {
  const fake_server server{script{steps::trusted_session(session_start() + ready()), steps::wait_for_close()}};
  client user{plain_config(server)};
  const auto end = user.connect();
  EXPECT_TRUE(!end.error || end.error == errc::protocol_error) << words_of(end);
  EXPECT_TRUE(user.wait_until_closed());
  EXPECT_TRUE(is_disconnect(user.query().error));
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(hostile_results, B74_completions_of_what_was_not_asked_for_kill) {
  const std::vector<std::string> unexpected{parse_complete(), bind_complete(),    close_complete(),
                                            no_data(),        portal_suspended(), parameter_description({})};
  for (const auto& message : unexpected) {
    SCOPED_TRACE(message.front());
    expect_query_killed(described() + message + command_complete("SELECT 0") + ready());
    expect_query_killed(described() + data_row({"42"}) + message + command_complete("SELECT 1") + ready());
    expect_query_killed(described() + command_complete("SELECT 0") + message + ready());
    expect_simple_query_killed(message + command_complete("SELECT 0") + ready());
    if (message != parse_complete()) expect_query_killed(message + one_row("42"));
  }
}

TEST(hostile_results, B75_a_bind_of_a_wrong_number_of_values_never_completes) {
  const std::string asks_for_two = parse_complete() + parameter_description({23, 23}) + no_data();
  expect_query_killed(asks_for_two + bind_complete() + command_complete("SET") + ready());
  // A right server refuses the Bind: the caller's mistake, and no harm to the session.
  const auto end = expect_session_survives(
      asks_for_two + error_response("ERROR", "08P01", "bind message supplies 0 parameters") + ready());
  EXPECT_EQ(sqlstate_of(end.error), "08P01");
}

TEST(hostile_results, B76_a_portal_suspended_without_a_limit_kills) {
  expect_query_killed(described() + data_row({"42"}) + portal_suspended() + ready());
}

TEST(hostile_results, B77_an_empty_answer_to_a_text_is_an_empty_result) {
  const auto end = expect_session_survives(parse_complete() + parameter_description({}) + no_data() + bind_complete() +
                                           empty_query() + ready());
  EXPECT_FALSE(end.error) << words_of(end);
  EXPECT_TRUE(end.rows.empty());
  EXPECT_EQ(end.tag, "");
}

TEST(hostile_results, B78_the_answer_to_a_function_call_kills) {
  const std::string answer = raw('V', int32_bytes(2) + "42");
  expect_query_killed(answer + one_row("42"));
  expect_query_killed(described() + answer + command_complete("SELECT 0") + ready());
  expect_simple_query_killed(answer + ready());
}

TEST(hostile_results, B86_rows_behind_an_error_kill) {
  const std::string failure = error_response("ERROR", "22012", "division by zero");
  expect_query_killed(described() + data_row({"42"}) + failure + data_row({"43"}) + ready());
  expect_query_killed(described() + failure + command_complete("SELECT 0") + ready());
  expect_query_killed(failure + failure + ready());
  expect_simple_query_killed(row_description({{"answer"}}) + failure + data_row({"43"}) + ready());
}

TEST(hostile_results, B87_what_follows_a_fatal_error_is_ignored) {
  const std::string last_words = error_response("FATAL", "57P01", "terminating connection");
  expect_query_killed(described() + last_words + data_row({"42"}) + ready(), make_sqlstate("57P01"));
  expect_query_killed(last_words + std::string(64, '\xff'), make_sqlstate("57P01"));
  expect_simple_query_killed(last_words + one_row("42"), make_sqlstate("57P01"));
  // Whatever the code, a FATAL is the end.
  expect_query_killed(error_response("FATAL", "XX000", "out of order") + one_row("42"), errc::server_shutdown);
}

TEST(hostile_results, B87_the_last_words_are_told) {
  const fake_server server{script{steps::trusted_session(), steps::expect_all(prepare_and_run),
                                  steps::send(error_response("FATAL", "57P01", "by the administrator") + one_row("42")),
                                  steps::wait_for_close()}};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  const auto end = user.query();
  EXPECT_EQ(end.diag.severity, "FATAL");
  EXPECT_EQ(end.diag.message, "by the administrator");
  EXPECT_TRUE(end.rows.empty());
}

}  // namespace
}  // namespace lido::testing
