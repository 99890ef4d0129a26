// One session of the superuser over the Unix socket, with the few bytes of the protocol that a statement needs: a test
// asks the server hundreds of times, and a psql is a process and a backend for each.
#pragma once

#include "tests/support/blocking_stream.hpp"

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lido::testing {

class superuser_session {
 public:
  superuser_session(const std::filesystem::path& socket, std::string database);

  /// Runs the statements as one simple query. Rows unaligned, without headings, as psql -At writes them; throws
  /// std::runtime_error with the server's words when one fails, stream_ended when the session ends.
  std::string run(const std::string& statements);

  [[nodiscard]] const std::string& database() const noexcept { return database_; }
  /// Nothing has come since the last answer, no end either.
  [[nodiscard]] bool is_quiet() const;
  /// Something of an answer came: the statement was run, or begun.
  [[nodiscard]] bool was_heard() const noexcept { return heard_; }

 private:
  struct message {
    char type = 0;
    std::string body;
  };
  message receive();
  std::string answer();

  std::string database_;
  int socket_;  // the stream's
  blocking_stream stream_;
  bool heard_ = false;
};

/// The superuser's sessions of one server: as many as are asked for at once, kept for the next who asks.
class superuser_sessions {
 public:
  explicit superuser_sessions(std::filesystem::path socket) : socket_{std::move(socket)} {}

  /// Any thread.
  std::string run(const std::string& statements, const std::string& database);
  /// Before the server stops: a smart shutdown would wait for them.
  void close();

 private:
  std::optional<superuser_session> take(const std::string& database);

  std::filesystem::path socket_;
  std::mutex mutex_;
  std::vector<superuser_session> idle_;
};

}  // namespace lido::testing
