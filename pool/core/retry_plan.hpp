// What follows when an attempt at a transaction has ended so: the end, another attempt, or a question to the server.
// Time comes in as an argument; who it is for is pool/retrying.cpp.
#pragma once

#include "pool/core/lifecycle.hpp"
#include "pool/core/random.hpp"

#include <cstdint>

namespace lido::inline v0::core {

enum class attempt_end : std::uint8_t {
  committed,
  failed,    // an error that another attempt would not mend, somebody else's, or a cancellation
  conflict,  // the server rolled it back to let somebody else through
  lost,      // the connection, or there was none to be had; COMMIT had not been sent
  in_doubt,  // COMMIT was sent, its answer not seen
  // what the server said about one in doubt
  found_committed,
  found_aborted,
  not_found_out,
};

enum class retry_step : std::uint8_t {
  succeed,
  give_up,  // with the error that it ended with
  again,    // not before until()
  ask,      // what became of it, at most to until()
};

struct retry_limits {
  std::uint32_t attempts = 5;
  time_point deadline = never;
  duration backoff_min{};
  duration backoff_max{};
  duration resolve_timeout{};
  bool can_ask = false;  // the transaction has a name
};

class retry_plan {
 public:
  retry_plan(const retry_limits& l, std::uint64_t seed) noexcept : limits_(l), random_(seed) {}

  retry_step after(attempt_end how, time_point now) noexcept;
  [[nodiscard]] time_point until() const noexcept { return until_; }
  [[nodiscard]] std::uint32_t attempt() const noexcept { return attempt_; }  // the running one, from 1

 private:
  retry_step again(time_point now) noexcept;

  retry_limits limits_;
  random random_;
  duration ceiling_{};
  time_point until_{};
  std::uint32_t attempt_ = 1;
};

}  // namespace lido::inline v0::core
