// Who is let in: chain, name, dates, protocol versions, client certificates (reliability.md S1, S2, B11-B17, C30, C31).
#include "driver/transport/tls_context.hpp"
#include "tests/transport/client.hpp"
#include "tests/transport/peer_server.hpp"

#include <lido/driver/error.hpp>

#include <asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

namespace lido::testing {
namespace {

using ::testing::HasSubstr;

transport::look_up_function everything_is_loopback() {
  return [](const std::string&, std::uint16_t port) {
    return transport::looked_up{
        {transport::endpoint(asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), port))}, {}};
  };
}

/// Dials `host` (wherever it is) on a server with this identity.
transport::dial_result dial_identity(const identity& who, const std::string& host,
                                     std::shared_ptr<const transport::tls_context> tls, int highest = TLS1_3_VERSION) {
  const auto context = make_server_context(who, highest);
  peer_server server([&](peer_link& link) {
    if (link.accept_tls(context)) link.read_to_end();
  });
  asio::io_context io;
  auto target = target_at(server.port(), std::move(tls), host);
  target.resolve = everything_is_loopback();
  auto result = dial(io, std::move(target));
  result.stream.close();
  result.stream = {};  // before its io_context
  return result;
}

struct name_case {
  const char* name;
  std::string host;
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  const char* refusal;  // null: let in

  friend void PrintTo(const name_case& c, std::ostream* out) { *out << c.name; }
};

class certificate_name : public ::testing::TestWithParam<name_case> {};

TEST_P(certificate_name, S2_host_is_checked_against_the_certificate) {
  const auto& c = GetParam();
  const trust ca;
  certificate_request request;
  request.common_name = c.common_name;
  request.dns_names = c.dns_names;
  request.ip_addresses = c.ip_addresses;
  const auto who = ca.authority.issue(request);
  const auto full = dial_identity(who, c.host, ca.context(sslmode::verify_full));
  if (c.refusal == nullptr) {
    EXPECT_FALSE(full.error) << full.context;
  } else {
    EXPECT_EQ(full.error, errc::tls_failed);
    EXPECT_THAT(full.context, HasSubstr(c.refusal));
    EXPECT_THAT(full.context, HasSubstr(c.host));
  }
  // The chain is right in all of them, and verify-ca asks for no more.
  EXPECT_FALSE(dial_identity(who, c.host, ca.context(sslmode::verify_ca)).error);
}

using strings = std::vector<std::string>;
constexpr const char* wrong_host = "ostname mismatch";
constexpr const char* wrong_address = "IP address mismatch";

INSTANTIATE_TEST_SUITE_P(
    names, certificate_name,
    ::testing::Values(
        name_case{"right_name", "db.example", "x", {"db.example"}, {}, nullptr},
        name_case{"case_does_not_matter", "DB.Example", "x", {"db.example"}, {}, nullptr},
        name_case{"root_dot_is_no_part", "db.example.", "x", {"db.example"}, {}, nullptr},
        name_case{"second_name", "db.example", "x", {"other.example", "db.example"}, {}, nullptr},
        name_case{"wrong_name", "db.example", "x", {"other.example"}, {}, wrong_host},
        name_case{"longer_name", "db.example", "x", {"db.example.evil"}, {}, wrong_host},
        name_case{
            "B13_right_cn_does_not_help_a_wrong_san", "db.example", "db.example", {"other.example"}, {}, wrong_host},
        name_case{"cn_counts_without_san", "db.example", "db.example", {}, {}, nullptr},
        name_case{"wrong_cn_without_san", "db.example", "other.example", {}, {}, wrong_host},
        name_case{"B16_neither_cn_nor_san", "db.example", "", {}, {}, wrong_host},
        name_case{"wildcard_for_one_label", "a.example.org", "x", {"*.example.org"}, {}, nullptr},
        name_case{"B14_wildcard_is_one_label_only", "a.b.example.org", "x", {"*.example.org"}, {}, wrong_host},
        name_case{"wildcard_is_no_empty_label", "example.org", "x", {"*.example.org"}, {}, wrong_host},
        name_case{"wildcard_on_the_left_only", "a.b.example.org", "x", {"a.*.example.org"}, {}, wrong_host},
        name_case{"no_partial_wildcard", "foo.example.org", "x", {"f*.example.org"}, {}, wrong_host},
        name_case{
            "C31_zero_byte_in_san", "db.example", "x", {std::string("db.example\0.evil.example", 24)}, {}, wrong_host},
        name_case{
            "C31_zero_byte_in_cn", "db.example", std::string("db.example\0.evil.example", 24), {}, {}, wrong_host},
        name_case{"right_address", "127.0.0.1", "x", {}, {"127.0.0.1"}, nullptr},
        name_case{"wrong_address", "127.0.0.1", "x", {"127.0.0.1"}, {"127.0.0.2"}, wrong_address},
        name_case{"address_as_dns_name_or_cn_is_none", "127.0.0.1", "127.0.0.1", {"127.0.0.1"}, {}, wrong_address},
        name_case{"B15_octal_is_a_name", "192.000.002.001", "x", {}, {"192.0.2.1"}, wrong_host}),
    [](const auto& tested) { return tested.param.name; });

TEST(verification, B16_wrong_authority_is_refused_by_every_mode_that_verifies) {
  const trust ca;
  const certificate_authority other("Other CA");
  const auto who = other.issue({});
  for (const auto mode : {sslmode::verify_full, sslmode::verify_ca, sslmode::require}) {
    const auto result = dial_identity(who, "127.0.0.1", ca.context(mode));
    EXPECT_EQ(result.error, errc::tls_failed);
    EXPECT_THAT(result.context, HasSubstr("certificate is refused"));
  }
}

TEST(verification, B16_dates_are_checked) {
  const trust ca;
  certificate_request expired;
  expired.valid_from = std::chrono::hours(-48);
  expired.valid_until = std::chrono::hours(-24);
  certificate_request early;
  early.valid_from = std::chrono::hours(24);
  EXPECT_THAT(dial_identity(ca.authority.issue(expired), "127.0.0.1", ca.context(sslmode::verify_ca)).context,
              HasSubstr("expired"));
  EXPECT_THAT(dial_identity(ca.authority.issue(early), "127.0.0.1", ca.context(sslmode::verify_ca)).context,
              HasSubstr("not yet valid"));
}

TEST(verification, require_with_a_ca_checks_the_chain_and_not_the_name) {
  const trust ca;
  certificate_request request;
  request.dns_names = {"other.example"};
  request.ip_addresses.clear();
  const auto context = ca.context(sslmode::require);
  EXPECT_TRUE(context->verifies_peer());
  EXPECT_FALSE(context->verifies_name());
  EXPECT_FALSE(dial_identity(ca.authority.issue(request), "127.0.0.1", context).error);
}

TEST(verification, require_without_a_ca_verifies_nobody) {
  connect_config config;
  config.sslmode = sslmode::require;
  const auto context = trust::context_of(config);
  EXPECT_FALSE(context->verifies_peer());
  EXPECT_FALSE(dial_identity(certificate_authority("Anybody").issue({}), "127.0.0.1", context).error);
}

TEST(verification, system_store_does_not_trust_a_stranger) {
  for (const auto* store : {"", "system"}) {
    connect_config config;
    config.sslrootcert = store;
    const auto result =
        dial_identity(certificate_authority("Anybody").issue({}), "127.0.0.1", trust::context_of(config));
    EXPECT_EQ(result.error, errc::tls_failed);
  }
}

TEST(verification, B11_old_protocols_are_refused) {
  const trust ca(key_kind::rsa_2048);
  certificate_request request;
  request.key = key_kind::rsa_2048;
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    EXPECT_EQ(dial_identity(ca.authority.issue(request), "127.0.0.1", ca.context(), version).error, errc::tls_failed);
  }
  EXPECT_FALSE(dial_identity(ca.authority.issue(request), "127.0.0.1", ca.context(), TLS1_2_VERSION).error);
}

TEST(verification, S1_sni_is_sent_for_names_only) {
  const trust ca;
  certificate_request request;
  request.dns_names = {"db.example"};
  const auto context = make_server_context(ca.authority.issue(request));
  std::vector<std::string> seen;
  peer_server server([&](peer_link& link) {
    if (!link.accept_tls(context)) throw std::runtime_error("refused");
    const char* name = SSL_get_servername(link.ssl(), TLSEXT_NAMETYPE_host_name);
    seen.emplace_back(name == nullptr ? "none" : name);
    link.read_to_end();
  });
  for (const auto* host : {"db.example.", "127.0.0.1"}) {
    asio::io_context io;
    auto target = target_at(server.port(), ca.context(), host);
    target.resolve = everything_is_loopback();
    EXPECT_FALSE(dial(io, std::move(target)).error);
  }
  ASSERT_TRUE(eventually([&] { return server.served() == 2; }));
  EXPECT_EQ(seen, (strings{"db.example", "none"}));
  EXPECT_EQ(server.problem(), "");
}

TEST(verification, client_certificate_is_presented) {
  const trust ca;
  const auto me = ca.authority.issue({});
  write_file(ca.folder() / "me.pem", me.certificate);
  write_file(ca.folder() / "me.key", me.key, 0600);
  const auto context = make_server_context(ca.authority.issue({}));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  ASSERT_EQ(SSL_CTX_load_verify_file(context.get(), (ca.folder() / "ca.pem").c_str()), 1);
  std::vector<bool> accepted;
  peer_server server([&](peer_link& link) {
    accepted.push_back(link.accept_tls(context));
    link.read_to_end();
  });
  asio::io_context io;
  auto config = ca.config();
  dial(io, target_at(server.port(), trust::context_of(config)));
  config.sslcert = (ca.folder() / "me.pem").string();
  config.sslkey = (ca.folder() / "me.key").string();
  dial(io, target_at(server.port(), trust::context_of(config)));
  ASSERT_TRUE(eventually([&] { return server.served() == 2; }));
  EXPECT_EQ(accepted, (std::vector<bool>{false, true}));
}

TEST(verification, B16_a_revoked_certificate_is_refused_and_others_are_not) {
  const trust ca;
  const auto revoked = ca.authority.issue({});
  const auto fine = ca.authority.issue({});
  auto config = ca.config();
  config.sslcrl = (ca.folder() / "crl.pem").string();
  write_file(config.sslcrl, ca.authority.revocation_list({revoked}));
  EXPECT_FALSE(dial_identity(fine, "localhost", trust::context_of(config)).error);
  const auto refused = dial_identity(revoked, "localhost", trust::context_of(config));
  EXPECT_EQ(refused.error, errc::tls_failed);
  EXPECT_THAT(refused.context, HasSubstr("revoked"));
  // A folder of lists as `openssl rehash` makes it.
  const auto folder = ca.folder() / "crls";
  std::filesystem::create_directory(folder);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> in(
      BIO_new_mem_buf(ca.authority.certificate().data(), static_cast<int>(ca.authority.certificate().size())),
      &BIO_free_all);
  const std::unique_ptr<X509, decltype(&X509_free)> root(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr),
                                                         &X509_free);
  char name[32];
  std::snprintf(name, sizeof name, "%08lx.r0", X509_subject_name_hash(root.get()));
  write_file(folder / name, ca.authority.revocation_list({revoked}));
  config.sslcrl.clear();
  config.sslcrldir = folder.string();
  EXPECT_FALSE(dial_identity(fine, "localhost", trust::context_of(config)).error);
  EXPECT_EQ(dial_identity(revoked, "localhost", trust::context_of(config)).error, errc::tls_failed);
}

TEST(verification, a_list_of_another_authority_proves_nothing) {
  const trust ca;
  const trust other;
  auto config = ca.config();
  config.sslcrl = (ca.folder() / "crl.pem").string();
  // A certificate beside the list is no authority for that.
  write_file(config.sslcrl, other.authority.revocation_list({}) + other.authority.certificate());
  EXPECT_EQ(dial_identity(ca.authority.issue({}), "localhost", trust::context_of(config)).error, errc::tls_failed);
  EXPECT_EQ(dial_identity(other.authority.issue({}), "localhost", trust::context_of(config)).error, errc::tls_failed);
}

TEST(verification, S1_the_bounds_of_tls_versions_are_kept) {
  const trust ca;
  const auto who = ca.authority.issue({});
  auto config = ca.config();
  config.ssl_min_protocol_version = tls_version::v1_3;
  EXPECT_EQ(dial_identity(who, "localhost", trust::context_of(config), TLS1_2_VERSION).error, errc::tls_failed);
  EXPECT_FALSE(dial_identity(who, "localhost", trust::context_of(config)).error);
  config.ssl_min_protocol_version = tls_version::v1_2;
  config.ssl_max_protocol_version = tls_version::v1_2;
  EXPECT_FALSE(dial_identity(who, "localhost", trust::context_of(config)).error);
}

TEST(verification, sslsni_off_names_nobody) {
  const trust ca;
  const auto context = make_server_context(ca.authority.issue({}));
  std::string seen = "?";
  peer_server server([&](peer_link& link) {
    if (!link.accept_tls(context)) return;
    const char* name = SSL_get_servername(link.ssl(), TLSEXT_NAMETYPE_host_name);
    seen = name == nullptr ? "none" : name;
    link.read_to_end();
  });
  asio::io_context io;
  auto config = ca.config();
  config.sslsni = false;
  EXPECT_FALSE(dial(io, target_at(server.port(), trust::context_of(config), "localhost")).error);
  ASSERT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_EQ(seen, "none");
}

// ---- direct TLS and channel binding ----

/// The server's side of ALPN: takes PostgreSQL, or has never heard of it.
void speak_postgresql(SSL_CTX* context) {
  SSL_CTX_set_alpn_select_cb(
      context,
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned in_size, void*) {
        static constexpr unsigned char wanted[] = "\x0apostgresql";
        unsigned char* found = nullptr;
        const int how = SSL_select_next_proto(&found, size, wanted, 11, in, in_size);
        *out = found;
        return how == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
      },
      nullptr);
}

TEST(direct_tls, begins_without_a_request_and_agrees_on_postgresql) {
  const trust ca;
  const auto context = make_server_context(ca.authority.issue({}));
  speak_postgresql(context.get());
  peer_server server([&](peer_link& link) {
    if (link.handshake(context)) link.read_to_end();
  });
  asio::io_context io;
  auto target = target_at(server.port(), ca.context(), "localhost");
  target.negotiation = transport::negotiation::tls_direct;
  auto result = dial(io, target);
  ASSERT_FALSE(result.error) << result.context;
  EXPECT_TRUE(result.peer.secure && result.peer.direct);
  result.stream.close();  // the server serves one after the other
  // What goes to the same peer goes in the same way (I6): without a request.
  transport::dial_target again;
  again.same_peer = result.peer;
  auto beside = dial(io, again);
  EXPECT_FALSE(beside.error) << beside.context;
  EXPECT_TRUE(beside.peer.direct);
  beside.stream.close();
  ASSERT_TRUE(eventually([&] { return server.served() == 2; }));
  EXPECT_EQ(server.problem(), "");
}

TEST(direct_tls, a_server_that_does_not_agree_by_alpn_is_refused) {
  const trust ca;
  const auto context = make_server_context(ca.authority.issue({}));
  peer_server server([&](peer_link& link) {
    if (link.handshake(context)) link.read_to_end();
  });
  asio::io_context io;
  auto target = target_at(server.port(), ca.context(), "localhost");
  target.negotiation = transport::negotiation::tls_direct;
  const auto result = dial(io, target);
  EXPECT_EQ(result.error, errc::tls_failed);
  EXPECT_THAT(result.context, HasSubstr("PostgreSQL 17"));
}

TEST(channel_binding_digest, is_that_of_the_certificates_signature) {
  for (const key_kind kind : {key_kind::ec_p256, key_kind::rsa_2048}) {
    const trust ca(kind);
    const auto who = ca.authority.issue({});
    const auto context = make_server_context(who);
    peer_server server([&](peer_link& link) {
      if (link.accept_tls(context)) link.read_to_end();
    });
    asio::io_context io;
    const auto result = dial(io, target_at(server.port(), ca.context(), "localhost"));
    ASSERT_FALSE(result.error) << result.context;
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> in(
        BIO_new_mem_buf(who.certificate.data(), static_cast<int>(who.certificate.size())), &BIO_free_all);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), &X509_free);
    unsigned char wanted[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ASSERT_EQ(X509_digest(certificate.get(), EVP_sha256(), wanted, &size), 1);
    EXPECT_EQ(result.stream.endpoint_digest().bytes, std::string(reinterpret_cast<const char*>(wanted), size));
  }
}

TEST(channel_binding_digest, C22_a_signature_without_a_digest_is_named) {
  const trust ca(key_kind::ed25519);
  const auto context = make_server_context(ca.authority.issue({}));
  peer_server server([&](peer_link& link) {
    if (link.accept_tls(context)) link.read_to_end();
  });
  asio::io_context io;
  const auto result = dial(io, target_at(server.port(), ca.context(), "localhost"));
  ASSERT_FALSE(result.error) << result.context;
  EXPECT_EQ(result.stream.endpoint_digest().bytes, "");
  EXPECT_THAT(result.stream.endpoint_digest().why_not, HasSubstr("ED25519"));
}

// ---- what create() says ----

class bad_files : public ::testing::Test {
 protected:
  void expect_refusal(const connect_config& config, const std::string& words) {
    std::error_code ec;
    std::string context;
    EXPECT_EQ(transport::tls_context::create(config, ec, context), nullptr);
    EXPECT_EQ(ec, errc::invalid_config);
    EXPECT_THAT(context, HasSubstr(words));
  }
  std::string file(const std::string& name, std::string_view text, mode_t mode = 0600) {
    write_file(ca_.folder() / name, text, mode);
    return (ca_.folder() / name).string();
  }

  trust ca_;
  identity me_ = ca_.authority.issue({});
  connect_config config_ = ca_.config();
};

TEST_F(bad_files, missing_ca_is_named) {
  config_.sslrootcert = "/nonexistent/ca.pem";
  expect_refusal(config_, "sslrootcert: cannot use \"/nonexistent/ca.pem\"");
}

TEST_F(bad_files, ca_that_is_no_certificate) {
  config_.sslrootcert = file("junk.pem", "junk");
  expect_refusal(config_, "sslrootcert");
}

TEST_F(bad_files, certificate_without_key) {
  config_.sslcert = file("me.pem", me_.certificate);
  expect_refusal(config_, "one without the other");
}

TEST_F(bad_files, key_that_others_can_read) {
  config_.sslcert = file("me.pem", me_.certificate);
  config_.sslkey = file("me.key", me_.key, 0644);
  expect_refusal(config_, "chmod 0600");
}

TEST_F(bad_files, key_of_another_certificate) {
  config_.sslcert = file("me.pem", me_.certificate);
  config_.sslkey = file("me.key", ca_.authority.issue({}).key);
  expect_refusal(config_, "sslkey");
}

TEST_F(bad_files, encrypted_key_is_refused_and_nobody_is_asked) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> in(
      BIO_new_mem_buf(me_.key.data(), static_cast<int>(me_.key.size())), &BIO_free_all);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), &BIO_free_all);
  const std::string pass = "pass";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), pass.data(),
                                          static_cast<int>(pass.size()), nullptr, nullptr),
            1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  config_.sslcert = file("me.pem", me_.certificate);
  config_.sslkey = file("me.key", {text, static_cast<std::size_t>(size)});
  expect_refusal(config_, "sslkey");
  config_.sslpassword = "hunter2";
  expect_refusal(config_, "sslkey");
  config_.sslpassword = std::string_view(std::string(5000, 'x'));
  expect_refusal(config_, "sslkey");
  config_.sslpassword = "pass";
  EXPECT_NE(trust::context_of(config_), nullptr);
}

TEST_F(bad_files, revocations_that_cannot_be_read_are_named) {
  config_.sslcrl = "/nonexistent/crl.pem";
  expect_refusal(config_, "sslcrl: cannot use \"/nonexistent/crl.pem\"");
  config_.sslcrl = file("crl.pem", ca_.authority.certificate());
  expect_refusal(config_, "sslcrl");
  config_.sslcrl.clear();
  config_.sslcrldir = "/nonexistent";
  expect_refusal(config_, "sslcrldir");
}

TEST_F(bad_files, disable_makes_no_context_and_no_error) {
  config_.sslmode = sslmode::disable;
  std::error_code ec;
  std::string context;
  EXPECT_EQ(transport::tls_context::create(config_, ec, context), nullptr);
  EXPECT_FALSE(ec);
}

}  // namespace
}  // namespace lido::testing
