// Statements of the library's own, for a role whose search_path begins with a schema that has a function, an operator
// or a type of each name that they use.
#include "driver/session/commit_evidence.hpp"
#include "driver/types/type_catalogue.hpp"
#include "pool/host_watch.hpp"
#include "pool/recovery/control_statement.hpp"
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/detail/knobs.hpp>
#include <lido/driver/types/user_type.hpp>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

namespace lido::testing {

struct shadowed_pair {
  int a = 0;
  int b = 0;
  friend bool operator==(const shadowed_pair&, const shadowed_pair&) = default;
};

}  // namespace lido::testing

template <>
struct lido::user_type<lido::testing::shadowed_pair> {
  static constexpr std::string_view name = "shadowed_pair";
};

namespace lido::testing {
namespace {

// Each does what the right one does, and leaves a row.
constexpr const char* shadows = R"(
create role lido_shadowed login;
alter role lido_shadowed in database lido set search_path = evil, public, pg_catalog;
create schema evil;
create table evil.calls (what pg_catalog.text);
create type public.shadowed_pair as (a int, b int);
create type public.shadowed_other as (a int);
do $do$
declare
  n int := 0;
  op text[];
  fn text[];
begin
  foreach op slice 1 in array array[
    ['=', 'oid', 'oid', 'bool'], ['<>', 'oid', 'oid', 'bool'], ['=', 'name', 'name', 'bool'], ['=', 'text', 'text', 'bool'],
    ['=', 'int4', 'int4', 'bool'], ['=', 'int8', 'int8', 'bool'], ['=', 'int8', 'int4', 'bool'],
    ['=', 'inet', 'inet', 'bool'], ['>', 'int2', 'int4', 'bool'], ['>=', 'pg_lsn', 'pg_lsn', 'bool'],
    ['||', 'text', 'text', 'text'], ['-', 'timestamptz', 'timestamptz', 'interval'],
    ['*', 'numeric', 'int4', 'numeric'], ['*', 'float8', 'int4', 'float8']]
  loop
    n := n + 1;
    execute format('create function evil.op_%s(l pg_catalog.%s, r pg_catalog.%s) returns pg_catalog.%s language plpgsql '
      'as $f$ begin insert into evil.calls values (%L); return l operator(pg_catalog.%s) r; end $f$',
      n, op[2], op[3], op[4], op[1], op[1]);
    execute format('create operator evil.%s (leftarg = pg_catalog.%s, rightarg = pg_catalog.%s, function = evil.op_%s)',
      op[1], op[2], op[3], n);
  end loop;
  foreach fn slice 1 in array array[
    ['pg_is_in_recovery', '', '', 'bool'], ['pg_current_wal_lsn', '', '', 'pg_lsn'],
    ['pg_walfile_name', 'l pg_catalog.pg_lsn', 'l', 'text'],
    ['substr', 'a pg_catalog.text, b pg_catalog.int4, c pg_catalog.int4', 'a, b, c', 'text'],
    ['pg_last_wal_replay_lsn', '', '', 'pg_lsn'], ['pg_last_wal_receive_lsn', '', '', 'pg_lsn'],
    ['clock_timestamp', '', '', 'timestamptz'], ['pg_last_xact_replay_timestamp', '', '', 'timestamptz'],
    ['to_regtype', 'a pg_catalog.text', 'a', 'regtype'],
    ['format_type', 'a pg_catalog.oid, b pg_catalog.int4', 'a, b', 'text'],
    ['pg_cancel_backend', 'a pg_catalog.int4', 'a', 'bool'], ['pg_backend_pid', '', '', 'int4'],
    ['pg_postmaster_start_time', '', '', 'timestamptz'],
    ['date_part', 'a pg_catalog.text, b pg_catalog.timestamptz', 'a, b', 'float8'],
    ['date_part', 'a pg_catalog.text, b pg_catalog.interval', 'a, b', 'float8'],
    ['extract', 'a pg_catalog.text, b pg_catalog.timestamptz', 'a, b', 'numeric'],
    ['extract', 'a pg_catalog.text, b pg_catalog.interval', 'a, b', 'numeric'],
    ['pg_current_xact_id', '', '', 'xid8'], ['pg_xact_status', 'a pg_catalog.xid8', 'a', 'text'],
    ['pg_stat_get_bgwriter_stat_reset_time', '', '', 'timestamptz'],
    ['pg_advisory_unlock_all', '', '', 'text'],
    ['pg_notify', 'a pg_catalog.text, b pg_catalog.text', 'a, b', 'text']]
  loop
    execute format('create function evil.%s(%s) returns pg_catalog.%s language plpgsql as '
      '$f$ begin insert into evil.calls values (%L); return pg_catalog.%s(%s); end $f$',
      quote_ident(fn[1]), fn[2], fn[4], fn[1], quote_ident(fn[1]), fn[3]);
  end loop;
  execute 'create function evil.unnest(a pg_catalog.text[]) returns setof pg_catalog.text language plpgsql as '
    '$f$ begin insert into evil.calls values (''unnest''); return query select pg_catalog.unnest(a); end $f$';
end $do$;
create domain evil.int8 as pg_catalog.int8;
create domain evil.int4 as pg_catalog.int4;
create domain evil.oid as pg_catalog.oid;
create domain evil.text as pg_catalog.text;
create domain evil.name as pg_catalog.name;
create domain evil.inet as pg_catalog.inet;
create domain evil.bool as pg_catalog.bool;
create domain evil.xid8 as pg_catalog.xid8;
create view evil.pg_type as select * from pg_catalog.pg_type;
create view evil.pg_attribute as select attrelid, atttypid, attnum, attisdropped from pg_catalog.pg_attribute;
create view evil.pg_stat_activity as select * from pg_catalog.pg_stat_activity;
create view evil.pg_stat_wal_receiver as select * from pg_catalog.pg_stat_wal_receiver;
grant usage, create on schema evil to lido_shadowed;
grant all on all tables in schema evil to lido_shadowed;
)";

class own_statements : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { sql(shadows); }
  void SetUp() override { sql("truncate evil.calls"); }

  static std::string sql(const std::string& text) { return shared_cluster().sql(text, shared_cluster().database()); }
  static std::string calls() { return sql("select distinct what from evil.calls"); }
  static connect_config shadowed_role() {
    connect_config config = unix_config(shared_cluster());
    config.user = "lido_shadowed";
    return config;
  }

  // What of the schema a statement means, as the server read it: also in branches that this server does not come to.
  static std::string meant(const std::string& statement) {
    const std::string text = std::regex_replace(statement, std::regex(R"(\$[0-9])"), "null");
    sql("set search_path = evil, public, pg_catalog; create view evil.probe as select 1 as one from (" + text + ") s");
    const std::string found = sql(
        "with d as (select d.* from pg_depend d join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and d.objid = "
        "r.oid where r.ev_class = 'evil.probe'::regclass) "
        "select oprname::text from d join pg_operator o on refobjid = o.oid where oprnamespace = 'evil'::regnamespace "
        "union all select proname from d join pg_proc o on refobjid = o.oid where pronamespace = 'evil'::regnamespace "
        "union all select typname from d join pg_type o on refobjid = o.oid where typnamespace = 'evil'::regnamespace "
        "union all select relname from d join pg_class o on refobjid = o.oid where relnamespace = 'evil'::regnamespace "
        "and relname <> 'probe'");
    sql("drop view evil.probe");
    return found;
  }
};

TEST_F(own_statements, C11_type_look_ups_call_nothing_that_the_search_path_has_in_front) {
  const shadowed_pair value{1, 2};
  run([&](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await connection::async_connect(shadowed_role());
    co_await db.async_query("select 'a'::pg_catalog.text || 'b'::pg_catalog.text");
    EXPECT_EQ(calls(), "||") << "who does not qualify calls what is there";
    sql("truncate evil.calls");
    EXPECT_EQ((co_await db.async_query<shadowed_pair>("select $1", value)).one(), value);
    const auto other = co_await error_of(db.async_query<shadowed_pair>("select row(1)::public.shadowed_other"));
    EXPECT_EQ(other, errc::type_mismatch);
    EXPECT_EQ(calls(), "");
  });
}

TEST_F(own_statements, C11_the_host_watch_calls_nothing_that_the_search_path_has_in_front) {
  std::optional<core::sighting> seen;
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    asio::steady_timer until(io, hang_guard);
    detail::host_news tell;
    tell.seen = [&](core::endpoint_id, const core::sighting& what) {
      seen = what;
      until.cancel();
    };
    tell.unreachable = [&](core::endpoint_id) { until.cancel(); };
    tell.addresses = [](core::endpoint_id, const std::vector<std::string>&) {};
    detail::watch_terms terms;
    terms.name = detail::hosts_of(shadowed_role()).front();
    terms.interval = terms.patience = hang_guard;
    const detail::config_source config_now = [](auto done) { done(shadowed_role()); };
    const auto watch =
        std::make_shared<detail::host_watch>(io.get_executor(), std::move(terms), config_now, std::move(tell));
    watch->start();
    std::error_code woken;
    co_await until.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    watch->stop();
  });
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->role, core::endpoint_role::primary);
  EXPECT_EQ(seen->timeline, 1U);
  EXPECT_EQ(calls(), "");
}

TEST_F(own_statements, C11_every_one_means_pg_catalog_whatever_branch_a_server_takes) {
  EXPECT_EQ(meant("select 1 where 'a'::text = any(array['b'::text])"), "=\ntext") << "the probe shows what is there";
  EXPECT_EQ(meant(std::string(detail::host_question())), "");
  EXPECT_EQ(meant(std::string(types::look_up_statement())), "");
  EXPECT_EQ(meant(std::string(types::describe_statement())), "");
  EXPECT_EQ(meant(std::string(recovery::control_statement)), "");
  EXPECT_EQ(meant(session::naming_statement()), "");
  EXPECT_EQ(meant(session::question_about({})), "");
}

}  // namespace
}  // namespace lido::testing
