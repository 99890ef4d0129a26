// What a server may say to a pipeline of three statements: too much, too little, nonsense, nothing. In every case each
// statement has an end of its own, the connection goes where it is out of step and stays where it is not, and the
// pool's next user is served.
#include "tests/hostile/hostile_server.hpp"
#include "tests/hostile/pool_of_one.hpp"

#include <lido/pool/pool.hpp>

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto one_sync = pipeline_mode::all_or_nothing;
constexpr auto sync_each = pipeline_mode::each_on_its_own;
constexpr std::string_view asked_with_one_sync = "PDBEPDBEPDBES";
constexpr std::string_view asked_with_a_sync_each = "PDBESPDBESPDBES";

const std::error_code fine;
const std::error_code broken = errc::protocol_error;

// The server's end of it, behind what it said.
enum class then { waits, goes_on, fin, rst };

struct lie {
  const char* name;
  pipeline_mode mode;
  std::string said;
  std::error_code whole;               // of the run
  std::vector<std::error_code> items;  // empty: whoever runs out of time gets no results
  then next = then::waits;
};

std::string answer(const std::string& value) { return described() + data_row({value}) + command_complete("SELECT 1"); }
std::string failing(const char* sqlstate) { return described() + error_response("ERROR", sqlstate, "failed"); }
std::string without(const std::string& all, const std::string& part) {
  std::string out = all;
  return out.erase(all.find(part), part.size());
}

std::vector<lie> lies() {
  const std::string a = answer("a");
  const std::string z = ready();
  const std::error_code division = make_sqlstate("22012");
  const std::error_code lost = errc::connection_lost;
  const std::string row = data_row({"a"});
  const std::string giant = raw_with_length('D', 0x7fffffff, "x");
  const std::vector<std::error_code> first_only{fine, broken, broken};
  const std::vector<std::error_code> none{broken, broken, broken};
  return {
      // too few answers, too many
      {"B72_too_few_answers", one_sync, a + a + z, broken, {fine, fine, broken}},
      {"B72_too_few_answers_each", sync_each, a + z + a + z + z, broken, {fine, fine, broken}},
      {"B72_no_answer_at_all", one_sync, z, broken, none},
      {"B73_too_many_answers", one_sync, a + a + a + a + z, broken, {fine, fine, fine}},
      {"B73_too_many_in_one_segment", sync_each, a + a + z, broken, first_only},
      {"B73_too_many_answers_each", sync_each, a + z + a + z + a + z + a + z, fine, {fine, fine, fine}},
      {"B73_a_ready_too_many", one_sync, a + a + a + z + z, fine, {fine, fine, fine}},
      // errors in their middle
      {"B84_an_error",
       one_sync,
       a + failing("22012") + z,
       division,
       {fine, division, errc::pipeline_aborted},
       then::goes_on},
      {"B84_an_error_each",
       sync_each,
       a + z + failing("22012") + z + a + z,
       fine,
       {fine, division, fine},
       then::goes_on},
      {"B84_every_one_fails",
       sync_each,
       failing("22012") + z + failing("22012") + z + failing("22012") + z,
       fine,
       {division, division, division},
       then::goes_on},
      {"B97_a_57014_that_is_not_ours",
       sync_each,
       a + z + failing("57014") + z + a + z,
       fine,
       {fine, make_sqlstate("57014"), fine},
       then::goes_on},
      {"B86_an_answer_behind_an_error", one_sync, a + failing("22012") + a + z, broken, {fine, division, broken}},
      {"B86_a_row_behind_an_error", sync_each, failing("22012") + row, broken, {division, broken, broken}},
      {"B86_an_error_behind_an_error",
       one_sync,
       failing("22012") + error_response("ERROR", "22012", "again"),
       broken,
       {division, broken, broken}},
      {"B87_the_last_words",
       one_sync,
       a + described() + error_response("FATAL", "57P01", "terminating") + "junk",
       make_sqlstate("57P01"),
       {fine, make_sqlstate("57P01"), make_sqlstate("57P01")}},
      // the order
      {"B72_ready_too_early", one_sync, a + z, broken, first_only},
      {"B72_ready_in_the_middle_of_an_answer", sync_each, described() + row + z, broken, none},
      {"B62_a_row_behind_its_command", one_sync, a + row, broken, first_only},
      {"B62_a_row_behind_its_command_each", sync_each, a + row, broken, first_only},
      {"B62_a_row_before_its_description", one_sync, row, broken, none},
      {"B74_parse_complete_is_missing", one_sync, a + without(a, parse_complete()), broken, first_only},
      {"B74_parse_complete_is_missing_each", sync_each, a + z + without(a, parse_complete()), broken, first_only},
      {"B74_bind_complete_is_missing", one_sync, a + without(a, bind_complete()), broken, first_only},
      {"B74_a_description_is_missing", one_sync, a + parse_complete() + bind_complete(), broken, first_only},
      {"B74_parse_complete_twice", one_sync, parse_complete() + a, broken, none},
      {"B69_a_second_description", one_sync, a + described() + row_description({{"answer"}}), broken, first_only},
      {"B74_a_close_that_nobody_asked_for", one_sync, a + close_complete(), broken, first_only},
      {"B76_a_portal_suspended", one_sync, a + described() + row + portal_suspended(), broken, first_only},
      {"B82_a_copy", one_sync, a + described() + copy_out_response(0, {0}), broken, first_only},
      {"B82_a_copy_that_wants_data", sync_each, a + z + described() + copy_in_response(0, {0}), broken, first_only},
      // what is in a message
      {"B63_another_number_of_columns", one_sync, a + described() + data_row({"a", "b"}), broken, first_only},
      {"B63_another_number_of_columns_each", sync_each, a + z + described() + data_row({}), broken, first_only},
      {"B65_a_field_beyond_its_row", one_sync, a + described() + raw('D', int16_bytes(1) + int32_bytes(99) + "x"),
       broken, first_only},
      {"B75_another_number_of_values", one_sync,
       a + parse_complete() + parameter_description({25}) + row_description({{"answer"}}) + bind_complete(), broken,
       first_only},
      {"B70_a_tag_without_its_end", one_sync, a + described() + raw('C', "SELECT"), broken, first_only},
      {"B45_a_status_that_is_none", sync_each, a + ready('X'), broken, first_only},
      {"B55_a_giant_row",
       one_sync,
       a + described() + giant,
       errc::message_too_large,
       {fine, errc::message_too_large, errc::message_too_large}},
      {"B55_a_giant_row_each",
       sync_each,
       a + z + described() + giant,
       errc::message_too_large,
       {fine, errc::message_too_large, errc::message_too_large}},
      {"B54_a_length_shorter_than_itself", sync_each, a + z + raw_with_length('D', 3, ""), broken, first_only},
      {"B58_garbage", one_sync, a + "!garbage", broken, first_only},
      {"B58_garbage_each", sync_each, a + z + std::string(100, '\0'), broken, first_only},
      {"B58_garbage_at_once", one_sync, std::string(100, '\xff'), broken, none},
      // the end of the connection, and none
      {"B60_cut", one_sync, a + described() + row, lost, {fine, lost, lost}, then::fin},
      {"B60_cut_each", sync_each, a + z + a + z + described(), lost, {fine, fine, lost}, then::fin},
      {"B60_cut_in_a_message", sync_each, a + z + a + z + described() + "D", lost, {fine, fine, lost}, then::fin},
      {"B60_cut_behind_all_but_the_ready", sync_each, a + z + a + z + a, lost, {fine, fine, fine}, then::fin},
      {"B60_reset", one_sync, a, lost, {}, then::rst},
      {"B103_silence", one_sync, a + described() + "D", errc::timeout, {}},
      {"B103_silence_each", sync_each, a + z, errc::timeout, {}},
      {"B103_silence_from_the_start", one_sync, "", errc::timeout, {}},
      // what is none
      {"B88_B91_much_in_between",
       sync_each,
       notice_response("NOTICE", "00000", "n") + a + notification(7, "news", "x") + z +
           parameter_status("client_encoding", "UTF8") + a + z + notice_response("WARNING", "01000", "w") + a + z,
       fine,
       {fine, fine, fine},
       then::goes_on},
      {"B77_empty_answers",
       one_sync,
       a + parse_complete() + parameter_description({}) + no_data() + bind_complete() + empty_query() + a + z,
       fine,
       {fine, fine, fine},
       then::goes_on},
  };
}

// Without a key: what hangs is given up, and not cancelled first.
std::string greeting() { return auth_ok() + usual_parameters() + ready(); }

struct run_end {
  bool done = false;
  int completions = 0;
  std::error_code error;
  pipeline_results results;
};

void start(lease& db, pipeline work, op_options options, run_end& end) {
  db->async_run_with(
      [&end](std::error_code ec, pipeline_results results) {
        end.done = true;
        ++end.completions;
        end.error = ec;
        end.results = std::move(results);
      },
      std::move(work), options);
}

pipeline three(pipeline_mode mode) {
  pipeline work(mode);
  work.add("select a").add("select b").add("select c");
  return work;
}

step end_of(then next) {
  switch (next) {
    case then::waits: return steps::tolerate_loss({steps::wait_for_close()});
    case then::fin: return steps::close_fin();
    case then::rst: return steps::close_rst();
    case then::goes_on: break;
  }
  return steps::tolerate_loss(
      {steps::expect_all(prepare_and_run), steps::send(one_row("42")), steps::wait_for_close()});
}

class hostile_pipeline : public ::testing::TestWithParam<lie> {};

TEST_P(hostile_pipeline, each_statement_has_its_end_and_the_pool_comes_back) {
  const lie& told = GetParam();
  const auto asked = told.mode == one_sync ? asked_with_one_sync : asked_with_a_sync_each;
  const script good{steps::trusted_session(greeting()), steps::expect_all(prepare_and_run), steps::send(one_row("42")),
                    steps::tolerate_loss({steps::wait_for_close()})};
  const fake_server server{std::vector<script>{
      {steps::trusted_session(greeting()), steps::expect_all(asked), steps::send(told.said), end_of(told.next)}, good}};
  pool_of_one user{server};
  run_end end;
  const bool hangs = told.whole == errc::timeout;
  {
    lease db = user.acquire();
    start(db, three(told.mode), within(hangs ? 100ms : 3000ms), end);
    ASSERT_TRUE(user.turn_until([&] { return end.done; })) << "the pipeline did not end";
  }
  EXPECT_EQ(end.completions, 1);
  EXPECT_EQ(end.error, told.whole) << end.error.message();
  if (!told.items.empty()) {
    ASSERT_EQ(end.results.size(), told.items.size());
    for (std::size_t i = 0; i < told.items.size(); ++i) {
      EXPECT_EQ(end.results.error(i), told.items[i]) << "statement " << i << ": " << end.results.error(i).message();
      if (told.items[i]) {
        EXPECT_THROW(static_cast<void>(end.results.rows(i)), error);
      }
      if (!told.items[i]) {
        EXPECT_NO_THROW(static_cast<void>(end.results.rows(i)));
      }
    }
  } else if (hangs) {
    EXPECT_EQ(end.results.size(), 0U);
  }
  EXPECT_FALSE(user.query()) << "the next user";
  EXPECT_TRUE(user.turn_until([&] { return user.pool.stats().idle == 1; }));
  EXPECT_EQ(user.pool.stats().size(), 1U);
  EXPECT_EQ(server.connections(), told.next == then::goes_on ? 1U : 2U);
  EXPECT_EQ(end.completions, 1);
  const auto close = [](lido::pool& on) -> asio::awaitable<void> { co_await on.async_close(1s); };
  EXPECT_FALSE(user.finish(close(user.pool)));
  EXPECT_EQ(server.problems(), "");
}

INSTANTIATE_TEST_SUITE_P(lies, hostile_pipeline, ::testing::ValuesIn(lies()),
                         [](const auto& of) { return std::string(of.param.name); });

// C37: all that was answered stands, all that was not has an error, once; and nobody turns in circles over it.
TEST(hostile_pipelines, C37_a_cut_in_the_middle_of_a_thousand_ends_each_of_them_once) {
  constexpr std::size_t all = 1000;
  constexpr std::size_t answered = 500;
  std::string said = answer("0") + ready();
  for (std::size_t i = 1; i < answered; ++i)
    said += bind_complete() + data_row({std::to_string(i)}) + command_complete("SELECT 1") + ready();
  std::string asked = "PD";
  for (std::size_t i = 0; i < all; ++i) asked += "BES";
  for (const bool reset : {false, true}) {
    fake_server server{script{steps::trusted_session(greeting()), steps::expect_all(asked), steps::send(said),
                              steps::reached("said"), steps::gate("cut"),
                              reset ? steps::close_rst() : steps::close_fin()}};
    pool_of_one user{server};
    lease db = user.acquire();
    run_end end;
    pipeline work(sync_each);
    for (std::size_t i = 0; i < all; ++i) work.add("select answer");
    start(db, std::move(work), within(3s), end);
    ASSERT_TRUE(server.wait_until_reached("said"));
    // what was said is read before the cut: a reset throws away what the kernel still has
    const auto heard = [&] { return user.pool.stats().bytes_received >= greeting().size() + said.size() - 10; };
    while (!heard() && user.io.run_one_for(1s) > 0) continue;
    while (user.io.poll_one() > 0) continue;
    server.open_gate("cut");
    EXPECT_TRUE(user.turn_until([&] { return end.done; }));
    EXPECT_EQ(end.error, errc::connection_lost);
    ASSERT_EQ(end.results.size(), all);
    for (std::size_t i = 0; i < all; ++i) {
      EXPECT_EQ(end.results.error(i), i < answered ? fine : std::error_code(errc::connection_lost)) << i;
      if (i < answered) {
        EXPECT_EQ(end.results.one<std::string>(i), std::to_string(i));
      }
    }
    std::size_t turns = 0;
    while (turns < 100 && user.io.poll_one() > 0) ++turns;
    EXPECT_LT(turns, 100U) << "it turns in circles";
    EXPECT_EQ(end.completions, 1);
  }
}

}  // namespace
}  // namespace lido::testing
