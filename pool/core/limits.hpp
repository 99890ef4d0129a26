// What a user may set about the pool's bookkeeping. Zero switches a duration off, unless said otherwise.
#pragma once

#include "pool/core/types.hpp"

#include <chrono>
#include <cstdint>

namespace lido::inline v0::core {

struct limits {
  std::uint32_t max_size = 10;            // I9: never more than these, those that are being closed included; at least 1
  std::uint32_t min_size = 0;             // kept connected; clamped to max_size
  std::uint32_t min_idle = 0;             // kept connected beside those in use; clamped to max_size
  std::uint32_t max_waiters = 10'000;     // bound of the queue; the next one gets too_many_waiters at once
  std::uint32_t connect_concurrency = 8;  // connects under way at one time; one only while connects are failing
  double connect_rate = 0;                // connects a second while they fail, and in slow start; 0: back-off alone
  std::uint32_t breaker_threshold = 0;    // failed rounds in a row that open the breaker; 0: it never opens
  std::uint16_t shards = 1;               // io_contexts
  std::uint32_t reserved_slots = 0;       // of max_size, for priority::high alone; clamped to max_size - 1
  bool refuse_hopeless = false;           // who would be served too late is refused when he comes

  // A lease that lasts longer is told of; one that lasts longer than leak_reclaim is taken away.
  duration leak_threshold{};
  duration leak_reclaim{};

  duration max_lifetime = std::chrono::hours{1};
  double max_lifetime_jitter = 0.1;  // a connection lives between (1 - jitter) x max_lifetime and max_lifetime
  duration idle_timeout = std::chrono::minutes{10};
  // At most a quarter of those idle for too long, and at least one, each so often. Zero: all at once.
  duration prune_interval{};
  std::uint32_t max_uses = 0;            // leases of one connection; 0: any number
  std::uint64_t max_bytes_received = 0;  // of one connection; 0: any number

  // Heard nothing of an idle connection for so long: a round trip in the background. It does not make the connection
  // used: idle_timeout and validate_after_idle count on.
  duration keepalive_interval{};
  bool inspect = false;  // the user's check goes before every grant

  // Idle for longer than this: a round trip before it is handed out. Zero: never for age alone (the driver's pending
  // read sees a FIN anyway; a silently dead peer it cannot see). Negative: always.
  duration validate_after_idle = std::chrono::seconds{30};

  // I28: a call that comes this much later than next_deadline() means that the process did not run (stopped, paused,
  // starved): what is idle then is validated before use, whatever its age. A suspend, during which the monotonic clock
  // stands still, has to be told: pool_core::time_was_lost().
  duration stall_gap = std::chrono::seconds{5};

  duration connect_backoff_min = std::chrono::milliseconds{100};
  duration connect_backoff_max = std::chrono::seconds{10};

  std::uint64_t seed = 0;  // of the jitter
};

}  // namespace lido::inline v0::core
