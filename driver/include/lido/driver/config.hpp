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
  std::string application_name = "lido";
  std::string options;                                          ///< libpq's `options`, e.g. "-c search_path=app"
  std::vector<std::pair<std::string, std::string>> parameters;  ///< further run-time parameters of the start-up message

  lido::sslmode sslmode = lido::sslmode::verify_full;
  std::string sslrootcert;  ///< PEM file of CAs; empty or "system": the system's store
  std::string sslcert;      ///< client certificate, PEM file
  std::string sslkey;       ///< its key, PEM file, readable by the owner alone
  bool allow_unverified_tls =
      false;  ///< `require` without a CA, `prefer` and `allow` encrypt towards anybody: say so to permit it

  /// Methods the server may ask for. Empty: scram-sha-256 when a password is set, else none (trust, certificate, peer).
  /// `password` (cleartext) is refused without verified TLS, whatever this says.
  std::vector<auth_method> require_auth;
  std::uint32_t scram_max_iterations = 100000;

  std::chrono::nanoseconds connect_timeout =
      std::chrono::seconds(10);  ///< one deadline over DNS, TCP, TLS and authentication
  std::chrono::nanoseconds close_timeout = std::chrono::seconds(2);  ///< for the server's own EOF after Terminate
  std::size_t max_message_bytes = 64U << 20;
  std::size_t max_result_bytes = 256U << 20;  ///< of a buffered result
  /// Prepared statements a connection keeps, the last used ones; 0: none, each statement is unnamed and parsed anew:
  /// for poolers in transaction mode.
  std::size_t statement_cache_size = 256;
  std::size_t statement_cache_bytes = 1U << 20;  ///< of the texts of those, together

  /// Called with each NOTICE and WARNING of the server, on the connection's executor, without locks; what it throws
  /// goes no further. A pool has its own, pool_config::on_notice.
  std::function<void(const diagnostics&)> on_notice;

  /// Reads a URI (postgresql://...) or keyword/value string with libpq's names.
  /// Throws lido::error (errc::invalid_config) that gives position and key, never a value; an unknown key names its
  /// nearest.
  static connect_config parse(std::string_view dsn);
};

}  // namespace v0
}  // namespace lido
