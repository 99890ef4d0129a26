#include "pool/core/idle_stack.hpp"

namespace lido::inline v0::core {

void idle_stack::grow(shard_id shards) {
  if (shards > tops_.size()) tops_.resize(shards, no_slot);
}

std::uint32_t idle_stack::youngest_of_all() const noexcept {
  std::uint32_t best = no_slot;
  for (const std::uint32_t top : tops_) {
    if (top == no_slot) continue;
    if (best == no_slot || slots_[top].quiet_since > slots_[best].quiet_since) best = top;
  }
  return best;
}

}  // namespace lido::inline v0::core
