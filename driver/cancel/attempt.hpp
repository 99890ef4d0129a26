// One way to cancel what a session runs, under way: a CancelRequest on a connection of its own, or the owner's control
// session. Its end goes to its owner and nowhere else (contract I1).
#pragma once

#include "driver/session/settle.hpp"

namespace lido::cancel {

class attempt {
 public:
  virtual ~attempt() = default;
  // Both wait for a callback that runs on another thread just now: hold no lock that the callbacks take.
  virtual void drop() noexcept = 0;  // any thread: nothing of it was written; it is not wanted any more
  virtual void park() noexcept = 0;  // any thread: written and not answered; whatever becomes of it, nobody waits
  virtual session::cancel_phase phase() const noexcept = 0;  // any thread: the step that it is at
};

}  // namespace lido::cancel
