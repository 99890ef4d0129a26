#include "driver/session/server_timeout.hpp"

#include <algorithm>
#include <limits>

namespace lido::session {
namespace {

// A sixteenth and 10 ms over what is left; up to an eighth and 20 ms over, a value that is there stays.
constexpr std::int64_t longest = std::numeric_limits<std::int32_t>::max();  // the server's own bound
constexpr std::int64_t wanted(std::int64_t left) noexcept { return std::min(left + left / 16 + 10, longest); }
constexpr std::int64_t tolerated(std::int64_t left) noexcept { return left + left / 8 + 20; }

std::int64_t in_ms(std::chrono::nanoseconds left) noexcept {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::min(left, std::chrono::nanoseconds::max() / 2));
  return std::clamp<std::int64_t>(ms.count(), 1, longest);
}

}  // namespace

std::string server_timeout::prologue(std::optional<duration> left, wire::transaction_status status) {
  // Inside a failed transaction only its end is possible, and the user shall hear of it what the server says to him.
  if (!enabled_ || status == wire::transaction_status::failed) return {};
  doubted_ = false;
  if (!left) {
    if (known_ == known::as_started) return {};
    asked_ = none;
    return "RESET statement_timeout";
  }
  const std::int64_t ms = in_ms(*left);
  if (known_ == known::set && value_ >= ms && value_ <= tolerated(ms)) return {};
  asked_ = wanted(ms);
  return "SET statement_timeout = " + std::to_string(asked_);
}

void server_timeout::answered(bool ok, wire::transaction_status status) noexcept {
  if (status != wire::transaction_status::idle) in_block_ = true;
  if (!ok || doubted_) {
    known_ = known::uncertain;
  } else {
    known_ = asked_ == none ? known::as_started : known::set;
    value_ = asked_;
  }
}

void server_timeout::ready(wire::transaction_status status) noexcept {
  if (!in_block_) return;
  if (status == wire::transaction_status::idle) in_block_ = false;
  if (status != wire::transaction_status::in_transaction) known_ = known::uncertain;
}

void server_timeout::rewound() noexcept {
  known_ = known::uncertain;
  doubted_ = true;
}

}  // namespace lido::session
