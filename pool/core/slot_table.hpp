// The slots: which state each is in, and how many are in each. The only place where a slot's state changes, so that the
// sums of I9 hold by construction.
#pragma once

#include "pool/core/types.hpp"

#include <array>
#include <cstddef>
#include <vector>

namespace lido::inline v0::core {

class waiter;

inline constexpr std::uint32_t no_slot = 0xffff'ffff;

struct alignas(64) slot {
  time_point quiet_since{};      // when it was last seen to work: used, connected, pinged
  time_point retire_at = never;  // max_lifetime with its jitter
  // leased: since when, the time until its user resumes included; idle: when it was lent or kept alive last
  time_point lent_at{};
  waiter* granted_to = nullptr;  // leased: who has not resumed yet
  std::uint32_t incarnation = 0;
  std::uint32_t tenure = 0;
  std::uint32_t generation = 0;
  std::uint32_t prev = no_slot;    // idle: towards the top of its stack
  std::uint32_t next = no_slot;    // idle: towards the bottom; absent: the next free one
  std::uint32_t first_tenure = 0;  // the one before its first
  shard_id shard = 0;
  endpoint_id endpoint = no_endpoint;  // known once it is connected
  slot_state state = slot_state::absent;
  bool dead = false;              // leased: the connection is gone, its owner does not know yet
  bool aborted = false;           // closing: was still connecting
  bool for_its_own_sake = false;  // validating: a keepalive, nobody has asked for the connection
  bool inspected = false;         // validating: the user's check is part of it
  close_reason retire_why = close_reason::max_lifetime;
  bool privileged = false;        // in use, and lent to priority::high: it may be one of the reserved
  std::uint32_t told_tenure = 0;  // the tenure of the last lease that was told to last too long
};

class slot_table {
 public:
  explicit slot_table(std::uint32_t size) { grow(size); }

  void grow(std::uint32_t size);

  // Takes an absent slot for a new connection. There must be one.
  std::uint32_t open(shard_id shard, std::uint32_t generation);
  void set_state(std::uint32_t index, slot_state to) noexcept {
    slot& s = (*this)[index];
    --counts_.data()[static_cast<std::size_t>(s.state)];
    ++counts_.data()[static_cast<std::size_t>(to)];
    s.state = to;
  }
  // The slot is free again.
  void vacate(std::uint32_t index) noexcept;

  // Not bounds-checked, hardened library or not: indices come from here, or through find().
  [[nodiscard]] slot& operator[](std::uint32_t index) noexcept { return slots_.data()[index]; }
  [[nodiscard]] const slot& operator[](std::uint32_t index) const noexcept { return slots_.data()[index]; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  // The slot that an event is about, or null: the event is stale.
  [[nodiscard]] slot* find(const slot_id& id) noexcept {
    if (id.index >= size_) return nullptr;
    slot& s = (*this)[id.index];
    return s.incarnation == id.incarnation && s.state != slot_state::absent ? &s : nullptr;
  }
  [[nodiscard]] slot_id id(std::uint32_t index) const noexcept { return {index, (*this)[index].incarnation}; }
  [[nodiscard]] std::uint32_t count(slot_state s) const noexcept { return counts_.data()[static_cast<std::size_t>(s)]; }
  // All that count against max_size: I9.
  [[nodiscard]] std::uint32_t occupied() const noexcept { return size() - count(slot_state::absent); }
  // All but those that are on their way out.
  [[nodiscard]] std::uint32_t live() const noexcept { return occupied() - count(slot_state::closing); }

 private:
  std::vector<slot> slots_;
  std::array<std::uint32_t, slot_state_count> counts_{};
  std::uint32_t size_ = 0;
  std::uint32_t free_ = no_slot;
};

}  // namespace lido::inline v0::core
