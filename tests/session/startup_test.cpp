// Start-up by what the server sends: policy, order, parameters, key. B-numbers are the cases of hostile servers.
#include "driver/session/startup.hpp"

#include "tests/session/startup_dialogue.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace lido::startup_test {
namespace {

using session::channel_security;
using namespace std::string_literals;

constexpr const char* password = "correct horse";

dialogue trusting() {
  connect_config config = config_with("");
  return dialogue(config);
}

// Everything of `d` that a user or a log may see.
std::string visible(const dialogue& d) {
  const diagnostics& g = d.machine.diag();
  return d.error().message() + g.summary() + g.context + g.message + g.detail + g.hint + g.where;
}

TEST(startup, sends_what_the_config_says_in_one_message) {
  connect_config config = config_with(password);
  config.options = "-c search_path=app";
  config.parameters = {{"TimeZone", "UTC"}, {"client_encoding", "utf8"}};
  dialogue d(config);
  ASSERT_EQ(d.first, action::write);
  const std::string body = "\0\3\0\0"s + "user\0app\0database\0shop\0client_encoding\0UTF8\0application_name\0lido\0"s +
                           "options\0-c search_path=app\0TimeZone\0UTC\0\0"s;
  EXPECT_EQ(d.machine.output(), be32(static_cast<std::uint32_t>(body.size() + 4)) + body);
}

TEST(startup, database_defaults_to_the_user) {
  connect_config config = config_with("");
  config.database.clear();
  dialogue d(config);
  EXPECT_NE(d.machine.output().find("database\0app\0"s), std::string::npos);
}

TEST(startup, C33_a_nul_anywhere_is_an_error_and_nothing_is_written) {
  const std::string evil = "x\0user\0admin"s;
  const auto refused = [](const connect_config& config, std::error_code expected) {
    dialogue d(config);
    EXPECT_EQ(d.first, action::fail);
    EXPECT_EQ(d.error(), expected);
    EXPECT_TRUE(d.machine.output().empty());
    EXPECT_EQ(visible(d).find("admin"), std::string::npos);
    EXPECT_EQ(d.receive(auth_ok()), action::fail);
  };
  for (std::string connect_config::* field : {&connect_config::user, &connect_config::database,
                                              &connect_config::application_name, &connect_config::options}) {
    connect_config config = config_with("");
    config.*field = evil;
    refused(config, errc::not_encodable);
  }
  for (const std::pair<std::string, std::string>& entry :
       {std::pair{evil, "v"s}, std::pair{"n"s, evil}, std::pair{""s, "v"s}}) {
    connect_config config = config_with("");
    config.parameters = {entry};
    refused(config, errc::not_encodable);
  }
  refused(config_with(evil), errc::not_encodable);
  refused(config_with(std::string(65536, 'p')), errc::not_encodable);
  connect_config config = config_with("");
  config.options = std::string(10000, 'o');
  refused(config, errc::not_encodable);
}

TEST(startup, parameters_may_not_replace_what_has_its_own_field_or_changes_the_protocol) {
  for (const char* name : {"user", "database", "replication", "_pq_.x", "client_encoding"}) {
    connect_config config = config_with("");
    config.parameters = {{name, "latin1"}};
    dialogue d(config);
    EXPECT_EQ(d.error(), errc::invalid_config) << name;
    EXPECT_NE(d.machine.diag().context.find(name), std::string::npos);
  }
  connect_config config = config_with("");
  config.user.clear();
  EXPECT_EQ(dialogue(config).error(), errc::invalid_config);
}

// ---- the good ways ----

TEST(startup, trust_is_accepted_without_a_password) {
  dialogue d = trusting();
  EXPECT_EQ(d.machine.phase(), wire::phase::authentication);
  ASSERT_EQ(d.receive(auth_ok()), action::read);
  EXPECT_EQ(d.machine.phase(), wire::phase::startup);
  ASSERT_EQ(d.receive(parameter("server_version", "15.18") + backend_key(77, "\1\0\3\4"s) + ready()), action::done);
  EXPECT_EQ(d.machine.phase(), wire::phase::ready);
  EXPECT_EQ(d.machine.identity().process_id, 77U);
  EXPECT_EQ(d.machine.identity().cancel_key.reveal(), "\1\0\3\4"s);
  EXPECT_EQ(d.machine.identity().parameters.at("server_version"), "15.18");
  EXPECT_FALSE(d.error());
}

TEST(startup, S3_scram_is_the_default_with_a_password) {
  scram_server server(password);
  for (const channel_security channel : {channel_security::plain, channel_security::unix_socket,
                                         channel_security::tls_unverified, channel_security::tls_verified}) {
    dialogue d(config_with(password), channel);
    d.prove(server);
    EXPECT_EQ(d.machine.output().find(password), std::string::npos);
    ASSERT_EQ(d.receive(authentication(12, server.server_final())), action::read);
    EXPECT_TRUE(d.machine.output().empty());
    ASSERT_EQ(d.receive(auth_ok() + ready()), action::done);
  }
}

TEST(startup, S4_passwords_beyond_ascii_go_in_as_their_bytes) {
  scram_server server("p\xc3\xa4ss w\xc3\xb6rd");
  dialogue d(config_with("p\xc3\xa4ss w\xc3\xb6rd"));
  d.prove(server);
  EXPECT_EQ(d.receive(authentication(12, server.server_final()) + auth_ok() + ready()), action::done);
}

TEST(startup, S6_the_password_leaves_the_key_job_once_the_key_is_there) {
  scram_server server(password);
  dialogue d(config_with(password));
  ASSERT_EQ(d.receive(sasl({"SCRAM-SHA-256"})), action::write);
  server.read_initial(d.machine.output());
  ASSERT_EQ(d.receive(authentication(11, server.server_first())), action::derive_key);
  EXPECT_EQ(d.machine.key_job().password.reveal(), password);
  ASSERT_EQ(d.machine.key_derived(derive_salted_password(d.machine.key_job())), action::write);
  EXPECT_TRUE(d.machine.key_job().password.empty());
}

TEST(startup, md5_is_answered_when_it_is_listed) {
  connect_config config = config_with("secret");
  config.require_auth = {auth_method::md5};
  dialogue d(config, channel_security::plain);
  ASSERT_EQ(d.receive(authentication(5, "abcd")), action::write);
  // From PostgreSQL's rule: md5(md5("secret" + "app") + "abcd").
  EXPECT_EQ(d.machine.output(), message('p', "md5883f61cc18cc4ae54ca301892bb10c29\0"s));
  EXPECT_EQ(d.receive(auth_ok() + ready()), action::done);
}

TEST(startup, clear_text_is_answered_when_it_is_listed_and_the_channel_is_private) {
  connect_config config = config_with(password);
  config.require_auth = {auth_method::password, auth_method::scram_sha_256};
  for (const channel_security channel : {channel_security::unix_socket, channel_security::tls_verified}) {
    dialogue d(config, channel);
    ASSERT_EQ(d.receive(authentication(3)), action::write);
    EXPECT_EQ(d.machine.output(), message('p', password + "\0"s));
    EXPECT_EQ(d.receive(auth_ok()), action::read);
    EXPECT_TRUE(d.machine.output().empty());
  }
}

// ---- policy ----

TEST(startup, B22_clear_text_is_refused_and_no_password_byte_is_sent) {
  for (const bool listed : {false, true}) {
    connect_config config = config_with(password);
    if (listed) config.require_auth = {auth_method::password};
    for (const channel_security channel : {channel_security::plain, channel_security::tls_unverified}) {
      dialogue d(config, channel);
      EXPECT_EQ(d.receive(authentication(3)), action::fail);
      EXPECT_EQ(d.error(), errc::auth_refused);
      EXPECT_TRUE(d.machine.output().empty());
    }
  }
  dialogue d(config_with(password));
  EXPECT_EQ(d.receive(authentication(3)), action::fail);
  EXPECT_EQ(d.error(), errc::auth_refused);
  EXPECT_TRUE(d.machine.output().empty());
}

TEST(startup, B23_md5_is_off_by_default_and_its_salt_has_four_bytes) {
  dialogue off(config_with(password));
  EXPECT_EQ(off.receive(authentication(5, "abcd")), action::fail);
  EXPECT_EQ(off.error(), errc::auth_refused);
  for (const char* salt : {"", "abc", "abcde"}) {
    connect_config config = config_with(password);
    config.require_auth = {auth_method::md5};
    dialogue d(config);
    EXPECT_EQ(d.receive(authentication(5, salt)), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
}

TEST(startup, S3_scram_that_is_not_listed_is_refused) {
  connect_config config = config_with(password);
  config.require_auth = {auth_method::md5};
  dialogue d(config);
  EXPECT_EQ(d.receive(sasl({"SCRAM-SHA-256"})), action::fail);
  EXPECT_EQ(d.error(), errc::auth_refused);
}

TEST(startup, a_challenge_without_a_password_names_the_cause) {
  connect_config listed = config_with("");
  listed.require_auth = {auth_method::password, auth_method::md5, auth_method::scram_sha_256};
  for (const std::string& challenge : {authentication(3), authentication(5, "abcd"), sasl({"SCRAM-SHA-256"})}) {
    dialogue d(listed);
    EXPECT_EQ(d.receive(challenge), action::fail);
    EXPECT_EQ(d.error(), errc::auth_failed);
    EXPECT_NE(d.machine.diag().context.find("none is set"), std::string::npos);
  }
}

TEST(startup, B25_methods_that_are_not_spoken_are_unsupported) {
  for (const std::string& request : {sasl({}), sasl({"OAUTHBEARER"}), sasl({"SCRAM-SHA-256-PLUS"}), authentication(7),
                                     authentication(2), authentication(99, "x")}) {
    dialogue d(config_with(password));
    EXPECT_EQ(d.receive(request), action::fail);
    EXPECT_EQ(d.error(), errc::auth_unsupported);
  }
}

TEST(startup, B29_authentication_ok_counts_only_after_the_servers_signature) {
  scram_server server(password);
  dialogue early(config_with(password));
  ASSERT_EQ(early.receive(sasl({"SCRAM-SHA-256"})), action::write);
  EXPECT_EQ(early.receive(auth_ok()), action::fail);
  EXPECT_EQ(early.error(), errc::server_not_proven);

  dialogue late(config_with(password));
  late.prove(server);
  EXPECT_EQ(late.receive(auth_ok()), action::fail);
  EXPECT_EQ(late.error(), errc::server_not_proven);
}

TEST(startup, B30_authentication_ok_without_a_challenge_is_refused_by_policy) {
  dialogue by_default(config_with(password));
  EXPECT_EQ(by_default.receive(auth_ok()), action::fail);
  EXPECT_EQ(by_default.error(), errc::server_not_proven);

  connect_config listed = config_with("");
  listed.require_auth = {auth_method::scram_sha_256};
  dialogue d(listed);
  EXPECT_EQ(d.receive(auth_ok()), action::fail);
  EXPECT_EQ(d.error(), errc::server_not_proven);

  listed = config_with(password);
  listed.require_auth = {auth_method::none, auth_method::scram_sha_256};
  EXPECT_EQ(dialogue(listed).receive(auth_ok()), action::read);
}

TEST(startup, B31_scram_plus_without_tls_is_refused) {
  for (const channel_security channel : {channel_security::plain, channel_security::unix_socket}) {
    dialogue d(config_with(password), channel);
    EXPECT_EQ(d.receive(sasl({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"})), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
  dialogue d(config_with(password), channel_security::tls_verified);
  ASSERT_EQ(d.receive(sasl({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"})), action::write);
  EXPECT_EQ(d.machine.output().substr(5, 14), "SCRAM-SHA-256\0"s);
  EXPECT_NE(d.machine.output().find("n,,n=,r="), std::string::npos);
}

// ---- order and shape ----

TEST(startup, B19_anything_but_an_authentication_request_first_is_a_violation) {
  for (const std::string& first : {"HTTP/1.1 400 Bad Request\r\n"s, backend_key(1, "abcd"), ready(),
                                   message('T', "\0\0"s), message('A', "x"), message('G', ""), message('W', "")}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(first), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
    // The machine itself refuses it too, should the frame reader let it pass.
    dialogue direct = trusting();
    EXPECT_EQ(direct.machine.on_frame({first[0], std::string_view(first).substr(5)}), action::fail);
    EXPECT_EQ(direct.machine.error(), errc::protocol_error);
  }
}

TEST(startup, B20_B21_lengths_outside_the_bounds_are_refused_by_their_header) {
  for (const std::string& header : {"R"s + be32(4), "R"s + be32(7), "R"s + be32(2001), "R"s + be32(0x7fffffff),
                                    "E"s + be32(7), "E"s + be32(30001)}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(header), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
}

TEST(startup, B24_a_mechanism_list_without_its_last_nul_is_a_violation) {
  for (const std::string& list : {"SCRAM-SHA-256\0"s, "SCRAM-SHA-256"s, ""s, "SCRAM-SHA-256\0\0x"s}) {
    dialogue d(config_with(password));
    EXPECT_EQ(d.receive(authentication(10, list)), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
}

TEST(startup, B26_B27_B28_scram_messages_out_of_order_are_violations) {
  scram_server server(password);
  const auto expect_violation = [](dialogue& d, const std::string& bytes) {
    EXPECT_EQ(d.receive(bytes), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
    EXPECT_TRUE(d.machine.output().empty());
  };
  for (const std::string& first : {authentication(11, "r=x"), authentication(12, "v=x")}) {
    dialogue d(config_with(password));
    expect_violation(d, first);
  }
  for (const std::string& second :
       {sasl({"SCRAM-SHA-256"}), authentication(12, "v=x"), authentication(3), authentication(5, "abcd")}) {
    dialogue d(config_with(password));
    ASSERT_EQ(d.receive(sasl({"SCRAM-SHA-256"})), action::write);
    expect_violation(d, second);
  }
  for (const std::string& third : {sasl({"SCRAM-SHA-256"}), authentication(11, "r=x")}) {
    dialogue d(config_with(password));
    d.prove(server);
    expect_violation(d, third);
  }
  for (const std::string& fourth : {sasl({"SCRAM-SHA-256"}), authentication(12, "v=x"), authentication(3)}) {
    dialogue d(config_with(password));
    d.prove(server);
    ASSERT_EQ(d.receive(authentication(12, server.server_final())), action::read);
    expect_violation(d, fourth);
  }
}

TEST(startup, a_frame_while_the_key_is_computed_is_a_violation_and_the_key_comes_too_late) {
  scram_server server(password);
  dialogue d(config_with(password));
  ASSERT_EQ(d.receive(sasl({"SCRAM-SHA-256"})), action::write);
  server.read_initial(d.machine.output());
  ASSERT_EQ(d.receive(authentication(11, server.server_first())), action::derive_key);
  const secret key = derive_salted_password(d.machine.key_job());
  EXPECT_EQ(d.receive(authentication(11, server.server_first())), action::fail);
  EXPECT_EQ(d.error(), errc::protocol_error);
  EXPECT_EQ(d.machine.key_derived(key), action::fail);
  EXPECT_TRUE(d.machine.output().empty());
}

TEST(startup, a_second_challenge_after_a_password_is_a_violation) {
  connect_config config = config_with(password);
  config.require_auth = {auth_method::password, auth_method::md5, auth_method::scram_sha_256};
  for (const std::string& again : {authentication(3), authentication(5, "abcd"), sasl({"SCRAM-SHA-256"})}) {
    dialogue d(config);
    ASSERT_EQ(d.receive(authentication(5, "abcd")), action::write);
    EXPECT_EQ(d.receive(again), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
    EXPECT_TRUE(d.machine.output().empty());
  }
}

TEST(startup, B34_B36_B37_B38_a_bad_first_scram_message_ends_before_any_key_is_derived) {
  const std::string salt = to_base64("0123456789abcdef");
  const auto error_of = [](const std::function<std::string(const std::string&)>& reply) {
    dialogue d(config_with(password));
    EXPECT_EQ(d.receive(sasl({"SCRAM-SHA-256"})), action::write);
    scram_server server(password);
    server.read_initial(d.machine.output());
    EXPECT_EQ(d.receive(authentication(11, reply(server.client_nonce()))), action::fail);
    EXPECT_TRUE(d.machine.key_job().password.empty());
    return d.error();
  };
  EXPECT_EQ(error_of([&](const std::string&) { return "r=other,s=" + salt + ",i=4096"; }), errc::protocol_error);
  EXPECT_EQ(error_of([&](const std::string& n) { return "r=" + n + ",s=" + salt + ",i=4096"; }), errc::protocol_error);
  EXPECT_EQ(error_of([&](const std::string& n) { return "r=" + n + "x,s=" + salt + ",i=2147483647"; }),
            errc::protocol_error);
  EXPECT_EQ(error_of([&](const std::string& n) { return "r=" + n + "x,s=,i=4096"; }), errc::protocol_error);
  EXPECT_EQ(error_of([&](const std::string& n) { return "m=ext,r=" + n + "x,s=" + salt + ",i=4096"; }),
            errc::protocol_error);
  EXPECT_EQ(error_of([&](const std::string& n) { return "r=" + n + "x,s=" + salt + ",i=4096,"; }),
            errc::protocol_error);
}

TEST(startup, B36_the_knob_scram_max_iterations_is_obeyed) {
  connect_config config = config_with(password);
  config.scram_max_iterations = 5000;
  for (const auto& [iterations, expected] : {std::pair{"5000", action::derive_key}, std::pair{"5001", action::fail}}) {
    scram_server server(password);
    server.iterations = iterations;
    dialogue d(config);
    ASSERT_EQ(d.receive(sasl({"SCRAM-SHA-256"})), action::write);
    server.read_initial(d.machine.output());
    EXPECT_EQ(d.receive(authentication(11, server.server_first())), expected);
  }
}

TEST(startup, B39_the_servers_last_word_must_be_its_right_signature) {
  scram_server server(password);
  const auto error_of = [&](const std::string& last) {
    dialogue d(config_with(password));
    d.prove(server);
    EXPECT_EQ(d.receive(authentication(12, last)), action::fail);
    EXPECT_EQ(visible(d).find("invalid-proof"), std::string::npos);
    EXPECT_EQ(d.receive(auth_ok()), action::fail);
    return d.error();
  };
  EXPECT_EQ(error_of("e=invalid-proof"), errc::auth_failed);
  EXPECT_EQ(error_of("v=" + to_base64(std::string(32, 'x'))), errc::server_not_proven);
  EXPECT_EQ(error_of("v=AAAA"), errc::server_not_proven);
  EXPECT_EQ(error_of(server.server_final()), errc::server_not_proven);  // of an earlier exchange: another nonce
}

TEST(startup, B40_negotiation_goes_on_when_nothing_new_is_offered) {
  for (const std::string& offer :
       {be32(0) + be32(0), be32(3U << 16) + be32(0), be32(3U << 16) + be32(1) + "_pq_.foo\0"s}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(joined({message('v', offer), auth_ok(), ready()})), action::done);
  }
}

TEST(startup, B40_negotiation_that_is_odd_or_late_is_a_violation) {
  const std::string fine = message('v', be32(0) + be32(0));
  for (const std::string& bytes :
       {message('v', be32(1) + be32(0)), message('v', be32((3U << 16) + 2) + be32(0)),
        message('v', be32(0) + be32(0xffffffff)), message('v', be32(0) + be32(1) + "_pq_.foo"),
        message('v', be32(0) + be32(1) + "user\0"s), message('v', be32(0) + be32(0) + "x"), message('v', be32(0)),
        fine + fine, auth_ok() + fine}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(bytes), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
  dialogue d(config_with(password));
  ASSERT_EQ(d.receive(sasl({"SCRAM-SHA-256"})), action::write);
  EXPECT_EQ(d.receive(fine), action::fail);
}

TEST(startup, B41_notice_and_parameter_belong_behind_authentication) {
  for (const std::string& bytes :
       {diagnostics_message('N', {{'S', "WARNING"}, {'C', "01000"}, {'M', "hello"}}), parameter("a", "b")}) {
    dialogue before = trusting();
    EXPECT_EQ(before.receive(bytes), action::fail);
    EXPECT_EQ(before.error(), errc::protocol_error);
    dialogue direct = trusting();
    EXPECT_EQ(direct.machine.on_frame({bytes[0], std::string_view(bytes).substr(5)}), action::fail);
    EXPECT_EQ(direct.machine.error(), errc::protocol_error);
    dialogue after = trusting();
    EXPECT_EQ(after.receive(joined({auth_ok(), bytes, ready()})), action::done);
  }
}

TEST(startup, B42_B43_the_key_has_four_bytes_and_comes_once) {
  for (const std::string& bytes : {backend_key(1, ""), backend_key(1, "abc"), backend_key(1, "abcde"),
                                   message('K', "\0\0\0"s), backend_key(1, "abcd") + backend_key(1, "abcd")}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(joined({auth_ok(), bytes})), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
    EXPECT_TRUE(d.machine.identity().cancel_key.empty());
  }
}

TEST(startup, B44_without_a_key_the_session_is_usable_and_the_key_empty) {
  dialogue d = trusting();
  EXPECT_EQ(d.receive(auth_ok() + ready()), action::done);
  EXPECT_TRUE(d.machine.identity().cancel_key.empty());
}

TEST(startup, B45_B46_ready_for_query_is_exactly_idle) {
  for (const std::string& bytes : {ready('X'), ready('T'), ready('E'), message('Z', ""), message('Z', "II")}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(joined({auth_ok(), bytes})), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
}

TEST(startup, B47_parameters_are_kept_within_bounds) {
  dialogue cut = trusting();
  EXPECT_EQ(cut.receive(auth_ok() + message('S', "name\0value"s)), action::fail);
  EXPECT_EQ(cut.error(), errc::protocol_error);

  dialogue many = trusting();
  ASSERT_EQ(many.receive(auth_ok()), action::read);
  for (int i = 0; i < 256; ++i) ASSERT_EQ(many.receive(parameter("p" + std::to_string(i), "v")), action::read);
  EXPECT_EQ(many.receive(parameter("p7", "again")), action::read);
  EXPECT_EQ(many.machine.identity().parameters.at("p7"), "again");
  EXPECT_EQ(many.receive(parameter("one more", "v")), action::fail);
  EXPECT_EQ(many.error(), errc::protocol_error);

  dialogue large = trusting();
  ASSERT_EQ(large.receive(auth_ok()), action::read);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(large.receive(parameter("same", std::string(20000, 'v'))), action::read);
  for (int i = 0; i < 2; ++i)
    ASSERT_EQ(large.receive(parameter("p" + std::to_string(i), std::string(20000, 'v'))), action::read);
  EXPECT_EQ(large.receive(parameter("p2", std::string(20000, 'v'))), action::fail);
}

TEST(startup, B48_the_encoding_that_the_server_reports_is_handed_on) {
  dialogue d = trusting();
  ASSERT_EQ(d.receive(auth_ok() + parameter("client_encoding", "LATIN1") +
                      parameter("standard_conforming_strings", "off") + ready()),
            action::done);
  EXPECT_EQ(d.machine.identity().parameters.at("client_encoding"), "LATIN1");
  EXPECT_EQ(d.machine.identity().parameters.at("standard_conforming_strings"), "off");
}

// ---- the server's errors ----

TEST(startup, B50_the_servers_error_keeps_its_sqlstate_before_and_after_authentication) {
  for (const char* code : {"57P03", "53300", "53400", "28P01", "28000", "3D000"}) {
    for (const std::string& before : {""s, auth_ok()}) {
      dialogue d = trusting();
      EXPECT_EQ(
          d.receive(before + diagnostics_message('E', {{'S', "FATAL"}, {'V', "FATAL"}, {'C', code}, {'M', "no"}})),
          action::fail);
      EXPECT_EQ(d.error(), make_sqlstate(code));
      EXPECT_EQ(d.machine.diag().sqlstate, code);
      EXPECT_EQ(d.machine.diag().message, "no");
      EXPECT_FALSE(d.machine.diag().context.empty());
    }
  }
}

TEST(startup, B50_an_error_after_our_proof_is_the_servers) {
  scram_server server(password);
  dialogue d(config_with(password));
  d.prove(server);
  EXPECT_EQ(
      d.receive(diagnostics_message('E', {{'S', "FATAL"}, {'C', "28P01"}, {'M', "password authentication failed"}})),
      action::fail);
  EXPECT_EQ(d.error(), make_sqlstate("28P01"));
}

TEST(startup, B51_a_goodbye_in_a_notice_is_a_shutdown) {
  for (const char* code : {"57P01", "57P02"}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(auth_ok() + diagnostics_message('N', {{'S', "WARNING"}, {'C', code}, {'M', "terminating"}})),
              action::fail);
    EXPECT_EQ(d.error(), errc::server_shutdown);
  }
}

TEST(startup, B52_an_error_without_fields_gets_defaults) {
  dialogue d = trusting();
  EXPECT_EQ(d.receive(message('E', "\0\0\0\0"s)), action::fail);
  EXPECT_TRUE(d.error());
  dialogue bare = trusting();
  EXPECT_EQ(bare.receive(diagnostics_message('E', {{'M', "something"}})), action::fail);
  EXPECT_EQ(bare.error(), make_sqlstate("XX000"));
}

TEST(startup, S6_a_server_that_echoes_the_password_is_not_quoted) {
  connect_config config = config_with(password);
  config.require_auth = {auth_method::password};
  dialogue d(config);
  ASSERT_EQ(d.receive(authentication(3)), action::write);
  const std::string echo = "password \"" + std::string(password) + "\" is wrong";
  EXPECT_EQ(d.receive(diagnostics_message(
                'E', {{'S', "FATAL"}, {'C', "28P01"}, {'M', echo}, {'D', echo}, {'H', echo}, {'W', echo}})),
            action::fail);
  EXPECT_EQ(d.error(), make_sqlstate("28P01"));
  EXPECT_EQ(visible(d).find(password), std::string::npos);
}

TEST(startup, messages_of_other_phases_are_violations_after_authentication) {
  for (const std::string& bytes : {auth_ok(), sasl({"SCRAM-SHA-256"}), message('A', be32(1) + "c\0p\0"s),
                                   message('T', "\0\0"s), message('D', "\0\0"s)}) {
    dialogue d = trusting();
    EXPECT_EQ(d.receive(joined({auth_ok(), bytes})), action::fail);
    EXPECT_EQ(d.error(), errc::protocol_error);
  }
}

TEST(startup, can_be_moved_in_the_middle_of_a_dialogue) {
  const connect_config config = config_with("");
  startup first(config, channel_security::plain);
  ASSERT_EQ(first.begin(), action::write);
  startup second(std::move(first));
  EXPECT_EQ(second.on_frame({'R', std::string_view("\0\0\0\0", 4)}), action::read);
}

TEST(secret_value, S6_wiping_leaves_nothing_in_the_buffer) {
  std::string text(100, 'k');
  secret key{std::string_view(text)};
  const char* bytes = key.reveal().data();
  key.wipe();
  EXPECT_TRUE(key.empty());
  EXPECT_EQ(std::string(bytes, 100).find('k'), std::string::npos);  // the buffer still belongs to the string
}

TEST(secret_value, S6_a_moved_from_secret_keeps_no_bytes) {
  secret from("short");
  const char* bytes = from.reveal().data();
  const secret to(std::move(from));
  EXPECT_EQ(to.reveal(), "short");
  EXPECT_EQ(std::string(bytes, 5).find('s'), std::string::npos);
}

}  // namespace
}  // namespace lido::startup_test
