// Channel binding and protocol 3.2 (reliability.md C21, C22, S5, B32, B33, B40, B42).
#include "tests/session/startup_dialogue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lido::startup_test {
namespace {

using session::channel_security;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::string_literals;

const std::string digest(32, '\x07');
const std::string both = sasl({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"});
const std::string plain_only = sasl({"SCRAM-SHA-256"});

connect_config bound_config(channel_binding how) {
  connect_config c = config_with("secret");
  c.channel_binding = how;
  return c;
}

std::string words(const dialogue& d) { return d.machine.diag().context; }

TEST(binding, S5_plus_is_taken_where_it_is_offered_over_tls) {
  for (const auto how : {channel_binding::prefer, channel_binding::require}) {
    for (const auto security : {channel_security::tls_verified, channel_security::tls_unverified}) {
      scram_server server("secret");
      dialogue d(bound_config(how), security, digest);
      d.prove(server, both);
      // The proof is over the header and the digest: c=base64("p=tls-server-end-point,," + digest).
      EXPECT_THAT(d.machine.output(), HasSubstr("c=" + to_base64("p=tls-server-end-point,," + digest) + ","));
      EXPECT_EQ(d.receive(authentication(12, server.server_final()) + auth_ok() + ready()), action::done);
    }
  }
}

TEST(binding, S5_the_first_message_says_what_is_meant) {
  const auto initial = [](channel_binding how, const std::string& offer, const std::string& certificate) {
    dialogue d(bound_config(how), channel_security::tls_verified, certificate);
    EXPECT_EQ(d.receive(offer), action::write);
    return d.machine.output();
  };
  EXPECT_THAT(initial(channel_binding::prefer, both, digest),
              AllOf(HasSubstr("SCRAM-SHA-256-PLUS"), HasSubstr("p=tls-server-end-point,,n=")));
  // Who strips PLUS off the list is found out: the server sees `y` and knows that it did offer it.
  EXPECT_THAT(initial(channel_binding::prefer, plain_only, digest), AllOf(Not(HasSubstr("PLUS")), HasSubstr("y,,n=")));
  EXPECT_THAT(initial(channel_binding::disable, both, digest), AllOf(Not(HasSubstr("PLUS")), HasSubstr("n,,n=")));
  EXPECT_THAT(initial(channel_binding::prefer, both, ""), AllOf(Not(HasSubstr("PLUS")), HasSubstr("n,,n=")));
  EXPECT_THAT(initial(channel_binding::prefer, sasl({"SCRAM-SHA-256-PLUS"}), digest), HasSubstr("PLUS"));
}

TEST(binding, S5_the_header_of_a_plain_exchange_is_repeated_in_the_proof) {
  scram_server server("secret");
  dialogue d(bound_config(channel_binding::prefer), channel_security::tls_verified, digest);
  d.prove(server);
  EXPECT_THAT(d.machine.output(), HasSubstr("c=eSws,"));
}

TEST(binding, C21_require_accepts_nothing_but_plus) {
  const std::string requests[] = {auth_ok(), authentication(3), authentication(5, "salt"), plain_only,
                                  authentication(7)};
  for (const std::string& request : requests) {
    connect_config c = bound_config(channel_binding::require);
    c.require_auth = {auth_method::none, auth_method::password, auth_method::md5, auth_method::scram_sha_256};
    dialogue d(c, channel_security::tls_verified, digest);
    EXPECT_EQ(d.receive(request), action::fail);
    EXPECT_EQ(d.error(), errc::auth_refused);
    EXPECT_THAT(words(d), HasSubstr("channel_binding=require"));
    EXPECT_TRUE(d.machine.output().empty()) << "nothing of the password was sent";
  }
}

TEST(binding, C21_require_without_a_password_refuses_trust) {
  connect_config c = config_with("");
  c.channel_binding = channel_binding::require;
  dialogue d(c, channel_security::tls_verified, digest);
  EXPECT_EQ(d.receive(auth_ok()), action::fail);
  EXPECT_EQ(d.error(), errc::auth_refused);
}

TEST(binding, B32_only_plain_scram_with_binding_required) {
  dialogue d(bound_config(channel_binding::require), channel_security::tls_verified, digest);
  EXPECT_EQ(d.receive(plain_only), action::fail);
  EXPECT_THAT(words(d), HasSubstr("does not offer SCRAM-SHA-256-PLUS"));
}

TEST(binding, B33_C22_a_certificate_without_a_digest_is_named) {
  dialogue d(bound_config(channel_binding::require), channel_security::tls_verified, "", "its signature is ED25519");
  EXPECT_EQ(d.receive(both), action::fail);
  EXPECT_EQ(d.error(), errc::auth_refused);
  EXPECT_THAT(words(d), HasSubstr("ED25519"));
}

TEST(binding, C21_require_without_tls_says_so) {
  dialogue d(bound_config(channel_binding::require), channel_security::plain, "");
  EXPECT_EQ(d.receive(plain_only), action::fail);
  EXPECT_THAT(words(d), HasSubstr("has no TLS"));
}

TEST(binding, C23_authentication_ok_in_the_middle_of_plus_is_not_believed) {
  scram_server server("secret");
  dialogue d(bound_config(channel_binding::require), channel_security::tls_verified, digest);
  d.prove(server, both);
  EXPECT_EQ(d.receive(auth_ok()), action::fail);
  EXPECT_EQ(d.error(), errc::server_not_proven);
}

TEST(binding, gss_is_refused_with_words_that_help) {
  for (const std::uint32_t code : {7U, 8U, 9U}) {
    dialogue d(config_with("secret"));
    EXPECT_EQ(d.receive(authentication(code)), action::fail);
    EXPECT_EQ(d.error(), errc::auth_unsupported);
    EXPECT_THAT(words(d), AllOf(HasSubstr("Kerberos"), HasSubstr("pg_hba.conf")));
  }
}

TEST(saslprep, S4_passwords_are_normalised_as_the_server_does_it) {
  // RFC 4013, section 3, and PostgreSQL's own rule for what cannot be prepared: the bytes as they are.
  const std::pair<std::string, std::string> cases[] = {
      {"I\xc2\xadX", "IX"},  // soft hyphen: mapped to nothing
      {"user", "user"},
      {"\xc2\xaa", "a"},       // NFKC
      {"\xe2\x85\xa8", "IX"},  // NFKC
      {"p\xc3\xa4ss", "p\xc3\xa4ss"},
      {"pa\xcc\x88ss", "p\xc3\xa4ss"},  // composed
      {"a\xc2\xa0"
       "b",
       "a b"},                           // no-break space
      {"\xd8\xa7\x31", "\xd8\xa7\x31"},  // prohibited by the rule for directions: as it is
      {"\xff\xfe", "\xff\xfe"},          // no UTF-8: as it is
      {"\xc2\xad", "\xc2\xad"},          // nothing would be left: as it is
      {"tab\there", "tab\there"},        // ASCII is never touched
  };
  for (const auto& [typed, stored] : cases) {
    scram_server server(stored);
    dialogue d(config_with(typed));
    d.prove(server);
    EXPECT_EQ(d.receive(authentication(12, server.server_final()) + auth_ok() + ready()), action::done) << stored;
  }
}

// ---- protocol 3.2 ----

dialogue asking_3_2(protocol_version least = protocol_version::v3_0) {
  connect_config c = config_with("");
  c.max_protocol_version = protocol_version::v3_2;
  c.min_protocol_version = least;
  return dialogue(c);
}
std::string negotiation(std::uint32_t version) { return message('v', be32(version) + be32(0)); }

TEST(protocol_3_2, is_asked_for_only_when_it_is_wanted) {
  EXPECT_EQ(dialogue(config_with("")).machine.output().substr(4, 4), be32(3U << 16));
  EXPECT_EQ(asking_3_2().machine.output().substr(4, 4), be32((3U << 16) + 2));
}

TEST(protocol_3_2, B42_its_keys_have_4_to_256_bytes) {
  for (const std::size_t size : {4U, 5U, 32U, 255U, 256U}) {
    dialogue d = asking_3_2();
    EXPECT_EQ(d.receive(joined({auth_ok(), backend_key(7, std::string(size, 'k')), ready()})), action::done);
    EXPECT_EQ(d.machine.identity().cancel_key.reveal().size(), size);
  }
  for (const std::size_t size : {0U, 3U, 257U, 20000U}) {
    dialogue d = asking_3_2();
    EXPECT_EQ(d.receive(joined({auth_ok(), backend_key(7, std::string(size, 'k'))})), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
}

TEST(protocol_3_2, B40_a_server_may_go_down_to_3_0_and_then_its_key_is_short) {
  for (const std::uint32_t offered : {3U << 16, 0U}) {
    dialogue fine = asking_3_2();
    EXPECT_EQ(fine.receive(joined({negotiation(offered), auth_ok(), backend_key(7, "abcd"), ready()})), action::done);
    dialogue d = asking_3_2();
    EXPECT_EQ(d.receive(joined({negotiation(offered), auth_ok(), backend_key(7, std::string(32, 'k'))})), action::fail);
  }
}

TEST(protocol_3_2, B40_it_may_not_go_anywhere_else) {
  for (const std::uint32_t offered : {1U, 3U, (3U << 16) + 1, (3U << 16) + 3, 2U << 16, 4U << 16, 0xffffffffU}) {
    dialogue d = asking_3_2();
    EXPECT_EQ(d.receive(negotiation(offered)), action::fail) << offered;
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
}

TEST(protocol_3_2, min_protocol_version_is_a_floor) {
  dialogue d = asking_3_2(protocol_version::v3_2);
  EXPECT_EQ(d.receive(negotiation(3U << 16)), action::fail);
  EXPECT_THAT(words(d), HasSubstr("min_protocol_version"));
}

}  // namespace
}  // namespace lido::startup_test
