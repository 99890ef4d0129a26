#include "driver/config/host_list.hpp"

#include <lido/driver/detail/knob_rows.hpp>

#include <algorithm>
#include <array>
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

bool set_require_auth(config& c, std::string_view text) {
  std::vector<auth_method> methods;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const auto* const method = std::ranges::find(auth_methods, text.substr(0, comma), &choice_word<auth_method>::text);
    if (method == auth_methods.end() || comma + 1 == text.size()) return false;
    methods.push_back(method->value);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  c.require_auth = std::move(methods);
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

bool set_connect_timeout(config& c, std::string_view text) {
  return seconds_or_duration_from_text(text, c.connect_timeout);
}

// Parameters of libpq with one value that Lido has anyway.
bool is_utf8(config& /*c*/, std::string_view text) {
  return text == "UTF8" || text == "utf8" || text == "UTF-8" || text == "utf-8";
}
bool is_no_gss(config& /*c*/, std::string_view text) { return text == "disable" || text == "prefer"; }
bool is_no_binding(config& /*c*/, std::string_view text) { return text == "disable" || text == "prefer"; }
bool is_ssl_request(config& /*c*/, std::string_view text) { return text == "postgres"; }

std::string nothing(const config& /*c*/) { return {}; }

constexpr knob<config> connect_timeout_row() {
  auto k = duration<&config::connect_timeout>("connect_timeout", a_wait, live, "over DNS, TCP, TLS and authentication");
  k.set = set_connect_timeout;
  k.expects = "a number of seconds, or a duration such as \"500ms\"";
  return k;
}

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
    flag<&config::allow_unverified_tls>("allow_unverified_tls", rolling,
                                        "permits allow, prefer, and require without a CA"),
    own<config>("require_auth", knob_kind::list, rolling,
                "methods that the server may ask for; empty: scram-sha-256 with a password, else none",
                "a list of none, password, md5, scram-sha-256, with commas", set_require_auth, require_auth)
        .one_of(words<auth_methods>::texts)
        .from_env("PGREQUIREAUTH")
        .such_as("scram-sha-256"),
    count<&config::scram_max_iterations>("scram_max_iterations", between(4096, 4'294'967'295), live,
                                         "above: the server is refused, not obeyed"),
    connect_timeout_row().from_env("PGCONNECT_TIMEOUT"),
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
    compatible("channel_binding", "\"disable\" or \"prefer\"", is_no_binding,
               [](const config&) { return std::string("prefer"); })
        .from_env("PGCHANNELBINDING"),
    compatible("sslnegotiation", "\"postgres\"", is_ssl_request, [](const config&) { return std::string("postgres"); })
        .from_env("PGSSLNEGOTIATION"),
};

constexpr std::array<std::string_view, 23> not_supported{"passfile",
                                                         "service",
                                                         "servicefile",
                                                         "sslpassword",
                                                         "sslcrl",
                                                         "sslcrldir",
                                                         "sslcompression",
                                                         "sslsni",
                                                         "sslcertmode",
                                                         "ssl_min_protocol_version",
                                                         "ssl_max_protocol_version",
                                                         "min_protocol_version",
                                                         "max_protocol_version",
                                                         "requirepeer",
                                                         "krbsrvname",
                                                         "gsslib",
                                                         "gssdelegation",
                                                         "replication",
                                                         "keepalives",
                                                         "keepalives_idle",
                                                         "keepalives_interval",
                                                         "keepalives_count",
                                                         "tcp_user_timeout"};

}  // namespace

std::span<const knob<connect_config>> connect_knobs() noexcept { return knobs; }

std::string_view why_not_supported(std::string_view libpq_name) noexcept {
  if (std::ranges::find(not_supported, libpq_name) == not_supported.end()) return {};
  return "is a parameter of libpq that Lido does not have";
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
