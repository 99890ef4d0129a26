#include "driver/transport/tls_context.hpp"

#include "driver/key_file.hpp"

#include <lido/driver/error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string_view>

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

int version_of(tls_version v) noexcept {
  switch (v) {
    case tls_version::v1_2: return TLS1_2_VERSION;
    case tls_version::v1_3: return TLS1_3_VERSION;
    case tls_version::newest: break;
  }
  return 0;  // OpenSSL's word for the newest that it has
}

// What a key's file is decrypted with, while it is read.
int passphrase(char* buffer, int size, int /*writing*/, void* data) {
  const std::string_view text = static_cast<const secret*>(data)->reveal();
  if (text.size() > static_cast<std::size_t>(size)) return -1;
  text.copy(buffer, text.size());
  return static_cast<int>(text.size());
}

void set_policy(SSL_CTX* ctx, const connect_config& config) {
  // Never below 1.2, whatever the system's configuration permits.
  SSL_CTX_set_min_proto_version(ctx, std::max(TLS1_2_VERSION, version_of(config.ssl_min_protocol_version)));
  SSL_CTX_set_max_proto_version(ctx, version_of(config.ssl_max_protocol_version));
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

// Revoked certificates, and nothing else that may be in these files: a certificate in one would be trusted. With
// either, each authority of a chain must have its list.
bool load_revocations(SSL_CTX* ctx, const connect_config& config, std::string& context) {
  if (config.sslcrl.empty() && config.sslcrldir.empty()) return true;
  X509_STORE* const store = SSL_CTX_get_cert_store(ctx);
  if (!config.sslcrl.empty()) {
    X509_LOOKUP* const file = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (file == nullptr || X509_load_crl_file(file, config.sslcrl.c_str(), X509_FILETYPE_PEM) < 1) {
      context = "sslcrl: cannot use \"" + config.sslcrl + "\": " + reason();
      return false;
    }
  }
  struct stat info{};
  const bool folder = !config.sslcrldir.empty();
  if (folder && (::stat(config.sslcrldir.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
                 X509_STORE_load_path(store, config.sslcrldir.c_str()) != 1)) {
    context = "sslcrldir: cannot use \"" + config.sslcrldir + "\"";
    return false;
  }
  return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
}

bool key_is_private(const std::string& file, std::string& context) {
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) {
    context = "sslkey: cannot read \"" + file + "\"";
    return false;
  }
  if (S_ISREG(info.st_mode) && lido::detail::is_private_key(info)) return true;
  context = "sslkey: \"" + file +
            "\" must be a file that nobody but its owner can read (chmod 0600, or 0640 when it is root's)";
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
  const secret password = config.sslpassword;
  if (!password.empty()) {
    SSL_CTX_set_default_passwd_cb(ctx, &passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, const_cast<secret*>(&password));  // only read
  }
  const bool usable = SSL_CTX_use_PrivateKey_file(ctx, config.sslkey.c_str(), SSL_FILETYPE_PEM) == 1 &&
                      SSL_CTX_check_private_key(ctx) == 1;
  SSL_CTX_set_default_passwd_cb(ctx, &no_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(ctx, nullptr);
  if (!usable) {
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
  set_policy(made->ctx_, config);
  made->sni_ = config.sslsni;
  made->name_ = config.sslmode == sslmode::verify_full;
  // As libpq: a weaker mode with a CA file named checks the chain all the same.
  made->chain_ = made->name_ || config.sslmode == sslmode::verify_ca || !config.sslrootcert.empty();
  if (made->chain_) SSL_CTX_set_verify(made->ctx_, SSL_VERIFY_PEER, nullptr);
  const bool usable = (!made->chain_ || (load_authorities(made->ctx_, config.sslrootcert, context) &&
                                         load_revocations(made->ctx_, config, context))) &&
                      load_identity(made->ctx_, config, context);
  if (usable) return made;
  ec = errc::invalid_config;
  return nullptr;
}

tls_context::~tls_context() { SSL_CTX_free(ctx_); }
bool tls_context::verifies_peer() const noexcept { return chain_; }
bool tls_context::verifies_name() const noexcept { return name_; }

}  // namespace lido::transport
