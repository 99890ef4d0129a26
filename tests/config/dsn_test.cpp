#include "tests/config/config_errors.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/detail/knobs.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lido::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

struct target {
  std::string host = "localhost";
  int port = 5432;
  std::string user{};
  std::string password{};
  std::string database{};
};

struct dsn_case {
  std::string_view dsn;
  target want;
};

const dsn_case uris[] = {
    {"postgresql://", {}},
    {"postgres://", {}},
    {"postgresql:///", {}},
    {"postgresql://db.example", {.host = "db.example"}},
    {"postgresql://db.example:6543", {.host = "db.example", .port = 6543}},
    {"postgresql://db.example:/app", {.host = "db.example", .database = "app"}},
    {"postgresql:///app", {.database = "app"}},
    {"postgresql://app@", {.user = "app"}},
    {"postgresql://app@db/x", {.host = "db", .user = "app", .database = "x"}},
    {"postgresql://app:secret@db:1/x", {.host = "db", .port = 1, .user = "app", .password = "secret", .database = "x"}},
    {"postgresql://app:@db", {.host = "db", .user = "app"}},
    {"postgresql://:secret@db", {.host = "db", .password = "secret"}},
    {"postgresql://a%40b:p%3A%2F%3F%40%23%25@db/x%2Fy",
     {.host = "db", .user = "a@b", .password = "p:/?@#%", .database = "x/y"}},
    {"postgresql://u:a:b@db", {.host = "db", .user = "u", .password = "a:b"}},
    {"postgresql://[::1]:7000/x", {.host = "::1", .port = 7000, .database = "x"}},
    {"postgresql://[fe80::1%25eth0]", {.host = "fe80::1%eth0"}},
    {"postgresql://%2Fvar%2Frun%2Fpostgresql/x", {.host = "/var/run/postgresql", .database = "x"}},
    {"postgresql:///x?host=/var/run/postgresql&port=9", {.host = "/var/run/postgresql", .port = 9, .database = "x"}},
    {"postgresql://db?user=u&password=p%26q", {.host = "db", .user = "u", .password = "p&q"}},
    {"postgresql://db?dbname=y", {.host = "db", .database = "y"}},
    {"postgresql://db/?", {.host = "db"}},
    {"postgresql://u:p?ss@db/x", {.host = "db", .user = "u", .password = "p?ss", .database = "x"}},
    {"postgresql://u:p@db/x@y", {.host = "db", .user = "u", .password = "p", .database = "x@y"}},
    {"postgresql://db/x?user=a@b", {.host = "db", .user = "a@b", .database = "x"}},
    {"postgresql://db/x?user=u&", {.host = "db", .user = "u", .database = "x"}},
};

const dsn_case keyword_strings[] = {
    {"", {}},
    {"  \t\n", {}},
    {"host=db", {.host = "db"}},
    {"host=db port=6543 user=u password=p dbname=d",
     {.host = "db", .port = 6543, .user = "u", .password = "p", .database = "d"}},
    {"  host =  db\n\tuser\t=u ", {.host = "db", .user = "u"}},
    {"password='a b'", {.password = "a b"}},
    {R"(password='it\'s \\ fine' user=u)", {.user = "u", .password = R"(it's \ fine)"}},
    {R"(password=a\ b\'c)", {.password = "a b'c"}},
    {"password=''", {}},
    {"password= user=u", {.password = "user=u"}},
    {"password=a=b", {.password = "a=b"}},
    {"password=p@ss/w?rd#%41", {.password = "p@ss/w?rd#%41"}},
    {"host=/run/postgresql", {.host = "/run/postgresql"}},
    {"host=::1", {.host = "::1"}},
    {"user=a user=b", {.user = "b"}},
    {"host=db\\", {.host = "db"}},
    {"host='' port=''", {}},
    {"host=a host=''", {}},
};

void expect_target(const dsn_case& c) {
  SCOPED_TRACE(c.dsn);
  connect_config got;
  const auto refused = refusal_of([&] { got = connect_config::parse(c.dsn); });
  ASSERT_FALSE(refused.code) << refused.text;
  EXPECT_EQ(got.host, c.want.host);
  EXPECT_EQ(got.port, c.want.port);
  EXPECT_EQ(got.user, c.want.user);
  EXPECT_EQ(got.password.reveal(), c.want.password);
  EXPECT_EQ(got.database, c.want.database);
}

TEST(dsn, uris) {
  for (const auto& c : uris) expect_target(c);
}

TEST(dsn, keyword_strings) {
  for (const auto& c : keyword_strings) expect_target(c);
}

TEST(dsn, all_knobs_of_a_connection) {
  const auto c = connect_config::parse(
      "sslmode=verify-ca sslrootcert=/ca.pem sslcert=/c.pem sslkey=/k.pem require_auth=scram-sha-256,md5 "
      "connect_timeout=3 "
      "application_name='my app' options='-c search_path=app' close_timeout=500ms max_message_bytes=1MiB "
      "max_result_bytes=2GiB "
      "statement_cache_size=0 scram_max_iterations=5000 allow_unverified_tls=1 client_encoding=UTF8 "
      "target_session_attrs=any");
  EXPECT_EQ(c.sslmode, sslmode::verify_ca);
  EXPECT_EQ(c.sslrootcert, "/ca.pem");
  EXPECT_EQ(c.sslcert, "/c.pem");
  EXPECT_EQ(c.sslkey, "/k.pem");
  EXPECT_EQ(c.require_auth, (std::vector{auth_method::scram_sha_256, auth_method::md5}));
  EXPECT_EQ(c.connect_timeout, 3s);
  EXPECT_EQ(c.application_name, "my app");
  EXPECT_EQ(c.options, "-c search_path=app");
  EXPECT_EQ(c.close_timeout, 500ms);
  EXPECT_EQ(c.max_message_bytes, 1U << 20);
  EXPECT_EQ(c.max_result_bytes, std::size_t{2} << 30);
  EXPECT_EQ(c.statement_cache_size, 0U);
  EXPECT_EQ(c.scram_max_iterations, 5000U);
  EXPECT_TRUE(c.allow_unverified_tls);
}

// ---- several hosts ----

// "host (hostaddr):port" of each.
std::string hosts_in(std::string_view dsn) {
  std::string out;
  for (const host_entry& h : detail::hosts_of(connect_config::parse(dsn))) {
    out += (out.empty() ? "" : " ") + h.host + (h.hostaddr.empty() ? "" : "(" + h.hostaddr + ")") + ":" +
           std::to_string(h.port);
  }
  return out;
}

TEST(dsn, lists_of_hosts_as_libpq_reads_them) {
  EXPECT_EQ(hosts_in("postgresql://a,b/x"), "a:5432 b:5432");
  EXPECT_EQ(hosts_in("postgresql://a:1,b:2/x"), "a:1 b:2");
  EXPECT_EQ(hosts_in("postgresql://u:p@a,b:2,[::1]:3,[fe80::2]/x"), "a:5432 b:2 ::1:3 fe80::2:5432");
  EXPECT_EQ(hosts_in("postgresql://a,b/x?port=7"), "a:7 b:7");
  EXPECT_EQ(hosts_in("postgresql:///x?host=a,b&port=1,2"), "a:1 b:2");
  EXPECT_EQ(hosts_in("postgresql://a,,b/x"), "a:5432 localhost:5432 b:5432");
  EXPECT_EQ(hosts_in("host=a,b port=1,2"), "a:1 b:2");
  EXPECT_EQ(hosts_in("port=1,2 host=a,b"), "a:1 b:2");
  EXPECT_EQ(hosts_in("port=7 host=a,b"), "a:7 b:7");
  EXPECT_EQ(hosts_in("host=a,b port=,2"), "a:5432 b:2");
  EXPECT_EQ(hosts_in("host=/run/a,b"), "/run/a:5432 b:5432");
  EXPECT_EQ(hosts_in("host=a hostaddr=10.0.0.1"), "a(10.0.0.1):5432");
  EXPECT_EQ(hosts_in("hostaddr=10.0.0.1,10.0.0.2 host=a,b port=1,2"), "a(10.0.0.1):1 b(10.0.0.2):2");
  EXPECT_EQ(hosts_in("hostaddr=10.0.0.1,10.0.0.2"), "10.0.0.1(10.0.0.1):5432 10.0.0.2(10.0.0.2):5432");
  EXPECT_EQ(hosts_in("host=a,b host=c"), "c:5432");
  EXPECT_EQ(hosts_in("host=a,b host=c,d,e"), "c:5432 d:5432 e:5432");
}

TEST(dsn, C24_an_address_alone_is_its_own_name) {
  EXPECT_EQ(hosts_in("hostaddr=10.0.0.1"), "10.0.0.1(10.0.0.1):5432");
  EXPECT_EQ(hosts_in("hostaddr=10.0.0.1 host=localhost"), "localhost(10.0.0.1):5432");
  EXPECT_EQ(hosts_in("postgresql:///x?hostaddr=10.0.0.1"), "10.0.0.1(10.0.0.1):5432");
}

TEST(dsn, the_last_of_a_key_counts_and_lists_are_compared_at_the_end) {
  EXPECT_EQ(hosts_in("host=a,b,c port=1,2 host=a,b"), "a:1 b:2");
  EXPECT_EQ(hosts_in("postgresql://a:1,b:2/x?port=1,2,3&host=a,b,c"), "a:1 b:2 c:3");
}

TEST(dsn, how_libpq_called_it_before) {
  const auto mode = [](std::string_view dsn) { return connect_config::parse(dsn).sslmode; };
  EXPECT_EQ(mode("postgresql://db/x?ssl=true"), sslmode::require);
  EXPECT_EQ(mode("requiressl=1"), sslmode::require);
  EXPECT_EQ(mode("requiressl=0"), sslmode::prefer);
  EXPECT_EQ(refusal_of([] { connect_config::parse("ssl=true"); }).code, errc::invalid_config) << "URIs only";
}

TEST(dsn, what_only_kerberos_needs_is_taken_and_forgotten) {
  const auto c = connect_config::parse("krbsrvname=postgres gsslib=gssapi gssdelegation=0 sslcompression=1 user=a");
  EXPECT_EQ(c.user, "a");
  const auto required = refusal_of([] { connect_config::parse("gssencmode=require"); });
  EXPECT_THAT(required.text, HasSubstr("there is no GSS encryption"));
}

TEST(dsn, the_knobs_of_tls_and_of_sockets) {
  const auto c = connect_config::parse(
      "sslpassword=p sslcrl=/crl.pem sslcrldir=/crls sslsni=0 ssl_min_protocol_version=TLSv1.3 "
      "ssl_max_protocol_version=TLSv1.3 sslnegotiation=direct channel_binding=require min_protocol_version=3.0 "
      "max_protocol_version=latest keepalives=0 keepalives_idle=5 keepalives_interval=2s keepalives_count=9 "
      "tcp_user_timeout=1500 requirepeer=postgres passfile=/p");
  EXPECT_EQ(c.sslpassword.reveal(), "p");
  EXPECT_EQ(c.sslcrl, "/crl.pem");
  EXPECT_EQ(c.sslcrldir, "/crls");
  EXPECT_FALSE(c.sslsni);
  EXPECT_EQ(c.ssl_min_protocol_version, tls_version::v1_3);
  EXPECT_EQ(c.ssl_max_protocol_version, tls_version::v1_3);
  EXPECT_EQ(c.sslnegotiation, sslnegotiation::direct);
  EXPECT_EQ(c.channel_binding, channel_binding::require);
  EXPECT_EQ(c.max_protocol_version, protocol_version::v3_2);
  EXPECT_EQ(c.min_protocol_version, protocol_version::v3_0);
  EXPECT_FALSE(c.keepalives);
  EXPECT_EQ(c.keepalives_idle, 5s);
  EXPECT_EQ(c.keepalives_interval, 2s);
  EXPECT_EQ(c.keepalives_count, 9U);
  EXPECT_EQ(c.tcp_user_timeout, 1500ms);
  EXPECT_EQ(c.requirepeer, "postgres");
  EXPECT_EQ(c.passfile, "/p");
}

TEST(dsn, require_auth_forbids_with_an_exclamation_mark) {
  using m = auth_method;
  EXPECT_EQ(connect_config::parse("require_auth=!password,!md5").require_auth,
            (std::vector{m::none, m::scram_sha_256}));
  EXPECT_EQ(connect_config::parse("require_auth=!none,!gss").require_auth,
            (std::vector{m::password, m::md5, m::scram_sha_256}));
  for (const std::string bad :
       {"!md5,password", "md5,!password", "md5,md5", "gss", "!", "!none,!password,!md5,!scram-sha-256"})
    EXPECT_EQ(refusal_of([&] { connect_config::parse("require_auth=" + bad); }).code, errc::invalid_config) << bad;
}

TEST(dsn, at_most_32_hosts) {
  std::string list = "h";
  for (int i = 1; i < 32; ++i) list += ",h";
  EXPECT_EQ(connect_config::parse("host=" + list).hosts.size(), 32U);
  EXPECT_EQ(refusal_of([&] { connect_config::parse("host=" + list + ",h"); }).code, errc::invalid_config);
}

TEST(dsn, which_host_will_do_and_in_which_order) {
  using attrs = target_session_attrs;
  const std::pair<std::string_view, attrs> targets[] = {
      {"any", attrs::any},         {"read-write", attrs::read_write}, {"read-only", attrs::read_only},
      {"primary", attrs::primary}, {"standby", attrs::standby},       {"prefer-standby", attrs::prefer_standby}};
  for (const auto& [text, wanted] : targets) {
    EXPECT_EQ(connect_config::parse("target_session_attrs=" + std::string(text)).target_session_attrs, wanted) << text;
  }
  EXPECT_EQ(connect_config::parse("load_balance_hosts=random").load_balance_hosts, load_balance_hosts::random);
  EXPECT_EQ(connect_config::parse("load_balance_hosts=disable").load_balance_hosts, load_balance_hosts::disable);
}

TEST(dsn, each_sslmode) {
  const std::pair<std::string_view, sslmode> modes[] = {
      {"disable", sslmode::disable}, {"allow", sslmode::allow},         {"prefer", sslmode::prefer},
      {"require", sslmode::require}, {"verify-ca", sslmode::verify_ca}, {"verify-full", sslmode::verify_full}};
  for (const auto& [text, mode] : modes)
    EXPECT_EQ(connect_config::parse("sslmode=" + std::string(text)).sslmode, mode) << text;
  EXPECT_EQ(connect_config::parse("").sslmode, sslmode::verify_full);
}

TEST(dsn, fallback_application_name_gives_way) {
  EXPECT_EQ(connect_config::parse("fallback_application_name=f").application_name, "f");
  EXPECT_EQ(connect_config::parse("application_name=a fallback_application_name=f").application_name, "a");
}

TEST(dsn, an_unknown_key_names_the_nearest_and_its_position) {
  const auto uri = refusal_of([] { connect_config::parse("postgresql://db/x?sslmod=require"); });
  EXPECT_EQ(uri.code, errc::invalid_config);
  EXPECT_THAT(uri.text, AllOf(HasSubstr("position 19"), HasSubstr("\"sslmod\""), HasSubstr("\"sslmode\"")));
  const auto keyword = refusal_of([] { connect_config::parse("host=db pasword=hunter2"); });
  EXPECT_THAT(keyword.text, AllOf(HasSubstr("position 9"), HasSubstr("\"password\""), Not(HasSubstr("hunter2"))));
  const auto far = refusal_of([] { connect_config::parse("nothing_like_it=1"); });
  EXPECT_THAT(far.text, AllOf(HasSubstr("position 1"), Not(HasSubstr("nothing_like_it"))))
      << "may be a piece of a password";
}

TEST(dsn, C28_only_known_keys) {
  for (const std::string_view key :
       {"loggerFile", "socketFactory", "service", "servicefile", "sslcertmode", "pool_max_size", "replication", ""}) {
    const std::string dsn = "postgresql://db?" + std::string(key) + "=x";
    EXPECT_EQ(refusal_of([&] { connect_config::parse(dsn); }).code, errc::invalid_config) << key;
  }
}

TEST(dsn, what_is_malformed_is_refused) {
  for (const std::string_view bad : {
           "host",
           "host db",
           "host=db port",
           "=x",
           "host='db",
           "password='it\\",
           "mysql://db/x",
           "postgresql://[::1",
           "postgresql://[]/x",
           "postgresql://[::1]x/y",
           "postgresql://db:port/x",
           "postgresql://db:0/x",
           "postgresql://db:65536/x",
           "postgresql://db:-1/x",
           "postgresql://db:1 /x",
           "postgresql://a,b:port/x",
           "postgresql://a:0,b/x",
           "postgresql://[::1]x,b/x",
           "postgresql://a,b/x?port=1,2,3",
           "postgresql://a:1,b:2/x?host=a,b,c",
           "host=a,b port=1,2,3",
           "port=1,2,3 host=a,b",
           "host=a,b,c hostaddr=10.0.0.1,10.0.0.2",
           "hostaddr=10.0.0.1,10.0.0.2 port=1,2,3",
           "host=a,b@c",
           "load_balance_hosts=on",
           "target_session_attrs=prefer-primary",
           "postgresql://%zz/x",
           "postgresql://db/%4",
           "postgresql://db/%",
           "postgresql://db/%00",
           "postgresql://u%00ser@db/",
           "postgresql://db?user",
           "postgresql://db?user=a=b",
           "postgresql://db?&user=a",
           "postgresql://u:p@ss@db/x",
           "postgresql://u:p/ss@db/x",
           "port=1,x host=a,b",
           "port=0x10",
           "sslmode=Require",
           "sslmode=''",
           "connect_timeout=fast",
           "connect_timeout=-1",
           "connect_timeout=inf",
           "close_timeout=5",
           "close_timeout=-5s",
           "max_message_bytes=16MB",
           "max_message_bytes=99999999999999999999",
           "max_message_bytes=99999999999GiB",
           "statement_cache_size=-1",
           "require_auth=scram-sha-1",
           "require_auth=md5,",
           "allow_unverified_tls=maybe",
           "client_encoding=LATIN1",
       }) {
    EXPECT_EQ(refusal_of([&] { connect_config::parse(bad); }).code, errc::invalid_config) << bad;
  }
}

TEST(dsn, C33_nul_is_refused_wherever_it_stands) {
  using namespace std::string_literals;
  for (const auto& bad :
       {"user=x\0user\0admin"s, "host=db\0"s, "options='-c a=b\0'"s, "password=a\0b"s, "postgresql://u\0@db"s}) {
    EXPECT_EQ(refusal_of([&] { connect_config::parse(bad); }).code, errc::invalid_config) << bad;
  }
}

}  // namespace
}  // namespace lido::test
