// What a statement's text says about what it leaves behind (I14), and what undoes it.
#include "driver/session/dirt.hpp"

#include "driver/session/sql_lexer.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace lido::session {
namespace {

using enum dirt;

struct judged {
  const char* sql;
  dirt leaves;
};

std::string named(dirt d) {
  static constexpr std::pair<dirt, const char*> names[] = {
      {guc, "guc"},           {role, "role"},       {temp, "temp"},         {listen, "listen"},
      {advisory, "advisory"}, {cursor, "cursor"},   {prepared, "prepared"}, {sequence, "sequence"},
      {unknown, "unknown"},   {lasting, "lasting"}, {forgets, "forgets"},   {timeouts, "timeouts"},
      {rewinds, "rewinds"}};
  std::string all;
  for (const auto& [bit, name] : names) {
    if (any(d & bit)) all += std::string(all.empty() ? "" : "|") + name;
  }
  return all;
}

void expect(const std::vector<judged>& table) {
  for (const auto& [sql, leaves] : table) EXPECT_EQ(named(dirt_of(sql)), named(leaves)) << sql;
}

TEST(statement_dirt, I14_most_statements_leave_nothing) {
  expect({
      {"", none},
      {" \n;; -- set x = 1\n ; /* listen x */", none},
      {"select 1", none},
      {"(select 1) union (select 2)", none},
      {"((values (1)))", none},
      {"with x as (insert into t values (1) returning id) select * from x", none},
      {"insert into t (a, temp, role) values ($1, $2, $3)", none},
      {"insert into temp values (1)", none},
      {"insert into temp select 1", none},
      {"select temp from weather", none},
      {"select temporary, hold from t where with_hold", none},
      {"update t set a = 1 where b = 'set_config(''a'', ''b'', false)'", none},
      {"update listen set notify = 1", none},
      {"select 'pg_advisory_lock(1)', $$nextval('s')$$, $x$ $$ setval $x$", none},
      {"select E'\\' nextval(', E'a''b\\\\', 'set'", none},
      {"select 1 -- nextval('s')", none},
      {"select /* /* pg_advisory_lock(1) */ nextval */ 1", none},
      {"select xact from pg_advisory_locks", none},
      {"select pg_advisory_xact_lock($1), pg_try_advisory_xact_lock_shared(1, 2)", none},
      {"select pg_advisory_unlock(1)", none},
      {"select pg_notify('a', 'b')", none},
      {"notify a", none},
      {"unlisten *", none},
      {"begin isolation level serializable", none},
      {"start transaction read only; select 1; commit", none},
      {"savepoint a; release a", none},
      {"prepare transaction 'x'", none},
      {"set local x = 1", none},
      {"SET /* */ LOCAL role nobody", none},
      {"set transaction isolation level serializable", none},
      {"set constraints all deferred", none},
      {"set constraints \"a\" deferred", none},
      {"select set_config('app.tenant', $1, true)", none},
      {"select pg_catalog . \"set_config\" ( 'a', coalesce($1, f(1, 2)) , TRUE )", none},
      {"declare c cursor for select 1", none},
      {"declare c cursor without hold for select 1", none},
      {"fetch all from c; close c", none},
      {"create temp table t (a int) on commit drop", none},
      {"create temporary table t on commit drop as select 1", none},
      {"create table t (temp int)", none},
      {"copy t from stdin", none},
      {"lock table t", none},
      {"explain analyze select 1", none},
      {"show all", none},
      {"select * from pg_settings", none},
      {"alter role r set work_mem = '1MB'", none},
      {"create function f() returns int language sql as $$ select nextval('s') $$", none},
      {"create function f() returns int begin atomic select 1; return 2; end", none},
      {"select currval('s'), lastval()", none},
      {"select a.b$set_config, $1set from t", none},
      {"set local statement_timeout = 5", timeouts},
      {"select set_config('statement_timeout', '5', true)", timeouts},
      {"show statement_timeout", none},
      {"rollback", rewinds},
      {"rollback to a", rewinds},
      {"abort", rewinds},
  });
}

TEST(statement_dirt, I14_settings_and_roles) {
  expect({
      {"set x = 1", guc},
      {"SeT/**/x to 1", guc},
      {"-- c\n set session work_mem = '1MB'", guc},
      {"select 1; set x = 1", guc},
      {"begin; set x = 1; rollback", guc | rewinds},
      {"set session characteristics as transaction read only", guc},
      {"set time zone 'UTC'", guc},
      {"set names 'LATIN1'", guc},
      {"set local.x = 1", guc},
      {"set transaction.x = 1", guc},
      {"set local to 1", guc},
      {"set \"local\" = 1", guc},
      {"set search_path = app", guc | temp},
      {"set schema 'app'", guc | temp},
      {"set statement_timeout = 5", guc | timeouts},
      {"set role nobody", guc | role},
      {"set session role nobody", guc | role},
      {"set \"ROLE\" = nobody", guc | role},
      {"set session authorization nobody", guc | role},
      {"set session session_authorization to nobody", guc | role},
      {"set seed to 0.5", guc | lasting},
      {"reset x", guc | rewinds},
      {"reset session authorization", guc | role | rewinds},
      {"reset role", guc | role | rewinds},
      {"reset all", guc | rewinds},
      {"select set_config('x', 'y', false)", guc},
      {"select set_config('x', 'y', $1)", guc},
      {"select set_config('x', 'y', not true)", guc},
      {"select set_config('x', 'y', a or true)", guc},
      {"select set_config('x', set_config('y', 'z', false), true)", guc | role | temp | timeouts},
      {"select set_config('x', 'a, true', false)", guc},
      {"select set_config('x', 'y', true), set_config('z', 'y', false)", guc},
      {"select SET_CONFIG('Role', 'nobody', false)", guc | role},
      {"select set_config('search_path', 'pg_temp', false)", guc | temp},
      {"select set_config($1, $2, false)", guc | role | temp | timeouts},
      {"select set_config('ro' || 'le', 'x', false)", guc | role | temp | timeouts},
      {"select set_config(E'ro\\x6ce', 'x', false)", guc | role | temp | timeouts},
      {"select set_config", guc | role | temp | timeouts},
      {"with a as (select 1) select (((pg_catalog.set_config('x', 'y', false))))", guc},
      {"insert into t values (set_config('x', 'y', false))", guc},
      {"update pg_settings set setting = 'x' where name = 'role'", guc | role | temp | timeouts},
      {"select set_limit(0.5)", guc},
  });
}

TEST(statement_dirt, I14_objects_locks_and_names) {
  expect({
      {"create temp table t (a int)", temp},
      {"create local temporary table t (a int)", temp},
      {"CREATE GLOBAL TEMP TABLE t (a int)", temp},
      {"create or replace temp view v as select 1", temp},
      {"create temp sequence s", temp},
      {"create table pg_temp.t (a int)", temp},
      {"create function \"pg_temp\".f() returns int language sql as 'select 1'", temp},
      {"create table pg_temp_3.t (a int)", temp},
      {"select 1 into temp t", temp},
      {"select 1 into temporary table t", temp},
      {"select 1 into local temp t", temp},
      {"explain analyze create temp table t as select 1", temp},
      {"create temp table t (a int) on commit delete rows", temp},
      {"create temp table a () on commit drop; create temp table b ()", temp},
      {"create temp table a (); create temp table b () on commit drop", temp},
      {"listen a", listen},
      {"begin; listen a; commit", listen},
      {"select pg_advisory_lock(1)", advisory},
      {"select pg_try_advisory_lock_shared(1, 2)", advisory},
      {"select case when $1 then pg_try_advisory_lock(1) end", advisory},
      {"select 1union select 2from(select pg_advisory_lock(3))x", advisory},
      {"select PG_CATALOG . \"pg_advisory_lock\"(1)", advisory},
      {"explain analyze select pg_advisory_lock(1)", advisory},
      {"select'a'\n'b',pg_advisory_lock(1)", advisory},
      {"select E'a\\'',pg_advisory_lock(1)", advisory},
      {"select E'a'\n'\\'',pg_advisory_lock(1),'", advisory},
      {"select $a$ ' $a$,pg_advisory_lock(1)", advisory},
      {"select $1,$$'$$,pg_advisory_lock($2)", advisory},
      {"select a$$b,pg_advisory_lock(1),c$$d", advisory},
      {"select \"a\"\"'\",pg_advisory_lock(1)", advisory},
      {"select n'\\',pg_advisory_lock(1)", advisory},
      {"select 1--'\n,pg_advisory_lock(1)", advisory},
      {"select 1-- '\r,pg_advisory_lock(1)", advisory},
      {"select 1/*'/*'*/'*/,pg_advisory_lock(1)", advisory},
      {"declare c cursor with hold for select 1", cursor},
      {"begin; declare c binary scroll cursor with /* x */ hold for select 1; commit", cursor},
      {"prepare p as select 1", prepared},
      {"prepare p (int) as select pg_advisory_lock($1)", prepared | advisory},
      {"prepare transaction as select 1", prepared},
      {"select nextval('s')", sequence},
      {"insert into t values (nextval('s'))", sequence},
      {"select setval('s', 1)", sequence},
      {"deallocate p", forgets},
      {"DEALLOCATE ALL", forgets},
      {"discard all", forgets | rewinds},
  });
}

TEST(statement_dirt, I14_what_nobody_can_know) {
  const dirt anything = unknown | timeouts;
  expect({
      {"do $$ begin perform 1; end $$", anything},
      {"do language plpgsql 'begin end'", anything},
      {"do $$ begin perform dblink_connect('x'); end $$", anything | lasting},
      {"call p(1)", anything},
      {"select 1; call p(1)", anything},
      {"select U&\"set\\005fconfig\"('a', 'b', false)", anything},
      {"select query_to_xml('select nextval(''s'')', true, true, '')", anything},
      {"unheard of", anything},
      {"\"select\" 1", anything},
      {"load 'auto_explain'", lasting},
      {"select dblink_connect('a', 'b')", lasting},
      {"select setseed(0.5)", lasting},
      {"select * from pg_create_logical_replication_slot('a', 'b', true)", lasting},
  });
}

TEST(statement_dirt, reads_any_bytes_without_harm) {
  for (int i = 0; i < 256; ++i) {
    for (const char* const before : {"", "select ", "select '", "select $", "e", "u&", "set_config(", "do $a$"}) {
      std::string text = before;
      text.append(3, static_cast<char>(i));
      dirt_of(text);
    }
  }
  EXPECT_EQ(dirt_of(std::string(1U << 20U, '(')), none);
  EXPECT_EQ(named(dirt_of("select " + std::string(1U << 20U, 'x') + ", nextval('s')")), "sequence");
}

// Whatever stands around it, a call is seen; whatever it stands in, a text is not.
TEST(statement_dirt, I14_a_call_is_seen_behind_every_kind_of_text_and_never_inside_one) {
  const char* const texts[] = {"'%'",        "E'%'",       "$$%$$",          "$tag$%$tag$",    "\"%\"",   "/*%*/ 1",
                               "--%\n 1",    "n'%'",       "b'%'",           "'a''%'",         "E'\\'%'", "'a'\n'%'",
                               "$a$$b$%$a$", "/*/**/%*/1", "E'\\\\' || '%'", "\"a\"\"\"\"%\"", "--%\r1"};
  for (const char* const text : texts) {
    std::string inside = text;
    const std::size_t place = inside.find('%');
    std::string name = inside.find('"') == 0 ? " nextval(" : " nextval(1) ";
    inside.replace(place, 1, name);
    std::string behind = text;
    behind.replace(place, 1, " x ");
    EXPECT_EQ(named(dirt_of("select " + inside + " from t")), "") << inside;
    EXPECT_EQ(named(dirt_of("select " + behind + ", nextval('s') from t")), "sequence") << behind;
  }
}

// ---- what undoes it ----

TEST(leftovers, I14_nothing_left_costs_nothing) {
  leftovers left;
  left.sent(dirt_of("select 1"));
  left.sent(dirt_of("rollback"));
  EXPECT_FALSE(left.dirty());
  EXPECT_EQ(left.kind(none, false), session_reset::none);
  EXPECT_EQ(left.statements(none, false), "");
  EXPECT_EQ(left.statements(none, true), "DISCARD ALL");
}

TEST(leftovers, I14_each_kind_has_its_remedy_and_only_that) {
  const std::pair<dirt, const char*> table[] = {
      {guc, "RESET ALL"},
      {role, "RESET SESSION AUTHORIZATION; RESET ROLE"},
      {temp, "DISCARD TEMP"},
      {listen, "UNLISTEN *"},
      {advisory, "SELECT pg_catalog.pg_advisory_unlock_all()"},
      {cursor, "CLOSE ALL"},
      {prepared, "DEALLOCATE ALL"},
      {sequence, "DISCARD SEQUENCES"},
      {unknown, "DISCARD ALL"},
      {guc | temp, "RESET ALL; DISCARD TEMP"},
      {guc | unknown, "DISCARD ALL"},
  };
  for (const auto& [what, sql] : table) {
    leftovers left;
    left.sent(what);
    EXPECT_TRUE(left.dirty());
    EXPECT_EQ(left.statements(none, false), sql);
    left.was_reset(left.kind(none, false));
    EXPECT_FALSE(left.dirty()) << sql;
  }
}

TEST(leftovers, I14_what_lasts_is_never_reset) {
  leftovers left;
  left.sent(lasting | guc);
  EXPECT_EQ(left.kind(none, false), session_reset::impossible);
  EXPECT_EQ(left.kind(none, true), session_reset::impossible);
  EXPECT_EQ(left.statements(none, true), "");
  left.sent(forgets);
  left.ended("DISCARD ALL");
  EXPECT_EQ(left.kind(none, false), session_reset::impossible);
}

TEST(leftovers, I14_what_the_server_reports_counts_like_what_was_read) {
  const leftovers left;
  EXPECT_EQ(left.statements(guc, false), "RESET ALL");
  EXPECT_EQ(left.kind(unknown, false), session_reset::discard_all);
}

TEST(leftovers, a_users_own_discard_all_leaves_nothing) {
  leftovers left;
  left.sent(guc | temp);
  left.ended("DISCARD ALL");
  EXPECT_TRUE(left.dirty()) << "nobody sent one";
  left.sent(dirt_of("discard temp"));
  left.ended("DISCARD TEMP");
  EXPECT_TRUE(left.dirty());
  left.sent(dirt_of("discard all"));
  left.ended("DISCARD ALL");
  EXPECT_FALSE(left.dirty());
}

TEST(leftovers, I14_a_set_up_of_the_pools_own_is_not_undone) {
  leftovers left;
  left.sent(guc);
  left.keep();
  EXPECT_FALSE(left.dirty());
  left.sent(temp);
  EXPECT_EQ(left.statements(none, false), "DISCARD TEMP");
  left.was_reset(session_reset::exact);
  left.sent(guc);
  EXPECT_EQ(left.kind(none, false), session_reset::impossible) << "RESET ALL would undo the set-up";
  left.was_reset(session_reset::none);
  EXPECT_EQ(left.kind(none, true), session_reset::impossible);
}

}  // namespace
}  // namespace lido::session
