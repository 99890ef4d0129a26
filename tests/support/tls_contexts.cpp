#include "tests/support/tls_contexts.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdexcept>

namespace lido::testing {
namespace {

using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using certificate_ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

bio_ptr reader_of(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free_all};
}

certificate_ptr certificate_of(const std::string& pem) {
  certificate_ptr certificate{PEM_read_bio_X509(reader_of(pem).get(), nullptr, nullptr, nullptr), &X509_free};
  if (!certificate) throw std::runtime_error{"not a PEM certificate"};
  return certificate;
}

}  // namespace

tls_context server_tls(const identity& who, const tls_versions& versions) {
  tls_context context{SSL_CTX_new(TLS_server_method())};
  // Level 0 so that a test can offer what nobody should accept any more.
  if (versions.lowest < TLS1_2_VERSION) SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), versions.lowest);
  SSL_CTX_set_max_proto_version(context.get(), versions.highest);
  const auto certificate = certificate_of(who.certificate);
  const key_ptr key{PEM_read_bio_PrivateKey(reader_of(who.key).get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
  if (!key || SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    throw std::runtime_error{"a certificate and key that do not fit"};
  }
  return context;
}

tls_context client_tls(const std::string& authority) {
  tls_context context{SSL_CTX_new(TLS_client_method())};
  if (!authority.empty()) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), certificate_of(authority).get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  return context;
}

}  // namespace lido::testing
