// B22-B34, B36-B39: servers that ask for the wrong proof, or give none of their own.
#include "tests/hostile/hostile_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string password = scram_settings{}.password;

/// A login with a password, over plain TCP, that must be broken off with this error after these messages.
outcome expect_refused(const script& dialogue, std::error_code error, const std::string& messages,
                       const std::function<void(connect_config&)>& edit = {}) {
  const fake_server server{script{steps::expect_startup()}.then(dialogue).then({steps::wait_for_close()})};
  auto config = password_config(server);
  if (edit) edit(config);
  client user{config};
  auto end = user.connect();
  EXPECT_EQ(end.error, error) << words_of(end);
  EXPECT_FALSE(user.is_open());
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  EXPECT_EQ(sent(server), messages);
  EXPECT_THAT(server.received(), Not(HasSubstr(password)));
  EXPECT_THAT(words_of(end), Not(HasSubstr(password)));
  return end;
}

/// SCRAM up to our first message, the server's first one edited: broken off before any proof is sent.
void expect_first_refused(const text_edit& edit, std::error_code error = errc::protocol_error) {
  scram_settings settings;
  settings.edit_first = edit;
  const auto challenge = custom([](fake_session& session) {
    const auto& body = session.last.body;
    session.stream().send(auth_sasl_continue(session.scram.value().first(body.substr(body.find('\0') + 5))));
  });
  // We may close while a long answer is still under way.
  expect_refused({steps::scram_begin(settings), steps::tolerate_loss({challenge})}, error, "^p");
}

void expect_final_refused(const text_edit& edit, std::error_code error) {
  scram_settings settings;
  settings.edit_final = edit;
  expect_refused({steps::scram(settings)}, error, "^pp");
}

std::string replaced(std::string in, const std::string& what, const std::string& by) {
  return in.replace(in.find(what), what.size(), by);
}

void allow(connect_config& config, std::vector<auth_method> methods) { config.require_auth = std::move(methods); }

TEST(hostile_auth, B22_a_password_in_clear_text_is_not_sent) {
  expect_refused({steps::send(auth_cleartext())}, errc::auth_refused, "^");
}

TEST(hostile_auth, B22_a_password_in_clear_text_is_not_sent_without_tls_even_when_listed) {
  expect_refused({steps::send(auth_cleartext())}, errc::auth_refused, "^",
                 [](connect_config& config) { allow(config, {auth_method::password}); });
}

TEST(hostile_auth, B23_md5_is_off_by_default) {
  expect_refused({steps::send(auth_md5("salt"))}, errc::auth_refused, "^");
}

TEST(hostile_auth, B23_an_md5_salt_of_three_or_five_bytes_is_no_salt) {
  for (const char* salt : {"abc", "abcde", ""}) {
    expect_refused({steps::send(auth_md5(salt))}, errc::protocol_error, "^",
                   [](connect_config& config) { allow(config, {auth_method::md5}); });
  }
}

TEST(hostile_auth, B24_a_list_of_mechanisms_without_its_end_is_malformed) {
  expect_refused({steps::send(authentication(10, zero_ended("SCRAM-SHA-256")))}, errc::protocol_error, "^");
  expect_refused({steps::send(authentication(10, "SCRAM-SHA-256"))}, errc::protocol_error, "^");
}

TEST(hostile_auth, B25_no_mechanism_that_we_speak_is_unsupported) {
  for (const std::vector<std::string>& offered :
       {std::vector<std::string>{}, {"OAUTHBEARER"}, {"SCRAM-SHA-1"}, {"scram-sha-256"}, {"SCRAM-SHA-256X"}}) {
    expect_refused({steps::send(auth_sasl(offered))}, errc::auth_unsupported, "^");
  }
}

TEST(hostile_auth, B26_a_second_offer_of_mechanisms_is_refused) {
  expect_refused({steps::scram_begin({}), steps::send(auth_sasl({"SCRAM-SHA-256"}))}, errc::protocol_error, "^p");
}

TEST(hostile_auth, B27_a_challenge_that_nobody_asked_for_is_refused) {
  const std::string first = "r=abc,s=" + base64("0123456789abcdef") + ",i=4096";
  expect_refused({steps::send(auth_sasl_continue(first))}, errc::protocol_error, "^");
}

TEST(hostile_auth, B28_a_final_message_before_our_own_is_refused) {
  const std::string final = auth_sasl_final("v=" + base64(std::string(32, 'x')));
  expect_refused({steps::send(final)}, errc::protocol_error, "^");
  expect_refused({steps::scram_begin({}), steps::send(final)}, errc::protocol_error, "^p");
}

TEST(hostile_auth, B29_a_server_that_lets_us_in_before_its_own_proof_is_not_believed) {
  expect_refused({steps::scram_begin({}), steps::send(session_start())}, errc::server_not_proven, "^p");
  expect_refused({steps::scram_begin({}), steps::scram_challenge(), steps::send(session_start())},
                 errc::server_not_proven, "^pp");
}

TEST(hostile_auth, B30_a_server_that_lets_us_in_without_a_challenge_is_not_believed) {
  expect_refused({steps::send(session_start())}, errc::server_not_proven, "^");
}

TEST(hostile_auth, B31_channel_binding_offered_without_tls_is_refused) {
  expect_refused({steps::send(auth_sasl({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}))}, errc::protocol_error, "^");
  expect_refused({steps::send(auth_sasl({"SCRAM-SHA-256-PLUS"}))}, errc::protocol_error, "^");
}

/// A login over TLS to a server that offers these mechanisms; `extra` is what comes then.
std::error_code offered_over_tls(const std::vector<std::string>& mechanisms, key_kind key, channel_binding binding,
                                 const std::string& messages) {
  fake_server_settings settings;
  settings.certificate.key = settings.authority_key = key;
  const fake_server server{script{steps::expect_ssl_request(), steps::send("S"), steps::start_tls(),
                                  steps::expect_startup(), steps::send(auth_sasl(mechanisms)), steps::wait_for_close()},
                           settings};
  auto config = tls_config(server);
  config.password = secret(password);
  config.channel_binding = binding;
  client user{config};
  const auto end = user.connect();
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  EXPECT_EQ(sent(server), messages);
  EXPECT_THAT(words_of(end), Not(HasSubstr(password)));
  return end.error;
}

TEST(hostile_auth, B32_without_the_binding_that_is_required_nothing_is_sent) {
  EXPECT_EQ(offered_over_tls({"SCRAM-SHA-256"}, key_kind::ec_p256, channel_binding::require, "!^"), errc::auth_refused);
}

TEST(hostile_auth, B33_a_certificate_without_a_hash_does_not_turn_binding_into_something_weaker) {
  EXPECT_EQ(
      offered_over_tls({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, key_kind::ed25519, channel_binding::require, "!^"),
      errc::auth_refused);
  EXPECT_EQ(offered_over_tls({"SCRAM-SHA-256-PLUS"}, key_kind::ed25519, channel_binding::prefer, "!^"),
            errc::auth_unsupported);
}

TEST(hostile_auth, B34_a_nonce_that_does_not_extend_ours_is_refused) {
  // Our nonce is random: one in 64 begins with an X.
  expect_first_refused([](const std::string& usual) { return (usual[2] == 'X' ? "r=Y" : "r=X") + usual.substr(3); });
  expect_first_refused([](const std::string& usual) { return usual.substr(0, 10) + usual.substr(usual.find(",s=")); });
  // Ours alone: the server added nothing.
  expect_first_refused([](const std::string& usual) { return replaced(usual, scram_settings{}.nonce, ""); });
}

TEST(hostile_auth, B36_iteration_counts_out_of_bounds_are_refused_before_the_key_is_derived) {
  for (const char* count : {"0", "-1", "1", "4095", "100001", "2147483647", "99999999999999999999", "1e30", "4096x",
                            "+4096", " 4096", "04096", ""}) {
    SCOPED_TRACE(count);
    expect_first_refused(
        [=](const std::string& usual) { return replaced(usual, "i=4096", std::string{"i="} + count); });
  }
}

TEST(hostile_auth, B36_the_cap_on_iterations_is_the_callers) {
  scram_settings settings;
  settings.iterations = "5000";
  const auto challenge = custom([](fake_session& session) {
    const auto& body = session.last.body;
    session.stream().send(auth_sasl_continue(session.scram.value().first(body.substr(body.find('\0') + 5))));
  });
  expect_refused({steps::scram_begin(settings), challenge}, errc::protocol_error, "^p",
                 [](connect_config& config) { config.scram_max_iterations = 4999; });
}

TEST(hostile_auth, B37_salts_that_are_empty_or_broken_or_huge_are_refused) {
  const std::string usual_salt = "s=" + base64(scram_settings{}.salt);
  const auto salted = [&](const std::string& by) {
    return [=](const std::string& usual) { return replaced(usual, usual_salt, "s=" + by); };
  };
  for (const char* salt : {"", "!!!!", "QUJ", "QUJDRA=", "====", "QUJD\nQUJDQUJDQUJD"})
    expect_first_refused(salted(salt));
  expect_first_refused(salted(base64(std::string(1 << 20, 'x'))));
}

TEST(hostile_auth, B38_extensions_missing_parts_and_garbage_are_refused) {
  expect_first_refused([](const std::string& usual) { return "m=ext," + usual; });
  expect_first_refused([](const std::string& usual) { return replaced(usual, ",s=", ",t="); });
  expect_first_refused([](const std::string& usual) { return usual.substr(0, usual.find(",s=")); });
  expect_first_refused([](const std::string& usual) { return usual.substr(0, usual.find(",i=")); });
  expect_first_refused([](const std::string& usual) { return usual + "garbage"; });
  expect_first_refused([](const std::string& usual) { return usual + ",m=ext"; });
  expect_first_refused([](const std::string& usual) { return usual + '\0'; });
  expect_first_refused([](const std::string&) { return std::string{}; });
}

TEST(hostile_auth, B39_a_refused_proof_is_a_failed_login_in_our_own_words) {
  expect_final_refused([](const std::string&) { return "e=invalid-proof"; }, errc::auth_failed);
  expect_final_refused([](const std::string&) { return "e=" + password; }, errc::auth_failed);
}

TEST(hostile_auth, B39_a_wrong_signature_of_the_server_is_no_proof) {
  const std::vector<text_edit> edits{
      [](const std::string& usual) { return (usual[2] == 'A' ? "v=B" : "v=A") + usual.substr(3); },
      [](const std::string&) { return "v=" + base64(std::string(31, 'x')); },
      [](const std::string&) { return std::string{"v="}; },
      [](const std::string&) { return std::string{}; },
      [](const std::string& usual) { return usual + "garbage"; },
      [](const std::string& usual) { return usual + ",m=ext"; },
      [](const std::string& usual) { return usual + '\0'; },
  };
  for (const auto& edit : edits) expect_final_refused(edit, errc::server_not_proven);
}

TEST(hostile_auth, B39_a_right_proof_is_enough) {
  const fake_server server{script{steps::expect_startup(), steps::scram({}), steps::send(session_start()),
                                  steps::expect('X'), steps::wait_for_close()}};
  {
    client user{password_config(server)};
    EXPECT_FALSE(user.connect().error);
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

}  // namespace
}  // namespace lido::testing
