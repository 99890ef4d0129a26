// I1-I5 with a broken control session: every way in which the proxy can break it, while it is the only way to cancel
// and while a CancelRequest may take over. As with a broken cancel connection (cancel_faults_test.cpp) the caller sees
// its own cancellation, the next users see their own results, and only the connection's fate is decided.
#include "tests/contract/harness.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <tuple>

namespace lido::testing {
namespace {

using enum cancel_channel;

enum class fate {
  confirmed,  // by the control session: in use again
  unknown,    // closed
};

struct fault_case {
  const char* name;
  control_fault fault;
  fate expected;
  bool executed;  // the server has cancelled the statement
};

void PrintTo(const fault_case& c, std::ostream* out) { *out << c.name; }

const fault_case cases[] = {
    {"healthy", control_fault::none, fate::confirmed, true},
    {"held", control_fault::hold, fate::confirmed, true},
    {"swallowed", control_fault::swallow, fate::unknown, false},
    {"swallowed_in_silence", control_fault::swallow_silent, fate::unknown, false},
    {"answer_lost", control_fault::lose_answer, fate::unknown, true},
    {"answer_lost_in_silence", control_fault::lose_silent, fate::unknown, true},
    {"answer_cut", control_fault::cut_answer, fate::unknown, true},
    {"garbage_answer", control_fault::garbage_answer, fate::unknown, true},
};

using fault_parameters = std::tuple<fault_case, cancel_channel_choice>;

class broken_control : public ::testing::TestWithParam<fault_parameters> {
 protected:
  static const fault_case& fault() { return std::get<0>(GetParam()); }
  static void configure(pool_config& c) {
    c.cancel.channel = std::get<1>(GetParam());
    const bool patient = fault().expected == fate::confirmed;
    c.cancel.timeout = patient ? 10s : 1600ms;  // a quarter of it is for the session to take it
    c.drain.timeout = patient ? 10s : 1200ms;
    c.cancel.retry_after = 5s;
  }
  static task_ptr victim_of(world& w, const char* mark) {
    const task_ptr victim = w.start_statement(std::string("select pg_sleep(30), '") + mark + "'");
    EXPECT_TRUE(w.wait_running(mark));
    w.drain_ready();
    return victim;
  }
  static void expect_story(const world& w, const pool_stats& before) {
    const pool_stats s = w.stats();
    const bool confirmed = fault().expected == fate::confirmed;
    EXPECT_EQ(s.cancels.requested, before.cancels.requested + 1);
    EXPECT_EQ(s.cancels.of(session).sent, 2U);
    EXPECT_EQ(s.cancels.of(session).eof, confirmed ? 2U : 1U);
    EXPECT_EQ(s.cancels.of(session).unknown, confirmed ? 0U : 1U);
    EXPECT_EQ(s.cancels.of(request).sent, before.cancels.of(request).sent)
        << "written and unanswered is unknown, whatever another channel says";
    EXPECT_EQ(s.cancels.fell_back, before.cancels.fell_back);
    EXPECT_EQ(s.of(close_reason::cancel_unknown), confirmed ? 0U : 1U);
    EXPECT_EQ(s.recovered, before.recovered + (confirmed ? 1U : 0U));
    EXPECT_EQ(s.created, confirmed ? 2U : 3U);
    EXPECT_EQ(s.stray_cancels, 0U);
  }
};

TEST_P(broken_control, I1_a_broken_control_session_never_reaches_a_caller) {
  world w{route::unix_proxy, configure};
  w.warm(2);
  // A slow machine opens the session too late for its first cancel.
  for (int tries = 0; tries < 10 && w.stats().cancels.of(session).eof == 0; ++tries) {
    victim_of(w, "first")->signal.emit(asio::cancellation_type::terminal);
    ASSERT_TRUE(w.settle());
  }
  const pool_stats before = w.stats();
  ASSERT_EQ(before.cancels.of(session).eof, 1U) << "the session must be there, and trusted";

  w.proxy->set_control_fault(fault().fault);
  const task_ptr victim = victim_of(w, "victim");
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);  // its handler, and the coroutine's own end: no network in between (I2)
  EXPECT_TRUE(is_aborted(victim->error)) << victim->error.message();
  EXPECT_FALSE(victim->outcome_known);

  EXPECT_EQ(w.wrong_answers(3), 0);  // while the recovery is under way
  if (fault().fault == control_fault::hold) {
    ASSERT_TRUE(w.turn_until([&] { return w.proxy->counters().held == 1; }));
    ASSERT_TRUE(w.wait_running("victim", 0));
    EXPECT_EQ(w.wrong_answers(3), 0);
    EXPECT_EQ(w.stats().recovering, 1U) << "the statement has ended, but not its cancel";
    w.proxy->set_control_fault(control_fault::none);
    w.proxy->release_held();
  }
  const auto ended = [](const pool_stats& s) { return s.cancels.eof + s.cancels.unknown; };
  ASSERT_TRUE(w.turn_until([&] { return ended(w.stats()) == ended(before) + 1; }));
  w.proxy->set_control_fault(control_fault::none);
  ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 0 && w.stats().closing == 0; }));
  w.warm(2);  // the slot is back: two at a time
  EXPECT_EQ(w.wrong_answers(8), 0);
  ASSERT_TRUE(w.settle());
  expect_story(w, before);
  if (fault().executed) {
    EXPECT_EQ(w.running("victim"), 0);
  }
  EXPECT_TRUE(w.close());
}

std::string fault_name(const ::testing::TestParamInfo<fault_parameters>& info) {
  const auto& [what, choice] = info.param;
  return std::string(what.name) + (choice == cancel_channel_choice::session ? "_session" : "_auto");
}

INSTANTIATE_TEST_SUITE_P(contract, broken_control,
                         ::testing::Combine(::testing::ValuesIn(cases),
                                            ::testing::Values(cancel_channel_choice::session,
                                                              cancel_channel_choice::automatic)),
                         fault_name);

// Between two statements nothing is under way: what comes next goes as a CancelRequest, at once.
TEST(contract, I4_a_control_session_lost_between_two_statements_is_a_request_for_the_next) {
  world w{route::unix_proxy, [](pool_config& c) {
            c.cancel.channel = cancel_channel_choice::automatic;
            c.cancel.timeout = c.drain.timeout = 20s;
          }};
  w.warm(2);
  const auto cancel_one = [&w] {
    const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
    ASSERT_TRUE(w.wait_running("victim"));
    victim->signal.emit(asio::cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*victim), 3);
    ASSERT_TRUE(w.settle());
  };
  // A slow machine opens the session too late for its first cancel.
  for (int tries = 0; tries < 5 && w.stats().cancels.of(session).eof == 0; ++tries) cancel_one();
  const pool_stats before = w.stats();
  w.proxy->close_control();
  ASSERT_TRUE(w.turn_until([&] { return w.stats().cancels.control_refused == 1; }));
  cancel_one();
  const pool_stats s = w.stats();
  EXPECT_EQ(s.cancels.of(session).eof, 1U);
  EXPECT_EQ(s.cancels.of(request).eof, before.cancels.of(request).eof + 1);
  EXPECT_EQ(s.cancels.unknown, 0U);
  EXPECT_EQ(s.created, 2U);
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

// Neither channel gets through: each victim's connection is given up within its budgets.
TEST(contract, I5_with_both_channels_refused_nobody_waits_and_the_slots_come_back) {
  for (const auto choice : {cancel_channel_choice::automatic, cancel_channel_choice::session}) {
    world w{route::unix_proxy, [choice](pool_config& c) {
              c.cancel.channel = choice;
              c.cancel.timeout = 800ms;
              c.drain.timeout = 600ms;
            }};
    w.warm(2);
    w.proxy->stop_listening();
    const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
    ASSERT_TRUE(w.wait_running("victim"));
    victim->signal.emit(asio::cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*victim), 3);
    EXPECT_TRUE(is_aborted(victim->error));
    EXPECT_EQ(w.wrong_answers(3), 0);
    ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 0; }));
    w.proxy->listen_again();
    w.warm(2);
    EXPECT_EQ(w.wrong_answers(4), 0);
    const pool_stats s = w.stats();
    EXPECT_EQ(s.cancels.sent, 0U);
    EXPECT_EQ(s.of(close_reason::cancel_failed), 1U);
    EXPECT_EQ(s.created, 3U);
    EXPECT_TRUE(w.close());
  }
}

}  // namespace
}  // namespace lido::testing
