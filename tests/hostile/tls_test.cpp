// B1-B11, B13-B18: what comes instead of TLS, in the middle of it, and with the wrong certificate.
#include "tests/hostile/hostile_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string ssl_request = from_hex("00000008 04d2162f");
constexpr std::string_view marker = "words before TLS";

/// A login that must fail: its end, after the server has seen ours.
outcome refused(const fake_server& server, const connect_config& config) {
  client user{config};
  auto end = user.connect();
  EXPECT_TRUE(end.error);
  EXPECT_FALSE(user.is_open());
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  EXPECT_EQ(server.connections(), 1U) << "there was a second try";
  return end;
}

/// What the server says to SSLRequest, and nothing after it.
script answer_to_ssl_request(const std::string& bytes) {
  return {steps::expect_ssl_request(), steps::send(bytes), steps::wait_for_close()};
}

/// A handshake as the server's own identity; the client must break it off.
script refused_handshake(tls_versions versions = {}) {
  return {steps::expect_ssl_request(), steps::send("S"), custom([versions](fake_session& session) {
            steps::start_refused_tls(session.server().own_identity(), versions).run(session);
          })};
}

/// The client's answer to a server with such a certificate.
outcome with_certificate(const certificate_request& request, const std::string& host = "127.0.0.1") {
  fake_server_settings settings;
  settings.certificate = request;
  const fake_server server{refused_handshake(), settings};
  auto config = tls_config(server);
  config.host = host;
  return refused(server, config);
}

TEST(hostile_tls, B1_refused_tls_ends_after_exactly_the_ssl_request) {
  const fake_server server{answer_to_ssl_request("N")};
  EXPECT_EQ(refused(server, tls_config(server)).error, errc::tls_refused);
  EXPECT_EQ(server.received(), ssl_request);
}

TEST(hostile_tls, B2_plaintext_in_the_segment_of_the_answer_is_an_attack) {
  const fake_server server{answer_to_ssl_request("S" + auth_ok())};
  EXPECT_EQ(refused(server, tls_config(server)).error, errc::plaintext_before_tls);
  EXPECT_EQ(server.received(), ssl_request);
}

TEST(hostile_tls, B3_plaintext_in_place_of_the_server_hello_is_no_message) {
  const fake_server server{script{steps::expect_ssl_request(), steps::send("S"), read_client_hello(),
                                  steps::send(from_hex("00") + session_start()), steps::wait_for_close()}};
  EXPECT_EQ(refused(server, tls_config(server)).error, errc::tls_failed);
}

TEST(hostile_tls, B3_a_lone_byte_before_the_server_hello_is_no_message) {
  const fake_server server{script{steps::expect_ssl_request(), steps::send("S"), steps::pause(5ms),
                                  steps::send(from_hex("00")), steps::close_fin()}};
  const auto end = refused(server, tls_config(server));
  EXPECT_TRUE(end.error == errc::connect_failed || end.error == condition::tls) << end.error.message();
}

TEST(hostile_tls, B4_an_old_style_error_is_not_shown) {
  const fake_server server{answer_to_ssl_request("E" + std::string{marker} + "\n" + '\0')};
  const auto end = refused(server, tls_config(server));
  EXPECT_EQ(end.error, errc::connect_failed);
  EXPECT_THAT(words_of(end), Not(HasSubstr(marker)));
  EXPECT_EQ(server.received(), ssl_request);
}

TEST(hostile_tls, B5_an_error_in_answer_to_the_ssl_request_is_not_shown_and_not_retried) {
  const fake_server server{answer_to_ssl_request(error_response("FATAL", "53300", marker))};
  const auto end = refused(server, tls_config(server));
  EXPECT_EQ(end.error, errc::connect_failed);
  EXPECT_THAT(words_of(end), Not(HasSubstr(marker)));
  EXPECT_EQ(server.received(), ssl_request);
}

TEST(hostile_tls, B6_any_other_answer_to_the_ssl_request_is_refused) {
  for (const std::string& bytes : {std::string{"G"}, std::string{"X"}, std::string{'\0'}, std::string{"\x16"},
                                   std::string{"HTTP/1.1 400 Bad Request\r\n\r\n"}}) {
    const fake_server server{answer_to_ssl_request(bytes)};
    const auto end = refused(server, tls_config(server));
    EXPECT_EQ(end.error, errc::connect_failed) << bytes;
    EXPECT_THAT(words_of(end), Not(HasSubstr("HTTP")));
    EXPECT_EQ(server.received(), ssl_request);
  }
}

TEST(hostile_tls, B7_silence_after_ssl_request_ends_at_the_connect_deadline) {
  const fake_server server{script{steps::expect_ssl_request(), steps::wait_for_close()}};
  auto config = tls_config(server);
  config.connect_timeout = 200ms;
  client user{config};
  EXPECT_EQ(user.connect().error, errc::timeout);
  EXPECT_GT(user.heartbeats(), 1U) << "the thread was blocked";
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(hostile_tls, B8_a_connection_that_ends_at_the_ssl_request_is_not_tried_in_plaintext) {
  for (const auto& end : {steps::close_fin(), steps::close_rst()}) {
    const fake_server server{script{steps::expect_ssl_request(), end}};
    EXPECT_EQ(refused(server, tls_config(server)).error, errc::connect_failed);
    EXPECT_EQ(server.received(), ssl_request);
  }
}

TEST(hostile_tls, B9_a_tls_alert_is_a_tls_error) {
  const fake_server server{script{steps::expect_ssl_request(), steps::send("S"), read_client_hello(),
                                  steps::send(from_hex("15 0303 0002 0228")), steps::wait_for_close()}};
  EXPECT_EQ(refused(server, tls_config(server)).error, errc::tls_failed);
}

TEST(hostile_tls, B10_a_trickling_handshake_ends_at_the_connect_deadline) {
  const fake_server server{script{steps::expect_ssl_request(), steps::send("S"), steps::slice_output(1, 20ms),
                                  steps::tolerate_loss({steps::start_tls(), steps::wait_for_close()})}};
  auto config = tls_config(server);
  config.connect_timeout = 300ms;
  EXPECT_EQ(refused(server, config).error, errc::timeout);
}

TEST(hostile_tls, B11_versions_before_1_2_are_refused) {
  const fake_server server{refused_handshake({TLS1_VERSION, TLS1_1_VERSION})};
  EXPECT_EQ(refused(server, tls_config(server)).error, errc::tls_failed);
}

TEST(hostile_tls, B13_the_common_name_does_not_count_beside_other_names) {
  certificate_request request;
  request.common_name = "127.0.0.1";
  request.dns_names = {"elsewhere.example"};
  request.ip_addresses = {"192.0.2.1"};
  EXPECT_EQ(with_certificate(request).error, errc::tls_failed);
  request.common_name = "localhost";
  EXPECT_EQ(with_certificate(request, "localhost").error, errc::tls_failed);
}

TEST(hostile_tls, B15_an_address_written_in_another_way_is_another_name) {
  EXPECT_EQ(with_certificate({}, "127.000.000.001").error, errc::tls_failed);
}

TEST(hostile_tls, B16_expired_and_not_yet_valid_certificates_are_refused) {
  certificate_request expired;
  expired.valid_until = -1h;
  EXPECT_EQ(with_certificate(expired).error, errc::tls_failed);
  certificate_request early;
  early.valid_from = 1h;
  EXPECT_EQ(with_certificate(early).error, errc::tls_failed);
}

TEST(hostile_tls, B16_a_certificate_without_names_is_refused) {
  certificate_request nameless;
  nameless.common_name.clear();
  nameless.dns_names.clear();
  nameless.ip_addresses.clear();
  EXPECT_EQ(with_certificate(nameless).error, errc::tls_failed);
}

TEST(hostile_tls, B16_another_authority_of_the_same_name_is_refused) {
  const certificate_authority impostor{"lido fake server's authority"};
  const fake_server server{
      script{steps::expect_ssl_request(), steps::send("S"), steps::start_refused_tls(impostor.issue({}))}};
  EXPECT_EQ(refused(server, tls_config(server)).error, errc::tls_failed);
}

TEST(hostile_tls, B17_tickets_and_key_updates_in_the_middle_of_a_result_are_fine) {
  const std::string row = data_row({"42"});
  const fake_server server{script{
      steps::tls_session(), steps::expect_all(prepare_and_run), steps::send(described() + row), steps::tls_new_ticket(),
      steps::send(row.substr(0, 7)), steps::tls_key_update(), steps::send(row.substr(7) + command_complete("SELECT 2")),
      steps::tls_new_ticket(), steps::send(ready()), steps::expect_all("BES"),
      steps::send(bind_complete() + row + command_complete("SELECT 1") + ready()), steps::wait_for_close()}};
  {
    client user{tls_config(server)};
    ASSERT_FALSE(user.connect().error);
    const auto end = user.query();
    EXPECT_FALSE(end.error) << words_of(end);
    EXPECT_EQ(end.rows, (std::vector<std::vector<field>>{{"42"}, {"42"}}));
    EXPECT_EQ(user.query().rows, (std::vector<std::vector<field>>{{"42"}}));  // under our own new keys
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(hostile_tls, B18_an_end_without_close_notify_is_a_loss_and_not_the_end_of_data) {
  for (const auto& end : {steps::close_fin(), steps::close_rst()}) {
    const fake_server server{script{steps::tls_session(), steps::expect_all(prepare_and_run),
                                    steps::send(described() + data_row({"42"})), end}};
    client user{tls_config(server)};
    ASSERT_FALSE(user.connect().error);
    const auto said = user.query();
    EXPECT_EQ(said.error, errc::connection_lost);
    EXPECT_TRUE(said.rows.empty());
    EXPECT_FALSE(said.diag.outcome_known);
    EXPECT_FALSE(user.is_open());
  }
}

}  // namespace
}  // namespace lido::testing
