#include "driver/cancel/control_attempt.hpp"

#include <utility>

namespace lido::cancel {

std::shared_ptr<control_attempt> control_attempt::start(const std::shared_ptr<detail::session_observer>& by,
                                                        owner who) {
  auto made = std::make_shared<control_attempt>(by, std::move(who));
  made->ticket_ = by->submit_control(made);
  return made->ticket_ == 0 ? nullptr : made;
}

bool control_attempt::may_write() noexcept {
  const transport::call_gate::pass pass(gate_);
  if (!pass || !owner_.may_write()) return false;
  written_.store(true, std::memory_order_relaxed);
  return true;
}

void control_attempt::ended(detail::control_outcome how) noexcept {
  const transport::call_gate::pass pass(gate_);
  if (pass) owner_.ended(how);
}

void control_attempt::drop() noexcept {
  if (const auto by = by_.lock()) by->withdraw_control(ticket_);
  gate_.close();
}

void control_attempt::park() noexcept { gate_.close(); }

session::cancel_phase control_attempt::phase() const noexcept {
  return written_.load(std::memory_order_relaxed) ? session::cancel_phase::eof : session::cancel_phase::connect;
}

}  // namespace lido::cancel
