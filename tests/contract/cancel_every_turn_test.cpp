// Cancel at every suspension point: each public operation is cancelled after exactly k turns of the executor, k = 0, 1,
// 2 ... until it completes by itself. After each: the outcome is one that the contract allows, every slot is home, the
// next user gets its own answer, no transaction is left open.
#include "driver/types/type_catalogue.hpp"
#include "tests/contract/harness.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/listener.hpp>
#include <lido/driver/stream.hpp>
#include <lido/driver/types/user_type.hpp>
#include <lido/pool/retrying.hpp>

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <array>
#include <string_view>
#include <tuple>

namespace lido::testing {

enum class shade { dark, light };

}  // namespace lido::testing

template <>
struct lido::user_type<lido::testing::shade> {
  using shade = lido::testing::shade;
  static constexpr std::string_view name = "contract_shade";
  static constexpr std::array labels = {lido::label{shade::dark, "dark"}, lido::label{shade::light, "light"}};
};

namespace lido::testing {
namespace {

using asio::cancellation_type;

constexpr int turn_limit = 200;

struct probe {
  bool begun = false;     // the operation under test starts in this very turn
  bool returned = false;  // it came back without an error
  int number = 0;         // this round's
};
using body = asio::awaitable<void> (*)(world&, probe&);
using check = void (*)(world&, const task&, const probe&);

// co_spawn lets only terminal through; a user who wants the others says this.
#define LIDO_LET_ALL_CANCELS_THROUGH \
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation())

asio::awaitable<void> acquires(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  const auto held = std::make_shared<lido::lease>(w.pool->try_acquire());  // so that there is something to wait for
  asio::post(w.io, [held] { held->release(); });
  p.begun = true;
  const lido::lease db = co_await w.pool->async_acquire();
  p.returned = static_cast<bool>(db);
}

asio::awaitable<void> queries(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  const auto got = co_await db->async_query<std::int32_t>("select $1::int from pg_sleep(0.002)", p.number);
  p.returned = got.one() == p.number;
}

asio::awaitable<void> queries_something_new(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  const std::string never_prepared = "select " + std::to_string(p.number) + " from pg_sleep(0.002)";
  p.begun = true;
  const auto got = co_await db->async_query<std::int32_t>(never_prepared);
  p.returned = got.one() == p.number;
}

asio::awaitable<void> queries_simply(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  const auto got = co_await db->async_simple_query("select 1; select pg_sleep(0.002); select 3");
  p.returned = got.size() == 3;
}

asio::awaitable<void> runs_a_pipeline(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::pipeline work;
  work.add("select pg_sleep(0.001)").add("insert into contract_commits values ($1)", p.number);
  work.add("select 1/(count(*) - 1) from contract_commits where id = $1", p.number);  // fails: nothing of it stays
  p.begun = true;
  std::error_code ec;
  co_await db->async_run_with(asio::redirect_error(asio::use_awaitable, ec), std::move(work));
  if (sqlstate_of(ec) != "22012") throw lido::error(ec);
  p.returned = true;
}

asio::awaitable<void> runs_a_pipeline_of_many(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::pipeline work(lido::pipeline_mode::each_on_its_own);
  for (int i = 0; i < 4; ++i) work.add("select $1::int from pg_sleep(0.001)", p.number);
  p.begun = true;
  const lido::pipeline_results done = co_await db->async_run(std::move(work));
  p.returned = done.one<int>(3) == p.number;
}

asio::awaitable<void> commits_in_a_pipeline(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::pipeline work;
  work.add("begin").add("insert into contract_commits values ($1)", p.number).add("commit");
  p.begun = true;
  co_await db->async_run(std::move(work));
  p.returned = true;
}

asio::awaitable<void> saves_and_rolls_back(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::transaction tx = co_await db->async_begin();
  p.begun = true;
  {
    lido::savepoint inner = co_await tx.async_savepoint();
    co_await inner.async_query("insert into contract_commits values ($1)", p.number);
    co_await inner.async_rollback();
  }
  co_await tx.async_commit();
  p.returned = true;
}

asio::awaitable<void> begins(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  const lido::transaction tx = co_await db->async_begin();
  p.returned = tx.is_open();
}

asio::awaitable<void> commits(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("insert into contract_commits values ($1)", p.number);
  p.begun = true;
  co_await tx.async_commit();
  p.returned = true;
}

asio::awaitable<void> rolls_back(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::transaction tx = co_await db->async_begin();
  co_await tx.async_query("insert into contract_commits values ($1)", p.number);
  p.begun = true;
  co_await tx.async_rollback();
  p.returned = true;
}

asio::awaitable<void> queries_the_pool(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  p.begun = true;
  const auto got = co_await w.pool->async_query<std::int32_t>("select $1::int from pg_sleep(0.001)", p.number);
  p.returned = got.one() == p.number;
}

asio::awaitable<void> opens_a_stream(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  auto numbers = co_await db->async_stream<std::int32_t>(stream_options{2},
                                                         "select i from generate_series(1, $1) i, pg_sleep(0.001)", 5);
  p.returned = co_await numbers.async_next() == 1;
}

asio::awaitable<void> reads_a_stream(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  auto numbers = co_await db->async_stream<std::int32_t>(stream_options{1}, "select generate_series(1, 3)");
  p.begun = true;
  int last = 0;
  while (const auto n = co_await numbers.async_next()) last = *n;
  p.returned = last == 3;
}

asio::awaitable<void> closes_a_stream(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  auto numbers = co_await db->async_stream<std::int32_t>(stream_options{0}, "select generate_series(1, 1000000)");
  p.begun = true;
  co_await numbers.async_close();
  p.returned = true;
}

asio::awaitable<void> copies_in(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  lido::copy_in in = co_await db->async_copy_in("copy contract_copies from stdin");
  for (int i = 0; i < 3; ++i) {
    co_await in.async_write(std::to_string(p.number) + "\n");
    co_await in.async_flush();
  }
  p.returned = co_await in.async_finish() == 3;
}

asio::awaitable<void> copies_rows_in(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  using number = std::tuple<std::int32_t>;
  auto into = co_await db->async_copy_in<number>("copy contract_copies from stdin (format binary)");
  for (int i = 0; i < 3; ++i) {
    const number row{p.number};
    co_await into.async_write(row);
    co_await into.async_flush();
  }
  p.returned = co_await into.async_finish() == 3;
}

// Nothing on the client's side waits: only the connection's own statements are tried.
asio::awaitable<void> retries_on_a_lease(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  int attempts = 0;
  const auto tries = [&](lido::transaction& tx) -> asio::awaitable<void> {
    co_await tx.async_query("insert into contract_commits values ($1)", p.number);
    if (++attempts == 1) co_await tx.async_query("do $$ begin raise exception sqlstate '40001'; end $$");
  };
  retry_options how;
  how.backoff_min = how.backoff_max = 1us;
  co_await lido::retrying(db, how, tries);
  p.returned = true;
}

// Another name each time, as far as the pool knows: it is looked up.
asio::awaitable<void> queries_by_name(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  db->handle().session->catalogue()->forget("contract_shade");
  p.begun = true;
  const auto got = co_await db->async_query<shade>("select $1 from pg_sleep(0.001)", shade::light);
  p.returned = got.one() == shade::light;
}

asio::awaitable<void> queries_by_name_for_a_handler(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  db->handle().session->catalogue()->forget("contract_shade");
  p.begun = true;
  std::error_code ec;
  const auto got = co_await db->async_query_with<shade>(asio::redirect_error(asio::use_awaitable, ec), {},
                                                        "select $1 from pg_sleep(0.001)", shade::light);
  if (ec) throw lido::error(ec);
  p.returned = got.one() == shade::light;
}

asio::awaitable<void> fails_a_copy_in(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_in in = co_await db->async_copy_in("copy contract_copies from stdin");
  co_await in.async_write(std::to_string(p.number) + "\n");
  p.begun = true;
  co_await in.async_fail("enough");
  p.returned = true;
}

asio::awaitable<void> copies_out(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  p.begun = true;
  lido::copy_out out = co_await db->async_copy_out("copy (select generate_series(1, 20000)) to stdout");
  while (!(co_await out.async_read()).empty()) {
  }
  p.returned = out.rows() == 20000;
}

asio::awaitable<void> closes_a_copy_out(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::lease db = co_await w.pool->async_acquire();
  lido::copy_out out = co_await db->async_copy_out("copy (select generate_series(1, 1000000)) to stdout");
  p.begun = true;
  co_await out.async_close();
  p.returned = true;
}

asio::awaitable<void> connects(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  connect_config config = w.config().connect;
  config.application_name += "-alone";
  p.begun = true;
  lido::connection db = co_await lido::connection::async_connect(std::move(config));
  p.returned = db.is_open();
}

asio::awaitable<void> closes_a_connection(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  connect_config config = w.config().connect;
  config.application_name += "-alone";
  lido::connection db = co_await lido::connection::async_connect(std::move(config));
  p.begun = true;
  co_await db.async_close();
  p.returned = true;
}

lido::listener ear_of(world& w) {
  connect_config config = w.config().connect;
  config.application_name += "-alone";
  return {w.io.get_executor(), std::move(config)};
}

asio::awaitable<void> listens(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::listener ear = ear_of(w);
  p.begun = true;
  co_await ear.async_listen("contract");  // connects first
  p.returned = true;
}

asio::awaitable<void> listens_to_another(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::listener ear = ear_of(w);
  co_await ear.async_listen("contract");
  p.begun = true;
  co_await ear.async_listen("another");
  co_await ear.async_unlisten("contract");
  p.returned = true;
}

asio::awaitable<void> hears(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  lido::listener ear = ear_of(w);
  co_await ear.async_listen("contract");
  p.begun = true;
  co_await lido::async_notify(*w.pool, "contract", std::to_string(p.number));
  const lido::listener_event heard = co_await ear.async_next();
  p.returned = heard.payload == std::to_string(p.number);
}

// Its result, or exactly operation_aborted.
void result_or_abort(world&, const task& t, const probe& p) {
  if (t.error) {
    EXPECT_TRUE(is_aborted(t.error)) << t.error.message();
  } else {
    EXPECT_TRUE(p.returned);
  }
}

asio::awaitable<void> count_rows(lido::pool& pool, std::string table, int number, std::int64_t& found) {
  const std::string sql = "select count(*) from " + table + " where id = $1";
  const auto got = co_await pool.async_query<std::int64_t>(sql, number);
  found = got.one();
}

std::int64_t committed(world& w, int number, const char* table = "contract_commits") {
  std::int64_t found = -1;
  const task_ptr t = w.start(count_rows(*w.pool, table, number, found));
  EXPECT_TRUE(w.turn_until([&] { return t->done; }));
  EXPECT_FALSE(t->error);
  return found;
}

// I15: what is said to be committed is there, what is said not to be is not, and only the unknown may be either.
void truth_about_the_commit(world& w, const task& t, const probe& p) {
  if (t.error == errc::outcome_unknown) {
    EXPECT_FALSE(t.outcome_known);
    return;
  }
  if (p.returned) {
    EXPECT_EQ(committed(w, p.number), 1);
  } else {
    EXPECT_TRUE(is_aborted(t.error)) << t.error.message();
    EXPECT_TRUE(t.outcome_known);
    EXPECT_EQ(committed(w, p.number), 0);
  }
}

// The same; an attempt before the last may have been sent and undone.
void truth_about_the_commit_of_two(world& w, const task& t, const probe& p) {
  if (t.error == errc::outcome_unknown) return;
  if (t.error) {
    EXPECT_TRUE(is_aborted(t.error)) << t.error.message();
  }
  EXPECT_EQ(committed(w, p.number), p.returned ? 1 : 0);
}

void never_committed(world& w, const task& t, const probe& p) {
  result_or_abort(w, t, p);
  EXPECT_EQ(committed(w, p.number), 0);
}

// I17: all of it or nothing; which of them, when the cancel came behind its last byte, is not known.
void copied_whole_or_not(world& w, const task& t, const probe& p) {
  result_or_abort(w, t, p);
  const std::int64_t rows = committed(w, p.number, "contract_copies");
  EXPECT_TRUE(rows == 3 || (rows == 0 && t.error)) << rows;
}

void nothing_copied(world& w, const task& t, const probe& p) {
  result_or_abort(w, t, p);
  EXPECT_EQ(committed(w, p.number, "contract_copies"), 0);
}

// As never_committed; its COMMIT, of nothing, may be in doubt.
void in_doubt_or_nothing(world& w, const task& t, const probe& p) {
  if (t.error != errc::outcome_unknown) result_or_abort(w, t, p);
  EXPECT_EQ(committed(w, p.number), 0);
}

struct operation_case {
  const char* name;
  body run;
  check verify;
  bool leased;  // runs on the pool's connection
};

const operation_case operations[] = {
    {"acquire", acquires, result_or_abort, true},
    {"query", queries, result_or_abort, true},
    {"query_not_prepared", queries_something_new, result_or_abort, true},
    {"simple_query", queries_simply, result_or_abort, true},
    {"pipeline", runs_a_pipeline, never_committed, true},
    {"pipeline_of_many", runs_a_pipeline_of_many, result_or_abort, true},
    {"pipeline_with_commit", commits_in_a_pipeline, truth_about_the_commit, true},
    {"savepoint", saves_and_rolls_back, in_doubt_or_nothing, true},
    {"begin", begins, result_or_abort, true},
    {"commit", commits, truth_about_the_commit, true},
    {"rollback", rolls_back, never_committed, true},
    {"pool_query", queries_the_pool, result_or_abort, true},
    {"stream", opens_a_stream, result_or_abort, true},
    {"stream_next", reads_a_stream, result_or_abort, true},
    {"stream_close", closes_a_stream, result_or_abort, true},
    {"copy_in", copies_in, copied_whole_or_not, true},
    {"copy_rows_in", copies_rows_in, copied_whole_or_not, true},
    {"retrying_on_a_lease", retries_on_a_lease, truth_about_the_commit_of_two, true},
    {"named_query", queries_by_name, result_or_abort, true},
    {"named_query_with", queries_by_name_for_a_handler, result_or_abort, true},
    {"copy_in_fail", fails_a_copy_in, nothing_copied, true},
    {"copy_out", copies_out, result_or_abort, true},
    {"copy_out_close", closes_a_copy_out, result_or_abort, true},
    {"listen", listens, result_or_abort, false},
    {"listen_again", listens_to_another, result_or_abort, false},
    {"notification", hears, result_or_abort, true},
    {"connect", connects, result_or_abort, false},
    {"close_connection", closes_a_connection, result_or_abort, false},
};

constexpr cancellation_type types[] = {cancellation_type::terminal, cancellation_type::partial,
                                       cancellation_type::total};
const char* const type_names[] = {"terminal", "partial", "total"};
constexpr route routes[] = {route::unix_socket, route::tls};

void patient(pool_config& config) {
  config.max_size = 1;
  config.cancel.timeout = 20s;
  config.drain.timeout = 20s;
}

using parameters = std::tuple<operation_case, int, route>;

class cancel_every_turn : public ::testing::TestWithParam<parameters> {
 protected:
  static void SetUpTestSuite() {
    shared_cluster().sql(
        "create table if not exists contract_commits (id int); grant all on contract_commits to public;"
        "create table if not exists contract_copies (id int); grant all on contract_copies to public;"
        "drop type if exists contract_shade; create type contract_shade as enum ('dark', 'light')",
        shared_cluster().database());
  }
  static int next_number() {
    static int last = 0;
    return ++last;
  }

  // One round; true when the operation completed by itself before k turns were over.
  static bool round(world& w, const operation_case& what, cancellation_type type, int k) {
    probe p;
    p.number = next_number();
    const task_ptr t = w.start(what.run(w, p));
    EXPECT_TRUE(w.turn_until([&] { return p.begun || t->done; }));
    for (int turn = 0; turn < k && !t->done; ++turn) {
      if (w.io.stopped()) w.io.restart();
      w.io.run_one_for(2s);
    }
    const bool by_itself = t->done;
    if (!by_itself) t->signal.emit(type);
    EXPECT_TRUE(w.turn_until([&] { return t->done; }));
    what.verify(w, *t, p);
    EXPECT_TRUE(w.settle());
    EXPECT_EQ(w.wrong_answers(2), 0);
    return by_itself;
  }
};

TEST_P(cancel_every_turn, I1_every_promise_holds_after_a_cancel_at_any_turn) {
  const auto& [what, type, way] = GetParam();
  world w{way, patient};
  w.warm(1);
  int k = 0;
  while (k < turn_limit && !round(w, what, types[type], k)) {
    if (HasFailure()) FAIL() << "after " << k << " turns";
    ++k;
  }
  EXPECT_LT(k, turn_limit);
  EXPECT_GT(k, 0);
  EXPECT_TRUE(eventually([&] { return w.sessions("idle in transaction%") == 0; }));
  EXPECT_TRUE(w.turn_until([&] { return w.sessions() - w.control_sessions() == 1; })) << w.sessions();
  const pool_stats s = w.stats();
  EXPECT_EQ(s.stray_cancels, 0U);
  EXPECT_EQ(s.cancels.unknown, 0U);
  EXPECT_EQ(s.created, 1U) << "with a healthy channel every connection is recovered";
  EXPECT_TRUE(w.close());
}

std::string case_name(const ::testing::TestParamInfo<parameters>& info) {
  const auto& [what, type, way] = info.param;
  return std::string(what.name) + "_" + type_names[type] + "_" + to_string(way);
}

INSTANTIATE_TEST_SUITE_P(contract, cancel_every_turn,
                         ::testing::Combine(::testing::ValuesIn(operations), ::testing::Range(0, 3),
                                            ::testing::ValuesIn(routes)),
                         case_name);

// The pool's own end, cancelled at every turn: whoever waits for it may leave, the pool closes all the same (I21).
asio::awaitable<void> closes_the_pool(world& w, probe& p) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  p.begun = true;
  co_await w.pool->async_close(2s);
  p.returned = true;
}

TEST(contract, I21_close_ends_whenever_its_caller_is_cancelled) {
  bool by_itself = false;
  for (int k = 0; k < turn_limit && !by_itself; ++k) {
    world w{route::unix_socket, patient};
    w.warm(1);
    probe p;
    const task_ptr t = w.start(closes_the_pool(w, p));
    ASSERT_TRUE(w.turn_until([&] { return p.begun; }));
    for (int turn = 0; turn < k && !t->done; ++turn) w.io.run_one_for(2s);
    by_itself = t->done;
    t->signal.emit(cancellation_type::terminal);
    ASSERT_TRUE(w.turn_until([&] { return t->done; }));
    result_or_abort(w, *t, p);
    EXPECT_TRUE(w.close()) << "after " << k << " turns";
  }
  EXPECT_TRUE(by_itself);
}

// P174: whoever waits for a notification and leaves at any moment takes none with him.
asio::awaitable<void> waits_for_one(lido::listener& ear, probe& p, std::vector<std::string>& heard) {
  LIDO_LET_ALL_CANCELS_THROUGH;
  p.begun = true;
  const lido::listener_event event = co_await ear.async_next();
  if (event.what == lido::listener_event::kind::notification) heard.push_back(event.payload);
  p.returned = true;
}
asio::awaitable<void> listens_to(lido::listener& ear, const char* channel) { co_await ear.async_listen(channel); }
asio::awaitable<void> notifies(world& w, const char* channel, std::string payload) {
  co_await lido::async_notify(*w.pool, channel, payload);
}

class ear_in_a_world {
 public:
  ear_in_a_world(route way, const char* channel) : w{way, patient}, channel_(channel) {
    w.warm(1);
    connect_config config = w.config().connect;
    lido::listener_options quick;
    quick.backoff_min = 1ms;
    quick.backoff_max = 5ms;
    ear.emplace(w.io.get_executor(), std::move(config), quick);
    EXPECT_FALSE(finish(listens_to(*ear, channel_)));
  }
  std::error_code finish(asio::awaitable<void> work) {
    const task_ptr t = w.start(std::move(work));
    EXPECT_TRUE(w.turn_until([&] { return t->done; }));
    return t->error;
  }
  task_ptr wait() {
    last = {};
    return w.start(waits_for_one(*ear, last, heard));
  }
  void notify(const std::string& payload) { EXPECT_FALSE(finish(notifies(w, channel_, payload))); }
  void close() {
    ear->close();
    EXPECT_TRUE(w.close());
  }

  world w;
  std::optional<lido::listener> ear;
  std::vector<std::string> heard;
  probe last;

 private:
  const char* const channel_;
};

TEST(contract, I1_P174_a_wait_for_a_notification_that_is_cancelled_at_any_turn_takes_none_with_it) {
  for (const cancellation_type type : types) {
    ear_in_a_world at{route::unix_socket, "contract_waits"};
    std::vector<std::string> sent;
    bool by_itself = false;
    for (int k = 0; k < turn_limit && !by_itself; ++k) {
      const task_ptr t = at.wait();
      ASSERT_TRUE(at.w.turn_until([&] { return at.last.begun; }));
      sent.push_back(std::to_string(k));
      const task_ptr sender = at.w.start(notifies(at.w, "contract_waits", sent.back()));
      for (int turn = 0; turn < k && !t->done; ++turn) {
        if (at.w.io.stopped()) at.w.io.restart();
        at.w.io.run_one_for(2s);
      }
      by_itself = t->done;
      if (!by_itself) t->signal.emit(type);
      ASSERT_TRUE(at.w.turn_until([&] { return t->done && sender->done; }));
      EXPECT_TRUE(at.last.returned || is_aborted(t->error)) << t->error.message();
      EXPECT_FALSE(sender->error);
      if (at.heard.size() < sent.size()) {
        EXPECT_FALSE(at.finish(waits_for_one(*at.ear, at.last, at.heard)));
      }
      ASSERT_EQ(at.heard, sent) << "after " << k << " turns";
    }
    EXPECT_TRUE(by_itself);
    at.close();
  }
}

// P172, through the proxy: however its connection breaks, and wherever in a message, it listens again and says so once
// before what comes next.
TEST(contract, P172_a_listener_whose_connection_breaks_in_any_way_listens_again_and_tells_of_the_gap) {
  for (const route way : {route::plain_proxy, route::tls_proxy}) {
    ear_in_a_world at{way, "contract_breaks"};
    at.notify("before");
    EXPECT_FALSE(at.finish(waits_for_one(*at.ear, at.last, at.heard)));
    EXPECT_EQ(at.heard, std::vector<std::string>{"before"});
    for (const connection_end end : {connection_end::reset, connection_end::close}) {
      for (const std::uint64_t bytes : {0U, 1U, 5U, 20U}) {  // of what the server says: a notification is more
        SCOPED_TRACE(std::to_string(bytes) + (end == connection_end::reset ? " bytes, then RST" : " bytes, then FIN"));
        const std::uint64_t before = at.w.proxy->counters().accepted;
        at.w.proxy->cut_main_after(direction::to_client, bytes, end);
        const task_ptr t = at.wait();
        at.w.server().sql("notify contract_breaks, 'lost'", at.w.server().database());
        ASSERT_TRUE(at.w.turn_until([&] { return at.w.proxy->counters().accepted > before; }))
            << "it does not come back";
        at.w.proxy->no_cut();
        ASSERT_TRUE(at.w.turn_until([&] { return t->done; }));
        EXPECT_FALSE(t->error);
        EXPECT_TRUE(at.last.returned);
        EXPECT_EQ(at.heard.size(), 1U) << "half a notification";
        at.w.warm(1);
        at.notify("after");
        EXPECT_FALSE(at.finish(waits_for_one(*at.ear, at.last, at.heard)));
        ASSERT_EQ(at.heard, (std::vector<std::string>{"before", "after"}));
        at.heard.pop_back();
      }
    }
    at.close();
  }
}

}  // namespace
}  // namespace lido::testing
