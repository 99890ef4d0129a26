// The server's own statement_timeout, kept in step with the deadlines of operations: a server whose client has become
// unreachable then stops by itself. What has to be said stands in front of the operation, in the same flush: a simple
// query with a ReadyForQuery of its own, so that it neither joins the operation's transaction nor can fail it. Sans-io.
#pragma once

#include "driver/wire/backend.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace lido::session {

class server_timeout {
 public:
  using duration = std::chrono::nanoseconds;

  void enable(bool on) noexcept { enabled_ = on; }
  bool enabled() const noexcept { return enabled_; }

  // What to send in front of a statement that has so much time left (none: it has no deadline); empty when the server's
  // value will do. The server gets a little more than the client, whose own deadline comes first and says so better.
  std::string prologue(std::optional<duration> left, wire::transaction_status status);
  void answered(bool ok, wire::transaction_status status) noexcept;

  // A ReadyForQuery of anything else: a transaction that ends may take our SET along.
  void ready(wire::transaction_status status) noexcept;
  // What goes out behind it may undo our SET, or be one of the user's own: ROLLBACK TO, RESET, SET statement_timeout.
  void rewound() noexcept;

 private:
  enum class known : std::uint8_t {
    as_started,  // the session's own default
    set,         // value_
    uncertain,
  };
  static constexpr std::int64_t none = 0;

  bool enabled_ = false;
  bool in_block_ = false;  // set inside a transaction that is still open
  bool doubted_ = false;   // rewound() since the last prologue
  known known_ = known::as_started;
  std::int64_t value_ = none;  // in ms
  std::int64_t asked_ = none;  // sent, not answered; none: RESET
};

}  // namespace lido::session
