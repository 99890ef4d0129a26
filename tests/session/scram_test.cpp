// SCRAM-SHA-256 by its messages: RFC 7677's example, and every way in which a server may get its two messages wrong.
#include "driver/session/scram.hpp"

#include "driver/session/base64.hpp"
#include "driver/session/startup.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lido::session {
namespace {

constexpr const char* rfc_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr const char* rfc_server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

secret salted(const scram_client& client, std::string_view password) {
  key_derivation job;
  job.password = secret(password);
  job.salt = client.salt();
  job.iterations = client.iterations();
  return derive_salted_password(job);
}

TEST(scram, S4_follows_the_example_of_rfc_7677) {
  scram_client client(rfc_nonce, "user");
  EXPECT_EQ(client.first_message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  ASSERT_FALSE(client.on_server_first(rfc_server_first, 100000));
  EXPECT_EQ(client.iterations(), 4096U);
  EXPECT_EQ(
      client.final_message(salted(client, "pencil")),
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_FALSE(client.on_server_final("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
}

TEST(scram, S4_nonces_are_fresh_long_and_printable) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto nonce = make_scram_nonce();
    EXPECT_GE(base64_decode(nonce.value_or("")).value_or("").size(), 18U);
    seen.insert(nonce.value_or(""));
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(scram, S4_a_wrong_password_gives_another_proof) {
  scram_client client(rfc_nonce, "user");
  ASSERT_FALSE(client.on_server_first(rfc_server_first, 100000));
  const auto message = client.final_message(salted(client, "pencil2"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message.value_or("").find("dHzbZapWIk4j"), std::string::npos);
  EXPECT_TRUE(client.on_server_final("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
}

std::error_code code_of(const std::optional<scram_fault>& fault) {
  return fault ? make_error_code(fault->code) : std::error_code{};
}
std::error_code first_error(const std::string& message, std::uint32_t max_iterations = 100000) {
  scram_client client("abc");
  return code_of(client.on_server_first(message, max_iterations));
}
const std::string salt_16 = "W22ZaJ0SNY7soEsUEjb6gQ==";
std::string server_first(std::string_view nonce, std::string_view salt, std::string_view iterations) {
  return std::string("r=").append(nonce).append(",s=").append(salt).append(",i=").append(iterations);
}

TEST(scram, B34_server_nonce_must_extend_ours) {
  EXPECT_FALSE(first_error("r=abcX,s=" + salt_16 + ",i=4096"));
  for (const std::string nonce : {"abc", "ab", "", "xabc", "ABCX", "Xabc", "abX"}) {
    EXPECT_EQ(first_error(server_first(nonce, salt_16, "4096")), errc::protocol_error) << nonce;
  }
  EXPECT_EQ(first_error("r=abc d,s=" + salt_16 + ",i=4096"), errc::protocol_error);
  EXPECT_EQ(first_error("r=abc\x7f,s=" + salt_16 + ",i=4096"), errc::protocol_error);
}

TEST(scram, B36_iterations_are_strict_decimal_within_bounds) {
  for (const std::string count : {"4096", "4097", "99999", "100000"}) {
    EXPECT_FALSE(first_error(server_first("abcX", salt_16, count))) << count;
  }
  for (const std::string count :
       {"0", "-1", "1", "4095", "100001", "2147483647", "4294967295", "4294967296", "4294971392",
        "99999999999999999999", "1e30", "4096x", "+4096", " 4096", "4096 ", "04096", "0x1000", ""}) {
    EXPECT_EQ(first_error(server_first("abcX", salt_16, count)), errc::protocol_error) << count;
  }
  EXPECT_EQ(first_error("r=abcX,s=" + salt_16 + ",i=5000", 4999), errc::protocol_error);
  EXPECT_FALSE(first_error("r=abcX,s=" + salt_16 + ",i=5000", 5000));
}

TEST(scram, B37_salt_is_strict_base64_within_bounds) {
  for (const std::size_t size : {8U, 9U, 16U, 1023U, 1024U}) {
    EXPECT_FALSE(first_error(server_first("abcX", base64_encode(std::string(size, 's')), "4096"))) << size;
  }
  for (const std::size_t size : {0U, 1U, 7U, 1025U, 3000U, 1U << 20}) {
    EXPECT_EQ(first_error(server_first("abcX", base64_encode(std::string(size, 's')), "4096")), errc::protocol_error)
        << size;
  }
  for (const std::string salt :
       {"W22ZaJ0SNY7soEsUEjb6gQ=", "W22ZaJ0SNY7soEsUEjb6gQ", "W22ZaJ0SNY7soEsUEjb6gR==", "W22ZaJ0SNY7s*EsUEjb6gQ==",
        " W22ZaJ0SNY7soEsUEjb6g==", "W22ZaJ0SNY7soEsUEjb6gQ==\n", "W22ZaJ0S====", "===="}) {
    EXPECT_EQ(first_error(server_first("abcX", salt, "4096")), errc::protocol_error) << salt;
  }
}

TEST(scram, B38_extensions_missing_parts_and_garbage_are_refused) {
  const std::string good = "r=abcX,s=" + salt_16 + ",i=4096";
  ASSERT_FALSE(first_error(good));
  for (const std::string& bad :
       {"m=ext," + good, good + ",", good + ",x=1", good + std::string(1, '\0'), good + " ",
        std::string("r=abcX,i=4096"), "r=abcX,i=4096,s=" + salt_16, "s=" + salt_16 + ",r=abcX,i=4096",
        "r=abcX,s=" + salt_16, std::string("r=abcX"), std::string(), std::string("e=other-error"),
        "r=abcX,,s=" + salt_16 + ",i=4096", "r=abc" + std::string(5000, 'X') + ",s=" + salt_16 + ",i=4096"}) {
    EXPECT_EQ(first_error(bad), errc::protocol_error) << bad;
  }
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_EQ(first_error(good.substr(0, cut)), errc::protocol_error) << cut;
  }
}

TEST(scram, B39_final_message_must_be_exactly_the_right_signature) {
  scram_client client(rfc_nonce, "user");
  ASSERT_FALSE(client.on_server_first(rfc_server_first, 100000));
  ASSERT_TRUE(client.final_message(salted(client, "pencil")));
  const std::string good = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
  ASSERT_FALSE(client.on_server_final(good));
  const std::string signature = base64_decode(good.substr(2)).value_or("");
  for (const std::string& bad :
       {good + ",x=1", good + "A", good + "\n", std::string("v="), std::string("v=AAAA"), std::string(),
        std::string("x=1"), std::string("v"), "m=1," + good, good.substr(0, 20),
        std::string("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), "v=" + base64_encode(signature.substr(0, 31)),
        "v=" + base64_encode(signature + "x")}) {
    EXPECT_EQ(code_of(client.on_server_final(bad)), errc::server_not_proven) << bad;
  }
  const auto refused = client.on_server_final("e=invalid-proof");
  EXPECT_EQ(code_of(refused), errc::auth_failed);
  EXPECT_EQ(std::string(refused ? refused->why : "").find("invalid-proof"), std::string::npos);
}

TEST(scram, B29_no_signature_is_right_before_our_proof) {
  scram_client client("abc");
  EXPECT_TRUE(client.on_server_final("v="));
  EXPECT_TRUE(client.on_server_final("v=" + base64_encode(std::string(32, '\0'))));
}

TEST(scram, no_proof_is_made_of_something_that_is_no_digest) {
  scram_client client("abc");
  ASSERT_FALSE(client.on_server_first("r=abcX,s=" + salt_16 + ",i=4096", 100000));
  EXPECT_FALSE(client.final_message(secret()));
  EXPECT_FALSE(client.final_message(secret(std::string(31, 'x'))));
}

TEST(base64, agrees_with_rfc_4648_both_ways) {
  const std::pair<std::string, std::string> table[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"},
                                                       {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, text] : table) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(base64, has_one_spelling_for_each_value) {
  for (const char* text :
       {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "=Zg=", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm-_", "Zm9\xc3"}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
}

}  // namespace
}  // namespace lido::session
