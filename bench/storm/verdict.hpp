// What one operation of the storm came to, held against the contract: I1 (a cancelled task sees operation_aborted and
// nothing else, nobody else notices), I16 (a 57014 is ours only while our cancel is armed), I22 (a result that won the
// race is delivered), I25 (one vocabulary of errors).
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace lido::storm {

/// Where a task was when it was told.
enum class stage : std::uint8_t {
  acquiring,  // waiting for a connection: what stands in the way of one may be seen
  statement,  // running one: the connection may die under it, nothing else of the network is its business
};

/// What the task's cancellation signal has done before the task resumed.
enum class strike : std::uint8_t {
  none,
  too_late,  // emitted, but how the operation ends had been decided, and its completion was on its way
  in_time,   // emitted while the operation ran
};

struct outcome {
  std::error_code error;
  bool own_result = false;  // the rows carried the task's own nonce, or had none to carry
  strike cancel = strike::none;
  stage during = stage::statement;
  bool run_over = false;  // the signal came from the end of the run, not from the storm
};

enum class verdict : std::uint8_t {
  completed,
  cancelled,     // exactly operation_aborted, and this task was cancelled
  error,         // something broke that may break: the server, the network, the statement
  interrupted,   // the same at the end of the run: no operation of the storm's
  stray_cancel,  // somebody else's cancel hit this task
  unexpected,    // the contract does not allow it
};

[[nodiscard]] verdict judge(const outcome& o) noexcept;

/// For the table and JSON: the name of the condition that says whether a connection broke, and how; else the code's
/// own.
[[nodiscard]] std::string label_of(const std::error_code& ec);
/// The code's own name: connection_lost, division_by_zero, ECONNRESET.
[[nodiscard]] std::string name_of(const std::error_code& ec);

}  // namespace lido::storm
