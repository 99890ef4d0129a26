// Where a configuration comes from: defaults < file < PG* < LIDO__NAME__* < DSN < code, and what is said about it.
#include "pool/config/config_builder.hpp"
#include "tests/config/config_errors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

namespace lido::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

class layers : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/lido-layers-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    from.file = folder + "/lido.toml";
  }
  void TearDown() override {
    for (const std::string& f : written) ::unlink(f.c_str());
    ::rmdir(folder.c_str());
  }
  void write(std::string_view text) { write("lido.toml", text); }
  std::string write(const std::string& name, std::string_view text) {
    const std::string path = folder + "/" + name;
    std::ofstream(path) << text;
    EXPECT_EQ(::chmod(path.c_str(), 0600), 0);
    written.push_back(path);
    return path;
  }
  pool_config load(std::string_view pool = "web") {
    return detail::load_layers(from, pool, {variables.begin(), variables.end()});
  }
  refusal refused(std::string_view pool = "web") {
    return refusal_of([&] { load(pool); });
  }
  refusal all_refused() {
    return refusal_of([&] { detail::load_all_layers(from, {variables.begin(), variables.end()}); });
  }

  std::string folder;
  std::vector<std::string> written;
  config_sources from;
  std::vector<std::string> variables;
};

effective_knob knob_of(const pool_config& c, std::string_view name) {
  for (effective_knob& k : c.effective()) {
    if (k.name == name) return k;
  }
  ADD_FAILURE() << name;
  return {};
}

TEST_F(layers, each_one_overrules_those_before) {
  write("[pool.web]\nuser = \"file\"\nhost = \"file\"\ndbname = \"file\"\nport = 1\nmax_size = 2");
  variables = {"PGUSER=pg", "PGHOST=pg", "PGPORT=2", "LIDO__WEB__HOST=env", "LIDO__WEB__PORT=3"};
  from.dsn = "port=4 pool_max_waiters=7";
  from.code = [](pool_config& c) { c.connect_concurrency = 9; };
  const auto c = load();
  EXPECT_EQ(c.connect.database, "file");
  EXPECT_EQ(c.connect.user, "pg");
  EXPECT_EQ(c.connect.host, "env");
  EXPECT_EQ(c.connect.port, 4);
  EXPECT_EQ(c.connect_concurrency, 9U);
  EXPECT_EQ(knob_of(c, "dbname").source, from.file + ":4");
  EXPECT_EQ(knob_of(c, "user").source, "PGUSER");
  EXPECT_EQ(knob_of(c, "host").source, "LIDO__WEB__HOST");
  EXPECT_EQ(knob_of(c, "port").source, "DSN");
  EXPECT_EQ(knob_of(c, "max_waiters").source, "DSN");
  EXPECT_EQ(knob_of(c, "connect_concurrency").source, "code");
  EXPECT_EQ(knob_of(c, "min_size").source, "default");
  EXPECT_EQ(knob_of(c, "max_size").value, "2");
  EXPECT_EQ(knob_of(c, "max_size").applies, knob_class::live);
  EXPECT_EQ(knob_of(c, "host").applies, knob_class::rolling);
  EXPECT_EQ(knob_of(c, "name").applies, knob_class::restart);
}

std::string hosts_of(const pool_config& c) {
  std::string out;
  for (const host_entry& h : detail::hosts_of(c.connect)) {
    out += (out.empty() ? "" : " ") + h.host + (h.hostaddr.empty() ? "" : "(" + h.hostaddr + ")") + ":" +
           std::to_string(h.port);
  }
  return out;
}

// host, hostaddr and port belong together, however many there were before and in whatever order they come.
TEST_F(layers, lists_of_hosts_are_overruled_by_lists_of_other_lengths) {
  write("[pool.web]\nhost = \"a,b\"\nport = \"5,6\"");
  EXPECT_EQ(hosts_of(load()), "a:5 b:6");
  const auto with = [&](std::vector<std::string> env, std::string_view dsn = "") {
    variables = std::move(env);
    from.dsn = dsn;
    const auto c = load();
    from.dsn = "";
    return hosts_of(c);
  };
  EXPECT_EQ(with({"PGHOST=x", "PGPORT=7"}), "x:7");
  EXPECT_EQ(with({"PGPORT=7"}), "a:7 b:7");
  EXPECT_EQ(with({"PGHOST=x,y"}), "x:5 y:6");
  EXPECT_EQ(with({"LIDO__WEB__DSN=postgresql://x:7/db"}), "x:7");
  EXPECT_EQ(with({"LIDO__WEB__PORT=7,8,9", "LIDO__WEB__HOST=x,y,z"}), "x:7 y:8 z:9");
  EXPECT_EQ(with({"LIDO__WEB__HOST=x,y,z", "LIDO__WEB__PORT=7,8,9"}), "x:7 y:8 z:9");
  EXPECT_EQ(with({}, "postgresql://x:7,y:8,z:9/db"), "x:7 y:8 z:9");
  EXPECT_EQ(with({"PGHOSTADDR=10.0.0.1"}, "host=x port=7"), "x(10.0.0.1):7");
  EXPECT_EQ(with({"PGHOST=x", "LIDO__WEB__PORT=7"}), "x:7") << "what fits in the end";
  EXPECT_EQ(knob_of(load(), "host").value, "x");
  EXPECT_EQ(knob_of(load(), "host").source, "PGHOST");
}

TEST_F(layers, lists_of_hosts_that_do_not_fit_are_told_with_their_lengths_and_places) {
  write("[pool.web]\nhost = \"a,b\"\nport = \"5,6\"");
  variables = {"PGHOST=x"};
  EXPECT_THAT(refused().text, HasSubstr(from.file + ":3: 2 ports for 1 host (PGHOST)"));
  variables = {"LIDO__WEB__PORT=1,2,3"};
  EXPECT_THAT(refused().text, HasSubstr("LIDO__WEB__PORT: 3 ports for 2 hosts (" + from.file + ":2)"));
  variables = {"PGHOSTADDR=10.0.0.1,10.0.0.2,10.0.0.3"};
  EXPECT_THAT(refused().text, HasSubstr(from.file + ":2: 2 hosts for 3 addresses (PGHOSTADDR)"));
  variables = {"PGPORT=x"};
  EXPECT_THAT(refused().text, HasSubstr("PGPORT: port expects"));
}

TEST_F(layers, dotted_knobs_and_parameters_have_variables) {
  write("[pool.web]");
  variables = {"LIDO__WEB__CANCEL__TIMEOUT=3s", "LIDO__WEB__MAX_SIZE=4", "LIDO__WEB__PARAMETERS__SEARCH_PATH=app",
               "LIDO__WEB__MIN_SIZE="};
  const auto c = load();
  EXPECT_EQ(c.cancel.timeout, 3s);
  EXPECT_EQ(c.max_size, 4U);
  EXPECT_EQ(c.min_size, 0U) << "empty is as good as not set";
  ASSERT_EQ(c.connect.parameters.size(), 1U);
  EXPECT_EQ(c.connect.parameters[0], (std::pair<std::string, std::string>("search_path", "app")));
  EXPECT_EQ(knob_of(c, "parameters.search_path").source, "LIDO__WEB__PARAMETERS__SEARCH_PATH");
}

TEST_F(layers, without_the_environment_when_so_asked) {
  write("[pool.web]");
  from.environment = false;
  variables = {"LIDO__WEB__MAX_SIZE=4", "PGHOST=pg"};
  EXPECT_EQ(load().max_size, pool_config{}.max_size);
  EXPECT_EQ(load().connect.host, "localhost");
}

TEST_F(layers, an_unknown_variable_is_named_with_its_nearest) {
  write("[pool.web]");
  variables = {"LIDO__WEB__MAX_SISE=4"};
  EXPECT_THAT(refused().text, AllOf(HasSubstr("LIDO__WEB__MAX_SISE"), HasSubstr("\"LIDO__WEB__MAX_SIZE\"")));
  variables = {"LIDO__WEB__CANCEL__TIMOUT=4s"};
  EXPECT_THAT(refused().text, HasSubstr("\"LIDO__WEB__CANCEL__TIMEOUT\""));
}

TEST_F(layers, a_value_without_sense_names_variable_and_expectation_and_is_not_shown) {
  write("[pool.web]");
  variables = {"LIDO__WEB__MAX_SIZE=hunter2"};
  EXPECT_THAT(refused().text,
              AllOf(HasSubstr("LIDO__WEB__MAX_SIZE"), HasSubstr("whole number"), Not(HasSubstr("hunter2"))));
  variables = {"LIDO__WEB__MAX_SIZE=0"};
  EXPECT_THAT(refused().text, AllOf(HasSubstr("LIDO__WEB__MAX_SIZE"), HasSubstr("from 1 to 100000")));
  variables = {"PGPORT=hunter2"};
  EXPECT_THAT(refused().text, AllOf(HasSubstr("PGPORT"), Not(HasSubstr("hunter2"))));
}

TEST_F(layers, what_libpq_would_obey_and_lido_cannot_is_refused) {
  write("[pool.web]");
  for (const std::string_view variable : {"PGSSLCERTMODE"}) {
    variables = {std::string(variable) + "=x"};
    EXPECT_THAT(refused().text, HasSubstr(std::string(variable)));
  }
}

TEST_F(layers, secrets_come_out_of_files) {
  const std::string secret_file = write("secret", "hunter2\n");
  write("[pool.web]\npassword_file = \"" + secret_file + "\"");
  ASSERT_EQ(::chmod(from.file.c_str(), 0644), 0) << "the file itself holds no secret";
  EXPECT_EQ(load().connect.password.reveal(), "hunter2");
  EXPECT_THAT(load().files(), ::testing::ElementsAre(from.file, secret_file));
  write("[pool.web]");
  variables = {"LIDO__WEB__PASSWORD_FILE=" + secret_file};
  EXPECT_EQ(load().connect.password.reveal(), "hunter2");
  variables = {"PGPASSWORD_FILE=" + secret_file};
  EXPECT_EQ(load().connect.password.reveal(), "hunter2");
  EXPECT_EQ(knob_of(load(), "password").source, "PGPASSWORD_FILE");
  EXPECT_EQ(knob_of(load(), "password").value, "(secret)");
  variables = {"LIDO__WEB__PASSWORD_FILE=" + secret_file, "LIDO__WEB__PASSWORD=x"};
  EXPECT_THAT(refused().text, HasSubstr("which one"));
  variables = {"LIDO__WEB__PASSWORD_FILE=hunter2"};
  EXPECT_THAT(refused().text, AllOf(HasSubstr("LIDO__WEB__PASSWORD_FILE"), Not(HasSubstr("hunter2"))));
  variables = {"LIDO__WEB__DSN_FILE=" + write("dsn", "postgresql://app:hunter2@db/app\n")};
  EXPECT_EQ(load().connect.password.reveal(), "hunter2");
}

// Whichever secret it is, whatever else is in files of its own, and though another source overrules it.
TEST_F(layers, S14_a_file_that_is_open_to_others_holds_no_secret_at_all) {
  const std::string own = write("own", "hunter1");
  const std::string dsn = write("dsn", "postgresql://app:hunter2@db/app");
  const auto judged = [&](const std::string& entries) {
    write("[pool.web]\n" + entries);
    EXPECT_EQ(::chmod(from.file.c_str(), 0644), 0);
    return refused();
  };
  for (const std::string& inline_secret :
       {"password = \"hunter2\"\nsslpassword_file = \"" + own + "\"", std::string("sslpassword = \"hunter2\""),
        "dsn = \"postgresql://app:hunter2@db/app\"\npassword_file = \"" + own + "\"",
        "password = \"hunter2\"\ndsn_file = \"" + dsn + "\"", std::string("dsn = \"sslpassword=hunter2\"")}) {
    EXPECT_THAT(judged(inline_secret).text, AllOf(HasSubstr("chmod 600"), Not(HasSubstr("hunter")))) << inline_secret;
  }
  for (const std::string& none : {"dsn_file = \"" + dsn + "\"", "sslpassword_file = \"" + own + "\"",
                                  std::string("password = \"\""), std::string("dsn = \"postgresql://app@db/app\"")}) {
    EXPECT_EQ(judged(none).text, "") << none;
  }
}

TEST_F(layers, a_secret_beside_the_file_that_holds_it_is_an_error_everywhere) {
  const std::string own = write("own", "hunter1");
  write("[pool.web]\npassword = \"hunter2\"\npassword_file = \"" + own + "\"");
  EXPECT_THAT(refused().text,
              AllOf(HasSubstr(from.file + ":3: password_file: password is set too: which one is meant?"),
                    Not(HasSubstr("hunter"))));
  write("[pool.web]\ndsn = \"host=db\"\ndsn_file = \"" + own + "\"");
  EXPECT_THAT(refused().text, HasSubstr("which one is meant?"));
  write("[pool.web]");
  variables = {"LIDO__WEB__DSN=host=db", "LIDO__WEB__DSN_FILE=" + own};
  EXPECT_THAT(refused().text, HasSubstr("LIDO__WEB__DSN is set too: which one is meant?"));
}

TEST_F(layers, effective_shows_every_knob_and_no_secret) {
  write("[pool.web]\npassword = \"hunter2\"\nmax_size = 5");
  const auto c = load();
  const auto all = c.effective();
  EXPECT_EQ(all.size(), detail::pool_knobs().size() + detail::connect_knobs().size());
  const std::string text = to_text(all);
  EXPECT_THAT(text, AllOf(Not(HasSubstr("hunter2")), HasSubstr("password = (secret)"),
                          HasSubstr("max_size = 5  # " + from.file + ":3, live")));
}

TEST_F(layers, a_pool_is_called_as_its_table_and_the_source_says_so) {
  write("\n[pool.web]\nmax_size = 5\n[pool.jobs]\nname = \"nightly\"");
  EXPECT_EQ(knob_of(load(), "name").value, "web");
  EXPECT_EQ(knob_of(load(), "name").source, from.file + ":2");
  EXPECT_EQ(knob_of(load("jobs"), "name").source, from.file + ":5");
  from.code = [](pool_config& c) { c.name = "other"; };
  EXPECT_EQ(knob_of(load(), "name").source, "code");
}

TEST_F(layers, an_unknown_key_is_named_though_no_other_is_near) {
  write("[pool.web]\nmax_conns = 5");
  EXPECT_THAT(refused().text, HasSubstr(from.file + ":2: unknown key \"max_conns\""));
  write("[pool.web]\n[pool.web.limits]\nopen = 5");
  EXPECT_THAT(refused().text, HasSubstr(from.file + ":3: unknown key \"limits.open\""));
}

TEST_F(layers, knobs_that_do_not_go_together_are_told_with_their_places) {
  write("[pool.web]\nmin_size = 7");
  variables = {"LIDO__WEB__MAX_SIZE=5"};
  EXPECT_THAT(refused().text, HasSubstr("min_size must not be above max_size (min_size: " + from.file +
                                        ":2, max_size: LIDO__WEB__MAX_SIZE)"));
  variables.clear();
  write("[pool.web]\nmin_size = 100");
  EXPECT_THAT(refused().text, HasSubstr("(min_size: " + from.file + ":2)")) << "the other one is at its default";
}

TEST_F(layers, code_after_loading_is_noticed) {
  write("[pool.web]\nmax_size = 5\npassword = \"a\"");
  auto c = load();
  c.max_size = 6;
  c.connect.password = "b";
  EXPECT_EQ(knob_of(c, "max_size").source, "code");
  EXPECT_EQ(knob_of(c, "password").source, "code");
}

TEST_F(layers, a_difference_names_knob_values_class_and_source) {
  write("[pool.web]\nmax_size = 4\npassword = \"hunter1\"\nparameters.search_path = \"a\"");
  const auto before = load();
  EXPECT_TRUE(before.changes_to(load()).empty());
  write("[pool.web]\nmax_size = 16\npassword = \"hunter2\"\nparameters.search_path = \"b\"");
  const auto changes = before.changes_to(load());
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(to_text(changes[0]), "max_size: 4 -> 16 (live, " + from.file + ":2)");
  EXPECT_EQ(to_text(changes[1]), "password: (secret) -> (secret) (rolling, " + from.file + ":3)");
  EXPECT_EQ(to_text(changes[2]), "parameters.search_path: a -> b (rolling, " + from.file + ":4)");
}

TEST_F(layers, a_whole_file_of_pools) {
  write("[pool.web]\nmax_size = 1\n[pool.jobs]\nmax_size = 2");
  variables = {"LIDO__JOBS__MAX_SIZE=3"};
  const auto all = detail::load_all_layers(from, {variables.begin(), variables.end()});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].first, "jobs");
  EXPECT_EQ(all[0].second.max_size, 3U);
  EXPECT_EQ(all[1].second.max_size, 1U);
  variables = {"LIDO__JOPS__MAX_SIZE=3"};
  EXPECT_THAT(all_refused().text, AllOf(HasSubstr("LIDO__JOPS__MAX_SIZE"), HasSubstr("LIDO__JOBS__")));
}

TEST_F(layers, names_of_pools_fit_into_variables_and_are_unique) {
  for (const std::string name : {"Web", "a-b", "a__b", "_a", "a_", "\"\""}) {
    write("[pool." + name + "]\nmax_size = 1");
    EXPECT_EQ(all_refused().code, errc::invalid_config) << name;
  }
  write("[pool.a]\nname = \"same\"\n[pool.b]\nname = \"same\"");
  EXPECT_THAT(all_refused().text, HasSubstr("same name"));
  write("");
  EXPECT_EQ(all_refused().code, errc::invalid_config);
}

TEST_F(layers, one_bad_knob_of_one_pool_is_an_error_of_the_file) {
  write("[pool.web]\nmax_size = 1\n[pool.jobs]\nmax_size = 0");
  EXPECT_THAT(all_refused().text, HasSubstr(from.file + ":4"));
}

}  // namespace
}  // namespace lido::test
