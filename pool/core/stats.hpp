// What the bookkeeping counts. A copy is consistent: it is taken under the pool's mutex.
#pragma once

#include "pool/core/types.hpp"

#include <array>
#include <cstdint>

namespace lido::inline v0::core {

struct stats {
  // since the beginning
  std::uint64_t acquires = 0;                          // leases that began, immediate ones included
  std::uint64_t waits = 0;                             // acquires that had to queue
  std::uint64_t timeouts = 0;                          // acquires that ended by their deadline
  std::uint64_t cancelled_acquires = 0;                // queued, or granted and not resumed
  std::array<std::uint64_t, refusal_count> refused{};  // by refusal
  std::uint64_t nested_waits = 0;                      // a named task waited while it held a connection
  std::uint64_t long_holds = 0;                        // leases that lasted longer than leak_threshold
  std::uint64_t reclaimed = 0;                         // leases taken away after leak_reclaim
  std::uint64_t voided_grants = 0;  // the connection died between grant and resumption: the waiter went back
  std::uint64_t connects = 0;       // started
  std::uint64_t created = 0;        // succeeded
  std::uint64_t connect_failures = 0;
  std::uint64_t connects_throttled = 0;  // held back by connect_rate
  std::uint64_t breaker_opened = 0;      // from closed to open
  std::uint64_t pings = 0;
  std::uint64_t ping_failures = 0;
  std::uint64_t vetoes = 0;
  std::uint64_t keepalives = 0;  // of pings
  std::uint64_t recoveries = 0;
  std::uint64_t recovered = 0;     // of them, usable again
  std::uint64_t orphaned = 0;      // the close deadline passed without the server's EOF: I9
  std::uint64_t stale_events = 0;  // about a connection or a lease that had gone, or too late to matter
  std::uint64_t stalls = 0;        // I28: times when the process was found not to have run
  std::array<std::uint64_t, close_reason_count> closed{};  // by close_reason, counted when the close begins

  // now
  std::uint32_t generation = 0;
  std::array<std::uint32_t, slot_state_count> slots{};  // by slot_state; absent: those free under the table's size
  std::uint64_t waiting = 0;
  std::array<std::uint64_t, waiter_class_count> waiting_in{};  // of them, by class
  std::uint32_t max_size = 0;
  breaker_state breaker = breaker_state::closed;
  pool_state state = pool_state::open;
};

}  // namespace lido::inline v0::core
