// The statement cache and what the server knows: who came to exist, whose plan went stale, and the second run of the
// one that noticed.
#include "driver/io/engine.hpp"

#include <string>
#include <utility>

namespace lido::io {

using detail::op_outcome;

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
