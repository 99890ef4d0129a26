// I17, and streams: whatever happens in the middle of a COPY or a stream, the connection is in step for whoever has it
// next, or gone.
#include "tests/contract/harness.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/stream.hpp>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <gtest/gtest.h>

#include <tuple>

namespace lido::testing {
namespace {

using asio::cancellation_type;

constexpr const char* many_rows = "copy (select generate_series(1, 5000000)) to stdout";
// The server keeps its CopyOutResponse in its buffer until that is full.
constexpr const char* slow_rows =
    "copy (select repeat('x', 9000) from generate_series(1, 3) i, pg_sleep(case i when 3 then 30 else 0 end)) to "
    "stdout";

// A COPY or a stream, brought to a place in its middle; then `middle` is set, and it waits there to be cancelled, or
// returns when `leaves`.
struct place {
  bool middle = false;
  bool leaves = false;
};
using exchange = asio::awaitable<void> (*)(world&, place&);

asio::awaitable<void> stay(place& p) {
  p.middle = true;
  if (p.leaves) co_return;
  asio::steady_timer forever(co_await asio::this_coro::executor, std::chrono::hours(1));
  co_await forever.async_wait(asio::use_awaitable);
}

asio::awaitable<void> stream_between_batches(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  auto numbers = co_await db->async_stream<int>(stream_options{10}, "select generate_series(1, 5000000)");
  co_await numbers.async_next();
  co_await stay(p);
}
asio::awaitable<void> stream_unread(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  auto numbers = co_await db->async_stream<int>(stream_options{0}, "select generate_series(1, 5000000)");
  co_await stay(p);
}
asio::awaitable<void> stream_waiting(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  auto slow = co_await db->async_stream<int>(
      stream_options{1}, "select i from generate_series(1, 2) i, pg_sleep(case i when 1 then 0 else 30 end)");
  co_await slow.async_next();
  p.middle = true;
  if (!p.leaves) co_await slow.async_next();
}
asio::awaitable<void> copy_in_between_writes(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_in in = co_await db->async_copy_in("copy contract_middle from stdin");
  co_await in.async_write("1\n");
  co_await in.async_flush();
  co_await stay(p);
}
// The server reads a buffer of rows and dozes at each of them: all buffers are full.
asio::awaitable<void> copy_in_writing(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_in in = co_await db->async_copy_in("copy contract_slow from stdin");
  co_await in.async_write("1\n");
  co_await in.async_flush();
  p.middle = true;
  std::string more;
  while (more.size() < 1U << 20) more += "1\n";
  while (!p.leaves) co_await in.async_write(more);
}
asio::awaitable<void> copy_out_unread(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_out out = co_await db->async_copy_out(many_rows);
  co_await stay(p);
}
asio::awaitable<void> copy_out_half_read(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_out out = co_await db->async_copy_out(many_rows);
  for (int i = 0; i < 20; ++i) co_await out.async_read();
  co_await stay(p);
}
asio::awaitable<void> copy_out_waiting(world& w, place& p) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_out out = co_await db->async_copy_out(slow_rows);
  p.middle = true;
  while (!p.leaves) co_await out.async_read();
}

struct exchange_case {
  const char* name;
  exchange run;
};
const exchange_case exchanges[] = {
    {"stream_between_batches", stream_between_batches},
    {"stream_unread", stream_unread},
    {"stream_waiting", stream_waiting},
    {"copy_in_between_writes", copy_in_between_writes},
    {"copy_in_writing", copy_in_writing},
    {"copy_out_unread", copy_out_unread},
    {"copy_out_half_read", copy_out_half_read},
    {"copy_out_waiting", copy_out_waiting},
};
constexpr route exchange_routes[] = {route::unix_socket, route::tls};

class middle_of : public ::testing::TestWithParam<std::tuple<exchange_case, route>> {
 protected:
  static void SetUpTestSuite() {
    shared_cluster().sql(
        "create table if not exists contract_middle (id int); grant all on contract_middle to public;"
        "create or replace function contract_doze() returns trigger language plpgsql as "
        "$$ begin perform pg_sleep(0.05); return new; end $$;"
        "create table if not exists contract_slow (id text); grant all on contract_slow to public;"
        "drop trigger if exists doze on contract_slow;"
        "create trigger doze before insert on contract_slow for each row execute function contract_doze()",
        shared_cluster().database());
  }
  void next_users_are_served(world& w) {
    EXPECT_TRUE(w.settle());
    EXPECT_EQ(w.wrong_answers(3), 0);
    EXPECT_EQ(w.stats().stray_cancels, 0U);
    EXPECT_EQ(w.stats().created, 1U) << "with a healthy channel the connection is won back";
    EXPECT_TRUE(eventually([&] { return w.sessions("active") == 0; }));
    EXPECT_TRUE(w.close());
  }
};

TEST_P(middle_of, I17_a_lease_that_is_dropped_there_is_in_step_for_the_next_user) {
  const auto& [what, way] = GetParam();
  world w{way, one_patient_connection};
  w.warm(1);
  place p;
  p.leaves = true;
  const task_ptr t = w.start(what.run(w, p));
  ASSERT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_FALSE(t->error) << t->error.message();
  next_users_are_served(w);
}

TEST_P(middle_of, I17_a_task_that_is_cancelled_there_leaves_at_once_and_the_next_user_is_served) {
  const auto& [what, way] = GetParam();
  world w{way, one_patient_connection};
  w.warm(1);
  place p;
  const task_ptr t = w.start(what.run(w, p));
  ASSERT_TRUE(w.turn_until([&] { return p.middle; }));
  w.drain_ready();
  t->signal.emit(cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*t), 8);
  EXPECT_TRUE(is_aborted(t->error)) << t->error.message();
  next_users_are_served(w);
}

std::string exchange_name(const ::testing::TestParamInfo<std::tuple<exchange_case, route>>& info) {
  const auto& [what, way] = info.param;
  return std::string(what.name) + "_" + to_string(way);
}
INSTANTIATE_TEST_SUITE_P(contract, middle_of,
                         ::testing::Combine(::testing::ValuesIn(exchanges), ::testing::ValuesIn(exchange_routes)),
                         exchange_name);

// A COPY in that nobody disturbs is ended without a cancel: CopyFail, or Sync for a portal, brings the answer.
TEST(contract, I17_a_copy_that_waits_for_data_and_a_suspended_portal_need_no_cancel) {
  for (const exchange what : {stream_between_batches, copy_in_between_writes}) {
    for (const bool leaves : {true, false}) {
      world w{route::unix_socket, one_patient_connection};
      shared_cluster().sql(
          "create table if not exists contract_middle (id int); grant all on contract_middle to public",
          shared_cluster().database());
      w.warm(1);
      place p;
      p.leaves = leaves;
      const task_ptr t = w.start(what(w, p));
      ASSERT_TRUE(w.turn_until([&] { return p.middle; }));
      if (!leaves) t->signal.emit(cancellation_type::terminal);
      ASSERT_TRUE(w.turn_until([&] { return t->done; }));
      EXPECT_TRUE(w.settle());
      EXPECT_EQ(w.stats().cancels.sent, 0U);
      EXPECT_EQ(w.stats().created, 1U);
      EXPECT_EQ(w.wrong_answers(2), 0);
      EXPECT_TRUE(w.close());
    }
  }
}

asio::awaitable<void> reads_late(world& w) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_out out = co_await db->async_copy_out(slow_rows);
  while (true) co_await out.async_read(lido::within(200ms));
}

TEST(contract, I17_a_deadline_in_a_copy_ends_it) {
  world w{route::unix_socket, one_patient_connection};
  w.warm(1);
  const task_ptr t = w.start(reads_late(w));
  ASSERT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_EQ(t->error, errc::timeout);
  EXPECT_TRUE(w.settle());
  EXPECT_EQ(w.wrong_answers(2), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> partly_cancelled(world& w, bool& begun, std::int32_t& after) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation(),
                                                     asio::enable_total_cancellation());
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_out out = co_await db->async_copy_out(slow_rows);
  begun = true;
  std::error_code ec;
  try {
    while (true) co_await out.async_read();
  } catch (const lido::error& e) {
    ec = e.code();
  }
  EXPECT_TRUE(is_aborted(ec));
  co_await asio::this_coro::reset_cancellation_state();
  after = (co_await db->async_query<std::int32_t>("select 17")).one();
}

TEST(contract, I17_a_partial_cancel_ends_the_copy_and_keeps_the_lease) {
  world w{route::unix_socket, one_patient_connection};
  w.warm(1);
  bool begun = false;
  std::int32_t after = 0;
  const task_ptr t = w.start(partly_cancelled(w, begun, after));
  ASSERT_TRUE(w.turn_until([&] { return begun; }));
  w.drain_ready();
  t->signal.emit(cancellation_type::partial);
  ASSERT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_FALSE(t->error) << t->error.message();
  EXPECT_EQ(after, 17);
  EXPECT_TRUE(w.settle());
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> holds_a_copy(world& w, lido::canceller& stop, bool& begun, std::error_code& next) {
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_in in = co_await db->async_copy_in("copy contract_middle from stdin");
  stop = db->canceller();
  begun = true;
  asio::steady_timer pause(co_await asio::this_coro::executor);
  while (db) {
    pause.expires_after(1ms);
    co_await pause.async_wait(asio::use_awaitable);
  }
  try {
    co_await in.async_write("1\n");
    co_await in.async_finish();
  } catch (const lido::error& e) {
    next = e.code();
  }
}

TEST(contract, I24_a_canceller_ends_a_copy_between_two_of_its_steps) {
  world w{route::unix_socket, one_patient_connection};
  shared_cluster().sql("create table if not exists contract_middle (id int); grant all on contract_middle to public",
                       shared_cluster().database());
  w.warm(1);
  lido::canceller stop;
  bool begun = false;
  std::error_code next;
  const task_ptr t = w.start(holds_a_copy(w, stop, begun, next));
  ASSERT_TRUE(w.turn_until([&] { return begun; }));
  stop.cancel();
  ASSERT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_EQ(next, errc::lease_revoked);
  EXPECT_TRUE(w.settle());
  EXPECT_EQ(w.wrong_answers(2), 0);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
