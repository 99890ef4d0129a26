// Certificates for tests, made in the process: authorities, and server or client identities that are right or wrong on
// purpose (names, dates, signature kinds: B11-B16, B33, C31).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace lido::testing {

enum class key_kind { ec_p256, rsa_2048, ed25519 };

/// What a certificate says. The defaults are right for a server on the loopback interface.
struct certificate_request {
  std::string common_name = "localhost";
  std::vector<std::string> dns_names{"localhost"};  // may hold a NUL on purpose
  std::vector<std::string> ip_addresses{"127.0.0.1"};
  std::chrono::hours valid_from{-24};  // relative to now
  std::chrono::hours valid_until{24 * 30};
  key_kind key = key_kind::ec_p256;
};

/// A certificate and its private key, both PEM.
struct identity {
  std::string certificate;
  std::string key;
};

/// A self-signed root that issues leaf certificates. Copies share the key. Thread-safe: it is never changed after
/// construction.
class certificate_authority {
 public:
  /// The kind of its key decides the signature algorithm of what it issues.
  explicit certificate_authority(const std::string& name, key_kind key = key_kind::ec_p256);

  [[nodiscard]] const std::string& certificate() const noexcept;
  [[nodiscard]] identity issue(const certificate_request& request) const;
  /// A list (PEM) that revokes these of its certificates.
  [[nodiscard]] std::string revocation_list(const std::vector<identity>& revoked) const;

 private:
  struct state;
  std::shared_ptr<const state> state_;
};

}  // namespace lido::testing
