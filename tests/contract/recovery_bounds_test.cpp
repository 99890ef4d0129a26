// Bounds and truth when the server itself is the trouble: stopped backends, endless results, stalled networks, COMMIT
// without an answer (I2, I5, I15).
#include "tests/contract/harness.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/fake_server_steps.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <optional>

namespace lido::testing {
namespace {

using asio::cancellation_type;

// A backend that gets no processor time: it takes signals and bytes, and does nothing with them.
struct stopped_backend {
  explicit stopped_backend(pid_t which) : pid{which} { ::kill(pid, SIGSTOP); }
  stopped_backend(const stopped_backend&) = delete;
  stopped_backend& operator=(const stopped_backend&) = delete;
  ~stopped_backend() { ::kill(pid, SIGCONT); }
  pid_t pid;
};

void small_budgets(pool_config& c) {
  c.max_size = 1;
  c.cancel.timeout = 400ms;
  c.cancel.retry_after = 100ms;
  c.drain.timeout = 400ms;
  c.reset.timeout = 300ms;
  c.validation_timeout = 300ms;
  c.connect.close_timeout = 200ms;
}

TEST(contract, I2_a_stopped_backend_delays_nobody) {
  for (const route way : {route::unix_socket, route::tls}) {
    world w{way, small_budgets};
    pid_t pid = 0;
    const task_ptr victim = w.start(sleeps_for_ever(*w.pool, pid));
    ASSERT_TRUE(w.wait_running("victim"));
    const stopped_backend deaf{pid};
    victim->signal.emit(cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*victim), 3);
    EXPECT_TRUE(is_aborted(victim->error));
    EXPECT_EQ(w.wrong_answers(4), 0);  // on a new connection, within the budgets
    EXPECT_EQ(w.stats().of(close_reason::recovery_timeout), 1U);
    EXPECT_EQ(w.stats().cancels.retried, 1U);
    EXPECT_EQ(w.stats().orphaned, 1U) << "what outlives the close budget is counted";
    EXPECT_TRUE(w.close());
  }
}

TEST(contract, I2_a_black_holed_network_delays_nobody) {
  world w{route::tls_proxy, small_budgets};
  pid_t pid = 0;
  const task_ptr victim = w.start(sleeps_for_ever(*w.pool, pid));
  ASSERT_TRUE(w.wait_running("victim"));
  w.proxy->stall_main(true);
  w.proxy->set_cancel_fault(cancel_fault::black_hole);
  victim->signal.emit(cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  EXPECT_TRUE(is_aborted(victim->error));
  ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 0 && w.stats().closing == 0; }));
  w.proxy->kill_main();
  w.proxy->stall_main(false);
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_EQ(w.stats().of(close_reason::cancel_unknown), 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I5_drain_is_bounded_in_bytes) {
  world w{route::plain_proxy, [](pool_config& c) {
            small_budgets(c);
            c.cancel.timeout = 10s;
            c.drain.timeout = 10s;
            c.drain.max_bytes = 256U << 10;
          }};
  w.warm(1);
  w.proxy->set_cancel_fault(cancel_fault::hold);
  const task_ptr victim = w.start_statement("select repeat('x', 1000) from generate_series(1, 200000)");
  ASSERT_TRUE(w.turn_until([&] { return w.stats().leased == 1; }));
  w.drain_ready();
  victim->signal.emit(cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim), 3);
  ASSERT_TRUE(w.turn_until([&] { return w.proxy->counters().held == 1; }));
  const auto until = std::chrono::steady_clock::now() + 1s;  // for some megabytes of the 200
  ASSERT_TRUE(w.turn_until([&] { return std::chrono::steady_clock::now() > until; }));
  w.proxy->set_cancel_fault(cancel_fault::none);
  w.proxy->release_held();
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_EQ(w.stats().of(close_reason::drain_bytes), 1U);
  EXPECT_EQ(w.stats().recovered, 0U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> tells_its_backend(lido::pool& pool, pid_t& backend, bool in_transaction) {
  lido::lease db = co_await pool.async_acquire();
  backend = db->process_id();
  if (in_transaction) co_await db->async_simple_query("begin");
}

TEST(contract, I5_reset_is_bounded) {
  world w{route::unix_socket, small_budgets};
  lido::lease db;
  const auto take = [](world& self, lido::lease& into) -> asio::awaitable<void> {
    lido::lease got = co_await self.pool->async_acquire();
    co_await got->async_simple_query("begin");
    into = std::move(got);
  };
  const task_ptr user = w.start(take(w, db));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  const stopped_backend deaf{db->process_id()};
  db.release();
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().of(close_reason::recovery_timeout), 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I5_ping_is_bounded_and_the_caller_sees_nothing) {
  world w{route::unix_socket, [](pool_config& c) {
            small_budgets(c);
            c.validate_after_idle = 1ns;
          }};
  pid_t pid = 0;
  const task_ptr user = w.start(tells_its_backend(*w.pool, pid, false));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  ASSERT_TRUE(w.settle());
  const stopped_backend deaf{pid};
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.stats().ping_failures, 1U);
  EXPECT_EQ(w.stats().of(close_reason::ping_failed), 1U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> sends_much(lido::pool& pool) {
  const std::string much(64U << 20, 'x');
  co_await pool.async_query("select length($1::text)", much);
}

TEST(contract, I9_a_statement_that_the_server_does_not_take_is_sent_its_cancel_before_the_close) {
  world w{route::unix_socket, [](pool_config& c) {
            small_budgets(c);
            c.validate_after_idle = 1h;  // the stopped backend is to get the statement, not a ping
          }};
  pid_t pid = 0;
  const task_ptr first = w.start(tells_its_backend(*w.pool, pid, false));
  ASSERT_TRUE(w.turn_until([&] { return first->done; }));
  ASSERT_TRUE(w.settle());
  const stopped_backend deaf{pid};
  const task_ptr user = w.start(sends_much(*w.pool));
  w.drain_ready();
  user->signal.emit(cancellation_type::terminal);
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_TRUE(is_aborted(user->error)) << user->error.message();
  EXPECT_TRUE(w.turn_until([&] { return w.stats().of(close_reason::write_stalled) == 1; }));
  EXPECT_EQ(w.stats().cancels.sent, 1U);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_TRUE(w.close());
}

TEST(contract, I5_close_is_bounded_by_its_own_budget) {
  world w{route::unix_socket, small_budgets};
  pid_t pid = 0;
  const task_ptr user = w.start(tells_its_backend(*w.pool, pid, false));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  ASSERT_TRUE(w.settle());
  const stopped_backend deaf{pid};
  bool closed = false;
  w.pool->async_close(10s, [&] { closed = true; });
  ASSERT_TRUE(w.turn_until([&] { return closed; }));
  EXPECT_EQ(w.stats().size(), 0U);
  EXPECT_EQ(w.stats().orphaned, 1U);
}

TEST(contract, I5_one_deadline_covers_the_whole_connect) {
  using namespace steps;
  fake_server server{script{expect_ssl_request(), send("S"), start_tls(), expect_startup(), wait_for_close()}};
  world w{route::tls};
  connect_config config = w.config().connect;
  config.port = server.port();
  config.sslrootcert = server.ca_file();
  config.connect_timeout = 200ms;
  const task_ptr user = w.start(connects(config));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_EQ(user->error, errc::timeout) << user->error.message();
  EXPECT_TRUE(w.turn_until([&] { return server.wait_until_done(1, 0ms); }));
}

// ---- I15 ----

struct ledger {
  bool ready = false;
  std::optional<std::chrono::nanoseconds> patience;  // of the COMMIT alone
};

asio::awaitable<void> commits(world& w, ledger& l, int number) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("insert into contract_ledger values ($1)", number);
  if (w.proxy) w.proxy->stall_main(true);
  l.ready = true;
  op_options how;
  if (l.patience) how = within(*l.patience);
  co_await tx.async_commit(how);
}

class commit_outcome : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_cluster().sql(
        "create table if not exists contract_ledger (id int); grant all on contract_ledger to public; truncate "
        "contract_ledger",
        shared_cluster().database());
  }
  static int rows(int number) {
    return std::stoi(shared_cluster().sql("select count(*) from contract_ledger where id = " + std::to_string(number),
                                          shared_cluster().database()));
  }
  static void patient(pool_config& c) { c.max_size = 1; }
};

TEST_F(commit_outcome, I15_cancel_while_commit_is_unanswered_is_outcome_unknown_and_sends_no_cancel) {
  world w{route::tls_proxy, patient};
  ledger l;
  const task_ptr user = w.start(commits(w, l, 1));
  ASSERT_TRUE(w.turn_until([&] { return l.ready; }));
  w.drain_ready();
  user->signal.emit(cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*user), 3);
  EXPECT_EQ(user->error, errc::outcome_unknown) << user->error.message();
  EXPECT_FALSE(user->outcome_known);
  EXPECT_FALSE(is_retryable(user->error));
  w.proxy->stall_main(false);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.proxy->counters().cancels_seen, 0U);
  EXPECT_EQ(w.stats().cancels.sent, 0U);
  EXPECT_EQ(w.stats().recovered, 1U) << "drained, not thrown away";
  EXPECT_EQ(rows(1), 1);
  EXPECT_TRUE(w.close());
}

TEST_F(commit_outcome, I15_deadline_or_loss_while_commit_is_unanswered_is_outcome_unknown) {
  for (const bool by_loss : {false, true}) {
    world w{route::plain_proxy, patient};
    ledger l;
    if (!by_loss) l.patience = 1s;
    const task_ptr user = w.start(commits(w, l, 2));
    ASSERT_TRUE(w.turn_until([&] { return l.ready; }));
    w.drain_ready();
    if (by_loss) w.proxy->kill_main();
    ASSERT_TRUE(w.turn_until([&] { return user->done; }));
    EXPECT_EQ(user->error, errc::outcome_unknown) << user->error.message();
    EXPECT_FALSE(user->outcome_known);
    w.proxy->stall_main(false);
    EXPECT_EQ(w.wrong_answers(3), 0);
    EXPECT_EQ(w.stats().cancels.sent, 0U);
    EXPECT_TRUE(w.close());
  }
}

asio::awaitable<void> commits_what_failed(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("insert into contract_ledger values (3)");
  try {
    co_await tx.async_query("select 1/0");
  } catch (const lido::error&) {  // NOLINT(bugprone-empty-catch): a user who goes on regardless
  }
  co_await tx.async_commit();
}

TEST_F(commit_outcome, I15_a_tag_of_rollback_is_rolled_back) {
  world w{route::unix_socket, patient};
  const task_ptr user = w.start(commits_what_failed(*w.pool));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_EQ(user->error, errc::rolled_back);
  EXPECT_TRUE(user->outcome_known);
  EXPECT_EQ(rows(3), 0);
  EXPECT_EQ(w.wrong_answers(2), 0);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> commits_by_text(world& w, ledger& l) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("insert into contract_ledger values (4)");
  w.proxy->stall_main(true);
  l.ready = true;
  co_await db->async_query("/* by hand */ commit");
}

TEST_F(commit_outcome, I15_commit_as_text_is_a_commit) {
  world w{route::plain_proxy, patient};
  ledger l;
  const task_ptr user = w.start(commits_by_text(w, l));
  ASSERT_TRUE(w.turn_until([&] { return l.ready; }));
  w.drain_ready();
  user->signal.emit(cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*user), 3);
  EXPECT_EQ(user->error, errc::outcome_unknown) << user->error.message();
  w.proxy->stall_main(false);
  EXPECT_EQ(w.wrong_answers(3), 0);
  EXPECT_EQ(w.proxy->counters().cancels_seen, 0U);
  EXPECT_EQ(rows(4), 1);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
