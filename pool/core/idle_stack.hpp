// The idle connections: one stack for each shard, last in, first out, linked through the slots; out of the middle in
// O(1), since an idle connection may die. LIFO keeps the warm ones warm and lets the surplus age out.
#pragma once

#include "pool/core/slot_table.hpp"

#include <vector>

namespace lido::inline v0::core {

class idle_stack {
 public:
  idle_stack(slot_table& slots, shard_id shards) : slots_(slots) { grow(shards); }

  void grow(shard_id shards);
  // Onto its shard's stack, above all that have been quiet for longer: the top unless it was lent and not used.
  void push(std::uint32_t index) noexcept;
  void remove(std::uint32_t index) noexcept;
  // The top of that shard's stack, or no_slot.
  [[nodiscard]] std::uint32_t top(shard_id shard) const noexcept {
    return shard < tops_.size() ? tops_.data()[shard] : no_slot;
  }
  // The one that has been quiet for the shortest time, of all shards; or no_slot.
  [[nodiscard]] std::uint32_t youngest() const noexcept {
    if (slots_.count(slot_state::idle) == 0) return no_slot;
    return tops_.size() == 1 ? tops_.data()[0] : youngest_of_all();
  }
  [[nodiscard]] shard_id shards() const noexcept { return static_cast<shard_id>(tops_.size()); }

 private:
  [[nodiscard]] std::uint32_t youngest_of_all() const noexcept;

  slot_table& slots_;
  std::vector<std::uint32_t> tops_;
};

inline void idle_stack::push(std::uint32_t index) noexcept {
  slot& s = slots_[index];
  std::uint32_t above = no_slot;
  std::uint32_t below = tops_.data()[s.shard];
  while (below != no_slot && slots_[below].quiet_since > s.quiet_since) {
    above = below;
    below = slots_[below].next;
  }
  s.prev = above;
  s.next = below;
  if (below != no_slot) slots_[below].prev = index;
  (above != no_slot ? slots_[above].next : tops_.data()[s.shard]) = index;
}

inline void idle_stack::remove(std::uint32_t index) noexcept {
  slot& s = slots_[index];
  (s.prev != no_slot ? slots_[s.prev].next : tops_.data()[s.shard]) = s.next;
  if (s.next != no_slot) slots_[s.next].prev = s.prev;
}

}  // namespace lido::inline v0::core
