// I1-I5 with a broken cancel channel: every way in which the fault proxy can break the connection that carries the
// CancelRequest, on plain and on TLS connections. Whatever happens to it, the caller sees its own cancellation and the
// next users see their own results; the side channel decides nothing but the connection's fate.
#include "tests/contract/harness.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace lido::testing {
namespace {

enum class fate { recovered, given_up };

struct channel_case {
  const char* name;
  route way;
  cancel_fault fault;
  fate expected;
  std::optional<cancel_phase> phase;  // where the cancel connection failed; none: it did not
  bool early;                         // strikes before the first packet: the proxy must know beforehand
  bool statement_ends;                // the CancelRequest reached the server all the same
};

void PrintTo(const channel_case& c, std::ostream* out) { *out << c.name << ' ' << to_string(c.way); }

using enum cancel_phase;
constexpr auto recovered = fate::recovered;
constexpr auto given_up = fate::given_up;
constexpr auto on_plain = route::plain_proxy;
constexpr auto on_tls = route::tls_proxy;

const channel_case cases[] = {
    {"healthy", on_plain, cancel_fault::none, recovered, {}, false, true},
    {"refused", on_plain, cancel_fault::refuse, given_up, connect, true, false},
    {"swallowed", on_plain, cancel_fault::swallow, given_up, {}, false, false},
    {"black_holed", on_plain, cancel_fault::black_hole, given_up, eof, false, false},
    {"delayed", on_plain, cancel_fault::delay, recovered, {}, false, true},
    {"duplicated", on_plain, cancel_fault::duplicate, recovered, {}, false, true},
    {"never_answered", on_plain, cancel_fault::never_answer, given_up, eof, false, true},
    {"reset_after_write", on_plain, cancel_fault::reset_after_write, given_up, eof, false, true},
    {"healthy", on_tls, cancel_fault::none, recovered, {}, false, true},
    {"refused", on_tls, cancel_fault::refuse, given_up, connect, true, false},
    {"closed_on_ssl_request", on_tls, cancel_fault::close_on_ssl_request, given_up, tls, true, false},
    {"closed_after_s", on_tls, cancel_fault::close_after_s, given_up, tls, true, false},
    {"garbage_answer", on_tls, cancel_fault::garbage_answer, given_up, tls, true, false},
    {"error_response_instead_of_s", on_tls, cancel_fault::error_response_instead_of_s, given_up, tls, true, false},
    {"silent_before_s", on_tls, cancel_fault::silent_before_s, given_up, tls, true, false},
    {"silent_after_s", on_tls, cancel_fault::silent_after_s, given_up, tls, true, false},
    {"wrong_certificate", on_tls, cancel_fault::wrong_certificate, given_up, tls, true, false},
    {"swallowed", on_tls, cancel_fault::swallow, given_up, {}, false, false},
    {"black_holed", on_tls, cancel_fault::black_hole, given_up, eof, false, false},
    {"delayed", on_tls, cancel_fault::delay, recovered, {}, false, true},
    {"duplicated", on_tls, cancel_fault::duplicate, recovered, {}, false, true},
    {"never_answered", on_tls, cancel_fault::never_answer, given_up, eof, false, true},
    {"reset_after_write", on_tls, cancel_fault::reset_after_write, given_up, eof, false, true},
    {"truncated_tls", on_tls, cancel_fault::truncate_tls, given_up, eof, false, true},
};

// What is broken is the connection of a CancelRequest; the control session is broken in control_faults_test.cpp.
void by_request(pool_config& config) { config.cancel.channel = cancel_channel_choice::request; }

void small_budgets(pool_config& config) {
  by_request(config);
  config.cancel.timeout = 800ms;
  config.cancel.retry_after = 150ms;
  config.drain.timeout = 600ms;
  config.reset.timeout = 5s;
}

// A channel that works, slowly, must not be judged by a loaded machine's clock.
void patient_budgets(pool_config& config) {
  by_request(config);
  config.cancel.timeout = 10s;
  config.drain.timeout = 10s;
  config.cancel.retry_after = 5s;
}

class cancel_channel : public ::testing::TestWithParam<channel_case> {
 protected:
  void expect_story(const pool_stats& before, const pool_stats& after) const {
    const channel_case& c = GetParam();
    const cancel_stats& now = after.cancels;
    EXPECT_EQ(now.requested - before.cancels.requested, 1U);
    EXPECT_EQ(after.stray_cancels, before.stray_cancels);
    for (std::size_t i = 0; i < cancel_phase_count; ++i) {
      const auto phase = static_cast<cancel_phase>(i);
      EXPECT_EQ(now.of(phase), c.phase == phase ? 1U : 0U) << lido::to_string(phase);
    }
    const bool written = !c.phase || c.phase == eof;
    const bool twice = c.fault == cancel_fault::swallow;  // EOF, but the statement runs on: a second attempt
    EXPECT_EQ(now.sent, written ? (twice ? 2U : 1U) : 0U);
    EXPECT_EQ(now.retried, twice ? 1U : 0U);
    EXPECT_EQ(now.eof, c.phase ? 0U : now.sent);
    EXPECT_EQ(now.unknown, c.phase == eof ? 1U : 0U);
    EXPECT_EQ(after.of(close_reason::cancel_unknown), now.unknown);
    EXPECT_EQ(after.recovered, c.expected == recovered ? 1U : 0U);
    EXPECT_EQ(after.created, c.expected == recovered ? 2U : 3U);
  }
};

TEST_P(cancel_channel, I1_broken_cancel_channel_never_reaches_a_caller) {
  const channel_case& c = GetParam();
  world w{c.way, c.expected == recovered ? patient_budgets : small_budgets};
  w.warm(2);
  const pool_stats before = w.stats();
  if (c.early) w.proxy->expect_main_connections(2);
  w.proxy->set_cancel_fault(c.fault, 150ms);
  const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
  ASSERT_TRUE(w.wait_running("victim"));
  w.drain_ready();
  ASSERT_FALSE(victim->done);

  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);  // its handler, and the coroutine's own end: no network in between (I2)
  EXPECT_TRUE(is_aborted(victim->error)) << victim->error.message();
  EXPECT_FALSE(victim->outcome_known);

  EXPECT_EQ(w.wrong_answers(3), 0);  // while the recovery is under way
  const auto decided = [&] {
    const pool_stats s = w.stats();
    return s.cancels.unknown + s.cancels.eof + s.cancels.of(connect) + s.cancels.of(tls) > 0;
  };
  ASSERT_TRUE(w.turn_until(decided));
  if (c.early) w.proxy->expect_main_connections({});
  ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 0 && w.stats().closing == 0; }));
  w.warm(2);  // the slot is back: two at a time
  EXPECT_EQ(w.wrong_answers(8), 0);
  ASSERT_TRUE(w.settle());
  expect_story(before, w.stats());
  if (c.statement_ends) {
    EXPECT_EQ(w.running("victim"), 0);
  }
  EXPECT_TRUE(w.close());
}

std::string case_name(const ::testing::TestParamInfo<channel_case>& info) {
  return std::string(info.param.name) + (info.param.way == on_tls ? "_tls" : "_plain");
}

INSTANTIATE_TEST_SUITE_P(contract, cancel_channel, ::testing::ValuesIn(cases), case_name);

// A reset at accept races with the first write: the phase is a matter of luck, and on a plain connection the
// CancelRequest may have gone. What is promised is only that nobody notices.
TEST(contract, I1_cancel_channel_reset_at_accept_never_reaches_a_caller) {
  for (const route way : {on_plain, on_tls}) {
    world w{way, small_budgets};
    w.warm(2);
    w.proxy->expect_main_connections(2);
    w.proxy->set_cancel_fault(cancel_fault::reset);
    const task_ptr victim = w.start_statement("select pg_sleep(30), 'victim'");
    ASSERT_TRUE(w.wait_running("victim"));
    victim->signal.emit(asio::cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*victim), 3);
    EXPECT_TRUE(is_aborted(victim->error));
    EXPECT_EQ(w.wrong_answers(3), 0);
    ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 0; }));
    w.proxy->expect_main_connections({});
    EXPECT_EQ(w.wrong_answers(8), 0);
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(w.stats().recovered, 0U);
    EXPECT_EQ(w.stats().cancels.eof, 0U);
    EXPECT_TRUE(w.close());
  }
}

asio::awaitable<void> transaction_that_sleeps(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("select pg_sleep(30), 'in a transaction'");
  co_await tx.async_commit();
}

// asyncpg 1310: the failure of the cancel connection came up in the ROLLBACK that the leaving transaction ran, in place
// of the cancellation, and again in whatever used the connection next.
TEST(contract, I1_seed_asyncpg_1310_rollback_under_way_while_server_closes_on_the_cancel_connections_ssl_request) {
  world w{route::tls_proxy, [](pool_config& config) {
            small_budgets(config);
            config.max_size = 1;
          }};
  w.warm(1);
  w.proxy->expect_main_connections(1);
  w.proxy->set_cancel_fault(cancel_fault::close_on_ssl_request);
  const task_ptr victim = w.start(transaction_that_sleeps(*w.pool));
  ASSERT_TRUE(w.wait_running("in a transaction"));
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  EXPECT_TRUE(is_aborted(victim->error)) << victim->error.message();
  ASSERT_TRUE(w.turn_until([&] { return w.stats().cancels.of(tls) == 1; }));
  w.proxy->expect_main_connections({});
  EXPECT_EQ(w.wrong_answers(10), 0);
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.stats().cancels.sent, 0U);
  EXPECT_EQ(w.stats().recovered, 0U);
  EXPECT_EQ(w.sessions("idle in transaction%"), 0);
  EXPECT_TRUE(w.close());
}

// The other half of the seed: rolling back by hand on what the cancellation revoked succeeds and does nothing (I13).
asio::awaitable<void> rolls_back_by_hand(lido::pool& pool, std::error_code& rollback) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction tx = co_await db->async_begin();
  bool thrown = false;
  try {
    co_await tx.async_query(within(300ms), "select pg_sleep(30)");
  } catch (const lido::error& e) {
    thrown = e.code() == errc::timeout;
  }
  if (!thrown) co_return;
  try {
    co_await tx.async_rollback();
    rollback = {};
  } catch (const lido::error& e) {
    rollback = e.code();
  }
}

TEST(contract, I13_rollback_after_a_deadline_succeeds_while_the_cancel_channel_is_broken) {
  world w{route::tls_proxy, small_budgets};
  w.warm(2);
  w.proxy->expect_main_connections(2);
  w.proxy->set_cancel_fault(cancel_fault::close_on_ssl_request);
  std::error_code rollback = errc::no_row;
  const task_ptr user = w.start(rolls_back_by_hand(*w.pool, rollback));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << user->error.message();
  EXPECT_FALSE(rollback) << rollback.message();
  w.proxy->expect_main_connections({});
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
