// Lists of hosts against servers that do what a script says: who is passed over, who ends the connect, what is told.
#include "tests/hostile/hostile_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string greeting(std::string_view hot_standby, std::string_view read_only = "off") {
  return auth_ok() + usual_parameters() + parameter_status("in_hot_standby", hot_standby) +
         parameter_status("default_transaction_read_only", read_only) + backend_key() + ready();
}

script serving(std::string words) {
  return script{steps::trusted_session(std::move(words)),
                steps::tolerate_loss(script{steps::serve([](const auto&) { return std::string{}; })})};
}

script refusing(std::string_view sqlstate) {
  return script{steps::expect_startup(), steps::send(error_response("FATAL", sqlstate, "not now")), steps::close()};
}

connect_config list_of(const std::vector<const fake_server*>& servers) {
  connect_config config = plain_config(*servers.front());
  for (const fake_server* each : servers) config.hosts.push_back({each->host(), "", each->port()});
  return config;
}

// Which one answered, by a parameter of its own.
std::string named(std::string_view name) { return parameter_status("application_name", name); }
std::string who_answers(connect_config config, outcome* out = nullptr) {
  client c{std::move(config)};
  const outcome end = c.connect();
  if (out != nullptr) *out = end;
  return end.error ? "" : c.parameter("application_name").value_or("?");
}
script as(std::string_view name, std::string_view hot_standby, std::string_view read_only = "off") {
  return serving(auth_ok() + usual_parameters() + parameter_status("in_hot_standby", hot_standby) +
                 parameter_status("default_transaction_read_only", read_only) + named(name) + backend_key() + ready());
}

std::uint16_t closed_port() {
  const fake_server gone{script{steps::close()}};
  return gone.port();
}

TEST(hosts, F22_two_dead_hosts_are_passed_over_and_a_third_serves) {
  const fake_server live{as("third", "off")};
  connect_config config = plain_config(live);
  config.hosts = {{"127.0.0.2", "", closed_port()}, {"no-such-host.invalid"}, {"127.0.0.1", "", live.port()}};
  EXPECT_EQ(who_answers(config), "third");
}

TEST(hosts, P97_when_none_will_do_the_error_says_what_each_attempt_met) {
  const fake_server starting{refusing("57P03")};
  const fake_server standby{as("standby", "on")};
  connect_config config = list_of({&starting, &standby});
  const std::uint16_t dead = closed_port();
  config.hosts.push_back({"127.0.0.3", "", dead});
  config.target_session_attrs = target_session_attrs::primary;
  outcome out;
  EXPECT_EQ(who_answers(config, &out), "");
  EXPECT_EQ(out.error, errc::wrong_server_role);
  EXPECT_TRUE(is_retryable(out.error)) << "somebody may be promoted";
  EXPECT_THAT(out.diag.context, AllOf(HasSubstr("127.0.0.1:" + std::to_string(starting.port())), HasSubstr("57P03"),
                                      HasSubstr("127.0.0.1:" + std::to_string(standby.port())),
                                      HasSubstr("wanted primary, but it is a standby"),
                                      HasSubstr("127.0.0.3:" + std::to_string(dead)), HasSubstr("refused")));
}

TEST(hosts, a_refused_login_ends_the_connect) {
  const fake_server refuses{refusing("28P01")};
  const fake_server other{as("other", "off")};
  outcome out;
  EXPECT_EQ(who_answers(list_of({&refuses, &other}), &out), "");
  EXPECT_EQ(out.error, make_sqlstate("28P01"));
  EXPECT_EQ(other.connections(), 0U) << "the password is not shown around";
  EXPECT_THAT(out.diag.context, HasSubstr(std::to_string(refuses.port())));
}

TEST(hosts, C8_nothing_of_one_host_is_left_at_the_next) {
  const fake_server odd{
      script{steps::trusted_session(auth_ok() + parameter_status("client_encoding", "LATIN1") + named("odd")),
             steps::close_rst()}};
  const fake_server clean{script{steps::trusted_session(auth_ok() + backend_key() + ready()),
                                 steps::tolerate_loss(script{steps::wait_for_close()})}};
  client c{list_of({&odd, &clean})};
  ASSERT_FALSE(c.connect().error);
  EXPECT_FALSE(c.parameter("client_encoding"));
  EXPECT_FALSE(c.parameter("application_name"));
}

TEST(hosts, a_deaf_host_takes_no_more_than_its_share_of_the_deadline) {
  const fake_server deaf{script{steps::expect_startup(), steps::stall()}};
  const fake_server live{as("live", "off")};
  connect_config config = list_of({&deaf, &live});
  config.connect_timeout = 2s;
  EXPECT_EQ(who_answers(config), "live");
}

TEST(hosts, I5_one_deadline_over_all_hosts) {
  const fake_server deaf{script{steps::expect_startup(), steps::stall()}};
  const fake_server deaf_too{script{steps::expect_startup(), steps::stall()}};
  connect_config config = list_of({&deaf, &deaf_too});
  config.connect_timeout = 300ms;
  outcome out;
  EXPECT_EQ(who_answers(config, &out), "");
  EXPECT_EQ(out.error, errc::timeout);
  EXPECT_THAT(out.diag.context,
              AllOf(HasSubstr("its share of connect_timeout"), HasSubstr("did not end within connect_timeout")));
}

TEST(hosts, a_host_that_cannot_be_verified_is_passed_over_and_the_next_must_prove_itself) {
  const fake_server liar{script{steps::expect_ssl_request(), steps::send("N"), steps::close()}};
  const fake_server honest{
      script{steps::tls_session(greeting("off")), steps::tolerate_loss(script{steps::wait_for_close()})}};
  connect_config config = tls_config(honest);
  config.hosts = {{liar.host(), "", liar.port()}, {honest.host(), "", honest.port()}};
  client c{config};
  EXPECT_FALSE(c.connect().error);
  config.sslrootcert = liar.ca_file();  // whom the second one cannot satisfy either
  outcome out = client{config}.connect();
  EXPECT_EQ(out.error, condition::tls);
}

TEST(hosts, P107_the_first_host_that_is_what_is_wanted) {
  using target = target_session_attrs;
  const fake_server primary{as("primary", "off")};
  const fake_server read_only{as("read-only", "off", "on")};
  const fake_server standby{as("standby", "on")};
  const auto found = [&](target wanted, const std::vector<const fake_server*>& among) {
    connect_config config = list_of(among);
    config.target_session_attrs = wanted;
    return who_answers(config);
  };
  EXPECT_EQ(found(target::any, {&standby, &primary}), "standby");
  EXPECT_EQ(found(target::primary, {&standby, &primary}), "primary");
  EXPECT_EQ(found(target::read_write, {&standby, &read_only, &primary}), "primary");
  EXPECT_EQ(found(target::read_only, {&primary, &read_only}), "read-only");
  EXPECT_EQ(found(target::standby, {&primary, &read_only, &standby}), "standby");
  EXPECT_EQ(found(target::prefer_standby, {&primary, &standby}), "standby");
  EXPECT_EQ(found(target::prefer_standby, {&primary, &read_only}), "primary");
  EXPECT_EQ(found(target::standby, {&primary, &read_only}), "");
}

TEST(hosts, a_server_that_does_not_say_what_it_is_is_asked) {
  const auto silent = [](std::string_view name, const std::string& recovering) {
    const std::string parameters =  // of a server before PostgreSQL 14
        parameter_status("server_version", "13.9") + parameter_status("server_encoding", "UTF8") +
        parameter_status("client_encoding", "UTF8") + parameter_status("DateStyle", "ISO, MDY") +
        parameter_status("integer_datetimes", "on") + parameter_status("standard_conforming_strings", "on");
    return script{steps::trusted_session(auth_ok() + parameters + named(name) + backend_key() + ready()),
                  steps::tolerate_loss(script{steps::expect_query("SELECT pg_catalog.pg_is_in_recovery()"),
                                              steps::send(row_description({{"r", 16, 1}}) + data_row({recovering}) +
                                                          command_complete("SELECT 1") + ready()),
                                              steps::wait_for_close()})};
  };
  const fake_server standby{silent("standby", "t")};
  const fake_server primary{silent("primary", "f")};
  connect_config config = list_of({&standby, &primary});
  config.target_session_attrs = target_session_attrs::primary;
  EXPECT_EQ(who_answers(config), "primary");
}

TEST(hosts, random_order_spreads_connects) {
  const fake_server a{as("a", "off")};
  const fake_server b{as("b", "off")};
  connect_config config = list_of({&a, &b});
  config.load_balance_hosts = load_balance_hosts::random;
  for (int i = 0; i < 100 && (a.connections() == 0 || b.connections() == 0); ++i) who_answers(config);
  EXPECT_GT(a.connections(), 0U);
  EXPECT_GT(b.connections(), 0U);
}

TEST(hosts, hostaddr_is_where_host_is_who) {
  fake_server_settings settings;
  settings.certificate.common_name = "db.example";
  settings.certificate.dns_names = {"db.example"};
  settings.certificate.ip_addresses.clear();
  const fake_server server{
      script{steps::tls_session(greeting("off")), steps::tolerate_loss(script{steps::wait_for_close()})}, settings};
  connect_config config = tls_config(server);
  config.host = "db.example";
  config.hostaddr = "127.0.0.1";
  EXPECT_FALSE(client{config}.connect().error) << "no look-up, and the name is the one that is verified";
  config.host = "other.example";
  EXPECT_EQ(client{config}.connect().error, errc::tls_failed);
}

}  // namespace
}  // namespace lido::testing
