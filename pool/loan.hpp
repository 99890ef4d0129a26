// What a lease points to, as the pool sees it: the connection's own, for one lease after the other.
#pragma once

#include "pool/core/types.hpp"
#include "pool/stats/histogram.hpp"

#include <lido/pool/lease.hpp>

#include <atomic>
#include <cstdint>
#include <source_location>

namespace lido {
inline namespace v0 {
namespace detail {

class managed_session;

// It is in one pair of hands at a time: a user's, a thread's cache (thread_cache.hpp) or, between two leases, the
// connection's (pool_member::spare). Who has it writes; what is atomic is read by anybody, under the pool's mutex.
class loan final : public lent {
 public:
  // A user has it from now on, as the session's lease of that number.
  void begin(std::uint64_t number, core::time_point now, const std::source_location& where) noexcept {
    tenure.store(number, std::memory_order_relaxed);
    since.store(now, std::memory_order_relaxed);
    place.store(where, std::memory_order_relaxed);
    in_hand.store(true, std::memory_order_relaxed);
  }
  // As begin(), of a connection that the thread has kept since its last lease.
  void begin_again(std::uint64_t number, core::time_point now, const std::source_location& where) noexcept {
    again.store(again.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    db.renew(number);
    begin(number, now, where);
  }
  // The user's time is over; it is kept.
  void rest(core::time_point now) noexcept {
    use.observe_serialised(now - since.load(std::memory_order_relaxed));
    since.store(now, std::memory_order_relaxed);
    in_hand.store(false, std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> tenure{0};
  std::atomic<core::time_point> since;  // in hand: of the lease; kept: since it is
  std::atomic<std::source_location> place;
  std::atomic<bool> in_hand{false};

  // What the pool's books do not have yet: leases that began with begin_again(), and how long those lasted that ended
  // with rest().
  std::atomic<std::uint64_t> again{0};
  stats::histogram use;

  // Of the thread cache; set when the pool lends it.
  std::uint64_t era = 0;               // 0: it is not to be kept, and the next two are unknown
  managed_session* session = nullptr;  // its own; the user may have moved another one in
  core::shard_id shard = 0;

  core::time_point until;  // kept: from then on it goes back to the books
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
