// B79-B85: COPY where nobody asked for one, and COPY data at the wrong time.
#include "tests/hostile/hostile_server.hpp"

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

/// One simple query that ends as `dialogue` says; the session goes on behind it.
outcome expect_session_survives(const script& dialogue) {
  const fake_server server{script{steps::trusted_session(), steps::expect('Q')}.then(dialogue).then(
      {steps::expect('Q'), steps::send(command_complete("SET") + ready()), steps::expect('X')})};
  outcome end;
  {
    client user{plain_config(server)};
    EXPECT_FALSE(user.connect().error);
    end = user.simple_query("copy t from stdin");
    EXPECT_TRUE(user.is_open());
    EXPECT_EQ(user.simple_query("set a = b").tag, "SET");
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  return end;
}

TEST(hostile_copy, B79_a_copy_that_wants_data_gets_a_refusal_and_the_session_goes_on) {
  const auto end =
      expect_session_survives({steps::send(copy_in_response(0, {0})), steps::expect('f'),
                               steps::send(error_response("ERROR", "57014", "COPY from stdin failed") + ready())});
  EXPECT_EQ(end.error, errc::copy_unexpected);
}

TEST(hostile_copy, B80_copied_out_data_is_drained_and_the_session_goes_on) {
  std::string data;
  for (int i = 0; i < 1000; ++i) data += copy_data("a line of data\n");
  const auto end = expect_session_survives(
      {steps::send(copy_out_response(0, {0}) + data + copy_done() + command_complete("COPY 1000") + ready())});
  EXPECT_EQ(end.error, errc::copy_unexpected);
  EXPECT_TRUE(end.rows.empty());
}

TEST(hostile_copy, B81_copy_in_both_directions_kills) {
  expect_simple_query_killed(raw('W', std::string(1, '\0') + int16_bytes(0)));
  expect_query_killed(described() + raw('W', std::string(1, '\0') + int16_bytes(0)));
}

TEST(hostile_copy, B82_copy_data_outside_a_copy_kills) {
  expect_query_killed(described() + copy_data("x") + command_complete("SELECT 0") + ready());
  expect_simple_query_killed(copy_data("x") + ready());
  expect_simple_query_killed(copy_done() + ready());
  expect_simple_query_killed(copy_out_response(0, {0}) + copy_done() + copy_done() + command_complete("COPY 0") +
                             ready());
}

TEST(hostile_copy, B83_a_copy_that_describes_itself_wrongly_kills) {
  for (const char type : {'G', 'H'}) {
    const auto response = [&](char format, std::int32_t count, const std::string& columns) {
      return raw(type, std::string(1, format) + int16_bytes(count) + columns);
    };
    expect_simple_query_killed(response('\2', 0, ""));
    expect_simple_query_killed(response('\0', -1, ""));
    expect_simple_query_killed(response('\0', 1665, std::string(2 * 1665, '\0')));
    expect_simple_query_killed(response('\0', 2, int16_bytes(0)));
    expect_simple_query_killed(response('\0', 1, int16_bytes(2)));
    expect_simple_query_killed(raw(type, ""));
  }
}

TEST(hostile_copy, B84_an_error_in_the_middle_of_copied_data_needs_no_end_of_the_copy) {
  const auto end = expect_session_survives({steps::send(
      copy_out_response(0, {0}) + copy_data("x") + error_response("ERROR", "22012", "division by zero") + ready())});
  EXPECT_EQ(sqlstate_of(end.error), "22012");
}

TEST(hostile_copy, B85_copy_data_without_bytes_is_fine) {
  const auto end = expect_session_survives({steps::send(copy_out_response(0, {0}) + copy_data("") + copy_data("") +
                                                        copy_done() + command_complete("COPY 0") + ready())});
  EXPECT_EQ(end.error, errc::copy_unexpected);
}

}  // namespace
}  // namespace lido::testing
