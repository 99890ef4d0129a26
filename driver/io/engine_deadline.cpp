// Deadlines beyond this process: a lease's own, and the server's statement_timeout kept in step with them.
#include "driver/io/engine.hpp"
#include "driver/wire/frontend.hpp"

#include <algorithm>

namespace lido::io {

using detail::lock;
using session::dirt;

void engine::set_server_deadlines(bool on) noexcept {
  const lock guard(mutex_);
  server_timeout_.enable(on);
}

void engine::set_deadline(std::uint64_t tenure, time_point deadline) noexcept {
  const lock guard(mutex_);
  if (tenure_.load(std::memory_order_acquire) != tenure) return;
  bounded_tenure_ = tenure;
  bound_ = deadline;
}

// Behind the lease's deadline nothing is sent any more, a COMMIT least of all.
std::error_code engine::keep_to_bound(detail::operation& op) const {
  op.deadline = std::min(op.deadline, bound_);
  return bound_ <= steady_now() ? make_error_code(errc::timeout) : std::error_code{};
}

// In front of the operation, in the same flush. True: protocol_ is to expect it, once the operation is encoded. A user
// who minds statement_timeout himself is left alone until his session is reset, or his transaction is over.
bool engine::tell_server(const detail::operation& op) {
  if (op.kind == detail::op_kind::rollback || any(leftovers_.seen() & dirt::timeouts)) return false;
  std::optional<std::chrono::nanoseconds> left;
  // a stream's deadlines are those of its steps, between which the server's clock would run on
  if (op.deadline != time_point::max() && op.kind != detail::op_kind::exchange) left = op.deadline - steady_now();
  const std::string setting = server_timeout_.prologue(left, protocol_.status());
  if (setting.empty()) return false;
  wire::append_query(out_, setting);
  return true;
}

// The pool's own statements have the pool's own deadlines. Inside a transaction nothing is said: they end it.
bool engine::tell_server_of_none() {
  if (protocol_.status() != wire::transaction_status::idle) return false;
  const std::string setting = server_timeout_.prologue(std::nullopt, protocol_.status());
  if (setting.empty()) return false;
  wire::append_query(out_, setting);
  return true;
}

void engine::on_prologue(aftermath& after) {
  server_timeout_.answered(!protocol_.prologue_failed(), protocol_.status());
  const bool stray = protocol_.prologue_error() == condition::query_canceled;
  if (stray && traffic_ == traffic::internal) tell(after, [](detail::session_observer& o) { o.on_stray_cancel(); });
}

// The server's timeout is ours, so its 57014 behind the deadline is the deadline's (I16), should we be late ourselves.
bool engine::was_our_deadline(std::error_code ec) const {
  return server_timeout_.enabled() && ec == condition::query_canceled && current_->deadline != time_point::max() &&
         !any(leftovers_.seen() & dirt::timeouts) && steady_now() >= current_->deadline;
}

}  // namespace lido::io
