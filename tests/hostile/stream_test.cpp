// B numbers of a COPY and a stream that were asked for: lies in their middle.
#include "tests/hostile/hostile_server.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/stream.hpp>

#include <gtest/gtest.h>

#include <tuple>

namespace lido::testing {
namespace {

constexpr std::string_view open_portal = "PDBEH";

asio::awaitable<void> copies_in(connection& db) {
  copy_in in = co_await db.async_copy_in("copy t from stdin", within(std::chrono::seconds(3)));
  co_await in.async_write("1\n");
  co_await in.async_finish(within(std::chrono::seconds(3)));
}
asio::awaitable<void> copies_out(connection& db) {
  copy_out out = co_await db.async_copy_out("copy t to stdout", within(std::chrono::seconds(3)));
  while (!(co_await out.async_read(within(std::chrono::seconds(3)))).empty()) {
  }
}
asio::awaitable<void> reads_rows(connection& db) {
  auto rows = co_await db.async_stream(stream_options{2, within(std::chrono::seconds(3))}, "select answer");
  while (co_await rows.async_next(within(std::chrono::seconds(3)))) {
  }
}

/// KILL, and nothing is sent but `messages`.
void expect_killed(asio::awaitable<void> (*work)(connection&), const script& dialogue, const std::string& messages,
                   std::error_code error = errc::protocol_error) {
  const fake_server server{script{steps::trusted_session()}.then(dialogue).then({steps::wait_for_close()})};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  EXPECT_EQ(user.run(work).error, error);
  EXPECT_FALSE(user.is_open());
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  EXPECT_EQ(sent(server), messages);
}

/// ERR: the session goes on.
std::error_code error_of(asio::awaitable<void> (*work)(connection&), const script& dialogue) {
  const fake_server server{script{steps::trusted_session()}.then(dialogue).then(
      {steps::expect('Q'), steps::send(command_complete("SET") + ready()), steps::expect('X')})};
  outcome end;
  {
    client user{plain_config(server)};
    EXPECT_FALSE(user.connect().error);
    end = user.run(work);
    EXPECT_TRUE(user.is_open());
    EXPECT_EQ(user.simple_query("set a = b").tag, "SET");
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  return end.error;
}

const std::string two_rows = data_row({"a"}) + data_row({"b"});

TEST(hostile_stream, B76_a_portal_suspended_where_no_row_came_kills) {
  expect_killed(reads_rows, {steps::expect_all(open_portal), steps::send(described() + portal_suspended())}, "^PDBEH");
  expect_killed(
      reads_rows,
      {steps::expect_all(open_portal), steps::send(described() + two_rows + portal_suspended() + portal_suspended())},
      "^PDBEH");
}

TEST(hostile_stream, B72_ready_for_query_that_no_sync_asked_for_kills) {
  expect_killed(reads_rows, {steps::expect_all(open_portal), steps::send(described() + two_rows + ready())}, "^PDBEH");
}

TEST(hostile_stream, B82_rows_that_nobody_asked_for_kill) {
  expect_killed(
      reads_rows,
      {steps::expect_all(open_portal), steps::send(described() + two_rows + portal_suspended() + data_row({"c"}))},
      "^PDBEH");
}

TEST(hostile_stream, B63_a_row_of_a_stream_that_does_not_fit_kills) {
  expect_killed(reads_rows, {steps::expect_all(open_portal), steps::send(described() + data_row({"a", "b"}))},
                "^PDBEH");
}

TEST(hostile_stream, B79_B80_a_copy_in_a_stream_is_refused_or_drained) {
  EXPECT_EQ(error_of(reads_rows, {steps::expect_all(open_portal), steps::send(described() + copy_in_response(0, {0})),
                                  steps::expect('f'), steps::send(error_response("ERROR", "57014", "failed")),
                                  steps::expect('S'), steps::send(ready())}),
            errc::copy_unexpected);
  EXPECT_EQ(error_of(reads_rows, {steps::expect_all(open_portal),
                                  steps::send(described() + copy_out_response(0, {0}) + copy_data("x") + copy_done() +
                                              command_complete("COPY 1")),
                                  steps::expect('S'), steps::send(ready())}),
            errc::copy_unexpected);
}

// Rows without end: what is not read is not taken from the socket, so the server stands still.
TEST(hostile_stream, B94_an_endless_stream_and_an_endless_copy_keep_memory_flat) {
  const auto reads_some_rows = [](connection& db) -> asio::awaitable<void> {
    auto rows =
        co_await db.async_stream<std::string>(stream_options{0, within(std::chrono::seconds(3))}, "select answer");
    std::size_t seen = 0;
    while (seen < (64U << 20)) {
      const auto batch = co_await rows.async_next_batch(within(std::chrono::seconds(3)));
      std::size_t bytes = 0;
      for (const std::string& each : batch) bytes += each.size();
      EXPECT_LT(bytes, 1U << 20) << "one chunk, and what one receive brought";
      seen += bytes;
    }
  };
  const auto reads_some_bytes = [](connection& db) -> asio::awaitable<void> {
    copy_out out = co_await db.async_copy_out("copy t to stdout", within(std::chrono::seconds(3)));
    while (out.bytes() < (64U << 20)) {
      EXPECT_LT((co_await out.async_read(within(std::chrono::seconds(3)))).size(), 1U << 20);
    }
  };
  std::string rows;
  std::string data;
  for (int i = 0; i < 16; ++i) rows += data_row({std::string(10000, 'x')});
  for (int i = 0; i < 16; ++i) data += copy_data(std::string(10000, 'x'));
  {
    const fake_server server{script{steps::trusted_session(), steps::expect_all(open_portal), steps::send(described()),
                                    steps::send_until_closed(rows)}};
    client user{plain_config(server)};
    ASSERT_FALSE(user.connect().error);
    EXPECT_FALSE(user.run(reads_some_rows).error);
  }
  {
    const fake_server server{script{steps::trusted_session(), steps::expect('Q'),
                                    steps::send(copy_out_response(0, {0})), steps::send_until_closed(data)}};
    client user{plain_config(server)};
    ASSERT_FALSE(user.connect().error);
    EXPECT_FALSE(user.run(reads_some_bytes).error);
  }
}

TEST(hostile_copy_asked_for, B82_data_in_a_copy_in_and_an_end_before_its_data_ended_kill) {
  for (const std::string& lie : {copy_data("x"), copy_done(), command_complete("COPY 0"), ready()}) {
    expect_killed(
        [](connection& db) -> asio::awaitable<void> {
          copy_in in = co_await db.async_copy_in("copy t from stdin", within(std::chrono::seconds(3)));
          co_await in.async_finish(within(std::chrono::seconds(3)));
        },
        {steps::expect('Q'), steps::send(copy_in_response(0, {0}) + lie)}, "^Q");
  }
}

TEST(hostile_copy_asked_for, B82_copy_done_twice_and_data_behind_it_kill) {
  for (const std::string& lie : {copy_done(), copy_data("x"), ready()}) {
    expect_killed(copies_out, {steps::expect('Q'), steps::send(copy_out_response(0, {0}) + copy_done() + lie)}, "^Q");
  }
}

TEST(hostile_copy_asked_for, B83_a_copy_that_describes_itself_wrongly_kills) {
  for (const std::string& body :
       {std::string("\2\0\0", 3), std::string("\0\xff\xff", 3), std::string("\0\0\2\0\0", 5)}) {
    expect_killed(copies_in, {steps::expect('Q'), steps::send(raw('G', body))}, "^Q");
    expect_killed(copies_out, {steps::expect('Q'), steps::send(raw('H', body))}, "^Q");
  }
}

TEST(hostile_copy_asked_for, B81_copy_in_both_directions_kills) {
  expect_killed(copies_in, {steps::expect('Q'), steps::send(raw('W', std::string(3, '\0')))}, "^Q");
}

TEST(hostile_copy_asked_for, B84_an_error_in_the_middle_of_the_data_needs_no_end_of_the_copy) {
  const auto ec = error_of(
      copies_out, {steps::expect('Q'), steps::send(copy_out_response(0, {0}) + copy_data("x") +
                                                   error_response("ERROR", "22012", "division by zero") + ready())});
  EXPECT_EQ(sqlstate_of(ec), "22012");
}

TEST(hostile_copy_asked_for, B85_copy_data_without_bytes_is_fine) {
  EXPECT_EQ(error_of(copies_out, {steps::expect('Q'),
                                  steps::send(copy_out_response(0, {0}) + copy_data("") + copy_data("x") +
                                              copy_data("") + copy_done() + command_complete("COPY 1") + ready())}),
            std::error_code{});
}

TEST(hostile_copy_asked_for, B55_a_message_above_the_bound_kills_before_anything_is_allocated) {
  expect_killed(copies_out,
                {steps::expect('Q'), steps::send(copy_out_response(0, {0}) + raw_with_length('d', 0x7fffffff, "x"))},
                "^Q", errc::message_too_large);
}

TEST(hostile_copy_asked_for, B98_a_57014_for_our_own_copy_fail_is_copy_aborted_and_no_cancel) {
  const auto fails = [](connection& db) -> asio::awaitable<void> {
    copy_in in = co_await db.async_copy_in("copy t from stdin", within(std::chrono::seconds(3)));
    co_await in.async_fail("enough", within(std::chrono::seconds(3)));
    co_await in.async_finish(within(std::chrono::seconds(3)));
  };
  EXPECT_EQ(
      error_of(fails, {steps::expect('Q'), steps::send(copy_in_response(0, {0})),
                       steps::expect_body('f', std::string("enough\0", 7)),
                       steps::send(error_response("ERROR", "57014", "COPY from stdin failed: enough") + ready())}),
      errc::copy_aborted);
}

TEST(hostile_copy_asked_for, B87_a_fatal_error_in_the_middle_ends_the_connection) {
  const fake_server server{script{steps::trusted_session(), steps::expect('Q'), steps::send(copy_in_response(0, {0})),
                                  steps::send(error_response("FATAL", "57P01", "terminating") + "nonsense"),
                                  steps::close_fin()}};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  EXPECT_TRUE(is_disconnect(user.run([](connection& db) -> asio::awaitable<void> {
                                  copy_in in =
                                      co_await db.async_copy_in("copy t from stdin", within(std::chrono::seconds(3)));
                                  const std::string more(1U << 20, 'x');
                                  while (true) co_await in.async_write(more, within(std::chrono::seconds(3)));
                                })
                                .error));
}

// A binary COPY that is none.
asio::awaitable<void> reads_typed(connection& db) {
  copy_reader<std::tuple<std::int32_t, std::string>> rows{
      co_await db.async_copy_out("copy t to stdout (format binary)", within(std::chrono::seconds(3)))};
  while (co_await rows.async_next(within(std::chrono::seconds(3)))) {
  }
}
std::error_code typed(const std::vector<std::string>& messages) {
  std::string data;
  for (const std::string& each : messages) data += copy_data(each);
  const fake_server server{
      script{steps::trusted_session(), steps::expect('Q'),
             steps::send(copy_out_response(1, {1, 1}) + data + copy_done() + command_complete("COPY 1") + ready()),
             steps::wait_for_close()}};
  client user{plain_config(server)};
  EXPECT_FALSE(user.connect().error);
  return user.run(reads_typed).error;
}

TEST(hostile_copy_asked_for, C17_typed_rows_refuse_bytes_that_are_no_binary_copy) {
  const std::string start{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
  const std::string row = int16_bytes(2) + int32_bytes(4) + int32_bytes(7) + int32_bytes(1) + "x";
  const std::string end = int16_bytes(-1);
  EXPECT_FALSE(typed({start + row, row, end}));
  std::vector<std::string> single;
  for (const char c : start + row + row + end) single.emplace_back(1, c);
  EXPECT_FALSE(typed(single)) << "cut anywhere";
  const std::vector<std::vector<std::string>> lies = {
      {},                                                                   // nothing at all
      {start + row},                                                        // no end
      {"PGCOPX" + start.substr(6) + end},                                   // another signature
      {start.substr(0, 11) + int32_bytes(1 << 16) + int32_bytes(0) + end},  // with oids
      {start.substr(0, 15) + int32_bytes(0x7fffffff)},                      // a header without end
      {start + int16_bytes(3)},                                             // another number of fields
      {start + int16_bytes(-2)},
      {start + int16_bytes(2) + int32_bytes(-2)},  // lengths that no value has
      {start + int16_bytes(2) + int32_bytes(0x7fffffff)},
      {start + int16_bytes(2) + int32_bytes(3) + "abc" + int32_bytes(0) + end},  // an int4 of three bytes
      {start + end + "x"},                                                       // bytes behind the end
  };
  for (std::size_t i = 0; i < lies.size(); ++i) EXPECT_EQ(typed(lies[i]), errc::value_out_of_range) << i;
  EXPECT_EQ(typed({start + int16_bytes(2) + int32_bytes(-1) + int32_bytes(0) + end}), errc::unexpected_null);
}

}  // namespace
}  // namespace lido::testing
