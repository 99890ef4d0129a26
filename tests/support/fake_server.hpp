// A PostgreSQL server that does exactly what a script says, right or wrong, for the tests of hostile bytes
// (B1-B103).
//
//   const auto greeting = auth_ok() + backend_key() + ready('X');
//   fake_server server{script{steps::expect_startup(), steps::send(greeting), steps::wait_for_close()}};
//   ... connect to server.host():server.port() ...
//   ASSERT_TRUE(server.wait_until_done(1));
//   EXPECT_EQ(server.problems(), "");
//
// Each connection runs the next script, the last one again for all further connections. A script's end closes in good
// order.
#pragma once

#include "tests/support/blocking_stream.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/server_auth.hpp"
#include "tests/support/tls_contexts.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lido::testing {

class fake_server;

struct client_message {
  char type = 0;
  std::string body;
};

/// One accepted connection, as a step sees it.
class fake_session {
 public:
  fake_session(fake_server& server, blocking_stream stream) : server_{server}, stream_{std::move(stream)} {}

  [[nodiscard]] fake_server& server() const noexcept { return server_; }
  [[nodiscard]] blocking_stream& stream() noexcept { return stream_; }
  /// A packet without a type: length, then the code and the rest, which is returned.
  std::string read_packet();
  client_message read_message();
  void start_tls(const identity& who, const tls_versions& versions);

  std::map<std::string, std::string> startup;  // the parameters of the last StartupMessage
  client_message last;                         // the last message read
  std::optional<scram_conversation> scram;

 private:
  fake_server& server_;
  tls_context context_;
  blocking_stream stream_;
};

struct step {
  std::string name;
  std::function<void(fake_session&)> run;
};

class script {
 public:
  script(std::initializer_list<step> steps) : steps_{steps} {}
  explicit script(std::vector<step> steps) : steps_{std::move(steps)} {}
  [[nodiscard]] const std::vector<step>& steps() const noexcept { return steps_; }
  /// This one, then the other.
  [[nodiscard]] script then(const script& next) const;

 private:
  std::vector<step> steps_;
};

struct fake_server_settings {
  bool unix_socket = false;
  std::chrono::milliseconds budget = blocking_stream::default_budget;  // for each wait: a hang guard
  certificate_request certificate{};                                   // of its own authority
  key_kind authority_key = key_kind::ec_p256;
};

class fake_server {
 public:
  explicit fake_server(script only, fake_server_settings settings = {});
  explicit fake_server(std::vector<script> scripts, fake_server_settings settings = {});
  fake_server(const fake_server&) = delete;
  fake_server& operator=(const fake_server&) = delete;
  ~fake_server();

  [[nodiscard]] std::string host() const { return "127.0.0.1"; }
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] std::filesystem::path socket_dir() const;  // with unix_socket
  [[nodiscard]] std::filesystem::path ca_file() const;
  [[nodiscard]] const certificate_authority& authority() const noexcept;
  [[nodiscard]] const identity& own_identity() const noexcept;

  [[nodiscard]] std::size_t connections() const;
  /// What a connection has sent so far, decrypted; connections count from 0.
  [[nodiscard]] std::string received(std::size_t connection = 0) const;
  /// Steps that did not go as written, one a line: "connection 0, step 2 expect(Q): closed".
  [[nodiscard]] std::string problems() const;
  /// Waits until so many scripts have ended.
  [[nodiscard]] bool wait_until_done(std::size_t scripts, std::chrono::milliseconds budget = hang_guard) const;
  /// Waits until a script came to steps::reached(name).
  [[nodiscard]] bool wait_until_reached(const std::string& name, std::chrono::milliseconds budget = hang_guard) const;
  /// Lets scripts go on that wait at steps::gate(name), now and later.
  void open_gate(const std::string& name);

  // For steps.
  void mark_reached(const std::string& name);
  void wait_at_gate(const std::string& name);

 private:
  class engine;
  std::unique_ptr<engine> engine_;
};

}  // namespace lido::testing
