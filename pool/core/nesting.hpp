// Tasks that wait for a connection while they hold one. When every connection is held by such tasks, none of them will
// ever be served: a dead-lock, which is told to one of them at once instead of after its time-out. Only tasks that were
// named take part; for all others nothing is written down, and a connection that one of them holds rules it out.
#pragma once

#include "pool/core/slot_table.hpp"
#include "pool/core/waiter.hpp"

#include <vector>

namespace lido::inline v0::core {

class nesting {
 public:
  explicit nesting(const slot_table& slots) : slots_(slots) {}

  // For as many slots as there are.
  void grow() { entries_.resize(slots_.size()); }

  // A named task gets this slot, for its present tenure.
  void lent(std::uint32_t index, task_id to) noexcept {
    entries_[index] = {.task = to, .tenure = slots_[index].tenure};
  }
  // A named task waits, does no longer.
  void waits(waiter& w) noexcept;
  void left(const waiter& w) noexcept;

  [[nodiscard]] task_id task_of(std::uint32_t index) const noexcept {
    return is_current(index) ? entries_[index].task : 0;
  }
  // A slot that this task holds; no_slot: none.
  [[nodiscard]] std::uint32_t held_by(task_id task) const noexcept;
  // The waiter of the task that holds this slot, or null: it does not wait, or nobody named it.
  [[nodiscard]] waiter* waiter_of(std::uint32_t index) const noexcept {
    return is_current(index) ? entries_[index].waits : nullptr;
  }

 private:
  struct entry {
    task_id task = 0;
    std::uint32_t tenure = 0;
    waiter* waits = nullptr;
  };
  [[nodiscard]] bool is_current(std::uint32_t index) const noexcept {
    const slot& s = slots_[index];
    return s.state == slot_state::leased && s.granted_to == nullptr && s.tenure == entries_[index].tenure &&
           entries_[index].task != 0;
  }

  const slot_table& slots_;
  std::vector<entry> entries_;
};

}  // namespace lido::inline v0::core
