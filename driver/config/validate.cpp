#include "driver/config/host_list.hpp"
#include "driver/key_file.hpp"

#include <lido/driver/detail/knobs.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace {

void require_that(bool holds, std::string_view what) {
  if (!holds) detail::throw_invalid_config(std::string(what));
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool is_numeric(const std::string& address) {
  in6_addr parsed{};
  const std::string without_zone = address.substr(0, address.find('%'));
  return ::inet_pton(AF_INET6, without_zone.c_str(), &parsed) == 1 ||
         ::inet_pton(AF_INET, address.c_str(), &parsed) == 1;
}

void check_hosts(const connect_config& c) {
  require_that(c.hosts.size() <= detail::most_hosts, "hosts: at most 32");
  require_that(!c.hosts.empty() || !c.host.empty() || !c.hostaddr.empty(), "host is empty");
  require_that(c.port != 0, "port must be from 1 to 65535");
  for (const host_entry& h : detail::hosts_of(c)) {
    require_that(!h.host.empty(), "host: there are ports or addresses for more hosts than there are hosts");
    require_that(!has_nul(h.host) && !has_nul(h.hostaddr), "a host with a NUL in it");
    require_that(h.hostaddr.empty() || is_numeric(h.hostaddr),
                 "hostaddr is not a numeric address: a name is given as host");
  }
}

bool all_unix_sockets(const connect_config& c) {
  return std::ranges::all_of(detail::hosts_of(c), detail::is_unix_socket);
}

// NUL separates parameters in the start-up message: a user called "x\0user\0admin" would be two (C33).
void check_texts(const connect_config& c) {
  for (const std::string_view text :
       {std::string_view(c.host), std::string_view(c.user), std::string_view(c.database),
        std::string_view(c.application_name), std::string_view(c.options), c.password.reveal(),
        std::string_view(c.sslrootcert), std::string_view(c.sslcert), std::string_view(c.sslkey),
        std::string_view(c.sslcrl), std::string_view(c.sslcrldir), std::string_view(c.passfile),
        std::string_view(c.requirepeer), c.sslpassword.reveal()}) {
    require_that(!has_nul(text), "a text with a NUL in it: host, user, dbname, password, options, or another");
  }
  for (const auto& [name, value] : c.parameters) {
    require_that(!name.empty() && !has_nul(name) && !has_nul(value),
                 "a run-time parameter without a name, or with a NUL in it");
    require_that(name != "user" && name != "database" && name != "replication" && !name.starts_with("_pq_."),
                 "user, database, replication and _pq_.* are not run-time parameters");
  }
}

// S1: encryption towards nobody in particular only for those who say so by name.
void check_tls_mode(const connect_config& c) {
  if (c.allow_unverified_tls || all_unix_sockets(c)) return;  // no TLS over a Unix socket
  const bool has_ca = !c.sslrootcert.empty() && c.sslrootcert != "system";
  switch (c.sslmode) {
    case sslmode::disable:
    case sslmode::verify_full: return;
    case sslmode::allow:
    case sslmode::prefer:
      require_that(false,
                   "sslmode allow and prefer protect from nobody who can change packets: use verify-full, or set "
                   "allow_unverified_tls=1");
      return;
    case sslmode::require:
      require_that(has_ca,
                   "sslmode require without sslrootcert encrypts towards anybody: use verify-full, give sslrootcert, "
                   "or set allow_unverified_tls=1");
      return;
    case sslmode::verify_ca:
      require_that(has_ca,
                   "sslmode verify-ca with the system's CAs accepts everybody who has any certificate: use "
                   "verify-full, or give sslrootcert");
      return;
  }
}

void check_tls_options(const connect_config& c) {
  require_that(
      c.ssl_min_protocol_version <= c.ssl_max_protocol_version && c.ssl_min_protocol_version != tls_version::newest,
      "ssl_min_protocol_version is above ssl_max_protocol_version");
  const bool weak = c.sslmode == sslmode::disable || c.sslmode == sslmode::allow || c.sslmode == sslmode::prefer;
  require_that(c.sslnegotiation != sslnegotiation::direct || !weak || all_unix_sockets(c),
               "sslnegotiation=direct goes with sslmode require, verify-ca or verify-full: it never falls back");
}

void check_protocol(const connect_config& c) {
  require_that(c.min_protocol_version <= c.max_protocol_version,
               "min_protocol_version is above max_protocol_version (3.0 unless it is set)");
}

void check_client_certificate(const connect_config& c) {
  require_that(c.sslcert.empty() == c.sslkey.empty(), "sslcert and sslkey go together");
  if (c.sslkey.empty()) return;
  struct stat status{};
  require_that(::stat(c.sslkey.c_str(), &status) == 0, "the file of sslkey cannot be opened");
  require_that(S_ISREG(status.st_mode), "sslkey is not a file");
  require_that(detail::is_private_key(status),
               "the file of sslkey is open to group or others: chmod 600, or 640 when it is root's");
}

}  // namespace

void validate(const connect_config& config) {
  check_hosts(config);
  check_texts(config);
  check_tls_mode(config);
  check_tls_options(config);
  check_protocol(config);
  check_client_certificate(config);
  detail::check_bounds(detail::connect_knobs(), config);
}

}  // namespace v0
}  // namespace lido
