// How one connection is made. Fill the fields, or parse a DSN:
//
//   auto cfg = lido::connect_config::parse("postgresql://app@db.example/app?sslrootcert=/etc/ssl/ca.pem");
//   cfg.password = read_secret();
//
// Several hosts, as libpq writes them:
//
//   postgresql://app@db1,db2:5433/app?target_session_attrs=primary
//   host=db1,db2 port=5432,5433 target_session_attrs=primary
#pragma once

#include <lido/driver/error.hpp>
#include <lido/driver/secret.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// libpq's names and order, from weakest to strongest.
enum class sslmode { disable, allow, prefer, require, verify_ca, verify_full };

/// Authentication methods, for `require_auth`.
enum class auth_method { none, password, md5, scram_sha_256 };

/// How TLS begins: by asking for it (any server), or at once (PostgreSQL 17 and later), which saves a round trip.
enum class sslnegotiation { postgres, direct };

/// Versions of TLS. There is nothing below 1.2; `newest` is whatever OpenSSL has.
enum class tls_version { v1_2, v1_3, newest };

/// Whether the login is bound to the server's certificate (SCRAM-SHA-256-PLUS).
enum class channel_binding {
  disable,
  prefer,   ///< where the server offers it over TLS
  require,  ///< else there is no login, by whatever method
};

/// Versions of PostgreSQL's protocol. 3.2 is PostgreSQL 18's: longer cancel keys.
enum class protocol_version { v3_0, v3_2 };

/// Which server of a list will do. `read_write` and `read_only` ask what a transaction may do by default, `primary` and
/// `standby` whether the server is in recovery; `prefer_standby` is any server when no standby can be reached.
enum class target_session_attrs { any, read_write, read_only, primary, standby, prefer_standby };

/// In which order the hosts of a list are tried.
enum class load_balance_hosts {
  disable,  ///< as they are written
  random,   ///< shuffled anew for each connect
};

/// One of several servers.
struct host_entry {
  std::string host;        ///< as connect_config::host
  std::string hostaddr{};  ///< as connect_config::hostaddr
  std::uint16_t port = 0;  ///< 0: connect_config::port
};

/// For whom a password is wanted. The texts are the caller's to copy.
struct password_request {
  std::string_view host;  ///< as it was given; for a server known by its address alone, that address
  std::uint16_t port = 0;
  std::string_view user;
  std::string_view database;
};

struct connect_config {
  std::string host = "localhost";  ///< name, address, or a folder that starts with '/' for a Unix socket
  std::string hostaddr;            ///< an address: no look-up; `host` is then only what the certificate must name
  std::uint16_t port = 5432;
  /// Several servers, at most 32. When it is not empty, it is this list that counts, and `host` and `hostaddr` do not.
  /// They are tried in order, under the one `connect_timeout`, of which each host gets an equal share of what is left.
  /// The next one is tried when a host cannot be looked up, reached, or verified, hangs up, says that it cannot serve
  /// now (57P03), or is not what `target_session_attrs` wants; not after a refused login (as libpq).
  std::vector<host_entry> hosts;
  lido::target_session_attrs target_session_attrs = lido::target_session_attrs::any;
  lido::load_balance_hosts load_balance_hosts = lido::load_balance_hosts::disable;

  std::string user;      ///< empty: the name of the process's user
  std::string database;  ///< empty: same as `user`
  secret password;
  /// Called for each connect when `password` is empty, on one of Lido's helper threads: it may block, and should end
  /// within connect_timeout, behind which its answer is for nobody. Must be callable from several threads at once. An
  /// empty secret means that there is none; what it throws ends the connect with errc::auth_failed and is not shown.
  std::function<secret(const password_request&)> password_provider;
  /// libpq's password file (host:port:database:user:password), looked at for each connect when there is no other
  /// password. Passed over when it is not there, or readable by others than its owner. Empty: none.
  std::string passfile;
  std::string application_name = "lido";
  std::string options;                                          ///< libpq's `options`, e.g. "-c search_path=app"
  std::vector<std::pair<std::string, std::string>> parameters;  ///< further run-time parameters of the start-up message

  lido::sslmode sslmode = lido::sslmode::verify_full;
  std::string sslrootcert;  ///< PEM file of CAs; empty or "system": the system's store
  std::string sslcert;      ///< client certificate, PEM file
  std::string sslkey;       ///< its key, PEM file, readable by the owner alone
  secret sslpassword;       ///< of the key, if it is encrypted
  std::string sslcrl;       ///< PEM file of revoked certificates; what is in it is refused
  std::string sslcrldir;    ///< folder of such files, each named by its issuer's hash (openssl rehash)
  bool sslsni = true;       ///< tells the server, unencrypted, which name was asked for; never an address
  tls_version ssl_min_protocol_version = tls_version::v1_2;
  tls_version ssl_max_protocol_version = tls_version::newest;
  lido::sslnegotiation sslnegotiation = lido::sslnegotiation::postgres;
  bool allow_unverified_tls =
      false;  ///< `require` without a CA, `prefer` and `allow` encrypt towards anybody: say so to permit it

  /// Methods the server may ask for. Empty: scram-sha-256 when a password is set, else none (trust, certificate, peer).
  /// `password` (cleartext) is refused without verified TLS, whatever this says.
  std::vector<auth_method> require_auth;
  lido::channel_binding channel_binding = lido::channel_binding::prefer;
  std::uint32_t scram_max_iterations = 100000;

  std::string requirepeer;  ///< the user that the server behind a Unix socket must run as; empty: anybody

  /// The newest protocol to ask for, and the oldest to be content with. Some poolers hang up on a version that they do
  /// not know, so 3.2 is asked for only by those who say so.
  protocol_version min_protocol_version = protocol_version::v3_0;
  protocol_version max_protocol_version = protocol_version::v3_0;

  bool keepalives = true;  ///< TCP's own, which notice a peer that vanished while nothing is sent
  std::chrono::nanoseconds keepalives_idle = std::chrono::seconds(60);  ///< in whole seconds; 0: the system's default
  std::chrono::nanoseconds keepalives_interval = std::chrono::seconds(10);  ///< the same
  std::uint32_t keepalives_count = 3;                                       ///< 0: the system's default
  /// How long bytes that were sent may stay unacknowledged, in whole milliseconds; 0: the system's default.
  std::chrono::nanoseconds tcp_user_timeout = std::chrono::seconds(30);

  std::chrono::nanoseconds connect_timeout =
      std::chrono::seconds(10);  ///< one deadline over DNS, TCP, TLS and authentication
  std::chrono::nanoseconds close_timeout = std::chrono::seconds(2);  ///< for the server's own EOF after Terminate
  std::size_t max_message_bytes = 64U << 20;
  std::size_t max_result_bytes = 256U << 20;  ///< of a buffered result
  /// Prepared statements a connection keeps, the last used ones; 0: none, each statement is unnamed and parsed anew:
  /// for poolers in transaction mode.
  std::size_t statement_cache_size = 256;
  std::size_t statement_cache_bytes = 1U << 20;  ///< of the texts of those, together

  /// Called with each NOTICE and WARNING of the server, at most 1,000 a second, on the connection's executor, without
  /// locks; what it throws goes no further and is counted: connection::callback_errors(), of a pool's connections
  /// pool_stats::sink_errors. A pool has its own, pool_config::on_notice.
  std::function<void(const diagnostics&)> on_notice;

  /// Reads a URI (postgresql://...) or keyword/value string with libpq's names.
  /// Throws lido::error (errc::invalid_config) that gives position and key, never a value; an unknown key names its
  /// nearest.
  static connect_config parse(std::string_view dsn);
  /// As libpq would: what the DSN says wins over its service, that over the environment (PGHOST, PGSERVICE, ...), that
  /// over the defaults; the password file is PGPASSFILE or ~/.pgpass. Only `sslmode` has another default. Reads files.
  static connect_config load(std::string_view dsn = {});
};

}  // namespace v0
}  // namespace lido
