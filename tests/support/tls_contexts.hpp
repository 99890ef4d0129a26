// OpenSSL contexts for blocking_stream: servers with a given identity and, on purpose, old protocol versions; clients
// that verify or not.
#pragma once

#include "tests/support/certificates.hpp"

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace lido::testing {

struct tls_context_deleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using tls_context = std::unique_ptr<SSL_CTX, tls_context_deleter>;

struct tls_versions {
  int lowest = TLS1_2_VERSION;
  int highest = TLS1_3_VERSION;
};

[[nodiscard]] tls_context server_tls(const identity& who, const tls_versions& versions = {});
/// Verifies against the authority's certificate (PEM), or not at all when that is empty.
[[nodiscard]] tls_context client_tls(const std::string& authority = {});

}  // namespace lido::testing
