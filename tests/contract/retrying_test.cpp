// COMMITs without an answer, resolved by asking the server (I15), and transactions that are tried again.
#include "tests/contract/harness.hpp"

#include <lido/pool/retrying.hpp>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

namespace lido::testing {
namespace {

class retried : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_cluster().sql(
        "create table if not exists retried_ledger (id int); grant all on retried_ledger to public; truncate "
        "retried_ledger",
        shared_cluster().database());
  }
  static int rows(int number) {
    return std::stoi(shared_cluster().sql("select count(*) from retried_ledger where id = " + std::to_string(number),
                                          shared_cluster().database()));
  }
};
using commit_status_of = retried;

constexpr transaction_options named{.resolvable = true};

// The COMMIT reaches the server and its answer does not come back, or it does not even get there.
enum class loss { of_the_answer, of_the_commit };
void prepare(fault_proxy& proxy, loss which) {
  if (which == loss::of_the_commit) return proxy.stall_main(true);
  traffic_shape slow;
  slow.latency_to_client = 1h;
  proxy.shape_main(slow);
}
void strike(fault_proxy& proxy) {
  proxy.kill_main();
  proxy.stall_main(false);
  proxy.shape_main({});
}

// ---- commit status ----

asio::awaitable<void> has_a_name(lido::pool& pool) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction plain = co_await db->async_begin();
  EXPECT_FALSE(plain.id());
  co_await plain.async_rollback();

  const transaction_options reads{.read_only = true, .resolvable = true};
  lido::transaction only_reads = co_await db->async_begin(reads);
  EXPECT_FALSE(only_reads.id()) << "nothing to be committed, no xid spent";
  co_await only_reads.async_rollback();

  const transaction_options strict{.isolation = isolation::serializable, .resolvable = true};
  lido::transaction done = co_await db->async_begin(strict);
  EXPECT_TRUE(done.id()) << "an ordinary user may ask";
  const auto xid = co_await done.async_query<std::string>("select pg_current_xact_id()::text");
  EXPECT_EQ(xid.one(), std::to_string(done.id().value_or(transaction_id{}).xid));
  const auto level = co_await done.async_query<std::string>("show transaction_isolation");
  EXPECT_EQ(level.one(), "serializable");
  const auto in_time = co_await pool.async_commit_status(done.id().value_or(transaction_id{}), within(1s));
  EXPECT_EQ(in_time, commit_status::in_progress);
  co_await done.async_commit();
  const auto after = co_await pool.async_commit_status(done.id().value_or(transaction_id{}));
  EXPECT_EQ(after, commit_status::committed);

  lido::transaction undone = co_await db->async_begin(named);
  const auto id = undone.id();
  co_await undone.async_rollback();
  EXPECT_TRUE(id);
  const auto undone_status = co_await pool.async_commit_status(id.value_or(transaction_id{}));
  EXPECT_EQ(undone_status, commit_status::aborted);

  for (const int part : {0, 1, 2}) {
    transaction_id other = done.id().value_or(transaction_id{});
    if (part == 0) ++other.system;
    if (part == 1) ++other.timeline;
    if (part == 2) --other.era;
    const auto elsewhere = co_await pool.async_commit_status(other);
    EXPECT_EQ(elsewhere, commit_status::unknown) << part;
  }
  transaction_id never_given = done.id().value_or(transaction_id{});
  never_given.xid += 1'000'000;
  const auto lost_in_a_crash = co_await pool.async_commit_status(never_given);
  EXPECT_EQ(lost_in_a_crash, commit_status::aborted);
}

TEST_F(commit_status_of, I15_a_transaction_is_told_by_its_name_on_its_own_server) {
  world w{route::unix_socket};
  run_to_end(w, has_a_name(*w.pool));
  EXPECT_TRUE(w.settle());
  EXPECT_EQ(w.stats().of(reset_kind::exact), 0U) << "nothing is left behind";
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> counts_statements(world& w, std::uint64_t& cost) {
  lido::lease db = co_await w.pool->async_acquire();
  const auto before = w.stats().statements;
  lido::transaction tx = co_await db->async_begin_with(asio::use_awaitable, named);
  EXPECT_TRUE(tx.id());
  cost = w.stats().statements - before;
  co_await tx.async_commit();
}

TEST_F(commit_status_of, I15_the_name_comes_with_begin_itself) {
  world w{route::unix_socket};
  std::uint64_t cost = 0;
  run_to_end(w, counts_statements(w, cost));
  EXPECT_EQ(cost, 1U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> may_not_ask(lido::pool& pool, std::error_code& seen) {
  lido::lease db = co_await pool.async_acquire();
  try {
    co_await db->async_begin(named);
  } catch (const lido::error& e) {
    seen = e.code();
  }
  co_await db->async_query("select 1");  // not in a failed transaction
}

TEST_F(commit_status_of, I15_who_may_not_ask_is_told_so_and_no_transaction_stays_open) {
  auto& cluster = shared_cluster();
  const std::string function = "function pg_catalog.pg_control_system()";
  cluster.sql("revoke execute on " + function + " from public", cluster.database());
  world w{route::unix_socket};
  std::error_code seen;
  run_to_end(w, may_not_ask(*w.pool, seen));
  cluster.sql("grant execute on " + function + " to public", cluster.database());
  EXPECT_EQ(seen, condition::insufficient_privilege) << seen.message();
  EXPECT_TRUE(w.close());
}

struct doubtful {
  std::optional<transaction_id> id;
  bool ready = false;
};

asio::awaitable<void> commits_into_the_void(world& w, loss which, int number, doubtful& d) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::transaction tx = co_await db->async_begin(named);
  co_await tx.async_query("insert into retried_ledger values ($1)", number);
  d.id = tx.id();
  prepare(*w.proxy, which);
  d.ready = true;
  co_await tx.async_commit();
}

asio::awaitable<void> asks(lido::pool& pool, transaction_id id, commit_status& found) {
  found = co_await pool.async_commit_status(id, within(20s));
}

TEST_F(commit_status_of, I15_a_commit_that_was_cancelled_or_lost_is_found_out_afterwards) {
  int number = 100;
  for (const loss which : {loss::of_the_answer, loss::of_the_commit}) {
    for (const bool by_cancel : {false, true}) {
      SCOPED_TRACE(++number);
      world w{route::plain_proxy, [](pool_config& c) { c.max_size = 1; }};
      doubtful d;
      const task_ptr user = w.start(commits_into_the_void(w, which, number, d));
      ASSERT_TRUE(w.turn_until([&] { return d.ready; }));
      w.drain_ready();
      if (which == loss::of_the_answer) {
        ASSERT_TRUE(eventually([&] { return rows(number) == 1; }));
      }
      if (by_cancel) {
        user->signal.emit(asio::cancellation_type::terminal);
        EXPECT_LE(w.turns_until_done(*user), 3);
      }
      strike(*w.proxy);
      ASSERT_TRUE(w.turn_until([&] { return user->done; }));
      EXPECT_EQ(user->error, errc::outcome_unknown) << user->error.message();
      auto found = commit_status::unknown;
      ASSERT_TRUE(d.id);
      run_to_end(w, asks(*w.pool, *d.id, found));
      EXPECT_EQ(found, which == loss::of_the_answer ? commit_status::committed : commit_status::aborted)
          << to_string(found);
      EXPECT_EQ(rows(number), which == loss::of_the_answer ? 1 : 0);
      EXPECT_TRUE(w.close());
    }
  }
}

TEST_F(commit_status_of, I5_nobody_to_ask_is_unknown_at_the_deadline) {
  world w{route::plain_proxy};
  w.warm(1);
  w.proxy->stop_listening();
  w.proxy->kill_main();
  auto found = commit_status::committed;
  const auto patiently = [](lido::pool& pool, commit_status& to) -> asio::awaitable<void> {
    const transaction_id any{.xid = 5, .system = 1, .timeline = 1, .era = 1};
    to = co_await pool.async_commit_status(any, within(300ms));
  };
  run_to_end(w, patiently(*w.pool, found));
  EXPECT_EQ(found, commit_status::unknown);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> ends_two(lido::pool& pool, transaction_id& committed, transaction_id& aborted) {
  lido::lease db = co_await pool.async_acquire();
  lido::transaction done = co_await db->async_begin(named);
  committed = done.id().value_or(transaction_id{});
  co_await done.async_query("drop table if exists ends_two");  // what changed nothing is not waited for by COMMIT
  co_await done.async_query("create table ends_two ()");
  co_await done.async_commit();
  lido::transaction undone = co_await db->async_begin(named);
  aborted = undone.id().value_or(transaction_id{});
  co_await undone.async_rollback();
}

// A restart forgets nothing; a crash may give an xid again, and then `committed` may be somebody else's.
TEST_F(commit_status_of, I15_behind_a_restart_it_is_known_and_behind_a_crash_only_an_abort_is) {
  postgres_cluster server;
  transaction_id committed;
  transaction_id aborted;
  for (const stop_mode how : {stop_mode::fast, stop_mode::immediate}) {
    world w{route::unix_socket, {}, server};
    run_to_end(w, ends_two(*w.pool, committed, aborted));
    server.restart(how);
    auto found = commit_status::in_progress;
    run_to_end(w, asks(*w.pool, committed, found));
    EXPECT_EQ(found, how == stop_mode::fast ? commit_status::committed : commit_status::unknown) << to_string(found);
    run_to_end(w, asks(*w.pool, aborted, found));
    EXPECT_EQ(found, commit_status::aborted) << to_string(found);
    EXPECT_TRUE(w.close());
  }
}

// ---- retrying ----

struct story {
  int attempts = 0;
  std::vector<int> pids;
  retry_report report;
  std::function<void(int)> before_commit;  // the attempt's number
  bool goes_on = false;                    // with another statement behind it
  std::optional<int> returned;
  std::string words;
};

retry_options quick(story& s, transaction_options mode = {}) {
  retry_options o;
  o.backoff_min = o.backoff_max = 5ms;
  o.resolve_timeout = 20s;
  o.mode = mode;
  o.report = &s.report;
  return o;
}

// The body inserts a row; what the story wants happens before its COMMIT.
asio::awaitable<void> inserts(world& w, story& s, int number, retry_options how) {
  const auto body = [&](lido::transaction& tx, int attempt) -> asio::awaitable<int> {
    s.attempts = attempt;
    co_await tx.async_query("insert into retried_ledger values ($1)", number);
    const auto pid = co_await tx.async_query<int>("select pg_backend_pid()");
    s.pids.push_back(pid.one());
    if (s.before_commit) s.before_commit(attempt);
    if (s.goes_on) co_await tx.async_query("select 1");
    co_return attempt * 10;
  };
  try {
    s.returned = co_await lido::retrying(*w.pool, how, body);
  } catch (const lido::error& e) {
    s.words = e.what();
    throw;
  }
}

TEST_F(retried, commits_once_when_nothing_goes_wrong_and_returns_what_the_body_does) {
  world w{route::unix_socket};
  story s;
  run_to_end(w, inserts(w, s, 1, quick(s)));
  EXPECT_EQ(s.returned, 10);
  EXPECT_EQ(s.report.attempts, 1);
  EXPECT_FALSE(s.report.id);
  EXPECT_EQ(rows(1), 1);
  const auto nothing = [](lido::pool& pool) -> asio::awaitable<void> {
    co_await lido::retrying(pool, [](lido::transaction& tx) -> asio::awaitable<void> {
      co_await tx.async_query("insert into retried_ledger values (2)");
    });
  };
  run_to_end(w, nothing(*w.pool));
  EXPECT_EQ(rows(2), 1);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> adds_to_what_it_saw(lido::pool& pool, int& attempts, int& waiting, asio::steady_timer& both) {
  const auto body = [&](lido::transaction& tx) -> asio::awaitable<void> {
    ++attempts;
    const auto seen = co_await tx.async_query<std::int64_t>("select count(*) from retried_ledger where id in (3, 4)");
    if (seen.one() == 0 && --waiting == 0) both.cancel();
    std::error_code ignored;
    if (waiting > 0) co_await both.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_await tx.async_query("insert into retried_ledger values (3 + $1::int)", attempts % 2);
  };
  retry_options how;
  how.mode.isolation = isolation::serializable;
  co_await lido::retrying(pool, how, body);
}

// Each reads what the other writes: one of them gets 40001, from a statement or from COMMIT.
TEST_F(retried, a_serialization_failure_is_tried_again_from_the_beginning) {
  world w{route::unix_socket};
  int waiting = 2;
  int attempts_of_one = 0;
  int attempts_of_other = 0;
  asio::steady_timer both(w.io, asio::steady_timer::time_point::max());
  const task_ptr one = w.start(adds_to_what_it_saw(*w.pool, attempts_of_one, waiting, both));
  const task_ptr other = w.start(adds_to_what_it_saw(*w.pool, attempts_of_other, waiting, both));
  ASSERT_TRUE(w.turn_until([&] { return one->done && other->done; }));
  EXPECT_FALSE(one->error) << one->error.message();
  EXPECT_FALSE(other->error) << other->error.message();
  EXPECT_EQ(attempts_of_one + attempts_of_other, 3);
  EXPECT_EQ(rows(3) + rows(4), 2);
  EXPECT_TRUE(w.close());
}

// The same on one connection each, that of a lease: what has failed is rolled back, and the next attempt begins on it.
asio::awaitable<void> adds_on_a_lease(lido::pool& pool, int& attempts, int& waiting, asio::steady_timer& both) {
  lido::lease db = co_await pool.async_acquire();
  const int process = db->process_id();
  const auto body = [&](lido::transaction& tx, int attempt) -> asio::awaitable<int> {
    attempts = attempt;
    const auto seen = co_await tx.async_query<std::int64_t>("select count(*) from retried_ledger where id in (23, 24)");
    if (seen.one() == 0 && --waiting == 0) both.cancel();
    std::error_code ignored;
    if (waiting > 0) co_await both.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_await tx.async_query("insert into retried_ledger values (23 + $1::int)", attempt % 2);
    const auto pid = co_await tx.async_query<int>("select pg_backend_pid()");
    co_return pid.one();
  };
  retry_report report;
  retry_options how;
  how.mode.isolation = isolation::serializable;
  how.report = &report;
  const int pid = co_await lido::retrying(db, how, body);
  EXPECT_EQ(pid, process);
  EXPECT_EQ(report.attempts, attempts);
  const auto alive = co_await db->async_query<int>("select 1");
  EXPECT_EQ(alive.one(), 1);
}

TEST_F(retried, on_a_lease_a_serialization_failure_is_tried_again_on_the_same_connection) {
  world w{route::unix_socket};
  int waiting = 2;
  int attempts_of_one = 0;
  int attempts_of_other = 0;
  asio::steady_timer both(w.io, asio::steady_timer::time_point::max());
  const task_ptr one = w.start(adds_on_a_lease(*w.pool, attempts_of_one, waiting, both));
  const task_ptr other = w.start(adds_on_a_lease(*w.pool, attempts_of_other, waiting, both));
  ASSERT_TRUE(w.turn_until([&] { return one->done && other->done; }));
  EXPECT_FALSE(one->error) << one->error.message();
  EXPECT_FALSE(other->error) << other->error.message();
  EXPECT_EQ(attempts_of_one + attempts_of_other, 3);
  EXPECT_EQ(rows(23) + rows(24), 2);
  EXPECT_TRUE(w.close());
}

TEST_F(retried, I15_on_a_connection_a_loss_ends_it_whatever_becomes_of_the_commit) {
  for (const bool in_commit : {false, true}) {
    world w{route::plain_proxy, [](pool_config& c) { c.max_size = 1; }};
    int attempts = 0;
    bool ready = false;
    const auto user = [&](lido::pool& pool) -> asio::awaitable<void> {
      lido::lease db = co_await pool.async_acquire();
      const auto body = [&](lido::transaction& tx) -> asio::awaitable<void> {
        ++attempts;
        co_await tx.async_query("insert into retried_ledger values ($1)", in_commit ? 25 : 26);
        prepare(*w.proxy, loss::of_the_commit);
        ready = true;
        if (!in_commit) co_await tx.async_query("select 1");
      };
      retry_options how;
      how.mode = named;
      co_await lido::retrying(*db, how, body);
    };
    const task_ptr running = w.start(user(*w.pool));
    ASSERT_TRUE(w.turn_until([&] { return ready; }));
    w.drain_ready();
    strike(*w.proxy);
    ASSERT_TRUE(w.turn_until([&] { return running->done; }));
    EXPECT_EQ(attempts, 1);
    if (in_commit) {
      EXPECT_EQ(running->error, errc::outcome_unknown) << running->error.message();
    } else {
      EXPECT_TRUE(is_disconnect(running->error)) << running->error.message();
    }
    EXPECT_EQ(rows(in_commit ? 25 : 26), 0);
    EXPECT_TRUE(w.close());
  }
}

TEST_F(retried, a_connection_lost_in_the_body_is_tried_again_on_another_one) {
  for (const bool in_commit : {false, true}) {
    world w{route::unix_socket, [](pool_config& c) { c.max_size = 1; }};
    story s;
    s.goes_on = !in_commit;
    s.before_commit = [&](int attempt) {
      if (attempt > 1) return;
      w.server().sql("select pg_terminate_backend(" + std::to_string(s.pids.back()) + ", 10000)");
    };
    // terminated, and COMMIT sent before that was noticed: found to be aborted
    run_to_end(w, inserts(w, s, in_commit ? 12 : 5, in_commit ? quick(s, named) : quick(s)));
    EXPECT_GE(s.attempts, 2);
    EXPECT_NE(s.pids.front(), s.pids.back());
    EXPECT_EQ(rows(in_commit ? 12 : 5), 1);
    EXPECT_TRUE(w.close());
  }
}

TEST_F(retried, I15_a_commit_whose_answer_was_lost_is_not_run_twice) {
  world w{route::plain_proxy, [](pool_config& c) { c.max_size = 1; }};
  story s;
  s.before_commit = [&](int) { prepare(*w.proxy, loss::of_the_answer); };
  const task_ptr user = w.start(inserts(w, s, 6, quick(s, named)));
  ASSERT_TRUE(w.turn_until([&] { return rows(6) == 1; })) << "committed";
  ASSERT_FALSE(user->done);
  strike(*w.proxy);
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << s.words;
  EXPECT_EQ(s.returned, 10) << "what the first attempt made";
  EXPECT_EQ(s.report.attempts, 1);
  EXPECT_TRUE(s.report.id);
  EXPECT_EQ(rows(6), 1);
  EXPECT_TRUE(w.close());
}

TEST_F(retried, I15_a_commit_that_the_server_aborted_is_run_again) {
  world w{route::plain_proxy, [](pool_config& c) { c.max_size = 1; }};
  story s;
  bool sent = false;
  s.before_commit = [&](int attempt) {
    if (attempt > 1) return;
    prepare(*w.proxy, loss::of_the_commit);
    sent = true;
  };
  const task_ptr user = w.start(inserts(w, s, 7, quick(s, named)));
  ASSERT_TRUE(w.turn_until([&] { return sent; }));
  w.drain_ready();
  strike(*w.proxy);
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_FALSE(user->error) << s.words;
  EXPECT_EQ(s.returned, 20);
  EXPECT_EQ(s.report.attempts, 2);
  EXPECT_EQ(rows(7), 1);
  EXPECT_TRUE(w.close());
}

TEST_F(retried, I15_without_a_name_an_unknown_commit_ends_it) {
  world w{route::plain_proxy};
  story s;
  s.before_commit = [&](int) { prepare(*w.proxy, loss::of_the_commit); };
  const task_ptr user = w.start(inserts(w, s, 8, quick(s)));
  ASSERT_TRUE(w.turn_until([&] { return s.attempts == 1; }));
  ASSERT_TRUE(w.turn_until([&] { return w.stats().statements >= 4; }));
  strike(*w.proxy);
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_EQ(user->error, errc::outcome_unknown);
  EXPECT_FALSE(user->outcome_known);
  EXPECT_EQ(s.attempts, 1);
  EXPECT_TRUE(w.close());
}

TEST_F(retried, I1_a_cancellation_ends_it_at_once_wherever_it_is) {
  // in COMMIT: in doubt, and nobody is asked
  {
    world w{route::plain_proxy};
    story s;
    bool sent = false;
    s.before_commit = [&](int) {
      prepare(*w.proxy, loss::of_the_commit);
      sent = true;
    };
    const task_ptr user = w.start(inserts(w, s, 9, quick(s, named)));
    ASSERT_TRUE(w.turn_until([&] { return sent; }));
    w.drain_ready();
    user->signal.emit(asio::cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*user), 3);
    EXPECT_EQ(user->error, errc::outcome_unknown);
    EXPECT_TRUE(s.report.id) << "for asking later";
    EXPECT_EQ(s.words.find("asked afterwards"), std::string::npos) << s.words;
    strike(*w.proxy);
    EXPECT_TRUE(w.close());
  }
  // in the pause
  {
    world w{route::unix_socket};
    story s;
    s.before_commit = [&](int) { throw lido::error(make_sqlstate("40001")); };
    retry_options how = quick(s);
    how.backoff_min = how.backoff_max = 1h;
    const task_ptr user = w.start(inserts(w, s, 10, how));
    ASSERT_TRUE(w.turn_until([&] { return s.attempts == 1; }));
    ASSERT_TRUE(w.settle());
    user->signal.emit(asio::cancellation_type::terminal);
    EXPECT_LE(w.turns_until_done(*user), 3);
    EXPECT_TRUE(is_aborted(user->error));
    EXPECT_EQ(rows(10), 0);
    EXPECT_TRUE(w.close());
  }
}

TEST_F(retried, other_errors_go_through_untouched_and_so_does_the_last_attempts) {
  world w{route::unix_socket};
  const auto fails_with = [&w](story& s, std::error_code ec, int attempts) {
    s.before_commit = [ec](int) { throw lido::error(ec); };
    retry_options how = quick(s);
    how.attempts = attempts;
    const task_ptr user = w.start(inserts(w, s, 11, how));
    EXPECT_TRUE(w.turn_until([&] { return user->done; }));
    return user->error;
  };
  const std::error_code theirs = make_sqlstate("23505");
  const std::error_code conflict = make_sqlstate("40P01");
  const std::error_code elsewhere = errc::connection_lost;
  {
    story s;
    EXPECT_EQ(fails_with(s, theirs, 5), theirs);
    EXPECT_EQ(s.attempts, 1);
  }
  {
    story s;
    EXPECT_EQ(fails_with(s, conflict, 3), conflict);
    EXPECT_EQ(s.attempts, 3);
  }
  {
    story s;
    EXPECT_EQ(fails_with(s, elsewhere, 5), elsewhere);
    EXPECT_EQ(s.attempts, 1) << "of another connection of the body's: ours lives";
  }
  const auto own = [](lido::pool& pool, std::string& words) -> asio::awaitable<void> {
    try {
      co_await lido::retrying(pool, [](lido::transaction&) -> asio::awaitable<void> {
        throw std::runtime_error("the body's own");
        co_return;
      });
    } catch (const std::runtime_error& e) {
      words = e.what();
    }
  };
  std::string words;
  run_to_end(w, own(*w.pool, words));
  EXPECT_EQ(words, "the body's own");
  EXPECT_EQ(rows(11), 0);
  EXPECT_TRUE(w.close());
}

TEST_F(retried, I15_a_warning_of_commit_is_in_the_report) {
  auto& cluster = shared_cluster();
  cluster.sql(
      "create function warn() returns trigger language plpgsql as $$ begin raise warning 'not yet everywhere'; return "
      "null; end $$; create table warned_ledger (id int); grant all on warned_ledger to public; create constraint "
      "trigger late after insert on warned_ledger deferrable initially deferred for each row execute function warn()",
      cluster.database());
  world w{route::unix_socket};
  retry_report report;
  const auto inserts_late = [](lido::pool& pool, retry_report& to) -> asio::awaitable<void> {
    retry_options how;
    how.report = &to;
    co_await lido::retrying(pool, how, [](lido::transaction& tx) -> asio::awaitable<void> {
      co_await tx.async_query("insert into warned_ledger values (1)");
    });
  };
  run_to_end(w, inserts_late(*w.pool, report));
  ASSERT_EQ(report.commit.warnings.size(), 1U);
  EXPECT_EQ(report.commit.warnings[0].message, "not yet everywhere");
  EXPECT_TRUE(w.close());
}

TEST_F(retried, I5_one_deadline_ends_all_attempts) {
  world w{route::unix_socket};
  w.warm(1);
  const auto sleeps = [](lido::pool& pool, int& attempts) -> asio::awaitable<void> {
    const auto body = [&](lido::transaction& tx) -> asio::awaitable<void> {
      if (++attempts == 1) throw lido::error(make_sqlstate("40001"));
      co_await tx.async_query("select pg_sleep(1000)");
    };
    retry_options how;
    how.backoff_min = how.backoff_max = 1ms;
    how.deadline = within(400ms).deadline;
    co_await lido::retrying(pool, how, body);
  };
  int attempts = 0;
  const task_ptr user = w.start(sleeps(*w.pool, attempts));
  ASSERT_TRUE(w.turn_until([&] { return user->done; }));
  EXPECT_EQ(user->error, errc::timeout);
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(w.wrong_answers(2), 0);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
