// A cancel through the control session of the session's owner. The owner writes the statement when it likes and asks
// right before it; what it answers is as good as the end of a cancel connection (contract, "The fence").
#pragma once

#include "driver/cancel/attempt.hpp"
#include "driver/transport/call_gate.hpp"

#include <lido/driver/detail/session.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

namespace lido::cancel {

class control_attempt final : public attempt, public detail::control_client {
 public:
  struct owner {  // both without locks, never after drop() or park() has returned; `ended` at most once
    std::function<bool()> may_write;
    std::function<void(detail::control_outcome)> ended;
  };

  // Null: not this way. May be called under the session's lock.
  static std::shared_ptr<control_attempt> start(const std::shared_ptr<detail::session_observer>& by, owner who);
  control_attempt(const std::shared_ptr<detail::session_observer>& by, owner who) : by_(by), owner_(std::move(who)) {}

  void drop() noexcept override;
  void park() noexcept override;
  session::cancel_phase phase() const noexcept override;

  bool may_write() noexcept override;
  void ended(detail::control_outcome how) noexcept override;

 private:
  const std::weak_ptr<detail::session_observer> by_;
  const owner owner_;
  transport::call_gate gate_;
  std::uint64_t ticket_ = 0;  // set before anybody else knows this
  std::atomic<bool> written_{false};
};

}  // namespace lido::cancel
