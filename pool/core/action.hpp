// What the pool's shell has to do once it has left the mutex. Events append; the shell performs in order, then clears.
#pragma once

#include "pool/core/types.hpp"

#include <cstddef>
#include <vector>

namespace lido::inline v0::core {

class waiter;
class goal;

enum class action_kind : std::uint8_t {
  connect,     // slot, shard          -> connected() or connect_failed()
  validate,    // slot, ping, inspect  -> validated(); a round trip, and the user's own check before an acquire
  grant,       // slot, who            -> post the waiter's handler; it calls resume() first of all
  fail,        // who, failure, (slot) -> post the waiter's handler; the core has forgotten the waiter. nested_acquire:
               //                         the slot is one that its task holds
  recover,     // slot                 -> recovered(); whatever the lease still runs is cancelled first
  long_hold,   // slot                 -> tell whose lease it is; nothing else happens to it
  reclaim,     // slot                 -> tell whose lease it was; a recover or close action follows
  close,       // slot, reason         -> closed(); also for a connect under way, which it aborts
  goal_ended,  // what                 -> the core has forgotten it; what->end says how
  finished,    //                      -> the pool is closed: no slot is left, no event will be wanted
};

struct action {
  action_kind kind = action_kind::finished;
  fail_reason failure = fail_reason::timeout;
  close_reason reason = close_reason::disconnected;
  bool ping = true;
  bool inspect = false;
  shard_id shard = 0;
  slot_id slot{};
  waiter* who = nullptr;
  goal* what = nullptr;
};

// Keeps its memory over clear(): no allocation once it has been as long as it gets.
class action_list {
 public:
  void add(const action& a) { actions_.push_back(a); }
  void clear() noexcept { actions_.clear(); }
  void reserve(std::size_t n) { actions_.reserve(n); }

  [[nodiscard]] bool empty() const noexcept { return actions_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return actions_.size(); }
  [[nodiscard]] const action& operator[](std::size_t i) const { return actions_[i]; }
  [[nodiscard]] auto begin() const noexcept { return actions_.begin(); }
  [[nodiscard]] auto end() const noexcept { return actions_.end(); }

 private:
  std::vector<action> actions_;
};

}  // namespace lido::inline v0::core
