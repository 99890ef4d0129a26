#include "driver/config/host_list.hpp"

#include <lido/driver/detail/knob_rows.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

using namespace rows;
using config = connect_config;

constexpr std::array targets{choice_word<target_session_attrs>{"any", target_session_attrs::any},
                             choice_word<target_session_attrs>{"read-write", target_session_attrs::read_write},
                             choice_word<target_session_attrs>{"read-only", target_session_attrs::read_only},
                             choice_word<target_session_attrs>{"primary", target_session_attrs::primary},
                             choice_word<target_session_attrs>{"standby", target_session_attrs::standby},
                             choice_word<target_session_attrs>{"prefer-standby", target_session_attrs::prefer_standby}};
constexpr std::array orders{choice_word<load_balance_hosts>{"disable", load_balance_hosts::disable},
                            choice_word<load_balance_hosts>{"random", load_balance_hosts::random}};

bool set_password(config& c, std::string_view text) {
  c.password = secret(text);
  return true;
}

bool set_fallback_application_name(config& c, std::string_view text) {
  if (c.application_name == config{}.application_name) c.application_name.assign(text);
  return true;
}

constexpr std::array sslmodes{
    choice_word<sslmode>{"disable", sslmode::disable},     choice_word<sslmode>{"allow", sslmode::allow},
    choice_word<sslmode>{"prefer", sslmode::prefer},       choice_word<sslmode>{"require", sslmode::require},
    choice_word<sslmode>{"verify-ca", sslmode::verify_ca}, choice_word<sslmode>{"verify-full", sslmode::verify_full}};
constexpr std::array auth_methods{choice_word<auth_method>{"none", auth_method::none},
                                  choice_word<auth_method>{"password", auth_method::password},
                                  choice_word<auth_method>{"md5", auth_method::md5},
                                  choice_word<auth_method>{"scram-sha-256", auth_method::scram_sha_256}};

// What Lido does not speak may be forbidden, but not asked for.
constexpr std::array<std::string_view, 3> never_spoken{"gss", "sspi", "oauth"};

// As libpq: a list of what is allowed, or, with ! before each, of what is not.
bool set_require_auth(config& c, std::string_view text) {
  std::vector<auth_method> listed;
  const bool forbids = text.starts_with('!');
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    if (word.starts_with('!') != forbids || comma + 1 == text.size()) return false;
    if (forbids) word.remove_prefix(1);
    const auto* const method = std::ranges::find(auth_methods, word, &choice_word<auth_method>::text);
    if (method != auth_methods.end()) {
      if (std::ranges::find(listed, method->value) != listed.end()) return false;
      listed.push_back(method->value);
    } else if (!forbids || std::ranges::find(never_spoken, word) == never_spoken.end()) {
      return false;
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  if (forbids) {
    std::vector<auth_method> rest;
    for (const auto& m : auth_methods) {
      if (std::ranges::find(listed, m.value) == listed.end()) rest.push_back(m.value);
    }
    listed.swap(rest);
    if (listed.empty()) return false;  // an empty list is the default
  }
  c.require_auth = std::move(listed);
  return true;
}

std::string require_auth(const config& c) {
  std::string out;
  for (const auth_method m : c.require_auth) {
    out += (out.empty() ? "" : ",");
    out += std::ranges::find(auth_methods, m, &choice_word<auth_method>::value)->text;
  }
  return out;
}

// libpq gives these as plain numbers; empty is not set.
template <auto Field, std::int64_t Unit>
bool set_wait(config& c, std::string_view text) {
  if (text.empty()) {
    c.*Field = config{}.*Field;
    return true;
  }
  std::size_t n = 0;
  if (!count_from_text(text, n)) return duration_from_text(text, c.*Field);
  if (n > std::numeric_limits<std::uint32_t>::max()) return false;
  c.*Field = std::chrono::nanoseconds(static_cast<std::int64_t>(n) * Unit);
  return true;
}

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t millisecond = 1'000'000;

template <auto Field, std::int64_t Unit = second>
constexpr knob<config> wait(std::string_view name, knob_range range, knob_class applies, std::string_view doc) {
  auto k = duration<Field>(name, range, applies, doc);
  k.set = set_wait<Field, Unit>;
  k.expects = Unit == second ? "a number of seconds, or a duration such as \"500ms\""
                             : "a number of milliseconds, or a duration such as \"30s\"";
  return k;
}

// Parameters of libpq with one value that Lido has anyway. The server's own spelling of encodings is as free.
bool is_utf8(config& /*c*/, std::string_view text) {
  std::string name;
  for (const char ch : text) {
    if (ch >= 'A' && ch <= 'Z') name += static_cast<char>(ch - 'A' + 'a');
    if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) name += ch;
  }
  return text.empty() || name == "utf8" || name == "unicode" || text == "auto";
}
bool is_no_gss(config& /*c*/, std::string_view text) { return text.empty() || text == "disable" || text == "prefer"; }

std::string nothing(const config& /*c*/) { return {}; }

constexpr std::array tls_versions{
    choice_word<tls_version>{"TLSv1.2", tls_version::v1_2}, choice_word<tls_version>{"TLSv1.3", tls_version::v1_3},
    choice_word<tls_version>{"newest", tls_version::newest}, choice_word<tls_version>{"", tls_version::newest}};
constexpr std::array least_tls_versions{choice_word<tls_version>{"TLSv1.2", tls_version::v1_2},
                                        choice_word<tls_version>{"TLSv1.3", tls_version::v1_3},
                                        choice_word<tls_version>{"", tls_version::v1_2}};
constexpr std::array negotiations{choice_word<sslnegotiation>{"postgres", sslnegotiation::postgres},
                                  choice_word<sslnegotiation>{"direct", sslnegotiation::direct}};
constexpr std::array bindings{choice_word<channel_binding>{"disable", channel_binding::disable},
                              choice_word<channel_binding>{"prefer", channel_binding::prefer},
                              choice_word<channel_binding>{"require", channel_binding::require}};
constexpr std::array protocols{choice_word<protocol_version>{"3.0", protocol_version::v3_0},
                               choice_word<protocol_version>{"3.2", protocol_version::v3_2},
                               choice_word<protocol_version>{"latest", protocol_version::v3_2}};

bool set_sslpassword(config& c, std::string_view text) {
  c.sslpassword = secret(text);
  return true;
}

constexpr knob_range of_keepalive = between(std::chrono::nanoseconds(0), std::chrono::seconds(32767));

// For those who bring a DSN of libpq's along.
constexpr knob<config> compatible(std::string_view name, std::string_view expects,
                                  bool (*accepts)(config&, std::string_view), std::string (*only)(const config&)) {
  return own<config>(name, knob_kind::text, rolling, "for compatibility with libpq", expects, accepts, only);
}

constexpr auto most_message = static_cast<double>(0x3fffffff);  // the server's own limit

constexpr std::array knobs{
    own<config>("host", knob_kind::text, rolling,
                "name, address, or folder of a Unix socket, which begins with /; of several, the first that will do",
                "a host name, address, or folder of a Unix socket, or up to 32 of them with commas", set_hosts,
                host_names)
        .from_env("PGHOST")
        .such_as("db1.example,db2.example"),
    own<config>("hostaddr", knob_kind::text, rolling,
                "where to connect without a look-up; host is then what the certificate must name",
                "a numeric address, or as many of them as there are hosts, with commas", set_host_addresses,
                host_addresses)
        .from_env("PGHOSTADDR")
        .such_as("10.0.0.1,10.0.0.2"),
    own<config>("port", knob_kind::text, rolling, "the server's port, or one for each host",
                "a port from 1 to 65535, or as many of them as there are hosts, with commas", set_ports, host_ports)
        .from_env("PGPORT")
        .such_as("5432,5433"),
    choice<targets, &config::target_session_attrs>("target_session_attrs", rolling, "which of the hosts will do")
        .from_env("PGTARGETSESSIONATTRS"),
    choice<orders, &config::load_balance_hosts>("load_balance_hosts", rolling,
                                                "random: the hosts in another order for each connect")
        .from_env("PGLOADBALANCEHOSTS"),
    text<&config::database>("dbname", rolling, "database; empty: the user's name")
        .from_env("PGDATABASE")
        .such_as("app"),
    text<&config::user>("user", rolling, "role; empty: the name of the process's user")
        .from_env("PGUSER")
        .such_as("app"),
    own<config>("password", knob_kind::text, rolling, "wiped after use; better kept in a file of its own", "a text",
                set_password, [](const config& c) { return std::string(c.password.reveal()); })
        .from_env("PGPASSWORD")
        .kept_secret(),
    file<&config::passfile>("passfile", rolling,
                            "libpq's password file, looked at for each connect when there is no other password")
        .from_env("PGPASSFILE")
        .such_as("/home/app/.pgpass"),
    text<&config::application_name>("application_name", rolling, "shown in pg_stat_activity").from_env("PGAPPNAME"),
    own<config>("fallback_application_name", knob_kind::text, rolling, "taken when there is no application_name",
                "a text", set_fallback_application_name, nothing)
        .such_as("billing"),
    text<&config::options>("options", rolling, "command-line options for the backend, -c name=value")
        .from_env("PGOPTIONS")
        .such_as("-c search_path=app"),
    choice<sslmodes, &config::sslmode>("sslmode", rolling, "how much TLS proves").from_env("PGSSLMODE"),
    file<&config::sslrootcert>("sslrootcert", rolling,
                               "PEM file of the CAs to trust; empty or \"system\": the system's")
        .from_env("PGSSLROOTCERT")
        .such_as("/etc/ssl/app/ca.pem"),
    file<&config::sslcert>("sslcert", rolling, "client certificate, a PEM file")
        .from_env("PGSSLCERT")
        .such_as("/etc/ssl/app/client.pem"),
    file<&config::sslkey>("sslkey", rolling, "its key, a PEM file, readable by the owner alone")
        .from_env("PGSSLKEY")
        .such_as("/etc/ssl/app/client.key"),
    own<config>("sslpassword", knob_kind::text, rolling, "of the key, if it is encrypted", "a text", set_sslpassword,
                [](const config& c) { return std::string(c.sslpassword.reveal()); })
        .kept_secret(),
    file<&config::sslcrl>("sslcrl", rolling, "PEM file of revoked certificates")
        .from_env("PGSSLCRL")
        .such_as("/etc/ssl/app/revoked.pem"),
    file<&config::sslcrldir>("sslcrldir", rolling, "folder of such files, each named by its issuer's hash")
        .from_env("PGSSLCRLDIR")
        .such_as("/etc/ssl/app/revoked"),
    flag<&config::sslsni>("sslsni", rolling, "tells the server, unencrypted, which name was asked for")
        .from_env("PGSSLSNI"),
    choice<least_tls_versions, &config::ssl_min_protocol_version>("ssl_min_protocol_version", rolling,
                                                                  "the oldest TLS that will do")
        .from_env("PGSSLMINPROTOCOLVERSION"),
    choice<tls_versions, &config::ssl_max_protocol_version>("ssl_max_protocol_version", rolling,
                                                            "the newest TLS to speak")
        .from_env("PGSSLMAXPROTOCOLVERSION"),
    choice<negotiations, &config::sslnegotiation>("sslnegotiation", rolling,
                                                  "direct: TLS at once, without asking (PostgreSQL 17 and later)")
        .from_env("PGSSLNEGOTIATION"),
    flag<&config::allow_unverified_tls>("allow_unverified_tls", rolling,
                                        "permits allow, prefer, and require without a CA"),
    own<config>("require_auth", knob_kind::list, rolling,
                "methods that the server may ask for; empty: scram-sha-256 with a password, else none",
                "a list of none, password, md5, scram-sha-256, with commas; with ! before each: all others",
                set_require_auth, require_auth)
        .one_of(words<auth_methods>::texts)
        .from_env("PGREQUIREAUTH")
        .such_as("scram-sha-256"),
    count<&config::scram_max_iterations>("scram_max_iterations", between(4096, 4'294'967'295), live,
                                         "above: the server is refused, not obeyed"),
    choice<bindings, &config::channel_binding>("channel_binding", rolling,
                                               "whether SCRAM is bound to the server's certificate")
        .from_env("PGCHANNELBINDING"),
    text<&config::requirepeer>("requirepeer", rolling, "the user that the server behind a Unix socket must run as")
        .from_env("PGREQUIREPEER")
        .such_as("postgres"),
    choice<protocols, &config::min_protocol_version>("min_protocol_version", rolling,
                                                     "the oldest protocol to be content with")
        .from_env("PGMINPROTOCOLVERSION"),
    choice<protocols, &config::max_protocol_version>("max_protocol_version", rolling,
                                                     "the newest protocol to ask for; 3.2 has longer cancel keys")
        .from_env("PGMAXPROTOCOLVERSION"),
    flag<&config::keepalives>("keepalives", rolling, "TCP's own"),
    wait<&config::keepalives_idle>("keepalives_idle", of_keepalive, rolling,
                                   "before the first one, in whole seconds; 0: the system's default"),
    wait<&config::keepalives_interval>("keepalives_interval", of_keepalive, rolling,
                                       "between them, in whole seconds; 0: the system's default"),
    count<&config::keepalives_count>("keepalives_count", between(0, 127), rolling,
                                     "that are lost before the connection is; 0: the system's default"),
    wait<&config::tcp_user_timeout, millisecond>("tcp_user_timeout", a_wait_or_off, rolling,
                                                 "for what was sent to be acknowledged; 0: the system's default"),
    wait<&config::connect_timeout>("connect_timeout", a_wait, live, "over DNS, TCP, TLS and authentication")
        .from_env("PGCONNECT_TIMEOUT"),
    duration<&config::close_timeout>("close_timeout", a_wait, live, "for the server's own end after Terminate"),
    bytes<&config::max_message_bytes>("max_message_bytes", between(64 << 10, most_message), rolling,
                                      "a longer message closes the connection"),
    bytes<&config::max_result_bytes>("max_result_bytes", at_least(1), rolling, "of a buffered result"),
    count<&config::statement_cache_size>("statement_cache_size", between(0, 100'000), rolling,
                                         "prepared statements a connection keeps; 0: none"),
    bytes<&config::statement_cache_bytes>("statement_cache_bytes", at_least(0), rolling,
                                          "of the texts of prepared statements that a connection keeps"),
    compatible("client_encoding", "UTF8, the only one that Lido speaks", is_utf8,
               [](const config&) { return std::string("UTF8"); })
        .from_env("PGCLIENTENCODING"),
    compatible("gssencmode", "\"disable\" or \"prefer\": there is no GSS encryption", is_no_gss,
               [](const config&) { return std::string("disable"); })
        .from_env("PGGSSENCMODE"),
};

constexpr std::array<std::string_view, 2> not_supported{"sslcertmode", "replication"};

// Of Kerberos, which is never spoken, and of compression, which TLS no longer has.
constexpr std::array<std::string_view, 4> without_effect{"krbsrvname", "gsslib", "gssdelegation", "sslcompression"};

}  // namespace

std::span<const knob<connect_config>> connect_knobs() noexcept { return knobs; }

bool has_no_effect(std::string_view libpq_name) noexcept {
  return std::ranges::find(without_effect, libpq_name) != without_effect.end();
}

std::string_view why_not_supported(std::string_view libpq_name) noexcept {
  if (std::ranges::find(not_supported, libpq_name) == not_supported.end()) return {};
  return "is a parameter of libpq that Lido does not have";
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
