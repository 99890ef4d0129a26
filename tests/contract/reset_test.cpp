// I14: whatever a lease visibly left in its session is not found by the next user of it, and a lease that left nothing
// costs nothing.
#include "tests/contract/harness.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lido::testing {
namespace {

using asio::cancellation_type;

enum class after_reset { cleaned, replaced };

struct trace {
  const char* sql;  // statements of one simple query
  after_reset expected = after_reset::cleaned;
};

// Every visible way to leave something. Statements that fail leave what they did before.
const trace traces[] = {
    // settings
    {"set work_mem = '7MB'"},
    {"set session work_mem to '7MB'"},
    {"/* c */ SeT -- x\n work_mem = '7MB'"},
    {"begin; set work_mem = '7MB'; commit"},
    {"begin; set local work_mem = '6MB'; set work_mem = '7MB'; commit"},
    {"select set_config('work_mem', '7MB', false)"},
    {"select pg_catalog.\"set_config\"('work_mem', '7MB', 1 = 2)"},
    {"with x as (select set_config('work_mem', '7MB', false) as v) select v from x"},
    {"select count(*) from (values (1)) v where set_config('work_mem', '7MB', false) is not null"},
    {"update pg_settings set setting = '7000' where name = 'work_mem'"},
    {"do $$ begin perform set_config('work_mem', '7MB', false); end $$"},
    {"do 'begin set work_mem = ''7MB''; end'"},
    {"call i14_procedure()"},
    {"select query_to_xml('select set_config(''work_mem'', ''7MB'', false)', false, false, '')"},
    {"select U&\"set\\005fconfig\"('work_mem', '7MB', false)"},
    {"set app.tenant = '42'"},
    {"set time zone 'Asia/Tokyo'"},
    {"select i14_function()"},  // no text shows it, the server's report of TimeZone does
    {"set datestyle = 'German'"},
    {"set application_name = 'somebody else'"},
    {"set search_path = pg_temp, public; create table i14_a (a int)"},
    {"set schema 'pg_catalog'"},
    {"set session characteristics as transaction isolation level serializable, read only"},
    {"set default_transaction_read_only = on"},
    {"set statement_timeout = '70s'"},
    {"set statement_timeout = 1"},
    {"set lock_timeout = '70s'; set idle_in_transaction_session_timeout = '70s'"},
    {"set client_encoding = 'LATIN1'"},
    {"set names 'SQL_ASCII'"},
    {"set standard_conforming_strings = off"},
    {"set standard_conforming_strings = off; select '\\', set_config('work_mem', '7MB', false), '\\'"},
    {"set bytea_output = 'escape'; set intervalstyle = 'iso_8601'; set extra_float_digits = 0"},
    {"reset work_mem; set work_mem = '7MB'; select 1/0"},
    // roles
    {"set role i14_role"},
    {"set session role i14_role"},
    {"set \"role\" = i14_role"},
    {"select set_config('role', 'i14_role', false)"},
    {"set session authorization lido"},
    {"begin; set role i14_role; commit; select 1"},
    // temporary objects
    {"create temp table i14_a (a int)"},
    {"create temporary table i14_a as select 1"},
    {"select 1 as a into temp i14_a"},
    {"select 1 as a into local temporary table i14_a"},
    {"create table pg_temp.i14_a (a int)"},
    {"create temp view i14_a as select 1"},
    {"create or replace temp view i14_a as select 1"},
    {"create temp sequence i14_a"},
    {"create function pg_temp.i14_f() returns int language sql as 'select 1'"},
    {"explain analyze create temp table i14_a as select 1"},
    {"begin; create temp table i14_a (a int); commit"},
    {"create temp table i14_a (a int) on commit drop; create temp table i14_b (a int)"},
    {"set role i14_role; create temp table i14_a (a int)"},
    // listening
    {"listen i14"},
    {"begin; listen i14; commit; select 1"},
    // locks
    {"select pg_advisory_lock(14)"},
    {"select pg_advisory_lock_shared(1, 4), pg_try_advisory_lock(14)"},
    {"select pg_advisory_lock(14), 1/0"},
    {"begin; select pg_advisory_lock(14); rollback"},
    {"select E'\\'', pg_advisory_lock(14), '--'"},
    // cursors
    {"begin; declare i14 cursor with hold for select 1; commit"},
    {"declare i14 scroll cursor with hold for values (1)"},
    // prepared statements
    {"prepare i14 as select 1"},
    {"prepare i14 (int) as select $1; execute i14(1)"},
    // sequences
    {"select nextval('i14_sequence')"},
    {"select setval('i14_sequence', 7)"},
    // several
    {"set work_mem = '7MB'; create temp table i14_a (); listen i14; select pg_advisory_lock(14); prepare i14 as select "
     "1; set role i14_role; select nextval('i14_sequence')"},
    {"begin; set work_mem = '7MB'; select pg_advisory_lock(14); listen i14"},
    {"begin; create temp table i14_a (); select 1/0"},
    {"discard all; set work_mem = '7MB'"},
    // what no statement undoes
    {"load 'nothing'", after_reset::replaced},
    {"select setseed(0.5)", after_reset::replaced},
    {"set seed = 0.5", after_reset::replaced},
    {"set role i14_role; select dblink_connect('x')", after_reset::replaced},
};

// All that a session holds, in one text.
constexpr const char* everything =
    "select concat_ws('|', current_user, session_user,"
    " (select count(*) from pg_class where relnamespace = pg_my_temp_schema() and relkind <> 'i'),"
    " (select count(*) from pg_proc where pronamespace = pg_my_temp_schema()),"
    " (select count(*) from pg_listening_channels()),"
    " (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),"
    " (select count(*) from pg_cursors where is_holdable),"
    " (select count(*) from pg_prepared_statements where from_sql),"
    " (select string_agg(name || '=' || setting, ',' order by name) from pg_settings where name not like '%.%'),"
    " nullif(current_setting('app.tenant', true), ''))";

struct view {
  int process = 0;
  std::string state;
  bool sequence = false;
};

asio::awaitable<void> looks(lido::pool& pool, view& into) {
  lido::lease db = co_await pool.async_acquire();
  into.process = db->process_id();
  auto rows = co_await db->async_query<std::string>(everything);
  into.state = rows.one();
  try {
    co_await db->async_query("select lastval()");
    into.sequence = true;
  } catch (const lido::error& e) {
    EXPECT_EQ(e.code(), make_sqlstate("55000")) << e.what();
  }
}

asio::awaitable<void> leaves(lido::pool& pool, std::string sql) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_simple_query(sql);
}

asio::awaitable<void> leaves_prepared(lido::pool& pool, std::string sql) {
  lido::lease db = co_await pool.async_acquire();
  for (int i = 0; i < 2; ++i) co_await db->async_query(sql);  // the second time from the cache
}

void prepare_database(const world& w) {
  w.server().sql(
      "drop role if exists i14_role; create role i14_role; grant i14_role to lido;"
      "create sequence if not exists i14_sequence; grant all on sequence i14_sequence to public;"
      "create or replace procedure i14_procedure() language plpgsql as"
      " $$ begin perform set_config('work_mem', '7MB', false); end $$;"
      "create or replace function i14_function() returns void language plpgsql as"
      " $$ begin perform set_config('TimeZone', 'Asia/Tokyo', false); end $$");
}

view seen_by_next_user(world& w) {
  view out;
  const task_ptr next = w.start(looks(*w.pool, out));
  EXPECT_TRUE(w.turn_until([&] { return next->done; }));
  EXPECT_FALSE(next->error) << next->error.message();
  EXPECT_TRUE(w.settle());
  return out;
}

void run_and_settle(world& w, asio::awaitable<void> user) {
  const task_ptr running = w.start(std::move(user));
  ASSERT_TRUE(w.turn_until([&] { return running->done; }));
  ASSERT_TRUE(w.settle());
}

void expect_nothing_left(world& w, const trace& left, const view& before, const view& after) {
  EXPECT_EQ(after.state, before.state) << left.sql;
  EXPECT_FALSE(after.sequence) << left.sql;
  EXPECT_EQ(after.process == before.process, left.expected == after_reset::cleaned) << left.sql;
  EXPECT_LE(w.sessions(), 1);
}

TEST(contract, I14_what_a_lease_visibly_left_is_not_found_by_the_next_one) {
  world w{route::unix_socket, one_connection};
  prepare_database(w);
  for (const trace& each : traces) {
    const view before = seen_by_next_user(w);
    run_and_settle(w, leaves(*w.pool, each.sql));
    expect_nothing_left(w, each, before, seen_by_next_user(w));
  }
  EXPECT_EQ(w.stats().of(close_reason::left_state), 4U);
  EXPECT_EQ(w.stats().created, 5U);
  EXPECT_GT(w.stats().of(reset_kind::exact), 40U);
  EXPECT_GT(w.stats().of(reset_kind::discard_all), 4U);
  EXPECT_EQ(w.stats().reset_time.count() + w.stats().of(close_reason::left_state), std::size(traces));
  EXPECT_TRUE(w.close());
}

TEST(contract, I14_the_same_through_the_statement_cache) {
  world w{route::unix_socket, one_connection};
  prepare_database(w);
  for (const trace& each : traces) {
    if (std::string_view(each.sql).find("; ") != std::string_view::npos) continue;  // one statement at a time
    const view before = seen_by_next_user(w);
    for (int round = 0; round < 2; ++round) {
      run_and_settle(w, leaves_prepared(*w.pool, each.sql));
      if (each.expected == after_reset::replaced) break;
    }
    expect_nothing_left(w, each, before, seen_by_next_user(w));
  }
  EXPECT_TRUE(w.close());
}

asio::awaitable<void> leaves_cancelled(lido::pool& pool, std::string sql) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_simple_query(sql);
}

TEST(contract, I14_what_a_cancelled_task_left_is_undone_too) {
  world w{route::unix_socket, one_connection};
  const view before = seen_by_next_user(w);
  for (const char* sql : {"select pg_advisory_lock(14), pg_sleep(100)", "set work_mem = '7MB'; select pg_sleep(100)",
                          "begin; listen i14; commit; select pg_sleep(100)"}) {
    const task_ptr user = w.start(leaves_cancelled(*w.pool, sql));
    ASSERT_TRUE(w.wait_running("pg_sleep(100)"));
    user->signal.emit(cancellation_type::terminal);
    ASSERT_TRUE(w.turn_until([&] { return user->done; }));
    ASSERT_TRUE(w.settle());
    const view after = seen_by_next_user(w);
    EXPECT_EQ(after.state, before.state) << sql;
    EXPECT_EQ(after.process, before.process) << sql;
  }
  EXPECT_EQ(w.stats().of(reset_kind::exact), 3U);
  EXPECT_TRUE(w.close());
}

// What the last statement of the session was is what the server heard last.
TEST(contract, I14_a_lease_that_left_nothing_costs_no_round_trip) {
  world w{route::unix_socket, one_connection};
  prepare_database(w);
  w.warm(1);
  const char* const clean[] = {
      "select 14 as clean",
      "begin; set local work_mem = '7MB'; set local time zone 'Asia/Tokyo'; select 14 as clean; commit",
      "select set_config('app.tenant', '42', true), 14 as clean",
      "begin; create temp table i14_c (a int) on commit drop; select 14 as clean; commit",
      "begin; declare c cursor for select 14 as clean; commit",
      "select 'set x = 1', $$do$$, 14 as clean -- listen x",
      "begin; select pg_advisory_xact_lock(14) as clean; rollback",
      "select 14/0 as clean",
  };
  for (const char* sql : clean) {
    run_and_settle(w, leaves(*w.pool, sql));
    EXPECT_TRUE(w.answered("clean")) << sql;
  }
  EXPECT_EQ(w.stats().recoveries, 0U);
  EXPECT_EQ(w.stats().reset_time.count(), 0U);
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I14_what_was_set_at_the_start_of_the_session_survives_every_reset) {
  for (const reset_mode mode : {reset_mode::automatic, reset_mode::discard_all}) {
    world w{route::unix_socket, [mode](pool_config& c) {
              c.max_size = 1;
              c.reset.mode = mode;
              c.connect.options = "-c work_mem=5MB -c role=i14_role";
              c.connect.parameters.emplace_back("app.tenant", "start");
              c.connect.parameters.emplace_back("search_path", "i14, public");
            }};
    prepare_database(w);
    const view before = seen_by_next_user(w);
    EXPECT_NE(before.state.find("work_mem=5120"), std::string::npos);
    EXPECT_NE(before.state.find("i14_role|lido"), std::string::npos) << before.state;
    for (const char* sql :
         {"set work_mem = '7MB'", "set role none", "do $$ begin set role none; end $$", "set app.tenant = 'x'",
          "set search_path = x", "reset role; reset all", "set session authorization default", "select 1"}) {
      run_and_settle(w, leaves(*w.pool, sql));
      const view after = seen_by_next_user(w);
      EXPECT_EQ(after.state, before.state) << sql;
      EXPECT_EQ(after.process, before.process) << sql;
    }
    EXPECT_TRUE(w.close());
  }
}

TEST(contract, I14_the_statement_cache_outlives_what_forgets_its_statements) {
  world w{route::unix_socket, one_connection};
  for (const char* sql : {"deallocate all", "discard all", "prepare i14 as select 1", "do $$ begin end $$",
                          "do $$ begin execute 'deallocate all'; end $$"}) {
    EXPECT_EQ(w.wrong_answers(3), 0);
    run_and_settle(w, leaves(*w.pool, sql));
    EXPECT_EQ(w.wrong_answers(3), 0) << sql;
  }
  for (const char* sql : {"deallocate all", "discard all"}) {
    run_and_settle(w, leaves_prepared(*w.pool, sql));
    EXPECT_EQ(w.wrong_answers(3), 0) << sql;
  }
  EXPECT_EQ(w.stats().created, 1U);
  EXPECT_TRUE(w.close());
}

TEST(contract, I14_mode_none_undoes_nothing_but_an_open_transaction) {
  world w{route::unix_socket, [](pool_config& c) {
            c.max_size = 1;
            c.reset.mode = reset_mode::none;
          }};
  const view before = seen_by_next_user(w);
  run_and_settle(w, leaves(*w.pool, "set work_mem = '7MB'"));
  EXPECT_EQ(w.stats().recoveries, 0U);
  run_and_settle(w, leaves(*w.pool, "begin; select 14"));
  EXPECT_EQ(w.stats().of(reset_kind::rollback), 1U);
  EXPECT_EQ(w.sessions("idle in transaction%"), 0);
  const view after = seen_by_next_user(w);
  EXPECT_EQ(after.process, before.process);
  EXPECT_NE(after.state.find("work_mem=7168"), std::string::npos);
  run_and_settle(w, leaves(*w.pool, "set client_encoding = 'LATIN1'"));
  EXPECT_NE(seen_by_next_user(w).process, before.process) << "not even here: nobody could read it";
  EXPECT_TRUE(w.close());
}

TEST(contract, I14_discard_all_undoes_what_no_text_shows) {
  world w{route::unix_socket, [](pool_config& c) {
            c.max_size = 1;
            c.reset.mode = reset_mode::discard_all;
          }};
  w.server().sql(
      "create or replace function i14_hidden() returns void language plpgsql as"
      " $$ begin perform set_config('work_mem', '7MB', false); perform pg_advisory_lock(14); end $$");
  const view before = seen_by_next_user(w);
  run_and_settle(w, leaves(*w.pool, "select i14_hidden()"));
  const view after = seen_by_next_user(w);
  EXPECT_EQ(after.state, before.state);
  EXPECT_EQ(after.process, before.process);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
