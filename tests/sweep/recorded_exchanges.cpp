// Sessions whose operations have a middle that a user sees: pipelines, COPY, streams. Before a loss is known some of it
// may have been handed out: that is the beginning of what is right, and is never told as the whole.
#include "tests/sweep/recorded_sessions.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/pipeline.hpp>
#include <lido/driver/stream.hpp>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <tuple>
#include <utility>

namespace lido::testing {
namespace {

using steps::expect;
using steps::expect_all;
using steps::expect_startup;
using steps::send;

constexpr auto one_sync = pipeline_mode::all_or_nothing;
constexpr auto sync_each = pipeline_mode::each_on_its_own;
constexpr const char* division = "22012";

std::string failure() { return error_response("ERROR", division, "division by zero"); }
std::string answer(const std::string& value) { return described() + data_row({value}) + command_complete("SELECT 1"); }

// ---- users ----

asio::awaitable<void> run_three(connection& db, pipeline_mode mode, op_options options, outcome& seen) {
  pipeline work(mode);
  work.add("select a").add("select b").add("select c");
  std::error_code ec;
  const pipeline_results got =
      co_await db.async_run_with(asio::redirect_error(asio::use_awaitable, ec), std::move(work), options);
  const std::vector<std::string> right{"a", "b", "c"};
  bool lost = false;
  std::vector<std::vector<field>> rows;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (lost) {
      EXPECT_TRUE(got.error(i)) << "answered behind one that was lost";
    }
    lost = lost || is_disconnect(got.error(i));
    if (!got.error(i)) {
      EXPECT_EQ(got.one<std::string>(i), right[i]);
    }
    rows.push_back({got.error(i) ? sqlstate_of(got.error(i)) : got.one<std::string>(i)});
  }
  if (ec) throw error(ec);
  seen.rows = std::move(rows);
}

asio::awaitable<void> copy_text_in(connection& db, op_options options, outcome& seen) {
  copy_in in = co_await db.async_copy_in("copy t from stdin", options);
  co_await in.async_write("1\n", options);
  seen.affected_rows = co_await in.async_finish(options);
  seen.tag = "COPY " + std::to_string(seen.affected_rows);
}

asio::awaitable<void> copy_rows_in(connection& db, op_options options, outcome& seen) {
  using tuple = std::tuple<std::int32_t, std::string>;
  copy_writer<tuple> into{co_await db.async_copy_in("copy t from stdin (format binary)", options)};
  const tuple row{1, "a"};
  co_await into.async_write(row, options);
  seen.affected_rows = co_await into.async_finish(options);
  seen.tag = "COPY " + std::to_string(seen.affected_rows);
}

const std::string copied_text = "1\ta\n2\tb\n";

asio::awaitable<void> copy_text_out(connection& db, op_options options, outcome& seen) {
  copy_out out = co_await db.async_copy_out("copy t to stdout", options);
  std::string all;
  while (true) {
    const std::string_view some = co_await out.async_read(options);
    if (some.empty()) break;
    all += some;
    EXPECT_TRUE(copied_text.starts_with(all)) << "other bytes than were sent";
  }
  seen.rows = {{all}};
  seen.affected_rows = out.rows();
}

asio::awaitable<void> copy_rows_out(connection& db, op_options options, outcome& seen) {
  copy_reader<std::tuple<std::int32_t, std::string>> from{
      co_await db.async_copy_out("copy t to stdout (format binary)", options)};
  std::vector<std::vector<field>> rows;
  while (const auto row = co_await from.async_next(options)) {
    const auto& [number, text] = *row;
    EXPECT_EQ(number, static_cast<std::int32_t>(rows.size()) + 1);
    rows.push_back({std::to_string(number), text});
  }
  seen.rows = std::move(rows);
}

asio::awaitable<void> stream(connection& db, op_options options, outcome& seen) {
  auto from = co_await db.async_stream<std::string>(stream_options{2, options}, "select answer");
  std::vector<std::vector<field>> rows;
  while (const auto row = co_await from.async_next(options)) {
    EXPECT_EQ(*row, std::to_string(rows.size()));
    rows.push_back({*row});
  }
  seen.rows = std::move(rows);
}

using exchange = asio::awaitable<void> (*)(connection&, op_options, outcome&);

// One deadline for all of its steps; what it brought counts when it ended well.
template <class Start>
outcome taken(client& user, Start start) {
  outcome seen;
  const auto options = within(user.patience());
  const outcome end = user.run([&](connection& db) { return start(db, options, seen); });
  if (end.error) return end;
  seen.results = 1;
  return seen;
}
std::function<outcome(client&)> user_of(exchange work) {
  return [work](client& user) { return taken(user, work); };
}
std::function<outcome(client&)> user_of(pipeline_mode mode) {
  return [mode](client& user) {
    return taken(
        user, [mode](connection& db, op_options options, outcome& seen) { return run_three(db, mode, options, seen); });
  };
}

// ---- the server ----

recorded_session recorded(std::string name, std::vector<step> server, std::function<outcome(client&)> user) {
  std::vector<step> all{expect_startup(), send(session_start())};
  all.insert(all.end(), std::make_move_iterator(server.begin()), std::make_move_iterator(server.end()));
  return {std::move(name), plain_config, std::move(all), {std::move(user)}};
}

void add_pipelines(std::vector<recorded_session>& all) {
  constexpr std::string_view asked_at_once = "PDBEPDBEPDBES";
  constexpr std::string_view asked_each = "PDBESPDBESPDBES";
  const std::string z = ready();
  all.push_back(recorded("pipeline_one_sync",
                         {expect_all(asked_at_once), send(answer("a") + answer("b") + answer("c") + z)},
                         user_of(one_sync)));
  all.push_back(recorded("pipeline_one_sync_error",
                         {expect_all(asked_at_once), send(answer("a") + described() + failure() + z)},
                         user_of(one_sync)));
  all.push_back(recorded("pipeline_sync_each",
                         {expect_all(asked_each), send(answer("a") + z + answer("b") + z + answer("c") + z)},
                         user_of(sync_each)));
  all.push_back(
      recorded("pipeline_sync_each_error",
               {expect_all(asked_each), send(answer("a") + z + described() + failure() + z + answer("c") + z)},
               user_of(sync_each)));
}

void add_copies(std::vector<recorded_session>& all) {
  const std::string z = ready();
  const std::string signature{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
  const auto tuple = [](std::int32_t number, const std::string& text) {
    return int16_bytes(2) + int32_bytes(4) + int32_bytes(number) + int32_bytes(static_cast<std::int64_t>(text.size())) +
           text;
  };
  const std::string in = copy_in_response(0, {0});
  const std::string out = copy_out_response(0, {0, 0});
  const std::string binary_out = copy_out_response(1, {1, 1});
  const std::string taken_in = command_complete("COPY 1") + z;
  const std::string given_out = copy_done() + command_complete("COPY 2") + z;
  all.push_back(
      recorded("copy_in_text", {expect('Q'), send(in), expect_all("dc"), send(taken_in)}, user_of(copy_text_in)));
  all.push_back(recorded("copy_in_binary",
                         {expect('Q'), send(copy_in_response(1, {1, 1})), expect_all("dc"), send(taken_in)},
                         user_of(copy_rows_in)));
  all.push_back(
      recorded("copy_in_error", {expect('Q'), send(in), expect_all("dc"), send(failure() + z)}, user_of(copy_text_in)));
  all.push_back(recorded("copy_out_text",
                         {expect('Q'), send(out + copy_data("1\ta\n") + copy_data("2\tb\n") + given_out)},
                         user_of(copy_text_out)));
  all.push_back(recorded("copy_out_binary",
                         {expect('Q'), send(binary_out + copy_data(signature + tuple(1, "a")) +
                                            copy_data(tuple(2, "b")) + copy_data(int16_bytes(-1)) + given_out)},
                         user_of(copy_rows_out)));
  all.push_back(recorded("copy_out_error", {expect('Q'), send(out + copy_data("1\ta\n") + failure() + z)},
                         user_of(copy_text_out)));
  all.push_back(recorded("copy_out_binary_error",
                         {expect('Q'), send(binary_out + copy_data(signature + tuple(1, "a")) + failure() + z)},
                         user_of(copy_rows_out)));
}

void add_streams(std::vector<recorded_session>& all) {
  const std::string first = described() + data_row({"0"}) + data_row({"1"}) + portal_suspended();
  all.push_back(recorded(
      "stream_with_a_portal",
      {expect_all("PDBEH"), send(first), expect_all("EH"), send(data_row({"2"}) + data_row({"3"}) + portal_suspended()),
       expect_all("EH"), send(data_row({"4"}) + command_complete("SELECT 1")), expect('S'), send(ready())},
      user_of(stream)));
  all.push_back(recorded("stream_error",
                         {expect_all("PDBEH"), send(first), expect_all("EH"), send(data_row({"2"}) + failure()),
                          expect('S'), send(ready())},
                         user_of(stream)));
}

}  // namespace

std::vector<recorded_session> pipelines_and_exchanges() {
  std::vector<recorded_session> all;
  add_pipelines(all);
  add_copies(all);
  add_streams(all);
  return all;
}

}  // namespace lido::testing
