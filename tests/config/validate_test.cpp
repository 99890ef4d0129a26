#include "driver/key_file.hpp"
#include "tests/config/config_errors.hpp"

#include <lido/driver/detail/knobs.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace lido::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

refusal judged(const connect_config& c) {
  return refusal_of([&] { validate(c); });
}
refusal judged(std::string_view dsn) { return judged(connect_config::parse(dsn)); }

TEST(validate_connect, the_default_is_fine_and_verifies_everything) {
  EXPECT_FALSE(judged(connect_config{}).code);
  EXPECT_EQ(connect_config{}.sslmode, sslmode::verify_full);
}

TEST(validate_connect, S1_encryption_towards_anybody_needs_to_be_said) {
  for (const std::string_view mode : {"allow", "prefer", "require"}) {
    const std::string dsn = "sslmode=" + std::string(mode);
    const auto refused = judged(dsn);
    EXPECT_EQ(refused.code, errc::invalid_config) << mode;
    EXPECT_THAT(refused.text, HasSubstr("allow_unverified_tls")) << mode;
    EXPECT_FALSE(judged(dsn + " allow_unverified_tls=1").code) << mode;
    EXPECT_FALSE(judged(dsn + " host=/run/postgresql").code) << "no TLS over a Unix socket";
  }
  EXPECT_FALSE(judged("sslmode=require sslrootcert=/ca.pem").code);
  EXPECT_TRUE(judged("sslmode=require sslrootcert=system").code);
  EXPECT_TRUE(judged("sslmode=prefer sslrootcert=/ca.pem").code) << "may still go without TLS";
  EXPECT_TRUE(judged("sslmode=verify-ca").code) << "any certificate of any public CA";
  EXPECT_FALSE(judged("sslmode=verify-ca sslrootcert=/ca.pem").code);
  EXPECT_FALSE(judged("sslmode=verify-full sslrootcert=system").code);
  EXPECT_FALSE(judged("sslmode=disable").code);
}

class key_file : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/lido-key-XXXXXX";
    const int fd = ::mkstemp(name.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    path = name;
  }
  void TearDown() override { ::unlink(path.c_str()); }
  std::string path;
};

TEST_F(key_file, must_be_closed_to_others) {
  connect_config c;
  c.sslcert = "/c.pem";
  c.sslkey = path;
  for (const ::mode_t open : {0604U, 0620U, 0601U, 0666U, 0660U, 0644U}) {
    ASSERT_EQ(::chmod(path.c_str(), open), 0);
    EXPECT_THAT(judged(c).text, HasSubstr("chmod 600")) << open;
  }
  for (const ::mode_t closed : {0600U, 0400U}) {
    ASSERT_EQ(::chmod(path.c_str(), closed), 0);
    EXPECT_FALSE(judged(c).code) << closed;
  }
}

// As libpq has it.
TEST(key_file_rule, S14_the_group_may_read_what_is_roots) {
  struct stat file{};
  for (const ::mode_t mode : {0600U, 0400U, 0640U, 0440U}) {
    file.st_mode = S_IFREG | mode;
    file.st_uid = 0;
    EXPECT_TRUE(detail::is_private_key(file)) << mode;
    file.st_uid = 1000;
    EXPECT_EQ(detail::is_private_key(file), mode == 0600U || mode == 0400U) << mode;
  }
  for (const ::mode_t mode : {0660U, 0650U, 0604U, 0641U, 0642U}) {
    file.st_mode = S_IFREG | mode;
    file.st_uid = 0;
    EXPECT_FALSE(detail::is_private_key(file)) << mode;
  }
}

TEST_F(key_file, S14_its_group_may_read_it_when_it_is_roots) {
  connect_config c;
  c.sslcert = "/c.pem";
  c.sslkey = path;
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(judged(c).code == std::error_code{}, ::geteuid() == 0) << "the file is whose the test is";
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(path.c_str(), 65534, static_cast<::gid_t>(-1)), 0);
  EXPECT_THAT(judged(c).text, HasSubstr("chmod 600"));
}

TEST_F(key_file, must_be_a_file_and_have_a_certificate) {
  connect_config c;
  c.sslkey = path;
  EXPECT_TRUE(judged(c).code);
  c.sslcert = "/c.pem";
  EXPECT_FALSE(judged(c).code);
  c.sslkey = "/tmp";
  EXPECT_TRUE(judged(c).code);
  c.sslkey = path + ".missing";
  EXPECT_TRUE(judged(c).code);
  c.sslkey.clear();
  EXPECT_TRUE(judged(c).code) << "a certificate without its key";
}

template <class Change>
void expect_invalid(Change&& change) {
  connect_config c;
  change(c);
  EXPECT_EQ(judged(c).code, errc::invalid_config);
}

TEST(validate_connect, C33_no_nul_in_what_goes_into_the_startup_message) {
  using namespace std::string_literals;
  const auto evil = "x\0user\0admin"s;
  expect_invalid([&](connect_config& c) { c.user = evil; });
  expect_invalid([&](connect_config& c) { c.database = evil; });
  expect_invalid([&](connect_config& c) { c.application_name = evil; });
  expect_invalid([&](connect_config& c) { c.options = evil; });
  expect_invalid([&](connect_config& c) { c.password = secret(evil); });
  expect_invalid([&](connect_config& c) { c.host = evil; });
  expect_invalid([&](connect_config& c) { c.parameters = {{"search_path", evil}}; });
  expect_invalid([&](connect_config& c) { c.parameters = {{evil, "x"}}; });
  expect_invalid([&](connect_config& c) { c.parameters = {{"", "x"}}; });
  expect_invalid([&](connect_config& c) { c.parameters = {{"user", "admin"}}; });
  expect_invalid([&](connect_config& c) { c.parameters = {{"replication", "1"}}; });
}

TEST(validate_connect, every_host_of_a_list_is_one) {
  const auto with = [](std::vector<host_entry> hosts) {
    connect_config c;
    c.hosts = std::move(hosts);
    return judged(c).code;
  };
  EXPECT_FALSE(with({{"a"}, {"b", "10.0.0.1", 5433}}));
  EXPECT_FALSE(with({{"", "10.0.0.1"}}));
  EXPECT_EQ(with({{"a"}, {"", "", 5433}}), errc::invalid_config) << "a port without a host";
  EXPECT_EQ(with({{"a", "db.example"}}), errc::invalid_config) << "a name as hostaddr";
  EXPECT_EQ(judged(connect_config::parse("port=1,2")).code, errc::invalid_config);
}

TEST(validate_connect, S1_one_host_over_tcp_makes_tls_a_matter) {
  connect_config c = connect_config::parse("host=/run/a,/run/b sslmode=prefer");
  EXPECT_FALSE(judged(c).code);
  c = connect_config::parse("host=/run/a,db sslmode=prefer");
  EXPECT_EQ(judged(c).code, errc::invalid_config);
  c = connect_config::parse("host=/run/a hostaddr=10.0.0.1 sslmode=prefer");
  EXPECT_EQ(judged(c).code, errc::invalid_config) << "it goes over TCP";
}

TEST(validate_connect, no_wait_is_infinite_and_no_limit_absent) {
  expect_invalid([](connect_config& c) { c.host.clear(); });
  expect_invalid([](connect_config& c) { c.port = 0; });
  expect_invalid([](connect_config& c) { c.hosts.resize(33, {"db"}); });
  expect_invalid([](connect_config& c) { c.connect_timeout = 0s; });
  expect_invalid([](connect_config& c) { c.connect_timeout = -1s; });
  expect_invalid([](connect_config& c) { c.connect_timeout = std::chrono::nanoseconds::max(); });
  expect_invalid([](connect_config& c) { c.close_timeout = 0s; });
  expect_invalid([](connect_config& c) { c.max_message_bytes = 100; });
  expect_invalid([](connect_config& c) { c.max_message_bytes = std::size_t{2} << 30; });
  expect_invalid([](connect_config& c) { c.max_result_bytes = 0; });
  expect_invalid([](connect_config& c) { c.scram_max_iterations = 1; });
  expect_invalid([](connect_config& c) { c.statement_cache_size = 1'000'000; });
}

}  // namespace
}  // namespace lido::test
