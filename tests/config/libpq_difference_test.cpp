// Every DSN means to Lido what it means to libpq: generated ones, and a list of nasty ones, through PQconninfoParse and
// ours. Compared are the verdict and each key with its value. Stricter on purpose, and only in what a value may be: an
// sslmode that verifies nobody has to be said twice (validate()), and so `sslmode` is the one default that differs.
#include "tests/config/config_errors.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/detail/knobs.hpp>

#include <gtest/gtest.h>

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

namespace lido::test {
namespace {

using settings = std::map<std::string, std::string>;

std::optional<settings> by_libpq(const std::string& dsn) {
  char* words = nullptr;
  PQconninfoOption* const options = PQconninfoParse(dsn.c_str(), &words);
  PQfreemem(words);
  if (options == nullptr) return std::nullopt;
  settings out;
  for (const PQconninfoOption* o = options; o->keyword != nullptr; ++o) {
    if (o->val != nullptr) out[o->keyword] = o->val;
  }
  PQconninfoFree(options);
  return out;
}

// What PQconninfoParse knows of keys, it asks of ours: that one is known, whatever its value is worth.
bool is_known(const std::string& key) {
  const auto& knobs = detail::connect_knobs();
  return key == "service" || detail::has_no_effect(key) || !detail::why_not_supported(key).empty() ||
         std::ranges::any_of(knobs, [&](const auto& k) { return k.name == key; });
}

std::optional<settings> by_us(const std::string& dsn) {
  settings out;
  try {
    for (const auto& s : detail::split_dsn(dsn)) {
      if (!is_known(s.key)) return std::nullopt;
      out[s.key] = std::string(s.value.reveal());
    }
  } catch (const error&) {
    return std::nullopt;
  }
  return out;
}

void expect_same(const std::string& dsn) {
  const auto theirs = by_libpq(dsn);
  const auto ours = by_us(dsn);
  ASSERT_EQ(theirs.has_value(), ours.has_value()) << dsn;
  if (theirs) {
    ASSERT_EQ(*theirs, *ours) << dsn;
  } else {  // what libpq does not even parse, nothing of ours takes
    ASSERT_TRUE(refusal_of([&] { connect_config::parse(dsn); }).code) << dsn;
  }
}

const std::string nasty[] = {
    "",
    " ",
    "\t\n\v\f\r",
    "host",
    "host ",
    "host=",
    "host =",
    "=",
    "=x",
    " = x",
    "host==",
    "host=a=b",
    "host=a host=b",
    "host=a\\",
    "host=\\",
    "host='a\\",
    "host='a",
    "host='",
    "host=''",
    "host='a'b",
    "host='a'port=1",
    "host='a''b'",
    "host='a\\'b'",
    "host=a\\ b",
    "host=a'b",
    "host=a\\'b port=1",
    "host\t=\n'a b'\vport=1",
    "HOST=a",
    "h\\ost=a",
    "host=a # comment",
    "host=a;port=1",
    "host=a,port=1",
    "password=a%41",
    "user=a user=",
    "requiressl=1",
    "requiressl=0",
    "requiressl=",
    "requiressl=no sslmode=verify-full",
    "sslmode=disable requiressl=1",
    "ssl=true",
    "tty=x",
    "authtype=x",
    "mysql://a/b",
    "mysql://a/b?c=d",
    "postgresql:/a",
    "postgresql:a",
    "POSTGRESQL://a",
    "postgres://",
    "postgresql://",
    "postgresql:///",
    "postgresql://?",
    "postgresql:///?",
    "postgresql://a?",
    "postgresql://a/?",
    "postgresql://a?&",
    "postgresql://a?b",
    "postgresql://a?=b",
    "postgresql://a?user=",
    "postgresql://a?user=b&",
    "postgresql://a?user=b&&",
    "postgresql://a?user=b=c",
    "postgresql://a?user=b%3Dc",
    "postgresql://a?u%73er=b",
    "postgresql://a?user=%",
    "postgresql://a?user=%4",
    "postgresql://a?user=%4g",
    "postgresql://a?user=%00",
    "postgresql://a?user=%0a",
    "postgresql://a?user=b?c",
    "postgresql://a?user=b/c",
    "postgresql://a?user=b@c",
    "postgresql://a/?user=b@c",
    "postgresql://a?ssl=true",
    "postgresql://a?ssl=false",
    "postgresql://a?ssl=true&sslmode=disable",
    "postgresql://a?requiressl=1",
    "postgresql://@",
    "postgresql://@a",
    "postgresql://:@a",
    "postgresql://:b@a",
    "postgresql://a:@b",
    "postgresql://a:b:c@d",
    "postgresql://a@b@c",
    "postgresql://a:b@c@d/e",
    "postgresql://a:b/c@d",
    "postgresql://a?b@c",
    "postgresql://a:b?c@d/e",
    "postgresql://a%40b:c%3A@d",
    "postgresql://a%2@b",
    "postgresql://%",
    "postgresql://%zz",
    "postgresql://%00",
    "postgresql://%2Ftmp",
    "postgresql://%2Ftmp:5/x",
    "postgresql://a%2Cb",
    "postgresql://a,b",
    "postgresql://a,",
    "postgresql://,",
    "postgresql://,a",
    "postgresql://a,,b",
    "postgresql://a:1,b",
    "postgresql://a,b:1",
    "postgresql://a:1,b:2,c:3/d",
    "postgresql://a:,b:/c",
    "postgresql://:1",
    "postgresql://:1,:2",
    "postgresql://a:b",
    "postgresql://a:1:2",
    "postgresql://a:1@b",
    "postgresql://a:1,b@c",
    "postgresql://[",
    "postgresql://[]",
    "postgresql://[]/x",
    "postgresql://[::1",
    "postgresql://[::1]",
    "postgresql://[::1]:1",
    "postgresql://[::1]x",
    "postgresql://[::1]/x",
    "postgresql://[::1]?user=a",
    "postgresql://[::1],[::2]:3/x",
    "postgresql://a,[::1]/x",
    "postgresql://[::1]]",
    "postgresql://[::1]@a",
    "postgresql://[a/b]/c",
    "postgresql://[a?b]",
    "postgresql://a[::1]",
    "postgresql://[::1%25eth0]",
    "postgresql://a/b/c",
    "postgresql://a/b?c",
    "postgresql://a//b",
    "postgresql://a/%2F",
    "postgresql://a/b#c",
    "postgresql://a b/c",
    " postgresql://a",
    "postgresql://a ",
    "postgresql://a/b?user= c",
    "postgresql://a/b?user=c d&port=1",
    "postgresql://a?host=b&host=c",
    "postgresql://a:1?port=2",
    "postgresql://a,b?port=7",
    "postgresql://a/b?dbname=c",
    "postgresql://a/b?dbname=",
    "postgresql://a?sslmod=x",
    "postgresql://a?password=%25%26",
    "postgresql://a?service=x",
    "service=x",
    "postgresql://a?replication=1",
    "postgresql://a?krbsrvname=x",
    "sslcompression=1 sslcrl=a sslcrldir=b sslsni=0 sslpassword=c requirepeer=d",
    "keepalives=x keepalives_idle=y",
    "ssl_min_protocol_version=q ssl_max_protocol_version=q",
    "channel_binding=maybe gssencmode=x tcp_user_timeout=-1",
    "\xff=a",
    "user=\xff",
    "postgresql://\xff",
    "postgresql://%ff:%FE@%c3%a9/",
};

TEST(libpq_difference, nasty_ones_by_hand) {
  for (const std::string& dsn : nasty) expect_same(dsn);
}

class dsn_writer {
 public:
  explicit dsn_writer(std::uint64_t seed) : rng_(seed) {}

  std::string any() { return pick(2) == 0 ? uri() : keywords(); }

 private:
  std::size_t pick(std::size_t n) { return rng_() % n; }
  template <std::size_t N>
  std::string one_of(const std::array<const char*, N>& all) {
    return all[pick(N)];
  }
  std::string key() {
    static constexpr std::array keys{"host",
                                     "hostaddr",
                                     "port",
                                     "user",
                                     "password",
                                     "dbname",
                                     "options",
                                     "sslmode",
                                     "sslcert",
                                     "sslkey",
                                     "sslrootcert",
                                     "sslcrl",
                                     "sslsni",
                                     "application_name",
                                     "fallback_application_name",
                                     "client_encoding",
                                     "connect_timeout",
                                     "keepalives",
                                     "keepalives_count",
                                     "tcp_user_timeout",
                                     "target_session_attrs",
                                     "channel_binding",
                                     "passfile",
                                     "requirepeer",
                                     "ssl_min_protocol_version",
                                     "gssencmode",
                                     "service",
                                     "sslmod",
                                     "",
                                     "Host",
                                     "requiressl",
                                     "ssl"};
    return one_of(keys);
  }
  std::string text() {
    static constexpr std::array pieces{"a", "db.example", "5432", "/run", "'",        "\\",  " ",    "=",      "&",
                                       "?", "@",          ":",    ",",    "/",        "%41", "%2F",  "%",      "%00",
                                       "[", "]",          "::1",  "\t",   "\xc3\xa9", "#",   "true", "require"};
    std::string out;
    for (std::size_t n = pick(5); n > 0; --n) out += one_of(pieces);
    return out;
  }
  std::string word() {
    static constexpr std::array words{"a",     "db.example", "5432", "%2Frun", "u%40v",
                                      "[::1]", "[fe80::2]",  "",     "x,y",    "%c3%a9"};
    return pick(6) == 0 ? text() : one_of(words);
  }
  std::string uri() {
    std::string out = pick(2) == 0 ? "postgresql://" : "postgres://";
    if (pick(2) == 0) {
      out += word();
      if (pick(2) == 0) out += ":" + word();
      out += "@";
    }
    for (std::size_t n = pick(4); n > 0; --n) {
      out += word();
      if (pick(2) == 0) out += ":" + (pick(3) == 0 ? text() : std::to_string(pick(70'000)));
      if (n > 1) out += ",";
    }
    if (pick(2) == 0) out += "/" + word();
    if (pick(2) == 0) {
      out += "?";
      for (std::size_t n = pick(4); n > 0; --n) out += key() + (pick(9) == 0 ? "" : "=") + word() + (n > 1 ? "&" : "");
    }
    return out;
  }
  std::string keywords() {
    static constexpr std::array gaps{" ", "\n", "  ", "\t", " ", " "};
    std::string out;
    for (std::size_t n = pick(6); n > 0; --n) {
      const bool quoted = pick(3) == 0;
      out += key() + (pick(9) == 0 ? " = " : "=") + (quoted ? "'" + text() + "'" : word()) + one_of(gaps);
    }
    return out;
  }

  std::mt19937_64 rng_;
};

TEST(libpq_difference, twenty_thousand_generated_ones) {
  std::size_t taken = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    const std::string dsn = dsn_writer(seed).any();
    expect_same(dsn);
    if (::testing::Test::HasFatalFailure()) return;
    if (by_libpq(dsn)) ++taken;
  }
  EXPECT_GT(taken, 4'000U) << "both refuse nearly everything: the generator proves little";
}

TEST(libpq_difference, what_is_right_is_taken_whole) {
  for (const std::string dsn :
       {"postgresql://app:s%40cret@db1,db2:5433/app?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=5&"
        "application_name=x&keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout="
        "1000&"
        "target_session_attrs=read-write&options=-c%20search_path%3Dapp&client_encoding=utf8&channel_binding=prefer",
        "host=/run/postgresql port=5432 user=app password='a b' dbname=app gssencmode=disable sslcompression=0 "
        "sslsni=1",
        "hostaddr=10.0.0.1 host=db passfile=/x sslcrl=/crl sslcert=/c sslkey=/k ssl_min_protocol_version=TLSv1.2"}) {
    ASSERT_TRUE(by_libpq(dsn).has_value()) << dsn;
    const auto refused = refusal_of([&] { connect_config::parse(dsn); });
    EXPECT_FALSE(refused.code) << dsn << "\n" << refused.text;
  }
}

TEST(libpq_difference, the_default_of_sslmode_is_stricter) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> defaults(PQconndefaults(), &PQconninfoFree);
  std::string theirs;
  for (const PQconninfoOption* o = defaults.get(); o->keyword != nullptr; ++o) {
    if (std::string_view(o->keyword) == "sslmode") theirs = o->val;
  }
  EXPECT_EQ(theirs, "prefer");
  EXPECT_EQ(connect_config::parse("").sslmode, sslmode::verify_full);
}

}  // namespace
}  // namespace lido::test
