// B19-B21, B40-B48: from StartupMessage to the first ReadyForQuery.
#include "tests/hostile/hostile_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A client of a server that says this and then behaves: it logs in and out.
void expect_login_fine(const std::string& greeting) {
  const fake_server server{
      script{steps::expect_startup(), steps::send(greeting), steps::expect('X'), steps::wait_for_close()}};
  {
    client user{plain_config(server)};
    const auto end = user.connect();
    EXPECT_FALSE(end.error) << words_of(end);
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

/// AuthOk, then this, then the end of a usual start.
std::string with(const std::string& message) { return auth_ok() + message + backend_key() + ready(); }

TEST(hostile_startup, B19_a_first_byte_that_starts_no_answer_is_no_postgresql) {
  for (const std::string bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\x15\x03\x03", "AAAAAA"}) {
    expect_login_killed(bytes + std::string(8, '\0'));
  }
  for (const char type : {'D', 'Z', 'K', 'C', 'T', 'A', 'r', '1', '\0', '\xff'}) expect_login_killed(raw(type, "body"));
}

TEST(hostile_startup, B20_lengths_that_no_authentication_request_has_are_refused_at_the_header) {
  for (const std::int64_t length : {0, 1, 2, 3, 4, 5, 6, 7, 2001, 30001, 0x7fffffff}) {
    SCOPED_TRACE(length);
    expect_login_killed(raw_with_length('R', length, ""));
  }
  expect_login_killed(raw_with_length('R', 0xffffffff, ""));
}

TEST(hostile_startup, B21_an_old_style_error_is_not_read_to_its_end) {
  const std::string marker = "could not fork new process";
  const fake_server server{script{steps::expect_startup(), steps::send("E"),
                                  steps::send_until_closed(marker + ": Resource temporarily unavailable. ")}};
  client user{plain_config(server)};
  const auto end = user.connect();
  EXPECT_EQ(end.error, errc::protocol_error);
  EXPECT_THAT(words_of(end), Not(HasSubstr(marker)));
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(hostile_startup, B21_error_lengths_out_of_bounds_are_refused_at_the_header) {
  for (const std::int64_t length : {0, 1, 3, 4, 7, 30001, 0x7fffffff}) {
    SCOPED_TRACE(length);
    expect_login_killed(raw_with_length('E', length, ""));
  }
}

TEST(hostile_startup, B21_an_error_of_the_largest_length_is_still_told) {
  const std::string text = error_response("FATAL", "28000", std::string(29'900, 'x'));
  ASSERT_LE(text.size(), 30'001U);
  expect_login_killed(text, make_sqlstate("28000"));
}

TEST(hostile_startup, B40_an_offer_within_what_was_asked_for_goes_on) {
  expect_login_fine(negotiate_protocol_version(0, {}) + session_start());
  expect_login_fine(negotiate_protocol_version(0, {"_pq_.greased", "_pq_.other"}) + session_start());
}

TEST(hostile_startup, B40_an_offer_beyond_what_was_asked_for_is_refused) {
  expect_login_killed(negotiate_protocol_version(1, {}) + session_start());
  expect_login_killed(negotiate_protocol_version(2, {}) + session_start());
  expect_login_killed(negotiate_protocol_version(0x7fffffff, {}) + session_start());
  expect_login_killed(negotiate_protocol_version(0, {"user"}) + session_start());
}

TEST(hostile_startup, B40_a_malformed_offer_is_refused) {
  expect_login_killed(raw('v', int32_bytes(0) + int32_bytes(0xffffffff)));
  expect_login_killed(raw('v', int32_bytes(0) + int32_bytes(0x7fffffff) + zero_ended("_pq_.a")));
  expect_login_killed(raw('v', int32_bytes(0) + int32_bytes(1) + "_pq_.unterminated"));
  expect_login_killed(raw('v', int32_bytes(0)));
  expect_login_killed(raw('v', int32_bytes(0) + int32_bytes(0) + "more"));
}

TEST(hostile_startup, B40_an_offer_at_the_wrong_time_is_refused) {
  const std::string offer = negotiate_protocol_version(0, {"_pq_.a"});
  expect_login_killed(offer + offer + session_start());
  expect_login_killed(auth_ok() + offer + usual_parameters() + backend_key() + ready());
}

TEST(hostile_startup, B41_notices_and_parameters_wait_for_the_authentication) {
  expect_login_killed(notice_response("NOTICE", "00000", "hello") + session_start());
  expect_login_killed(parameter_status("server_version", "15.18") + session_start());
  expect_login_fine(auth_ok() + notice_response("NOTICE", "00000", "hello") + usual_parameters() + backend_key() +
                    ready());
}

TEST(hostile_startup, B42_a_key_of_another_length_is_refused) {
  for (const std::size_t size : std::initializer_list<std::size_t>{0, 3, 4, 7, 9, 12, 36, 260}) {
    SCOPED_TRACE(size);
    expect_login_killed(auth_ok() + raw('K', std::string(size, 'k')) + ready());
  }
}

TEST(hostile_startup, B43_a_second_key_is_refused) {
  expect_login_killed(auth_ok() + backend_key() + backend_key() + ready());
}

TEST(hostile_startup, B44_a_session_without_a_key_is_usable) {
  const fake_server server{script{steps::expect_startup(), steps::send(auth_ok() + usual_parameters() + ready()),
                                  steps::expect_all(prepare_and_run), steps::send(one_row("42")), steps::expect('X')}};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  EXPECT_EQ(user.query().rows, (std::vector<std::vector<field>>{{"42"}}));
}

TEST(hostile_startup, B45_unknown_transaction_status_kills) {
  for (const char status : {'X', 'i', '\0', '\xff'}) expect_login_killed(auth_ok() + ready(status));
  expect_query_killed(described() + data_row({"42"}) + command_complete("SELECT 1") + ready('X'));
  expect_simple_query_killed(command_complete("SELECT 1") + ready('\0'));
}

TEST(hostile_startup, B46_a_ready_for_query_of_another_length_kills) {
  for (const char* body : {"", "II", "ITE"}) {
    expect_login_killed(auth_ok() + raw('Z', body));
    expect_query_killed(described() + command_complete("SELECT 0") + raw('Z', body));
  }
}

TEST(hostile_startup, B47_a_parameter_without_both_ends_is_refused) {
  expect_login_killed(with(raw('S', zero_ended("a") + "b")));
  expect_login_killed(with(raw('S', "a")));
  expect_login_killed(with(raw('S', "")));
  expect_login_killed(with(raw('S', zero_ended("a") + zero_ended("b") + "c")));
  expect_query_killed(raw('S', zero_ended("a") + "b") + one_row("42"));
}

TEST(hostile_startup, B47_unknown_parameters_are_kept) {
  const fake_server server{
      script{steps::trusted_session(with(parameter_status("pooler.mood", "fine"))), steps::expect_all(prepare_and_run),
             steps::send(parameter_status("pooler.mood", "tired") + one_row("42")), steps::expect('X')}};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  EXPECT_EQ(user.parameter("pooler.mood"), "fine");
  EXPECT_FALSE(user.query().error);
  EXPECT_EQ(user.parameter("pooler.mood"), "tired");
}

TEST(hostile_startup, B47_more_parameters_than_a_server_has_are_refused) {
  const auto names = [](int count, const std::string& value) {
    std::string all;
    for (int i = 0; i < count; ++i) all += parameter_status("p" + std::to_string(i), value);
    return all;
  };
  expect_login_fine(with(names(256, "v")));
  expect_login_killed(with(names(257, "v")));
  expect_login_killed(with(names(4, std::string(20'000, 'v'))));
  expect_query_killed(names(257, "v") + one_row("42"));
}

TEST(hostile_startup, B48_another_encoding_is_seen_and_data_still_flows) {
  const std::string greeting = with(usual_parameters() + parameter_status("client_encoding", "LATIN1"));
  const fake_server server{script{steps::trusted_session(greeting), steps::expect_all(prepare_and_run),
                                  steps::send(one_row("42")), steps::expect('X')}};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  EXPECT_EQ(user.parameter("client_encoding"), "LATIN1");
  EXPECT_EQ(user.query().rows, (std::vector<std::vector<field>>{{"42"}}));
}

}  // namespace
}  // namespace lido::testing
