// What the tests of hostile bytes share: a client that runs one operation at a time to its end, the usual answers of a
// right server to spoil, and the two verdicts. KILL: a typed error, the socket closed by us, nothing more sent. ERR: a
// typed error, and the session goes on behind ReadyForQuery.
#pragma once

#include "tests/support/fake_server.hpp"
#include "tests/support/fake_server_steps.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/connection.hpp>
#include <lido/driver/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lido::testing {

/// Without TLS, without a password.
[[nodiscard]] connect_config plain_config(const fake_server& server);
/// Without TLS, with the password that scram_settings has.
[[nodiscard]] connect_config password_config(const fake_server& server);
/// TLS, fully verified against the fake server's own authority.
[[nodiscard]] connect_config tls_config(const fake_server& server);

/// How an operation ended.
struct outcome {
  std::error_code error;
  diagnostics diag;
  std::vector<std::vector<field>> rows;  // of the last result
  std::string tag;
  std::uint64_t affected_rows = 0;
  std::size_t results = 0;

  bool operator==(const outcome& other) const {
    return error == other.error && rows == other.rows && tag == other.tag && results == other.results;
  }
};
/// Everything a user could print of it.
[[nodiscard]] std::string words_of(const outcome& out);

/// One connection and the thread that runs it: the caller's.
class client {
 public:
  explicit client(connect_config config, std::chrono::milliseconds patience = std::chrono::seconds{3});
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  ~client();

  outcome connect();
  outcome query(std::string_view sql = "select answer");
  outcome query_with(std::string_view sql, std::int32_t value);
  outcome simple_query(std::string_view sql);
  /// BEGIN and COMMIT; the latter's end is told.
  outcome begin_and_commit();
  /// Anything else; what it throws is the outcome's error.
  outcome run(const std::function<asio::awaitable<void>(connection&)>& work);

  /// What each step of such work may take.
  [[nodiscard]] std::chrono::milliseconds patience() const;

  [[nodiscard]] bool is_open() const;
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
  /// How often the thread was free to do something else while the operation waited.
  [[nodiscard]] std::size_t heartbeats() const;
  /// Runs what is pending until the session is closed; false when it stays open for the hang guard's time.
  bool wait_until_closed();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// What a connection has sent, a character a message: ! SSLRequest, ^ StartupMessage, ~ CancelRequest, else the type.
[[nodiscard]] std::string sent(const fake_server& server, std::size_t connection = 0);

/// A hand-made step.
[[nodiscard]] step custom(std::function<void(fake_session&)> run);
/// The client's first TLS bytes, as they are.
[[nodiscard]] step read_client_hello();

// Answers to a query that was not prepared before, in the order of protocol section 55.2.3.
inline constexpr std::string_view prepare_and_run = "PDBES";
/// ParseComplete up to BindComplete, for one text column.
[[nodiscard]] std::string described();
/// All of it: one row.
[[nodiscard]] std::string one_row(const std::string& value);

/// The server accepts everybody, then answers a login by `greeting`: KILL, with `error`.
void expect_login_killed(const std::string& greeting, std::error_code error = errc::protocol_error);
/// The server answers the first query (extended) by `answer`: KILL, with `error`.
void expect_query_killed(const std::string& answer, std::error_code error = errc::protocol_error);
/// Same for a simple query.
void expect_simple_query_killed(const std::string& answer, std::error_code error = errc::protocol_error);

}  // namespace lido::testing
