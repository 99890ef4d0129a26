#include <lido/driver/detail/knobs.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

using config = connect_config;

template <std::string connect_config::* Field>
bool set_text(config& c, std::string_view text) {
  (c.*Field).assign(text);
  return true;
}
template <std::chrono::nanoseconds connect_config::* Field>
bool set_duration(config& c, std::string_view text) {
  return duration_from_text(text, c.*Field);
}
template <std::size_t connect_config::* Field>
bool set_bytes(config& c, std::string_view text) {
  return bytes_from_text(text, c.*Field);
}

bool set_host(config& c, std::string_view text) {
  // One host only: a list would otherwise go to the resolver as a strange name.
  if (text.empty() || text.find(',') != std::string_view::npos || text.find('@') != std::string_view::npos)
    return false;
  c.host.assign(text);
  return true;
}

bool set_port(config& c, std::string_view text) {
  std::size_t port = 0;
  if (!count_from_text(text, port) || port == 0 || port > std::numeric_limits<std::uint16_t>::max()) return false;
  c.port = static_cast<std::uint16_t>(port);
  return true;
}

bool set_password(config& c, std::string_view text) {
  c.password = secret(text);
  return true;
}

bool set_fallback_application_name(config& c, std::string_view text) {
  if (c.application_name == config{}.application_name) c.application_name.assign(text);
  return true;
}

bool set_sslmode(config& c, std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, sslmode>, 6> modes{{{"disable", sslmode::disable},
                                                                              {"allow", sslmode::allow},
                                                                              {"prefer", sslmode::prefer},
                                                                              {"require", sslmode::require},
                                                                              {"verify-ca", sslmode::verify_ca},
                                                                              {"verify-full", sslmode::verify_full}}};
  const auto* const found = std::ranges::find(modes, text, &std::pair<std::string_view, sslmode>::first);
  if (found == modes.end()) return false;
  c.sslmode = found->second;
  return true;
}

std::optional<auth_method> auth_method_of(std::string_view text) {
  if (text == "none") return auth_method::none;
  if (text == "password") return auth_method::password;
  if (text == "md5") return auth_method::md5;
  if (text == "scram-sha-256") return auth_method::scram_sha_256;
  return std::nullopt;
}

bool set_require_auth(config& c, std::string_view text) {
  std::vector<auth_method> methods;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const auto method = auth_method_of(text.substr(0, comma));
    if (!method || comma + 1 == text.size()) return false;
    methods.push_back(*method);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  c.require_auth = std::move(methods);
  return true;
}

bool set_scram_max_iterations(config& c, std::string_view text) {
  std::size_t n = 0;
  if (!count_from_text(text, n) || n > std::numeric_limits<std::uint32_t>::max()) return false;
  c.scram_max_iterations = static_cast<std::uint32_t>(n);
  return true;
}

bool set_statement_cache_size(config& c, std::string_view text) {
  return count_from_text(text, c.statement_cache_size);
}
bool set_connect_timeout(config& c, std::string_view text) {
  return seconds_or_duration_from_text(text, c.connect_timeout);
}
bool set_allow_unverified_tls(config& c, std::string_view text) { return flag_from_text(text, c.allow_unverified_tls); }

// Parameters of libpq with one value that Lido has anyway.
bool is_utf8(config& /*c*/, std::string_view text) {
  return text == "UTF8" || text == "utf8" || text == "UTF-8" || text == "utf-8";
}
bool is_any(config& /*c*/, std::string_view text) { return text == "any"; }
bool is_no_gss(config& /*c*/, std::string_view text) { return text == "disable" || text == "prefer"; }
bool is_no_binding(config& /*c*/, std::string_view text) { return text == "disable" || text == "prefer"; }
bool is_ssl_request(config& /*c*/, std::string_view text) { return text == "postgres"; }

constexpr std::string_view a_text = "a text";
constexpr std::string_view a_file = "the path of a PEM file";
constexpr std::string_view a_size = "a number of bytes such as \"64MiB\"";

constexpr std::array knobs{
    knob<config>{"host", "one host name, address, or folder of a Unix socket", "localhost", "where the server is",
                 set_host},
    knob<config>{"port", "a port from 1 to 65535", "5432", "the server's port", set_port},
    knob<config>{"dbname", a_text, "", "database; empty: the user's name", set_text<&config::database>},
    knob<config>{"user", a_text, "", "role; empty: the name of the process's user", set_text<&config::user>},
    knob<config>{"password", a_text, "", "never shown, wiped after use", set_password},
    knob<config>{"application_name", a_text, "lido", "shown in pg_stat_activity", set_text<&config::application_name>},
    knob<config>{"fallback_application_name", a_text, "", "taken when there is no application_name",
                 set_fallback_application_name},
    knob<config>{"options", a_text, "", "command-line options for the backend, -c name=value",
                 set_text<&config::options>},
    knob<config>{"sslmode", "disable, allow, prefer, require, verify-ca or verify-full", "verify-full",
                 "how much TLS proves", set_sslmode},
    knob<config>{"sslrootcert", a_file, "", "CAs to trust; empty or \"system\": the system's",
                 set_text<&config::sslrootcert>},
    knob<config>{"sslcert", a_file, "", "client certificate", set_text<&config::sslcert>},
    knob<config>{"sslkey", a_file, "", "its key, readable by the owner alone", set_text<&config::sslkey>},
    knob<config>{"allow_unverified_tls", "true or false", "false", "permits allow, prefer, and require without a CA",
                 set_allow_unverified_tls},
    knob<config>{"require_auth", "a list of none, password, md5, scram-sha-256, with commas", "",
                 "methods that the server may ask for; empty: scram-sha-256 with a password, else none",
                 set_require_auth},
    knob<config>{"scram_max_iterations", "a number from 4096 on", "100000", "above: the server is refused, not obeyed",
                 set_scram_max_iterations},
    knob<config>{"connect_timeout", "a number of seconds, or a duration such as \"500ms\"", "10s",
                 "over DNS, TCP, TLS and authentication", set_connect_timeout},
    knob<config>{"close_timeout", "a duration such as \"2s\"", "2s", "for the server's own end after Terminate",
                 set_duration<&config::close_timeout>},
    knob<config>{"max_message_bytes", a_size, "64MiB", "a longer message closes the connection",
                 set_bytes<&config::max_message_bytes>},
    knob<config>{"max_result_bytes", a_size, "256MiB", "of a buffered result", set_bytes<&config::max_result_bytes>},
    knob<config>{"statement_cache_size", "a number", "256", "prepared statements a connection keeps; 0: none",
                 set_statement_cache_size},
    knob<config>{"client_encoding", "UTF8, the only one that Lido speaks", "UTF8", "for compatibility", is_utf8},
    knob<config>{"target_session_attrs", "\"any\"", "any", "for compatibility", is_any},
    knob<config>{"gssencmode", "\"disable\" or \"prefer\": there is no GSS encryption", "disable", "for compatibility",
                 is_no_gss},
    knob<config>{"channel_binding", "\"disable\" or \"prefer\"", "prefer", "for compatibility", is_no_binding},
    knob<config>{"sslnegotiation", "\"postgres\"", "postgres", "for compatibility", is_ssl_request},
};

constexpr std::array<std::string_view, 24> not_supported{"passfile",
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
                                                         "load_balance_hosts",
                                                         "keepalives",
                                                         "keepalives_idle",
                                                         "keepalives_interval",
                                                         "keepalives_count",
                                                         "tcp_user_timeout"};

}  // namespace

std::span<const knob<connect_config>> connect_knobs() noexcept { return knobs; }

std::string_view why_not_supported(std::string_view libpq_name) noexcept {
  if (libpq_name == "hostaddr")
    return "is not supported: give the address as host; verify-full then wants it in the certificate";
  if (std::ranges::find(not_supported, libpq_name) == not_supported.end()) return {};
  return "is a parameter of libpq that Lido does not have";
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
