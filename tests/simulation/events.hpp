// What can happen to the pool's bookkeeping, and how the simulator sees a slot: names for traces and for the table of
// transitions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace simulation {

enum class event : std::uint8_t {
  acquire,
  try_acquire,
  resume,
  cancel,
  release_clean,
  release_dirty,
  release_broken,
  revoked,
  connected,
  connect_failed,
  connect_refused,
  connect_given_up,
  ping_ok,
  ping_failed,
  vetoed,
  recovered,
  unrecoverable,
  disconnected,
  endpoint_lost,
  closed,
  orphaned,
  expire,
  time_lost,
  new_generation,
  endpoint_changed,
  reconfigure,
  pause,
  unpause,
  await,
  begin_close,
  force_close,
  stale,
};
inline constexpr std::size_t event_count = 32;

inline constexpr std::array<const char*, event_count> event_names{
    "acquire",          "try_acquire", "resume",    "cancel",         "release_clean",   "release_dirty",
    "release_broken",   "revoked",     "connected", "connect_failed", "connect_refused", "connect_given_up",
    "ping_ok",          "ping_failed", "vetoed",    "recovered",      "unrecoverable",   "disconnected",
    "endpoint_lost",    "closed",      "orphaned",  "expire",         "time_lost",       "new_generation",
    "endpoint_changed", "reconfigure", "pause",     "unpause",        "await",           "begin_close",
    "force_close",      "stale"};

// The core's states, with `leased` and `closing` told apart by what matters to the transitions.
enum class view : std::uint8_t {
  absent,
  connecting,
  validating,
  idle,
  granted,  // leased to a waiter that has not resumed
  leased,
  dead,  // leased, and the connection gone
  recovering,
  closing,
  aborting,  // closing, and the connect under way
};
inline constexpr std::size_t view_count = 10;

inline constexpr std::array<const char*, view_count> view_names{
    "absent", "connecting", "validating", "idle", "granted", "leased", "dead", "recovering", "closing", "aborting"};

}  // namespace simulation
