// How one connection is made. Fill the fields, or parse a DSN:
//
//   auto cfg = lido::connect_config::parse("postgresql://app@db.example/app?sslrootcert=/etc/ssl/ca.pem");
//   cfg.password = read_secret();
#pragma once

#include <lido/driver/secret.hpp>

#include <chrono>
#include <cstdint>
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

struct connect_config {
  std::string host = "localhost";  ///< name, address, or a folder that starts with '/' for a Unix socket
  std::uint16_t port = 5432;
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
  std::size_t statement_cache_size = 256;     ///< prepared statements a connection keeps; 0: none

  /// Reads a URI (postgresql://...) or keyword/value string with libpq's names.
  /// Throws lido::error (errc::invalid_config) that gives position and key, never a value; an unknown key names its
  /// nearest.
  static connect_config parse(std::string_view dsn);
};

}  // namespace v0
}  // namespace lido
