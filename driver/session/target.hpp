// target_session_attrs, sans-io: what a server has said of itself, whether that is what is wanted, and what to ask when
// it has not said enough (before PostgreSQL 14, or with a proxy in between that keeps it to itself).
#pragma once

#include "driver/session/protocol.hpp"
#include "driver/wire/frame.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/detail/session.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace lido::session {

using server_parameters = std::map<std::string, std::string, std::less<>>;

struct standing {
  std::optional<bool> in_recovery;
  std::optional<bool> read_only;  // a transaction that does not say otherwise
};

// From in_hot_standby and default_transaction_read_only. Either may be null: it was not reported.
standing standing_of(const std::string* in_hot_standby, const std::string* read_only) noexcept;
standing standing_of(const server_parameters& parameters) noexcept;
bool tells_standing(std::string_view parameter) noexcept;
detail::server_role role_of(const standing& s) noexcept;

enum class fitness { fits, does_not, ask };
// prefer_standby is judged as standby: the second round, which takes everybody, is the plan's.
fitness judge(target_session_attrs wanted, const standing& s) noexcept;
// "a standby", "read-only": for a message.
std::string_view in_words(target_session_attrs wanted) noexcept;
std::string describe(const standing& s);

// The question, put as a simple query right behind start-up.
class role_query {
 public:
  enum class step { read, done, fail };

  role_query(target_session_attrs wanted, server_parameters parameters);
  std::string request() const;
  step on_frame(const wire::frame& frame);
  const standing& answer() const noexcept { return standing_; }
  std::error_code error() const noexcept { return error_; }
  diagnostics& diag() noexcept { return diag_; }
  // What the server has reported until now; for the session that follows.
  server_parameters take_parameters() { return protocol_.take_parameters(); }

 private:
  step fail(std::error_code ec);
  bool take_value(std::string_view row);

  const bool asks_recovery_;
  protocol protocol_;
  standing standing_;
  bool answered_ = false;
  std::error_code error_;
  diagnostics diag_;
};

}  // namespace lido::session
