// The shared SSL_CTX of a configuration: CAs, client certificate, protocol floor. Built once per pool, used by every
// connection and its cancels (I6).
#pragma once

#include <lido/driver/config.hpp>

#include <memory>
#include <string>
#include <system_error>

struct ssl_ctx_st;

namespace lido::transport {

class tls_context {
 public:
  // Null with `ec` (errc::tls_failed or invalid_config) and words for a person in `context` when a file cannot be used;
  // null without `ec` for sslmode=disable. Reads files; do it once, not per connect.
  static std::shared_ptr<const tls_context> create(const connect_config& config, std::error_code& ec,
                                                   std::string& context);
  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  ssl_ctx_st* native() const noexcept { return ctx_; }
  bool verifies_peer() const noexcept;  // chain
  bool verifies_name() const noexcept;  // host against SAN
  bool names_host() const noexcept { return sni_; }

 private:
  tls_context() = default;
  ssl_ctx_st* ctx_ = nullptr;
  bool chain_ = false;
  bool name_ = false;
  bool sni_ = true;
};

}  // namespace lido::transport
