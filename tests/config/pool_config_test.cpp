#include "tests/config/config_errors.hpp"

#include <lido/pool/config.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <limits>

namespace lido::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

constexpr std::string_view whole_file = R"(
# two pools
[pool.default]
dsn = "postgresql://app:secret@db.example:6543/app?sslrootcert=/ca.pem&pool_max_size=3"
max_size = 20
min_size = 2
acquire_timeout = "500ms"
connect_timeout = 3
max_lifetime_jitter = 0.25
reset.mode = "discard_all"
require_auth = ["scram-sha-256", "md5"]
cancel.timeout = "3s"
cancel.rate = 50
cancel.after = "discard"
drain.max_bytes = "4MiB"
parameters.search_path = "app"
statement_cache_size = 0

[pool.reports]
host = "/run/postgresql"
name = "nightly"

[pool.reports.drain]
timeout = "1m"
)";

refusal toml_refusal(const std::string& body) {
  return refusal_of([&] { pool_config::parse_toml("[pool.default]\n" + body, "lido.toml"); });
}

TEST(pool_toml, reads_every_kind_of_knob) {
  const auto c = pool_config::parse_toml(whole_file, "lido.toml");
  EXPECT_EQ(c.name, "default");
  EXPECT_EQ(c.connect.host, "db.example");
  EXPECT_EQ(c.connect.port, 6543);
  EXPECT_EQ(c.connect.user, "app");
  EXPECT_EQ(c.connect.password.reveal(), "secret");
  EXPECT_EQ(c.connect.sslrootcert, "/ca.pem");
  EXPECT_EQ(c.connect.connect_timeout, 3s);
  EXPECT_EQ(c.connect.require_auth, (std::vector{auth_method::scram_sha_256, auth_method::md5}));
  EXPECT_EQ(c.connect.statement_cache_size, 0U);
  EXPECT_EQ(c.connect.parameters, (std::vector<std::pair<std::string, std::string>>{{"search_path", "app"}}));
  EXPECT_EQ(c.max_size, 20U) << "what stands beside the DSN wins over it";
  EXPECT_EQ(c.min_size, 2U);
  EXPECT_EQ(c.acquire_timeout, 500ms);
  EXPECT_EQ(c.max_lifetime_jitter, 0.25);
  EXPECT_EQ(c.reset.mode, reset_mode::discard_all);
  EXPECT_EQ(c.cancel.timeout, 3s);
  EXPECT_EQ(c.cancel.rate, 50);
  EXPECT_EQ(c.cancel.after, after_cancel::discard);
  EXPECT_EQ(c.drain.max_bytes, 4U << 20);
}

TEST(pool_toml, tables_by_name_dotted_or_nested) {
  const auto c = pool_config::parse_toml(whole_file, "lido.toml", "reports");
  EXPECT_EQ(c.name, "nightly");
  EXPECT_EQ(c.connect.host, "/run/postgresql");
  EXPECT_EQ(c.drain.timeout, 60s);
  EXPECT_EQ(c.max_size, pool_config{}.max_size);
  const auto named = pool_config::parse_toml("[pool.jobs]\nmax_size = 1", "lido.toml", "jobs");
  EXPECT_EQ(named.name, "jobs") << "the table's name, unless it says another";
}

TEST(pool_toml, an_unknown_knob_names_file_line_and_nearest) {
  const auto e = toml_refusal("min_size = 1\nmax_sise = 20\n");
  EXPECT_EQ(e.code, errc::invalid_config);
  EXPECT_THAT(e.text, AllOf(HasSubstr("lido.toml:3"), HasSubstr("\"max_sise\""), HasSubstr("\"max_size\"")));
  EXPECT_THAT(toml_refusal("cancel.timout = \"1s\"").text, HasSubstr("\"cancel.timeout\""));
  EXPECT_THAT(toml_refusal("sslmod = \"disable\"").text, HasSubstr("\"sslmode\""));
  EXPECT_THAT(toml_refusal("sslcertmode = \"x\"").text, HasSubstr("does not have"));
  EXPECT_THAT(refusal_of([] { pool_config::parse_toml("[pol.default]\n", "lido.toml"); }).text, HasSubstr("\"pool\""));
}

TEST(pool_toml, a_value_without_sense_names_line_and_expectation) {
  EXPECT_THAT(toml_refusal("\nacquire_timeout = 30\n").text,
              AllOf(HasSubstr("lido.toml:3"), HasSubstr("acquire_timeout"), HasSubstr("500ms")));
  for (const std::string bad : {"max_size = \"many\"",
                                "max_size = -1",
                                "max_size = 1.5",
                                "max_size = true",
                                "max_size = 1979-05-27",
                                "max_size = [[1]]",
                                "max_size = 0",
                                "min_size = 11",
                                "acquire_timeout = \"0s\"",
                                "acquire_timeout = \"inf\"",
                                "acquire_timeout = \"-1s\"",
                                "max_lifetime_jitter = 1.5",
                                "max_lifetime_jitter = nan",
                                "max_lifetime_jitter = inf",
                                "reset.mode = \"never\"",
                                "cancel.after = \"hope\"",
                                "cancel.rate = -1",
                                "cancel.concurrency = 0",
                                "drain.max_bytes = \"16MB\"",
                                "drain.max_bytes = 0",
                                "drain.timeout = \"48h\"",
                                "connect_backoff_min = \"10s\"",
                                "connect_concurrency = 0",
                                "name = \"a-b\"",
                                "name = \"\"",
                                "dsn = 5",
                                "dsn = \"postgresql://db?x=y\"",
                                "sslmode = \"require\"",
                                "parameters.user = \"admin\"",
                                "cancel = 5",
                                "host = \"a\\u0000b\"",
                                "parameters = 1"}) {
    EXPECT_EQ(toml_refusal(bad).code, errc::invalid_config) << bad;
  }
}

TEST(pool_toml, what_the_parser_asserts_on_is_an_error) {
  for (const std::string_view text : {"[=]", "[pool.default]\n=3", "[\\]", "[[=]]"}) {
    EXPECT_EQ(refusal_of([&] { pool_config::parse_toml(text, "lido.toml"); }).code, errc::invalid_config) << text;
  }
}

TEST(pool_toml, what_is_no_toml_names_the_place) {
  EXPECT_THAT(toml_refusal("max_size = = 3").text, HasSubstr("lido.toml:2:"));
  EXPECT_EQ(toml_refusal("max_size = 3\nmax_size = 4").code, errc::invalid_config);
  EXPECT_THAT(refusal_of([] { pool_config::parse_toml("", "lido.toml", "x"); }).text, HasSubstr("[pool.x]"));
  EXPECT_EQ(refusal_of([] { pool_config::parse_toml("[pool]\ndefault = 3", "lido.toml"); }).code, errc::invalid_config);
  EXPECT_EQ(refusal_of([] { pool_config::parse_toml("pool = 3", "lido.toml"); }).code, errc::invalid_config);
}

TEST(pool_dsn, takes_the_pools_knobs_with_a_prefix) {
  const auto c = pool_config::from_dsn(
      "postgresql://app@db/app?pool_max_size=20&pool_cancel.timeout=3s&connect_timeout=4&pool_name=web");
  EXPECT_EQ(c.max_size, 20U);
  EXPECT_EQ(c.cancel.timeout, 3s);
  EXPECT_EQ(c.name, "web");
  EXPECT_EQ(c.connect.connect_timeout, 4s);
  EXPECT_EQ(c.connect.host, "db");
  EXPECT_EQ(pool_config::from_dsn("host=db pool_min_size=1").min_size, 1U);
  const auto e = refusal_of([] { pool_config::from_dsn("host=db pool_max_sise=1"); });
  EXPECT_THAT(e.text, AllOf(HasSubstr("position 9"), HasSubstr("\"pool_max_size\"")));
  EXPECT_THAT(refusal_of([] { pool_config::from_dsn("pool_max_size=many"); }).text, HasSubstr("pool_max_size"));
}

class config_file : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/lido-config-XXXXXX";
    const int fd = ::mkstemp(name.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    path = name;
  }
  void TearDown() override { ::unlink(path.c_str()); }
  void write(std::string_view text, ::mode_t mode) {
    std::ofstream(path) << text;
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
  std::string path;
};

TEST_F(config_file, is_loaded) {
  write(whole_file, 0600);
  EXPECT_EQ(pool_config::load(path).max_size, 20U);
  EXPECT_EQ(pool_config::load(path, "reports").name, "nightly");
}

TEST_F(config_file, S14_with_a_password_must_be_closed_to_others) {
  write(whole_file, 0644);
  const auto e = refusal_of([&] { pool_config::load(path); });
  EXPECT_THAT(e.text, AllOf(HasSubstr("chmod 600"), Not(HasSubstr("secret"))));
  EXPECT_EQ(pool_config::load(path, "reports").name, "nightly") << "no password in that one";
}

TEST_F(config_file, must_be_there_and_of_sane_size) {
  EXPECT_THAT(refusal_of([&] { pool_config::load(path + ".missing"); }).text, HasSubstr(path));
  EXPECT_EQ(refusal_of([] { pool_config::load("/tmp"); }).code, errc::invalid_config);
  write(std::string(2'000'000, '#'), 0600);
  EXPECT_THAT(refusal_of([&] { pool_config::load(path); }).text, HasSubstr("1 MiB"));
}

template <class Change>
void expect_refused(Change&& change) {
  pool_config c;
  change(c);
  EXPECT_EQ(refusal_of([&] { c.validate(); }).code, errc::invalid_config);
}

TEST(validate_pool, the_default_is_fine) {
  EXPECT_FALSE(refusal_of([] { pool_config{}.validate(); }).code);
}

TEST(validate_pool, zero_switches_off_only_what_may_be_off) {
  pool_config c;
  c.max_lifetime = c.idle_timeout = c.validate_after_idle = 0s;
  c.max_waiters = 0;
  EXPECT_FALSE(refusal_of([&] { c.validate(); }).code);
  expect_refused([](pool_config& p) { p.acquire_timeout = 0s; });
  expect_refused([](pool_config& p) { p.validation_timeout = 0s; });
  expect_refused([](pool_config& p) { p.reset.timeout = 0s; });
  expect_refused([](pool_config& p) { p.connect_backoff_min = 0s; });
  expect_refused([](pool_config& p) { p.cancel.timeout = 0s; });
  expect_refused([](pool_config& p) { p.cancel.retry_after = 0s; });
  expect_refused([](pool_config& p) { p.drain.timeout = 0s; });
  expect_refused([](pool_config& p) { p.acquire_timeout = std::chrono::nanoseconds::max(); });
  expect_refused([](pool_config& p) { p.max_lifetime = -1s; });
  expect_refused([](pool_config& p) { p.max_lifetime_jitter = std::numeric_limits<double>::quiet_NaN(); });
  expect_refused([](pool_config& p) { p.cancel.rate = std::numeric_limits<double>::infinity(); });
}

TEST(validate_pool, the_name_is_a_label_of_metrics) {
  for (const std::string bad : {"", "a b", "a\"b", "a\nb", "a{b", "\xc3\xa9"}) {
    expect_refused([&](pool_config& p) { p.name = bad; });
  }
  expect_refused([](pool_config& p) { p.name = std::string(65, 'x'); });
  expect_refused([](pool_config& p) { p.connect.host.clear(); });
}

}  // namespace
}  // namespace lido::test
