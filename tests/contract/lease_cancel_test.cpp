// Cancelling what runs on a lease that is kept in hand: unsent is free, overtaken is free, a partial cancel keeps the
// lease, a result that was there first is delivered (I13, I19, I22, the table of cancellation types).
#include "tests/contract/harness.hpp"

#include <lido/pool/pool.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/io_context.hpp>
#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using asio::cancellation_type;

// One operation in the callback style, so that its slot is the test's own.
struct call {
  asio::cancellation_signal signal;
  bool done = false;
  int completions = 0;
  std::error_code error;
  std::int32_t value = 0;
  diagnostics diag;
};
using call_ptr = std::shared_ptr<call>;

template <class On, class... Args>
call_ptr ask(On& on, std::string_view sql, const Args&... args) {
  auto made = std::make_shared<call>();
  op_options options;
  options.diag = &made->diag;
  auto handler = [made](std::error_code ec, lido::result<std::int32_t> got) {
    made->done = true;
    ++made->completions;
    made->error = ec;
    if (!ec && got.size() == 1) made->value = got.one();
  };
  on.template async_query_with<std::int32_t>(asio::bind_cancellation_slot(made->signal.slot(), handler), options, sql,
                                             args...);
  return made;
}

class held_lease : public ::testing::Test {
 protected:
  void open(route way = route::unix_socket, const world::tweak& edit = one_patient_connection) {
    w.emplace(way, edit);
    w->warm(1);
    db = w->pool->try_acquire();
    ASSERT_TRUE(db);
  }
  void TearDown() override {
    db.release();
    EXPECT_TRUE(w->settle());
    EXPECT_EQ(w->wrong_answers(3), 0);
    EXPECT_TRUE(w->close());
  }
  bool finish(const call_ptr& c) {
    return w->turn_until([&] { return c->done; });
  }

  std::optional<world> w;
  lido::lease db;
};

asio::awaitable<void> begin_into(lido::lease& db, std::optional<lido::transaction>& out) {
  lido::transaction tx = co_await db->async_begin();
  out.emplace(std::move(tx));
}

// Behind the ROLLBACK of a transaction that was left, a statement waits unsent.
TEST_F(held_lease, I19_cancelled_before_its_first_byte_leaves_no_trace) {
  for (const auto type : {cancellation_type::terminal, cancellation_type::partial, cancellation_type::total}) {
    open();
    std::optional<lido::transaction> tx;
    const task_ptr begun = w->start(begin_into(db, tx));
    ASSERT_TRUE(w->turn_until([&] { return begun->done; }));
    tx.reset();
    const call_ptr waiting = ask(*db, "select 1 from pg_sleep(30)");
    waiting->signal.emit(type);
    ASSERT_TRUE(finish(waiting));
    EXPECT_TRUE(is_aborted(waiting->error)) << waiting->error.message();
    EXPECT_TRUE(waiting->diag.outcome_known);
    EXPECT_TRUE(db);
    const call_ptr next = ask(*db, "select $1::int", 19);
    ASSERT_TRUE(finish(next));
    EXPECT_EQ(next->value, 19) << next->error.message();
    EXPECT_EQ(w->stats().cancels.sent, 0U);
    EXPECT_EQ(w->stats().cancels.of(cancel_suppression::unsent), 1U);
    EXPECT_EQ(w->stats().recoveries, 0U);
    if (type != cancellation_type::total) TearDown();
  }
}

// The statement ends while the cancel connection has not got past TLS: dropped before its first byte, free and certain.
TEST_F(held_lease, I19_overtaken_by_ready_for_query_costs_nothing) {
  open(route::tls_proxy);
  w->proxy->expect_main_connections(1);
  w->proxy->set_cancel_fault(cancel_fault::silent_before_s);
  const call_ptr victim = ask(*db, "select 1 from pg_sleep(0.3)");
  w->drain_ready();
  victim->signal.emit(cancellation_type::terminal);
  ASSERT_TRUE(finish(victim));
  EXPECT_TRUE(is_aborted(victim->error));
  EXPECT_FALSE(victim->diag.outcome_known);
  EXPECT_FALSE(db) << "a terminal cancel revokes the lease";
  db.release();
  ASSERT_TRUE(w->settle());
  EXPECT_EQ(w->stats().cancels.sent, 0U);
  EXPECT_EQ(w->stats().cancels.of(cancel_suppression::overtaken), 1U);
  EXPECT_EQ(w->stats().recovered, 1U);
  EXPECT_EQ(w->stats().created, 1U);
  w->proxy->expect_main_connections({});
}

TEST_F(held_lease, I1_partial_cancel_keeps_the_lease_and_its_transaction) {
  for (const route way : {route::unix_socket, route::tls}) {
    open(way);
    std::optional<lido::transaction> tx;
    const task_ptr begun = w->start(begin_into(db, tx));
    ASSERT_TRUE(w->turn_until([&] { return begun->done; }));
    const call_ptr victim = ask(*tx, "select 1 from pg_sleep(30) where 'victim' > ''");
    ASSERT_TRUE(w->wait_running("victim"));
    victim->signal.emit(cancellation_type::partial);
    ASSERT_TRUE(finish(victim));
    EXPECT_TRUE(is_aborted(victim->error)) << victim->error.message();
    EXPECT_EQ(w->stats().cancels.eof, 1U) << "it completes when the wire is quiet, not before";
    EXPECT_TRUE(db);
    const call_ptr within_failed = ask(*tx, "select 2");
    ASSERT_TRUE(finish(within_failed));
    EXPECT_EQ(sqlstate_of(within_failed->error), "25P02") << "the transaction is kept, and failed";
    tx.reset();
    const call_ptr next = ask(*db, "select $1::int", 5);
    ASSERT_TRUE(finish(next));
    EXPECT_EQ(next->value, 5) << next->error.message();
    EXPECT_EQ(w->stats().created, 1U);
    if (way == route::unix_socket) TearDown();
  }
}

TEST_F(held_lease, I1_total_cancel_in_flight_is_not_honoured) {
  open();
  const call_ptr asked = ask(*db, "select 6 from pg_sleep(0.2)");
  w->drain_ready();
  asked->signal.emit(cancellation_type::total);
  ASSERT_TRUE(finish(asked));
  EXPECT_FALSE(asked->error) << asked->error.message();
  EXPECT_EQ(asked->value, 6);
  EXPECT_EQ(w->stats().cancels.requested, 0U);
}

TEST_F(held_lease, I1_partial_then_terminal_completes_at_once) {
  open(route::plain_proxy);
  w->proxy->set_cancel_fault(cancel_fault::hold);
  const call_ptr victim = ask(*db, "select 1 from pg_sleep(30) where 'victim' > ''");
  ASSERT_TRUE(w->wait_running("victim"));
  victim->signal.emit(cancellation_type::partial);
  ASSERT_TRUE(w->turn_until([&] { return w->proxy->counters().held == 1; }));
  EXPECT_FALSE(victim->done);
  victim->signal.emit(cancellation_type::terminal);
  w->drain_ready();
  EXPECT_TRUE(victim->done);
  EXPECT_TRUE(is_aborted(victim->error));
  EXPECT_FALSE(db);
  w->proxy->set_cancel_fault(cancel_fault::none);
  w->proxy->release_held();
  db.release();
  ASSERT_TRUE(w->settle());
  EXPECT_EQ(w->stats().cancels.requested, 1U);
  EXPECT_EQ(w->stats().cancels.sent, 1U);
  EXPECT_EQ(victim->completions, 1);
}

// The user's own executor is not turned while the session reads the answer: the result has won, its handler waits, then
// the cancel comes.
TEST_F(held_lease, I22_a_result_that_won_the_latch_is_delivered_and_nothing_is_sent) {
  open();
  asio::io_context busy;
  const auto asked = std::make_shared<call>();
  auto handler = [asked](std::error_code ec, lido::result<std::int32_t> got) {
    ++asked->completions;
    asked->error = ec;
    if (!ec) asked->value = got.one();
  };
  auto on_busy = asio::bind_executor(busy.get_executor(), handler);
  db->async_query_with<std::int32_t>(asio::bind_cancellation_slot(asked->signal.slot(), on_busy), op_options{},
                                     "select 22");
  const auto session_is_free = [&] {
    const call_ptr next = ask(*db, "select $1::int", 1);
    return finish(next) && next->error != errc::connection_busy;
  };
  ASSERT_TRUE(w->turn_until(session_is_free));
  EXPECT_EQ(asked->completions, 0);
  asked->signal.emit(cancellation_type::terminal);
  EXPECT_EQ(busy.run(), 1U);
  EXPECT_EQ(asked->completions, 1);
  EXPECT_FALSE(asked->error) << asked->error.message();
  EXPECT_EQ(asked->value, 22);
  EXPECT_TRUE(db);
  EXPECT_EQ(w->stats().cancels.requested, 0U);
}

// The answer lies unread in the socket; the cancel comes after k turns. Never both, never part.
TEST_F(held_lease, I22_answer_and_cancel_together_give_one_of_them) {
  open();
  bool too_late = false;
  for (int k = 0; k < 20 && !too_late; ++k) {
    if (!db) {
      db.release();
      ASSERT_TRUE(w->settle());
      db = w->pool->try_acquire();
    }
    ASSERT_TRUE(db);
    const auto before = w->stats().cancels;
    const std::string mark = "late" + std::to_string(k) + "x";
    const call_ptr asked = ask(*db, "select $1::int from pg_sleep(0.2) where '" + mark + "' > ''", 100 + k);
    w->drain_ready();  // sends it; the answer comes later, and stays unread
    ASSERT_TRUE(eventually([&] { return w->answered(mark); }));
    for (int turn = 0; turn < k && !asked->done; ++turn) w->io.poll_one();
    too_late = asked->done;
    asked->signal.emit(cancellation_type::terminal);
    ASSERT_TRUE(finish(asked));
    w->drain_ready();
    EXPECT_EQ(asked->completions, 1);
    if (asked->error) {
      EXPECT_TRUE(is_aborted(asked->error));
      EXPECT_EQ(asked->value, 0);
    } else {
      EXPECT_EQ(asked->value, 100 + k);
      EXPECT_EQ(w->stats().cancels.requested, before.requested);
      EXPECT_TRUE(db);
    }
  }
  EXPECT_TRUE(too_late);
}

TEST_F(held_lease, I13_handles_of_a_revoked_or_moved_lease_answer_lease_revoked) {
  open();
  const call_ptr victim = ask(*db, "select 1 from pg_sleep(30)");
  w->drain_ready();
  victim->signal.emit(cancellation_type::terminal);
  w->drain_ready();
  const call_ptr revoked = ask(*db, "select 1");
  ASSERT_TRUE(finish(revoked));
  EXPECT_EQ(revoked->error, errc::lease_revoked);
  EXPECT_TRUE(revoked->error == condition::cancelled);
  db.release();
  ASSERT_TRUE(w->settle());
  db = w->pool->try_acquire();
  lido::lease moved = std::move(db);
  const call_ptr from_moved = ask(*db, "select 1");  // NOLINT(bugprone-use-after-move): what is tested
  ASSERT_TRUE(finish(from_moved));
  EXPECT_EQ(from_moved->error, errc::lease_revoked);
  moved.release();
}

TEST_F(held_lease, I9_a_connection_moved_out_of_its_lease_is_closed_and_its_slot_comes_back) {
  open();
  {
    const lido::connection taken = std::move(*db);
    db.release();
    ASSERT_TRUE(w->turn_until([&] { return w->stats().size() == 0; }));
    EXPECT_FALSE(taken.is_open());
  }
  EXPECT_EQ(w->stats().of(close_reason::broken), 1U);
  EXPECT_EQ(w->wrong_answers(2), 0);
  EXPECT_EQ(w->stats().created, 2U);
}

TEST_F(held_lease, I9_a_lease_with_another_ones_connection_in_it_gives_neither_to_the_next_user) {
  open(route::unix_socket, [](pool_config& c) { c.max_size = 2; });
  lido::lease other;
  w->pool->async_acquire([&other](std::error_code, lido::lease second) { other = std::move(second); });
  ASSERT_TRUE(w->turn_until([&] { return static_cast<bool>(other); }));
  *db = std::move(*other);
  db.release();
  other.release();
  ASSERT_TRUE(w->turn_until([&] { return w->stats().size() == 0; }));
  EXPECT_EQ(w->stats().of(close_reason::broken), 2U);
}

TEST_F(held_lease, I13_a_second_operation_is_refused_and_the_first_unharmed) {
  open();
  const call_ptr first = ask(*db, "select 1 from pg_sleep(0.1)");
  const call_ptr second = ask(*db, "select 2");
  ASSERT_TRUE(finish(second));
  EXPECT_EQ(second->error, errc::connection_busy);
  ASSERT_TRUE(finish(first));
  EXPECT_EQ(first->value, 1) << first->error.message();
}

TEST_F(held_lease, I13_destroying_a_lease_with_an_operation_running_is_a_terminal_cancel) {
  open();
  const call_ptr victim = ask(*db, "select 1 from pg_sleep(30) where 'victim' > ''");
  ASSERT_TRUE(w->wait_running("victim"));
  db.release();
  w->drain_ready();
  EXPECT_TRUE(victim->done);
  EXPECT_TRUE(is_aborted(victim->error)) << victim->error.message();
  ASSERT_TRUE(w->settle());
  EXPECT_EQ(w->running("victim"), 0);
  EXPECT_EQ(w->stats().recovered, 1U);
}

TEST_F(held_lease, I1_deadline_gives_timeout_and_recovers_like_a_cancel) {
  open();
  const auto late = std::make_shared<call>();
  auto handler = [late](std::error_code ec, const lido::result<std::int32_t>&) {
    late->done = true;
    late->error = ec;
  };
  db->async_query_with<std::int32_t>(handler, within(100ms), "select 1 from pg_sleep(30) where 'victim' > ''");
  ASSERT_TRUE(finish(late));
  EXPECT_EQ(late->error, errc::timeout);
  EXPECT_FALSE(db);
  db.release();
  ASSERT_TRUE(w->settle());
  EXPECT_EQ(w->running("victim"), 0);
  EXPECT_EQ(w->stats().recovered, 1U);
}

TEST_F(held_lease, I16_a_query_canceled_that_is_not_ours_is_a_server_error) {
  open();
  const call_ptr victim = ask(*db, "select 1 from pg_sleep(30) where 'victim' > ''");
  ASSERT_TRUE(w->wait_running("victim"));
  w->server().sql("select pg_cancel_backend(" + std::to_string(db->process_id()) + ")");
  ASSERT_TRUE(finish(victim));
  EXPECT_EQ(sqlstate_of(victim->error), "57014");
  EXPECT_TRUE(victim->error == condition::query_canceled);
  EXPECT_FALSE(is_aborted(victim->error));
  EXPECT_TRUE(db);
  const call_ptr next = ask(*db, "select $1::int", 16);
  ASSERT_TRUE(finish(next));
  EXPECT_EQ(next->value, 16);
}

}  // namespace
}  // namespace lido::testing
