// What one operation of the storm came to, held against the contract: I1 (a cancelled task sees operation_aborted and
// nothing else), I16 (a 57014 is ours only while our cancel is armed), I22 (a result that won the race is delivered),
// I25 (one vocabulary of errors).
#pragma once

#include <string>
#include <system_error>

namespace lido::storm {

struct outcome {
  std::error_code error;
  bool own_result = false;      // the rows carried the task's own nonce, or had none to carry
  bool cancel_emitted = false;  // before the task resumed
};

enum class verdict {
  completed,
  cancelled,     // exactly operation_aborted, and this task was cancelled
  error,         // something broke that may break: the server, the network, the statement
  stray_cancel,  // somebody else's cancel hit this task
  unexpected,    // the contract does not allow it
};

[[nodiscard]] verdict judge(const outcome& o) noexcept;

/// The condition's name, for the table and JSON.
[[nodiscard]] std::string label_of(const std::error_code& ec);

}  // namespace lido::storm
