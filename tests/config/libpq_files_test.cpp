// Service files, password files and the environment, as libpq reads them.
#include "tests/config/config_errors.hpp"
#include "tests/support/files.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/detail/libpq_files.hpp>
#include <lido/pool/config.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <map>

namespace lido::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// ---- .pgpass ----

struct line_case {
  std::string text;
  std::string want;  // "-": none
  password_request whom{"db", 5432, "app", "base"};
};

std::string found(const line_case& c) {
  const auto password = detail::password_in(c.text, c.whom);
  return password ? std::string(password->reveal()) : "-";
}

TEST(password_file, the_first_line_that_fits_counts) {
  const line_case cases[] = {
      {"db:5432:base:app:secret", "secret"},
      {"db:5432:base:app:secret\n", "secret"},
      {"db:5432:base:app:secret\r\n", "secret"},
      {"db:5432:base:app:first\ndb:5432:base:app:second", "first"},
      {"# db:5432:base:app:no\n\ndb:5432:base:app:yes", "yes"},
      {"*:*:*:*:any", "any"},
      {"*:5432:*:app:some", "some"},
      {"other:5432:base:app:x\n*:*:*:app:y", "y"},
      {"db:5433:base:app:x", "-"},
      {"db:5432:bas:app:x", "-"},
      {"db:5432:based:app:x", "-"},
      {"d*:5432:base:app:x", "-"},
      {"db:5432:base:app", "-"},
      {"db:5432:base:app:", ""},
      {"", "-"},
      {"::::", "-"},
      {R"(db:5432:base:app:a\:b\\c\d)", R"(a:b\cd)"},
      {"db:5432:base:app:a:b", "a"},
      {R"(d\b:5432:base:app:x)", "x"},
      {R"(a\:b:5432:base:app:x)", "x", {"a:b", 5432, "app", "base"}},
      {R"(a:b:5432:base:app:x)", "x", {"a:b", 5432, "app", "base"}},
      {R"(\*:5432:base:app:x)", "-"},
      {"localhost:5432:base:app:x", "x", {"/var/run/postgresql", 5432, "app", "base"}},
      {"localhost:5432:base:app:x", "-", {"/elsewhere", 5432, "app", "base"}},
      {"db:5432:base:app:x\\", "x\\"},
      {"db:5432:base:app\\", "-"},
  };
  for (const auto& c : cases) EXPECT_EQ(found(c), c.want) << c.text;
}

TEST(password_file, C24_an_address_is_not_looked_up_as_localhost) {
  const std::string file = "localhost:*:*:*:wrong\n10.0.0.1:*:*:*:right";
  const auto hosts = detail::hosts_of(connect_config::parse("hostaddr=10.0.0.1"));
  EXPECT_EQ(found({file, "right", {hosts[0].host, hosts[0].port, "app", "base"}}), "right");
}

TEST(password_file, S14_one_that_others_can_read_is_passed_over_and_said_so) {
  const lido::testing::temporary_folder folder("lido_pgpass");
  const std::string file = (folder.path() / "pgpass").string();
  lido::testing::write_file(file, "*:*:*:*:hunter2");
  const password_request whom{"db", 5432, "app", "base"};
  for (const mode_t mode : {0600U, 0400U}) {
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    EXPECT_EQ(detail::password_from_file(file, whom).password.reveal(), "hunter2");
  }
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    const auto got = detail::password_from_file(file, whom);
    EXPECT_TRUE(got.password.empty());
    EXPECT_THAT(got.passed_over, AllOf(HasSubstr("chmod 0600"), Not(HasSubstr("hunter2"))));
  }
  EXPECT_TRUE(detail::password_from_file(folder.path().string(), whom).password.empty()) << "a folder";
  const auto none = detail::password_from_file(file + ".no", whom);
  EXPECT_TRUE(none.password.empty() && none.passed_over.empty());
}

// ---- pg_service.conf ----

std::string services(std::string_view text, std::string_view name) {
  const auto all = detail::service_in(text, name, "f");
  if (!all) return "-";
  std::string out;
  for (const auto& s : *all) out += s.key + "=" + std::string(s.value.reveal()) + "(" + s.where + ")";
  return out;
}

TEST(service_file, the_section_of_that_name) {
  const std::string file = "# c\n[a]\nhost=x\n\n  port=1  \n[b]\nhost=y\npassword= z\n[a]\nuser=never\n";
  EXPECT_EQ(services(file, "a"), "host=x(f, line 3)port=1(f, line 5)");
  EXPECT_EQ(services(file, "b"), "host=y(f, line 7)password= z(f, line 8)");
  EXPECT_EQ(services(file, "c"), "-");
  EXPECT_EQ(services("[a]\nhost=x\nhost=y", "a"), "host=x(f, line 2)") << "the first counts";
  EXPECT_EQ(services("[a]", "a"), "");
  EXPECT_EQ(services("[a] trailing\r\nhost=x\r\n", "a"), "host=x(f, line 2)");
  EXPECT_EQ(services("[ab]\nhost=x", "a"), "-");
  EXPECT_EQ(services("[a]\nrequiressl=1", "a"), "sslmode=require(f, line 2)");
}

TEST(service_file, C34_what_is_no_setting_names_file_and_line_and_no_value) {
  const std::pair<std::string, std::string> bad[] = {
      {"[a]\nhunter2", "key=value"},
      {"[a]\npasword=hunter2", "did you mean \"password\""},
      {"[a]\nservice=b", "within"},
      {"[a]\nldap://hunter2/x?y", "LDAP"},
      {"[a]\n" + std::string(1024, 'h'), "longer"},
  };
  for (const auto& [text, words] : bad) {
    const auto refused = refusal_of([&] { (void)detail::service_in(text, "a", "file.conf"); });
    EXPECT_EQ(refused.code, errc::invalid_config);
    EXPECT_THAT(refused.text, AllOf(HasSubstr("file.conf, line 2"), HasSubstr(words), Not(HasSubstr("hunter2"))));
  }
  EXPECT_EQ(services("[b]\nwhatever\n[a]\nhost=x", "a"), "host=x(f, line 4)") << "other sections are not read";
}

// ---- together ----

class environment_of_libpq : public ::testing::Test {
 protected:
  environment_of_libpq() : folder("lido_libpq") {
    set("HOME", folder.path().string());
    for (const char* name : {"PGHOST", "PGPORT", "PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGDATABASE"})
      set(name, "");
    set("PGSYSCONFDIR", (folder.path() / "system").string());
  }
  ~environment_of_libpq() override {
    for (const auto& [name, value] : before) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  void set(const std::string& name, const std::string& value) {
    const char* const old = ::getenv(name.c_str());
    before.emplace(name, old == nullptr ? std::nullopt : std::optional<std::string>(old));
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  std::string write(const std::string& name, const std::string& text) {
    const auto file = folder.path() / name;
    lido::testing::write_file(file.string(), text);
    ::chmod(file.c_str(), 0600);
    return file.string();
  }

  lido::testing::temporary_folder folder;
  std::map<std::string, std::optional<std::string>> before;
};

TEST_F(environment_of_libpq, dsn_over_service_over_variables_over_defaults) {
  write(".pg_service.conf", "[web]\nhost=service\nport=1\nuser=of_service\n");
  set("PGHOST", "variable");
  set("PGDATABASE", "of_variable");
  const auto c = connect_config::load("service=web user=of_dsn");
  EXPECT_EQ(c.host, "service");
  EXPECT_EQ(c.port, 1);
  EXPECT_EQ(c.user, "of_dsn");
  EXPECT_EQ(c.database, "of_variable");
  EXPECT_EQ(c.sslmode, sslmode::verify_full);
  set("PGSERVICE", "web");
  EXPECT_EQ(connect_config::load().host, "service");
  EXPECT_EQ(connect_config::load("postgresql://dsn/x").host, "dsn");
}

TEST_F(environment_of_libpq, lists_of_hosts_are_put_together_before_they_are_counted) {
  set("PGHOST", "a,b");
  set("PGPORT", "1,2");
  EXPECT_EQ(connect_config::load("host=c,d").hosts.size(), 2U);
  EXPECT_EQ(refusal_of([] { connect_config::load("host=c,d,e"); }).code, errc::invalid_config);
}

TEST_F(environment_of_libpq, which_service_file) {
  const std::string own = write("own.conf", "[web]\nhost=own\n");
  write(".pg_service.conf", "[web]\nhost=home\n");
  ::mkdir((folder.path() / "system").c_str(), 0700);
  write("system/pg_service.conf", "[web]\nhost=system\n[other]\nhost=other\n");
  EXPECT_EQ(connect_config::load("service=web").host, "home");
  EXPECT_EQ(connect_config::load("service=other").host, "other");
  set("PGSERVICEFILE", own);
  EXPECT_EQ(connect_config::load("service=web").host, "own");
  EXPECT_EQ(connect_config::load("service=web servicefile=" + write("third", "[web]\nhost=third")).host, "third");
  EXPECT_THAT(refusal_of([] { connect_config::load("service=hunter2"); }).text,
              AllOf(HasSubstr("no service file"), Not(HasSubstr("hunter2"))));
  set("PGSERVICEFILE", own + ".no");
  EXPECT_THAT(refusal_of([] { connect_config::load("service=web"); }).text, HasSubstr("own.conf.no"));
}

TEST_F(environment_of_libpq, the_password_file_is_where_libpq_has_it) {
  EXPECT_EQ(connect_config::load("user=a").passfile, "");
  const std::string home = write(".pgpass", "");
  EXPECT_EQ(connect_config::load("user=a").passfile, home);
  set("PGPASSFILE", "/elsewhere");
  EXPECT_EQ(connect_config::load("user=a").passfile, "/elsewhere");
  EXPECT_EQ(connect_config::load("passfile=/here").passfile, "/here");
}

TEST_F(environment_of_libpq, a_pool_reads_services_and_the_password_file_with_its_environment) {
  write(".pg_service.conf", "[web]\nhost=service\n[other]\nhost=other\nuser=u\n");
  const std::string home = write(".pgpass", "");
  config_sources from;
  from.file = write("lido.toml", "[pool.web]\ndsn = \"service=other\"\n");
  EXPECT_EQ(pool_config::load(from, "web").connect.host, "other");
  EXPECT_EQ(pool_config::load(from, "web").connect.passfile, home);
  set("PGSERVICE", "web");
  const auto c = pool_config::load(from, "web");
  EXPECT_EQ(c.connect.host, "service") << "libpq's variables win over the file";
  EXPECT_EQ(c.connect.user, "u");
  EXPECT_EQ(refusal_of([] { pool_config::from_dsn("service=web"); }).code, errc::invalid_config);
}

}  // namespace
}  // namespace lido::test
