// Somebody who waits for a connection. The node belongs to the caller (it sits in his operation's state), so waiting
// allocates nothing. It may be destroyed only while `detached`; cancel() makes it so from any state.
#pragma once

#include "pool/core/types.hpp"

#include <cassert>
#include <cstdint>

namespace lido::inline v0::core {

// I10: one of the three, always.
enum class waiter_state : std::uint8_t {
  detached,  // unknown to the core: not asked yet, cancelled, failed, or resumed with its lease
  queued,
  granted,  // a connection is set aside for it; it has not resumed yet
};

// Where the queue looks for its deadline.
enum class deadline_kept : std::uint8_t { nowhere, in_order, in_heap };

class waiter {
 public:
  explicit waiter(time_point deadline = never, shard_id preference = any_shard) noexcept
      : deadline_(deadline), preference_(preference) {}
  ~waiter() { assert(state_ == waiter_state::detached); }
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  // Before acquire() only.
  void set_deadline(time_point t) noexcept { deadline_ = t; }
  void set_preference(shard_id s) noexcept { preference_ = s; }
  void set_priority(priority p) noexcept { class_ = class_of(p); }
  void set_task(task_id t) noexcept { task_ = t; }

  [[nodiscard]] waiter_state state() const noexcept { return state_; }
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
  [[nodiscard]] time_point enqueued_at() const noexcept { return enqueued_at_; }
  [[nodiscard]] shard_id preference() const noexcept { return preference_; }
  [[nodiscard]] waiter_class in_class() const noexcept { return class_; }
  [[nodiscard]] bool is_ordinary() const noexcept { return class_ != class_of(priority::high); }
  [[nodiscard]] task_id task() const noexcept { return task_; }
  // Valid while granted, and after resume() was true.
  [[nodiscard]] const lease_id& lease() const noexcept { return lease_; }

 private:
  friend class pool_core;
  friend class waiter_queue;
  friend class deadline_heap;

  waiter* prev_ = nullptr;
  waiter* next_ = nullptr;
  time_point deadline_;
  time_point enqueued_at_{};
  task_id task_ = 0;
  std::uint32_t ticket_ = 0;      // order of arrival, kept when a waiter goes back to the head; wraps round
  std::uint32_t heap_index_ = 0;  // while queued in the heap of deadlines
  lease_id lease_;
  shard_id preference_;
  waiter_state state_ = waiter_state::detached;
  deadline_kept deadline_kept_ = deadline_kept::nowhere;
  waiter_class class_ = class_of(priority::normal);
};

}  // namespace lido::inline v0::core
