#include "driver/transport/tls_context.hpp"

#include <lido/driver/error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <sys/stat.h>

#include <array>

namespace lido::transport {
namespace {

// The library's own fixed words for what went wrong last; never the content of a file.
std::string reason() {
  const char* text = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return text != nullptr ? text : "unknown reason";
}

// OpenSSL's default asks on the terminal; a server must not wait there for ever.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

// RFC 7301: what PostgreSQL 17 expects under direct TLS and others ignore; keeps a server of another protocol from
// answering us.
constexpr std::array<unsigned char, 11> postgresql_alpn{10, 'p', 'o', 's', 't', 'g', 'r', 'e', 's', 'q', 'l'};

void set_policy(SSL_CTX* ctx) {
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // The system's configuration may have set it; a cut stream must look cut (B18).
  SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A record's header and body in one read of our buffer.
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(ctx, &no_passphrase);
  SSL_CTX_set_alpn_protos(ctx, postgresql_alpn.data(), postgresql_alpn.size());
}

bool load_authorities(SSL_CTX* ctx, const std::string& file, std::string& context) {
  const bool system = file.empty() || file == "system";
  const int fine = system ? SSL_CTX_set_default_verify_paths(ctx) : SSL_CTX_load_verify_file(ctx, file.c_str());
  if (fine == 1) return true;
  context =
      "sslrootcert: cannot use " + (system ? std::string("the system's store") : '"' + file + '"') + ": " + reason();
  return false;
}

// libpq's rule: the owner alone, or root with its group reading.
bool key_is_private(const std::string& file, std::string& context) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) {
    context = "sslkey: cannot read \"" + file + "\"";
    return false;
  }
  const mode_t forbidden = info.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if (S_ISREG(info.st_mode) && (info.st_mode & forbidden) == 0) return true;
  context = "sslkey: \"" + file + "\" must be a file that nobody but its owner can read (chmod 0600)";
  return false;
}

bool load_identity(SSL_CTX* ctx, const connect_config& config, std::string& context) {
  if (config.sslcert.empty() && config.sslkey.empty()) return true;
  if (config.sslcert.empty() || config.sslkey.empty()) {
    context = "sslcert and sslkey: one without the other";
    return false;
  }
  if (SSL_CTX_use_certificate_chain_file(ctx, config.sslcert.c_str()) != 1) {
    context = "sslcert: cannot use \"" + config.sslcert + "\": " + reason();
    return false;
  }
  if (!key_is_private(config.sslkey, context)) return false;
  if (SSL_CTX_use_PrivateKey_file(ctx, config.sslkey.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(ctx) != 1) {
    context = "sslkey: cannot use \"" + config.sslkey + "\": " + reason();
    return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<const tls_context> tls_context::create(const connect_config& config, std::error_code& ec,
                                                       std::string& context) {
  ec.clear();
  if (config.sslmode == sslmode::disable) return nullptr;
  ERR_clear_error();
  std::shared_ptr<tls_context> made(new tls_context);
  made->ctx_ = SSL_CTX_new(TLS_client_method());
  if (made->ctx_ == nullptr) {
    ec = errc::tls_failed;
    context = "TLS cannot be set up: " + reason();
    return nullptr;
  }
  set_policy(made->ctx_);
  made->name_ = config.sslmode == sslmode::verify_full;
  // As libpq: a weaker mode with a CA file named checks the chain all the same.
  made->chain_ = made->name_ || config.sslmode == sslmode::verify_ca || !config.sslrootcert.empty();
  if (made->chain_) SSL_CTX_set_verify(made->ctx_, SSL_VERIFY_PEER, nullptr);
  const bool usable = (!made->chain_ || load_authorities(made->ctx_, config.sslrootcert, context)) &&
                      load_identity(made->ctx_, config, context);
  if (usable) return made;
  ec = errc::invalid_config;
  return nullptr;
}

tls_context::~tls_context() { SSL_CTX_free(ctx_); }
bool tls_context::verifies_peer() const noexcept { return chain_; }
bool tls_context::verifies_name() const noexcept { return name_; }

}  // namespace lido::transport
