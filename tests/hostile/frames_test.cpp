// B54-B61: the frames themselves, and the ways in which they can be cut.
#include "tests/hostile/hostile_server.hpp"

#include <gtest/gtest.h>

#include <malloc.h>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t one_gib = 1 << 30;
using row_list = std::vector<std::vector<field>>;

/// Every type that a server sends to a session.
constexpr std::string_view server_types = "ACDEGHIKNRSTVWZcdnst123v";

TEST(hostile_frames, B54_a_length_shorter_than_itself_kills) {
  for (const char type : server_types) {
    SCOPED_TRACE(type);
    expect_query_killed(described() + raw_with_length(type, 3, ""));
  }
  for (const std::int64_t length : {0, 1, 2}) expect_query_killed(described() + raw_with_length('D', length, ""));
}

TEST(hostile_frames, B55_a_negative_length_kills) {
  for (const char type : server_types) {
    SCOPED_TRACE(type);
    expect_query_killed(described() + raw_with_length(type, 0x80000000, ""));
  }
  expect_query_killed(described() + raw_with_length('D', 0xffffffff, ""));
  expect_query_killed(described() + raw_with_length('E', 0xfffffffc, ""));
}

TEST(hostile_frames, B56_a_huge_length_on_a_short_message_kills_at_the_header) {
  for (const char type : std::string_view{"CZI123nsSK"}) {
    SCOPED_TRACE(type);
    expect_query_killed(described() + raw_with_length(type, 0x7fffffff, ""));
    expect_query_killed(described() + raw_with_length(type, 30'001, ""));
  }
  expect_query_killed(described() + raw_with_length('A', 0x7fffffff, ""), errc::message_too_large);
}

TEST(hostile_frames, B57_a_length_above_the_cap_kills_at_the_header) {
  for (const char type : std::string_view{"DTdtENA"}) {
    SCOPED_TRACE(type);
    expect_query_killed(described() + raw_with_length(type, one_gib, "0123456789"), errc::message_too_large);
  }
}

TEST(hostile_frames, B57_nothing_is_reserved_for_a_length_that_is_only_announced) {
  const fake_server server{script{steps::trusted_session(), steps::expect_all(prepare_and_run),
                                  steps::send(described() + raw_with_length('D', one_gib - 1, "0123456789")),
                                  steps::reached("announced"), steps::wait_for_close()}};
  auto config = plain_config(server);
  config.max_message_bytes = one_gib - 1;
  const auto allocated = [] {
    const auto now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  {
    client user{config, 300ms};
    ASSERT_FALSE(user.connect().error);
    const auto before = allocated();
    EXPECT_EQ(user.query().error, errc::timeout);
    EXPECT_LT(allocated(), before + 16 * 1024 * 1024);
    EXPECT_TRUE(server.wait_until_reached("announced"));
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(hostile_frames, B58_an_unknown_type_kills) {
  for (const char type : {'\0', '\xff', '!', 'Q', 'X', 'p', 'f'}) {
    SCOPED_TRACE(type);
    expect_query_killed(described() + raw(type, "body"));
    expect_login_killed(auth_ok() + raw(type, "body"));
  }
}

TEST(hostile_frames, B59_content_that_ends_before_or_behind_its_length_kills) {
  expect_query_killed(raw('1', "x"));
  expect_query_killed(parse_complete() + raw('t', int16_bytes(0) + "x"));
  expect_query_killed(parse_complete() + raw('t', int16_bytes(2) + int32_bytes(25)));
  const auto prepared = parse_complete() + parameter_description({});
  expect_query_killed(prepared + raw('n', "x"));
  const std::string columns = row_description({{"answer"}}).substr(5);
  expect_query_killed(prepared + raw('T', columns + "x"));
  expect_query_killed(prepared + raw('T', columns.substr(0, columns.size() - 1)));
  expect_query_killed(prepared + no_data() + raw('2', "x"));
  expect_query_killed(described() + raw('D', data_row({"42"}).substr(5) + "x"));
  expect_query_killed(described() + raw('C', zero_ended("SELECT 0") + "x"));
  expect_query_killed(described() + raw('I', "x"));
  expect_query_killed(described() + raw('E', error_response("ERROR", "22000", "no").substr(5) + "x"));
  expect_query_killed(described() + raw('E', "SERROR"));
  expect_query_killed(described() + raw('N', "SNOTICE"));
  expect_query_killed(described() + raw('A', int32_bytes(1) + zero_ended("channel") + "payload"));
}

// ---- B60 ----

/// A start, a result with NULL and several rows, an error.
struct recording {
  std::string start = auth_ok() + parameter_status("TimeZone", "UTC") + backend_key() + ready();
  std::string result = notice_response("NOTICE", "00000", "n") + described() + data_row({"42"}) + data_row({field{}}) +
                       parameter_status("TimeZone", "CET") + data_row({std::string(30, 'x')}) +
                       command_complete("SELECT 3") + ready();
  std::string failure = bind_complete() + error_response("ERROR", "22012", "division by zero") + ready();
};

/// The recorded server, whose bytes leave as `shape` says.
script played(const recording& tape, const step& shape) {
  return {steps::expect_startup(),   shape,
          steps::send(tape.start),   steps::expect_all(prepare_and_run),
          steps::send(tape.result),  steps::expect_all("BES"),
          steps::send(tape.failure), steps::expect('X')};
}

/// What a user sees of it.
std::vector<outcome> listen_to(const fake_server& server) {
  client user{plain_config(server)};
  std::vector<outcome> ends{user.connect()};
  if (ends.back().error) return ends;
  ends.push_back(user.query());
  if (user.is_open()) ends.push_back(user.query());
  return ends;
}

void expect_whole(const std::vector<outcome>& ends) {
  ASSERT_EQ(ends.size(), 3U);
  EXPECT_FALSE(ends[0].error) << words_of(ends[0]);
  EXPECT_FALSE(ends[1].error) << words_of(ends[1]);
  EXPECT_EQ(ends[1].rows, (row_list{{"42"}, {field{}}, {std::string(30, 'x')}}));
  EXPECT_EQ(ends[1].tag, "SELECT 3");
  EXPECT_EQ(ends[2].error, make_sqlstate("22012"));
  EXPECT_EQ(ends[2].diag.message, "division by zero");
}

TEST(hostile_frames, B60_slices_of_any_size_give_the_same_result) {
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 2, 3, 4, 5, 6, 7, 11, 64, 1000}) {
    SCOPED_TRACE(size);
    const fake_server server{played({}, steps::slice_output(size))};
    expect_whole(listen_to(server));
    EXPECT_TRUE(server.wait_until_done(1));
    EXPECT_EQ(server.problems(), "");
  }
}

/// Sends everything in two parts; the second only when the first had time to be read alone.
step split_at(const std::string& bytes, std::size_t at) {
  return steps::all({steps::send(bytes.substr(0, at)), steps::pause(1ms), steps::send(bytes.substr(at))});
}

TEST(hostile_frames, B60_a_result_split_anywhere_is_the_same_result) {
  const recording tape;
  std::vector<script> sessions;
  for (std::size_t at = 1; at < tape.result.size(); ++at) {
    sessions.push_back({steps::trusted_session(tape.start), steps::expect_all(prepare_and_run),
                        split_at(tape.result, at), steps::expect_all("BES"),
                        split_at(tape.failure, at % tape.failure.size()), steps::expect('X')});
  }
  const std::size_t count = sessions.size();
  const fake_server server{std::move(sessions)};
  for (std::size_t i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(i);
    expect_whole(listen_to(server));
  }
  EXPECT_TRUE(server.wait_until_done(count));
  EXPECT_EQ(server.problems(), "");
}

/// Operations whose last byte is among the first `bytes` of the recording.
std::size_t operations_within(const recording& tape, std::size_t bytes) {
  if (bytes < tape.start.size()) return 0;
  return bytes < tape.start.size() + tape.result.size() ? 1 : 2;
}

TEST(hostile_frames, B60_a_session_cut_at_any_byte_is_a_loss_and_never_a_result) {
  const recording tape;
  const std::size_t total = tape.start.size() + tape.result.size() + tape.failure.size();
  std::vector<script> sessions;
  for (std::size_t at = 0; at < total; ++at) {
    sessions.push_back({steps::cut_output_after(at, steps::cut_by::fin, played(tape, steps::slice_output(0)))});
  }
  const fake_server server{std::move(sessions)};
  for (std::size_t at = 0; at < total && !::testing::Test::HasFailure(); ++at) {
    SCOPED_TRACE(at);
    const auto ends = listen_to(server);
    const std::size_t whole = operations_within(tape, at);
    ASSERT_GE(ends.size(), whole);
    for (std::size_t i = 0; i < whole; ++i) EXPECT_FALSE(ends[i].error) << words_of(ends[i]);
    if (whole == 2) {
      EXPECT_EQ(ends[1].rows.size(), 3U);
    }
    if (ends.size() == whole) continue;  // the loss was known before the next query
    EXPECT_TRUE(is_disconnect(ends.back().error)) << ends.back().error.message();
    EXPECT_TRUE(ends.back().rows.empty());
  }
}

// ---- B61 ----

TEST(hostile_frames, B61_ten_thousand_messages_at_once_are_taken_in_order) {
  std::string result = described();
  for (int i = 0; i < 10'000; ++i) {
    result += i % 2 == 0 ? data_row({std::to_string(i)}) : notice_response("NOTICE", "00000", "n");
  }
  result += command_complete("SELECT 5000") + ready();
  const fake_server server{script{
      steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send(result), steps::expect_all("BES"),
      steps::send(bind_complete() + command_complete("SELECT 0") + ready()), steps::expect('X')}};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  const auto end = user.query();
  EXPECT_FALSE(end.error) << words_of(end);
  ASSERT_EQ(end.rows.size(), 5'000U);
  EXPECT_EQ(end.rows[4'999][0], "9998");
  EXPECT_FALSE(user.query().error);
}

TEST(hostile_frames, B61_endless_messages_leave_the_thread_to_others) {
  std::string notices;
  for (int i = 0; i < 10'000; ++i) notices += notice_response("NOTICE", "00000", "n");
  const fake_server server{
      script{steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send_until_closed(notices)}};
  {
    client user{plain_config(server), 300ms};
    ASSERT_FALSE(user.connect().error);
    EXPECT_EQ(user.query().error, errc::timeout);
    EXPECT_GT(user.heartbeats(), 2U);
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

}  // namespace
}  // namespace lido::testing
