// The vocabulary of the pool's bookkeeping: time, identities, states, and the reasons why something ended.
// pool/core knows no clock, socket, thread or protocol: all of it comes in as arguments and goes out as actions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lido::inline v0::core {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

inline constexpr time_point never = time_point::max();

// One io_context of those that share a pool. A preference, never a queue of its own.
using shard_id = std::uint16_t;
inline constexpr shard_id any_shard = 0xffff;

// One host of the pool's list. Of a pool with one host: 0.
using endpoint_id = std::uint16_t;
inline constexpr endpoint_id no_endpoint = 0xffff;

// A connection: the slot that it occupies, and which of the connections that the slot had. Events that carry an older
// incarnation are late news about somebody who has gone: ignored and counted.
struct slot_id {
  std::uint32_t index = 0xffff'ffff;
  std::uint32_t incarnation = 0;
  friend bool operator==(const slot_id&, const slot_id&) = default;
};

// One tenure of a connection. A connection outlives its leases, so a lease that was revoked must not be able to give
// back the connection of whoever has it now: release() and revoked() take a lease_id, the connection's own events a
// slot_id (to which a lease_id converts).
struct lease_id : slot_id {
  std::uint32_t tenure = 0;
  friend bool operator==(const lease_id&, const lease_id&) = default;
};

// `leased` includes a connection that is granted to a waiter which has not resumed yet.
enum class slot_state : std::uint8_t { absent, connecting, validating, idle, leased, recovering, closing };
inline constexpr std::size_t slot_state_count = 7;

enum class pool_state : std::uint8_t {
  open,
  paused,     // acquires wait, leases end
  lingering,  // closing: no new work, leases may end by themselves
  forced,     // closing: leases were taken away
  closed,     // every slot absent
};

enum class breaker_state : std::uint8_t { closed, half_open, open };

enum class acquire_result : std::uint8_t {
  granted,
  queued,
  timeout,
  pool_closed,
  too_many_waiters,
  breaker_open,
  overloaded,
};

// connect_refused: a permanent error of a connect. breaker_open: connects keep failing, and nothing else could serve.
enum class fail_reason : std::uint8_t { timeout, pool_closed, connect_refused, breaker_open, nested_acquire };

// Why somebody got no connection though his deadline had not come.
enum class refusal : std::uint8_t { max_waiters, admission, pool_closed, connect, breaker, nested };
inline constexpr std::size_t refusal_count = 6;

// What a waiter is worth. Each is a class of waiters of its own, first come, first served within it; `high` alone may
// have the reserved slots.
enum class priority : std::uint8_t { high, normal, low };

// The queue knows classes by a small number only: the lower, the sooner served.
using waiter_class = std::uint8_t;
inline constexpr std::size_t waiter_class_count = 3;
[[nodiscard]] constexpr waiter_class class_of(priority p) noexcept { return static_cast<waiter_class>(p); }

// A task as its owner names it; nobody in particular is 0. A task is sequential: while it waits it does nothing else.
using task_id = std::uint64_t;

// How a lease comes back.
enum class condition : std::uint8_t {
  clean,           // quiet, status 'I', nothing left behind: the next user may have it
  needs_recovery,  // rollback, reset or drain first
  broken,          // not worth a recovery
};

// Whether a disconnect is one connection's own affair, or says something of the whole endpoint (server shut down,
// host unreachable): then all older connections are suspect.
enum class disconnect_scope : std::uint8_t { connection, endpoint };

enum class close_reason : std::uint8_t {
  disconnected,
  broken,
  ping_failed,
  recovery_failed,
  recovery_timeout,
  discarded,  // by policy: no key, cancel.after = discard, unknown cancel
  idle_timeout,
  max_lifetime,
  stale_generation,
  shrunk,
  pool_closed,
  max_uses,
  max_bytes,
  vetoed,  // by the user's check before an acquire
};
inline constexpr std::size_t close_reason_count = 14;

}  // namespace lido::inline v0::core
