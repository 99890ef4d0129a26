#include "pool/core/nesting.hpp"

namespace lido::inline v0::core {

void nesting::waits(waiter& w) noexcept {
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].task == w.task() && is_current(i)) entries_[i].waits = &w;
  }
}

void nesting::left(const waiter& w) noexcept {
  for (entry& e : entries_) {
    if (e.waits == &w) e.waits = nullptr;
  }
}

std::uint32_t nesting::held_by(task_id task) const noexcept {
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].task == task && is_current(i)) return i;
  }
  return no_slot;
}

}  // namespace lido::inline v0::core
