// The statement cache and what the server knows: who came to exist, whose plan went stale, and the second run of the
// one that noticed.
#include "driver/io/engine.hpp"

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace lido::io {

using detail::op_outcome;

namespace {

std::string in_base_36(std::uint64_t number, std::size_t least_digits = 1) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string out;
  for (; number > 0 || out.size() < least_digits; number /= digits.size())
    out.insert(out.begin(), digits[number % digits.size()]);
  return out;
}

}  // namespace

// "l4k7q2x1f_" of the statements "l4k7q2x1f_1", ...: of this process, by chance, and of this connection, by number.
// Two clients of one pooler do not meet on a name then.
std::string engine::next_statement_prefix() {
  static const std::uint32_t process = std::random_device{}();
  static std::atomic<std::uint64_t> connections{0};
  constexpr std::uint32_t six_digits = 36U * 36U * 36U * 36U * 36U * 36U;
  return "l" + in_base_36(process % six_digits, 6) +
         in_base_36(connections.fetch_add(1, std::memory_order_relaxed) + 1) + "_";
}

// What this segment says about the statement's existence on the server. True: it is to run once more.
bool engine::settle_statement() {
  if (entry_ == nullptr) return false;
  auto* const entry = std::exchange(entry_, nullptr);
  if (!entry->prepared) {
    if (!protocol_.parsed()) {
      cache_.erase(entry);
    } else {
      entry->prepared = true;
      entry->columns = protocol_.columns();
    }
    return false;
  }
  if (!in_exchange() && current_ && !current_->outcome.error) [[likely]]
    return false;
  const bool wanted = in_exchange() || (current_ && collects());
  const std::error_code failed = !wanted         ? std::error_code{}
                                 : in_exchange() ? exchange_->error()
                                                 : current_->outcome.error;
  if (!failed) [[likely]]
    return false;
  const std::string state = sqlstate_of(failed);
  const bool again = !in_exchange() && is_stale(state);
  if (state == "26000") cache_.erase(entry);
  if (state == "0A000") cache_.evict(entry);  // "cached plan must not change result type"
  return again;
}

// The server refused to bind it: nothing of it has run. Outside of a transaction nothing else is lost with it either,
// and behind a fresh Parse it will do; inside one, its user must know that the transaction has failed. A statement is
// new in its second run, which cannot end here again.
bool engine::is_stale(const std::string& state) const {
  if (state != "26000" && state != "0A000") return false;
  return !protocol_.bound() && protocol_.status() == wire::transaction_status::idle && !settle_.active();
}

void engine::run_again(aftermath& after) {
  current_->outcome = op_outcome();
  try {
    encode(*current_);
  } catch (const std::bad_alloc&) {
    return lost(std::make_error_code(std::errc::not_enough_memory), after);
  }
  flush(after);
}

}  // namespace lido::io
