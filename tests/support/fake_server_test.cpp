// The scripted server: what a script says is what a client gets, and what a client does wrong is reported.
#include "tests/support/fake_server.hpp"

#include "tests/support/fake_server_steps.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/process.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

const std::string ssl_request = from_hex("00000008 04d2162f");

std::string startup(const std::string& user) {
  const auto body = int32_bytes(196608) + zero_ended("user") + zero_ended(user) + '\0';
  return int32_bytes(static_cast<std::int64_t>(body.size()) + 4) + body;
}

std::string one_row(const std::string& value) {
  return row_description({{"answer", 25, -1, 0}}) + data_row({value}) + command_complete("SELECT 1") + ready();
}

// libpq as the client: it knows what a right server is.
process_result psql(const fake_server& server, const std::string& options) {
  return run_process({"/usr/bin/psql", "-XAtq", "-d",
                      "host=localhost hostaddr=127.0.0.1 port=" + std::to_string(server.port()) +
                          " user=lido dbname=lido password=secret " + options,
                      "-c", "select 1"});
}

std::string verified(const fake_server& server) {
  return "sslmode=verify-full sslrootcert=" + server.ca_file().string();
}

TEST(fake_server, a_right_script_satisfies_libpq) {
  const fake_server server{script{steps::trusted_session(), steps::expect_query("select 1"), steps::send(one_row("42")),
                                  steps::expect('X'), steps::wait_for_close()}};
  EXPECT_EQ(psql(server, "sslmode=disable").output, "42\n");
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(fake_server, scram_over_tls_satisfies_libpq) {
  const fake_server server{script{steps::expect_ssl_request(), steps::send("S"), steps::start_tls(),
                                  steps::expect_startup(), steps::scram({}), steps::send(session_start()),
                                  steps::tls_new_ticket(), steps::tls_key_update(), steps::expect('Q'),
                                  steps::send_in_slices(one_row("42"), 1), steps::expect('X')}};
  const auto result = psql(server, verified(server));
  EXPECT_EQ(result.output, "42\n") << result.errors;
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(fake_server, libpq_notices_a_wrong_scram_signature) {
  scram_settings wrong;
  wrong.edit_final = [](const std::string& usual) { return (usual[2] == 'A' ? "v=B" : "v=A") + usual.substr(3); };
  const fake_server server{
      script{steps::expect_startup(), steps::scram(wrong), steps::send(session_start()), steps::wait_for_close()}};
  const auto result = psql(server, "sslmode=disable");
  EXPECT_NE(result.errors.find("incorrect server signature"), std::string::npos) << result.errors;
}

TEST(fake_server, a_wrong_password_is_a_problem) {
  scram_settings other;
  other.password = "another";
  const fake_server server{script{steps::expect_startup(), steps::scram(other)}};
  EXPECT_NE(psql(server, "sslmode=disable").status, 0);
  ASSERT_TRUE(server.wait_until_done(1));
  EXPECT_NE(server.problems().find("step 1 all: scram_end: the client's SCRAM proof is wrong"), std::string::npos)
      << server.problems();
}

TEST(fake_server, md5_and_cleartext_answers_are_checked) {
  const fake_server server{std::vector<script>{
      script{steps::expect_startup(), steps::send(auth_md5("salt")), steps::expect_md5("lido", "secret", "salt")},
      script{steps::expect_startup(), steps::send(auth_cleartext()), steps::expect_cleartext("secret")}}};
  EXPECT_NE(psql(server, "sslmode=disable").status, 0);
  EXPECT_NE(psql(server, "sslmode=disable").status, 0);
  ASSERT_TRUE(server.wait_until_done(2));
  EXPECT_EQ(server.problems(), "");
}

TEST(fake_server, certificates_are_wrong_in_the_way_that_was_asked_for) {
  const auto refused = [](const certificate_request& request, const tls_versions& versions = {}) {
    fake_server_settings settings;
    settings.certificate = request;
    const fake_server probe{script{steps::wait_for_close()}, settings};
    const fake_server server{script{steps::expect_ssl_request(), steps::send("S"),
                                    steps::start_refused_tls(probe.own_identity(), versions)}};
    write_file(server.ca_file(), probe.authority().certificate());
    const auto result = psql(server, verified(server));
    EXPECT_TRUE(server.wait_until_done(1));
    return result.status != 0 && server.problems().empty();
  };
  certificate_request expired;
  expired.valid_until = -1h;
  EXPECT_TRUE(refused(expired));
  certificate_request early;
  early.valid_from = 1h;
  EXPECT_TRUE(refused(early));
  EXPECT_TRUE(refused({}, {TLS1_VERSION, TLS1_1_VERSION}));
}

TEST(fake_server, records_what_it_received_and_what_did_not_fit) {
  const fake_server server{script{steps::expect_ssl_request(), steps::send("N"), steps::expect_startup()}};
  auto client = blocking_stream::connect(server.port());
  client.send(ssl_request);
  EXPECT_EQ(client.receive(1), "N");
  EXPECT_EQ(server.received(), ssl_request);
  client.close();
  ASSERT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "connection 0, step 2 expect_startup: closed\n");
}

TEST(fake_server, each_connection_runs_the_next_script_and_the_last_one_repeats) {
  const fake_server server{std::vector<script>{script{steps::send("a")}, script{steps::send("b")}}};
  std::string all;
  for (int i = 0; i < 3; ++i) all += blocking_stream::connect(server.port()).receive(1);
  EXPECT_EQ(all, "abb");
  EXPECT_EQ(server.connections(), 3U);
}

TEST(fake_server, ends_in_the_way_that_was_asked_for) {
  const auto end_of = [](const step& last) {
    const fake_server server{script{steps::send("x"), last}};
    auto client = blocking_stream::connect(server.port());
    client.receive(1);
    return client.wait_for_end();
  };
  EXPECT_EQ(end_of(steps::close_fin()), peer_end::closed);
  EXPECT_EQ(end_of(steps::close_rst()), peer_end::reset);
  EXPECT_EQ(end_of(steps::cut_output_after(3, steps::cut_by::fin, {steps::send("abcdef")})), peer_end::closed);
}

TEST(fake_server, tells_a_truncated_tls_stream_from_a_closed_one) {
  for (const bool truncate : {true, false}) {
    const fake_server server{script{steps::start_tls(), truncate ? steps::close_fin() : steps::close()}};
    auto client = blocking_stream::connect(server.port());
    const auto context = client_tls(server.authority().certificate());
    client.start_tls(*context, blocking_stream::role::client);
    EXPECT_EQ(client.wait_for_end(), truncate ? peer_end::truncated : peer_end::closed);
  }
}

TEST(fake_server, cuts_its_output_after_exactly_so_many_bytes) {
  for (const std::size_t count : {0U, 1U, 5U, 8U}) {
    const fake_server server{
        script{steps::cut_output_after(count, steps::cut_by::fin, {steps::send("abcd"), steps::send("efgh")})}};
    auto client = blocking_stream::connect(server.port());
    std::string seen;
    client.on_received([&](std::string_view bytes) { seen += bytes; });
    EXPECT_EQ(client.wait_for_end(), peer_end::closed);
    EXPECT_EQ(seen, std::string{"abcdefgh"}.substr(0, count));
    EXPECT_EQ(server.problems(), "");
  }
}

TEST(fake_server, gates_and_marks_order_a_script_and_its_test) {
  fake_server server{script{steps::trusted_session(), steps::reached("idle"), steps::gate("go"),
                            steps::send(error_response("FATAL", "57P01", "bye")), steps::wait_for_close()}};
  auto client = blocking_stream::connect(server.port());
  client.send(startup("lido"));
  ASSERT_TRUE(server.wait_until_reached("idle"));
  EXPECT_EQ(client.receive(session_start().size()), session_start());
  server.open_gate("go");
  EXPECT_EQ(client.receive(1), "E");
  client.close();
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

TEST(fake_server, serves_messages_by_a_handler_and_floods_until_closed) {
  const fake_server server{
      std::vector<script>{script{steps::trusted_session(),
                                 steps::serve([](const client_message& message) { return one_row(message.body); })},
                          script{steps::send_until_closed(data_row({"x"}))}}};
  auto client = blocking_stream::connect(server.port());
  client.send(startup("lido") + raw('Q', zero_ended("a")) + raw('Q', zero_ended("b")) + raw('X', {}));
  EXPECT_EQ(client.wait_for_end(), peer_end::closed);
  auto flooded = blocking_stream::connect(server.port());
  flooded.receive(100'000);
  flooded.close();
  EXPECT_TRUE(server.wait_until_done(2));
  EXPECT_EQ(server.problems(), "");
}

TEST(fake_server, recognises_the_right_cancel_request) {
  const fake_server server{std::vector<script>{script{steps::expect_cancel_request()}}};
  auto right = blocking_stream::connect(server.port());
  right.send(from_hex("00000010 04d2162e") + int32_bytes(4711) + int32_bytes(0x0badcafe));
  EXPECT_EQ(right.wait_for_end(), peer_end::closed);
  EXPECT_EQ(server.problems(), "");
  auto wrong = blocking_stream::connect(server.port());
  wrong.send(from_hex("00000010 04d2162e") + int32_bytes(4711) + int32_bytes(1));
  wrong.wait_for_end();
  ASSERT_TRUE(server.wait_until_done(2));
  EXPECT_NE(server.problems(), "");
}

TEST(fake_server, listens_on_a_unix_socket) {
  fake_server_settings settings;
  settings.unix_socket = true;
  const fake_server server{
      script{steps::trusted_session(), steps::expect('Q'), steps::send(one_row("unix")), steps::expect('X')}, settings};
  const auto result =
      run_process({"/usr/bin/psql", "-XAtq", "-d",
                   "host=" + server.socket_dir().string() + " port=" + std::to_string(server.port()) + " user=lido",
                   "-c", "select 1"});
  EXPECT_EQ(result.output, "unix\n") << result.errors;
}

TEST(fake_server, a_peer_that_stays_is_a_problem_and_a_stalled_script_ends_with_the_server) {
  fake_server_settings settings;
  settings.budget = 50ms;
  const fake_server patient{script{steps::wait_for_close()}, settings};
  const auto staying = blocking_stream::connect(patient.port());
  ASSERT_TRUE(patient.wait_until_done(1));
  EXPECT_EQ(patient.problems(), "connection 0, step 0 wait_for_close: the peer did not close\n");
  auto stalled = std::make_unique<fake_server>(script{steps::reached("stall"), steps::stall()});
  auto client = blocking_stream::connect(stalled->port());
  ASSERT_TRUE(stalled->wait_until_reached("stall"));
  stalled.reset();
  EXPECT_EQ(client.wait_for_end(), peer_end::closed);
}

}  // namespace
}  // namespace lido::testing
