#include "tests/support/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <stdexcept>

namespace lido::testing {
namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using certificate_ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

constexpr long version_3 = 2;

void require(bool fine, const char* what) {
  if (fine) return;
  std::array<char, 256> reason{};
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  throw std::runtime_error{std::string{what} + ": " + reason.data()};
}

key_ptr make_key(key_kind kind) {
  EVP_PKEY* key = nullptr;
  switch (kind) {
    case key_kind::ec_p256: key = EVP_EC_gen("P-256"); break;
    case key_kind::rsa_2048: key = EVP_RSA_gen(2048); break;
    case key_kind::ed25519: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
  }
  require(key != nullptr, "key generation");
  return {key, &EVP_PKEY_free};
}

std::string drained(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string to_pem(X509* certificate) {
  const bio_ptr bio{BIO_new(BIO_s_mem()), &BIO_free_all};
  require(PEM_write_bio_X509(bio.get(), certificate) == 1, "PEM_write_bio_X509");
  return drained(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
  const bio_ptr bio{BIO_new(BIO_s_mem()), &BIO_free_all};
  require(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "PEM key");
  return drained(bio.get());
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
}

// Built by hand and not from text, so that a name may hold what OpenSSL's configuration syntax forbids.
void add_alternative_names(X509* certificate, const certificate_request& request) {
  if (request.dns_names.empty() && request.ip_addresses.empty()) return;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names{GENERAL_NAMES_new(), &GENERAL_NAMES_free};
  const auto push = [&](int kind, void* value) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, kind, value);
    require(sk_GENERAL_NAME_push(names.get(), name) > 0, "general name");
  };
  for (const auto& dns : request.dns_names) {
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    require(ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size())) == 1, "dns name");
    push(GEN_DNS, text);
  }
  for (const auto& ip : request.ip_addresses) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(ip.c_str());
    require(address != nullptr, "ip address");
    push(GEN_IPADD, address);
  }
  require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1, "SAN");
}

void set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  require(RAND_bytes(bytes.data(), bytes.size()) == 1, "RAND_bytes");
  bytes[0] = 0x40;  // positive, and never all zero
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number{BN_bin2bn(bytes.data(), bytes.size(), nullptr), &BN_free};
  require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr, "serial");
}

certificate_ptr unsigned_certificate(const certificate_request& request, EVP_PKEY* key) {
  certificate_ptr certificate{X509_new(), &X509_free};
  require(certificate != nullptr, "X509_new");
  const auto seconds = [](std::chrono::hours hours) { return static_cast<long>(std::chrono::seconds{hours}.count()); };
  X509_set_version(certificate.get(), version_3);
  set_serial(certificate.get());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), seconds(request.valid_from));
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), seconds(request.valid_until));
  if (!request.common_name.empty()) {
    const auto* text = reinterpret_cast<const unsigned char*>(request.common_name.data());
    X509_NAME* subject = X509_get_subject_name(certificate.get());
    const auto size = static_cast<int>(request.common_name.size());
    require(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, size, -1, 0) == 1, "common name");
  }
  require(X509_set_pubkey(certificate.get(), key) == 1, "public key");
  return certificate;
}

// Ed25519 hashes by itself and refuses to be told a digest.
void sign(X509* certificate, EVP_PKEY* key) {
  const EVP_MD* digest = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  require(X509_sign(certificate, key, digest) > 0, "X509_sign");
}

}  // namespace

struct certificate_authority::state {
  key_ptr key{nullptr, &EVP_PKEY_free};
  certificate_ptr certificate{nullptr, &X509_free};
  std::string pem;
};

certificate_authority::certificate_authority(const std::string& name, key_kind key) {
  auto made = std::make_shared<state>();
  certificate_request request;
  request.common_name = name;
  made->key = make_key(key);
  made->certificate = unsigned_certificate(request, made->key.get());
  X509* root = made->certificate.get();
  X509_set_issuer_name(root, X509_get_subject_name(root));
  add_extension(root, root, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(root, root, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(root, root, NID_subject_key_identifier, "hash");
  sign(root, made->key.get());
  made->pem = to_pem(root);
  state_ = std::move(made);
}

const std::string& certificate_authority::certificate() const noexcept { return state_->pem; }

identity certificate_authority::issue(const certificate_request& request) const {
  const auto key = make_key(request.key);
  const auto leaf = unsigned_certificate(request, key.get());
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(state_->certificate.get()));
  add_extension(leaf.get(), state_->certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(leaf.get(), state_->certificate.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(leaf.get(), state_->certificate.get(), NID_authority_key_identifier, "keyid");
  add_alternative_names(leaf.get(), request);
  sign(leaf.get(), state_->key.get());
  return identity{to_pem(leaf.get()), to_pem(key.get())};
}

std::string certificate_authority::revocation_list(const std::vector<identity>& revoked) const {
  const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> list{X509_CRL_new(), &X509_CRL_free};
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> time{ASN1_TIME_new(), &ASN1_TIME_free};
  constexpr long day = 24L * 3600;
  require(X509_CRL_set_version(list.get(), 1) == 1, "version");
  require(X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(state_->certificate.get())) == 1, "issuer");
  X509_gmtime_adj(time.get(), -day);
  require(X509_CRL_set1_lastUpdate(list.get(), time.get()) == 1, "last update");
  for (const identity& each : revoked) {
    const bio_ptr bio{BIO_new_mem_buf(each.certificate.data(), static_cast<int>(each.certificate.size())),
                      &BIO_free_all};
    const certificate_ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free};
    require(certificate != nullptr, "PEM certificate");
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.get()));
    X509_REVOKED_set_revocationDate(entry, time.get());
    require(X509_CRL_add0_revoked(list.get(), entry) == 1, "entry");
  }
  X509_gmtime_adj(time.get(), 30 * day);
  require(X509_CRL_set1_nextUpdate(list.get(), time.get()) == 1, "next update");
  X509_CRL_sort(list.get());
  require(X509_CRL_sign(list.get(), state_->key.get(), EVP_sha256()) > 0, "X509_CRL_sign");
  const bio_ptr out{BIO_new(BIO_s_mem()), &BIO_free_all};
  require(PEM_write_bio_X509_CRL(out.get(), list.get()) == 1, "PEM_write_bio_X509_CRL");
  return drained(out.get());
}

}  // namespace lido::testing
