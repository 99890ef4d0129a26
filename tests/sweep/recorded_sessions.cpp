#include "tests/sweep/recorded_sessions.hpp"

#include <utility>

namespace lido::testing {
namespace {

using steps::expect;
using steps::expect_all;
using steps::expect_startup;
using steps::send;

constexpr std::string_view run_again = "BES";

outcome ask(client& user) { return user.query(); }
outcome ask_simply(client& user) { return user.simple_query("select answer"); }

std::string parameters_and_key() { return usual_parameters() + backend_key() + ready(); }

/// Trusts everybody and says hello.
std::vector<step> greeted(std::vector<step> then) {
  std::vector<step> all{expect_startup(), send(session_start())};
  all.insert(all.end(), std::make_move_iterator(then.begin()), std::make_move_iterator(then.end()));
  return all;
}

/// One extended query that was not prepared before, answered so.
recorded_session query_answered(std::string name, std::string answer) {
  return {std::move(name), plain_config, greeted({expect_all(prepare_and_run), send(std::move(answer))}), {ask}};
}

/// One simple query, answered so.
recorded_session simple_answered(std::string name, std::string answer) {
  return {std::move(name), plain_config, greeted({expect('Q'), send(std::move(answer))}), {ask_simply}};
}

/// A login that ends with this.
recorded_session login_answered(std::string name, std::string answer) {
  return {std::move(name), plain_config, {expect_startup(), send(std::move(answer))}, {}};
}

void add_logins(std::vector<recorded_session>& all) {
  all.push_back(login_answered("trusted", session_start()));
  all.push_back(login_answered("notices_and_parameters",
                               auth_ok() + notice_response("WARNING", "01000", "the server is old") +
                                   usual_parameters() + parameter_status("search_path", std::string(120, 'p')) +
                                   backend_key() + notice_response("NOTICE", "00000", "n") + ready()));
  all.push_back(
      login_answered("too_many_connections", error_response("FATAL", "53300", "sorry, too many clients already")));
  all.push_back(login_answered("starting_up", error_response("FATAL", "57P03", "the database system is starting up")));
  all.push_back(login_answered("no_such_database",
                               auth_ok() + error_response("FATAL", "3D000", "database \"lido\" does not exist")));
  all.push_back(
      {"scram", password_config, {expect_startup(), steps::scram({}), send(auth_ok() + parameters_and_key())}, {}});
  all.push_back({"scram_and_a_query",
                 password_config,
                 {expect_startup(), steps::scram({}), send(auth_ok() + parameters_and_key()),
                  expect_all(prepare_and_run), send(one_row("42"))},
                 {ask}});
  all.push_back({"wrong_password",
                 password_config,
                 {expect_startup(), steps::scram_begin({}), steps::scram_challenge(),
                  send(error_response("FATAL", "28P01", "password authentication failed for user \"lido\""))},
                 {}});
  all.push_back({"no_tls_here", tls_config, {steps::expect_ssl_request(), send("N")}, {}});
}

void add_extended(std::vector<recorded_session>& all) {
  all.push_back(query_answered("one_row", one_row("42")));
  std::string rows = described();
  for (int i = 0; i < 12; ++i) rows += i % 3 == 0 ? data_row({field{}}) : data_row({std::string(7, 'a')});
  all.push_back(query_answered("many_rows", rows + command_complete("SELECT 12") + ready()));
  all.push_back(query_answered("one_large_row", one_row(std::string(500, 'x'))));
  all.push_back(query_answered("no_rows", described() + command_complete("SELECT 0") + ready()));
  all.push_back(query_answered("no_result", parse_complete() + parameter_description({}) + no_data() + bind_complete() +
                                                command_complete("UPDATE 7") + ready()));
  all.push_back(query_answered("empty_statement", parse_complete() + parameter_description({}) + no_data() +
                                                      bind_complete() + empty_query() + ready()));
  all.push_back(query_answered("syntax_error", error_fields({{'S', "ERROR"},
                                                             {'V', "ERROR"},
                                                             {'C', "42601"},
                                                             {'M', "syntax error at or near \"answer\""},
                                                             {'P', "8"},
                                                             {'F', "scan.l"},
                                                             {'L', "1176"},
                                                             {'R', "scanner_yyerror"}}) +
                                                   ready()));
  all.push_back(query_answered("error_behind_rows", described() + data_row({"1"}) + data_row({"2"}) +
                                                        error_response("ERROR", "22012", "division by zero") +
                                                        ready()));
  all.push_back(query_answered(
      "all_that_comes_between",
      notice_response("NOTICE", "00000", "n") + parse_complete() + notification(7, "news", "payload") +
          parameter_description({}) + row_description({{"answer"}, {"other"}}) + bind_complete() +
          data_row({"42", field{}}) + parameter_status("TimeZone", "CET") + notice_response("INFO", "00000", "i") +
          data_row({field{}, "1"}) + command_complete("SELECT 2") + notification(8, "news", "") + ready()));
  all.push_back(
      {"prepared_before",
       plain_config,
       greeted({expect_all(prepare_and_run), send(one_row("1")), expect_all(run_again),
                send(bind_complete() + data_row({"2"}) + command_complete("SELECT 1") + ready()), expect_all(run_again),
                send(bind_complete() + error_response("ERROR", "22012", "division by zero") + ready())}),
       {ask, ask, ask}});
  all.push_back(
      {"terminated_in_a_query",
       plain_config,
       greeted({expect_all(prepare_and_run),
                send(described() + data_row({"1"}) +
                     error_response("FATAL", "57P01", "terminating connection due to administrator command"))}),
       {ask}});
}

void add_simple(std::vector<recorded_session>& all) {
  const std::string one = row_description({{"answer"}}) + data_row({"1"}) + command_complete("SELECT 1");
  all.push_back(simple_answered("simple_one", one + ready()));
  all.push_back(simple_answered("simple_several", one + command_complete("CREATE TABLE") + one + one + ready()));
  all.push_back(simple_answered("simple_nothing", empty_query() + ready()));
  all.push_back(simple_answered("simple_error_behind_a_result",
                                one + error_response("ERROR", "23505", "duplicate key value") + ready()));
  all.push_back(simple_answered("simple_with_much_between", notice_response("NOTICE", "00000", "n") + one +
                                                                parameter_status("application_name", "x") + one +
                                                                notification(7, "news", "payload") + ready()));
}

void add_transactions(std::vector<recorded_session>& all) {
  const std::string begun = command_complete("BEGIN") + ready('T');
  const auto both = [](client& user) { return user.begin_and_commit(); };
  all.push_back({"commit",
                 plain_config,
                 greeted({expect('Q'), send(begun), expect('Q'), send(command_complete("COMMIT") + ready())}),
                 {both},
                 true});
  all.push_back({"commit_refused",
                 plain_config,
                 greeted({expect('Q'), send(begun), expect('Q'),
                          send(error_response("ERROR", "40001", "could not serialize access") + ready())}),
                 {both},
                 true});
  all.push_back({"commit_that_rolled_back",
                 plain_config,
                 greeted({expect('Q'), send(begun), expect('Q'), send(command_complete("ROLLBACK") + ready())}),
                 {both},
                 true});
}

/// One operation behind the other, of every kind.
void add_mixed(std::vector<recorded_session>& all) {
  const std::string begun = command_complete("BEGIN") + ready('T');
  const std::string one = row_description({{"answer"}}) + data_row({"1"}) + command_complete("SELECT 1");
  const auto both = [](client& user) { return user.begin_and_commit(); };
  all.push_back(
      {"mixed",
       plain_config,
       greeted({expect_all(prepare_and_run), send(one_row("1")), expect('Q'), send(one + ready()), expect('Q'),
                send(begun), expect('Q'), send(command_complete("COMMIT") + ready()), expect_all(run_again),
                send(bind_complete() + data_row({"2"}) + command_complete("SELECT 1") + ready())}),
       {ask, ask_simply, both, ask},
       true});
  all.push_back({"error_with_every_field",
                 plain_config,
                 greeted({expect_all(prepare_and_run),
                          send(parse_complete() + parameter_description({}) + row_description({{"answer"}}) +
                               error_fields({{'S', "FEHLER"},
                                             {'V', "ERROR"},
                                             {'C', "23505"},
                                             {'M', "duplicate key"},
                                             {'D', "Key (id)=(1) already exists."},
                                             {'H', "another one"},
                                             {'p', "7"},
                                             {'q', "insert into t values (1)"},
                                             {'W', "PL/pgSQL function f()"},
                                             {'s', "public"},
                                             {'t', "t"},
                                             {'c', "id"},
                                             {'d', "int4"},
                                             {'n', "t_pkey"},
                                             {'F', "nbtinsert.c"},
                                             {'L', "664"},
                                             {'R', "_bt_check_unique"}}) +
                               ready())}),
                 {ask}});
}

}  // namespace

std::vector<recorded_session> recorded_sessions() {
  std::vector<recorded_session> all;
  add_logins(all);
  add_extended(all);
  add_simple(all);
  add_transactions(all);
  add_mixed(all);
  for (recorded_session& each : pipelines_and_exchanges()) all.push_back(std::move(each));
  return all;
}

}  // namespace lido::testing
