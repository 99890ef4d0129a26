// How often, how long and as what lido::retrying() tries a transaction again.
#pragma once

#include <lido/driver/transaction.hpp>
#include <lido/pool/acquire_options.hpp>

#include <chrono>
#include <optional>
#include <string_view>

namespace lido {
inline namespace v0 {

/// How it went, kept up to date while it goes; for logs, and for asking pool::async_commit_status() later.
struct retry_report {
  int attempts = 0;                  ///< begun so far
  std::optional<transaction_id> id;  ///< of the last transaction, when it is resolvable
  commit_result commit;              ///< the warnings of its COMMIT, when that was answered
};

/// Trivially destructible: may be braced in place inside a co_await expression with g++ 12.
struct retry_options {
  /// At most so many, the first among them.
  int attempts = 5;
  /// Over everything: each acquire, statement and COMMIT, the pauses and the question. No attempt begins behind it.
  time_point deadline = time_point::max();
  /// Between two attempts: anything from zero to a ceiling that begins here and doubles up to backoff_max.
  std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(10);
  std::chrono::nanoseconds backoff_max = std::chrono::seconds(1);
  /// With `mode.resolvable`: how long to ask for what became of a COMMIT without an answer.
  std::chrono::nanoseconds resolve_timeout = std::chrono::seconds(5);
  /// Of each attempt's BEGIN. With `resolvable`, a COMMIT whose answer was lost is asked about: committed is success,
  /// aborted is tried again. Without it, errc::outcome_unknown ends it.
  transaction_options mode = {};
  /// Of each attempt's acquire. Not owned: must live as long as the call.
  std::string_view tag = {};
  lido::priority priority = lido::priority::normal;
  retry_report* report = nullptr;  ///< not owned; written on the coroutine's executor
};

}  // namespace v0
}  // namespace lido
