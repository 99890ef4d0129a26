#include "pool/core/slot_table.hpp"

namespace lido::inline v0::core {

void slot_table::grow(std::uint32_t size) {
  const std::uint32_t before = this->size();
  if (size <= before) return;
  slots_.resize(size);
  size_ = size;
  counts_[static_cast<std::size_t>(slot_state::absent)] += size - before;
  for (std::uint32_t i = size; i-- > before;) {
    slots_[i].next = free_;
    free_ = i;
  }
}

std::uint32_t slot_table::open(shard_id shard, std::uint32_t generation) {
  const std::uint32_t index = free_;
  slot& s = slots_[index];
  free_ = s.next;
  const std::uint32_t incarnation = s.incarnation + 1;
  const std::uint32_t tenure = s.tenure;
  s = slot{};
  s.incarnation = incarnation;
  s.tenure = s.first_tenure = tenure;
  s.generation = generation;
  s.shard = shard;
  set_state(index, slot_state::connecting);
  return index;
}

void slot_table::vacate(std::uint32_t index) noexcept {
  set_state(index, slot_state::absent);
  slots_[index].next = free_;
  free_ = index;
}

}  // namespace lido::inline v0::core
