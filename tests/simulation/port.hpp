// The simulator's way to the core. Switched to a fault it misbehaves on purpose, as a core or a shell with that bug
// would: the proof that the checker can see such a thing. The library itself has no switch.
#pragma once

#include "pool/core/pool_core.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace simulation {

namespace core = lido::core;

enum class fault : std::uint8_t {
  none,
  leak_cancelled_grant,  // a grant that is cancelled is dropped on the floor
  lost_baton,            // the grant that a cancel passes on never reaches the next waiter
  double_grant,          // one connection, two owners
  lost_timeout,          // a waiter's time-out is swallowed
  early_vacate,          // the slot is declared free at our close(), not at the server's EOF
  oversleep,             // the timer is set too late
  lost_connect,          // a connect is ordered and never made
  resume_dead,           // a waiter resumes with a connection that has died
  lost_goal,             // nobody hears that the pool has come to rest, or is warm
  no_inspection,         // the user's check before an acquire is forgotten
  impatient_connect,     // a connect is made at once, whatever the breaker and connect_rate say
  blind_to_class,        // everybody is of normal priority
  open_reserve,          // the reserved slots are for all
  silent_hold,           // a lease that lasts too long is not told of
};
inline constexpr std::array<const char*, 15> fault_names{
    "none",           "leak_cancelled_grant", "lost_baton",  "double_grant", "lost_timeout",  "early_vacate",
    "oversleep",      "lost_connect",         "resume_dead", "lost_goal",    "no_inspection", "impatient_connect",
    "blind_to_class", "open_reserve",         "silent_hold"};

class port {
 public:
  port(const core::limits& l, core::time_point now, fault f) : core_(misread(l, f), now), fault_(f) {}

  static core::limits misread(core::limits l, fault f) {
    if (f == fault::impatient_connect) l.connect_rate = 0;
    if (f == fault::open_reserve) l.reserved_slots = 0;
    return l;
  }

  [[nodiscard]] const core::pool_core& view() const { return core_; }
  [[nodiscard]] core::pool_core& real() { return core_; }

  bool try_acquire(core::shard_id shard, core::time_point now, core::lease_id& out) {
    if (fault_ == fault::double_grant && last_.incarnation != 0) {
      out = last_;
      return true;
    }
    const bool got = core_.try_acquire(shard, now, out);
    if (got) last_ = out;
    return got;
  }

  core::acquire_result acquire(core::waiter& w, core::time_point now, core::action_list& out) {
    if (fault_ == fault::blind_to_class) w.set_priority(core::priority::normal);
    return core_.acquire(w, now, out);
  }

  bool cancel(core::waiter& w, core::time_point now, core::action_list& out) {
    if (fault_ == fault::leak_cancelled_grant && core_.resume(w, now, out)) return true;
    const bool known = core_.cancel(w, now, out);
    if (fault_ == fault::lost_baton) drop(core::action_kind::grant, out);
    return known;
  }

  bool resume(core::waiter& w, core::time_point now, core::action_list& out) {
    const bool has = core_.resume(w, now, out);
    return has || fault_ == fault::resume_dead;
  }

  void expire(core::time_point now, core::action_list& out) {
    core_.expire(now, out);
    if (fault_ == fault::silent_hold) drop(core::action_kind::long_hold, out);
    if (fault_ == fault::lost_timeout) drop(core::action_kind::fail, out);
  }

  [[nodiscard]] core::time_point next_deadline() const {
    const core::time_point t = core_.next_deadline();
    return fault_ == fault::oversleep ? core::add(t, core::duration{1}) : t;
  }

  // After every event, before its actions are performed.
  void meddle(core::time_point now, core::action_list& out) {
    if (fault_ == fault::lost_connect) drop(core::action_kind::connect, out);
    if (fault_ == fault::lost_goal) drop(core::action_kind::goal_ended, out);
    if (fault_ == fault::no_inspection) forget_inspections(out);
    if (fault_ != fault::early_vacate) return;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (out[i].kind == core::action_kind::close) core_.closed(out[i].slot, false, now, out);
    }
  }

 private:
  static void forget_inspections(core::action_list& out) {
    core::action_list changed;
    for (core::action a : out) {
      a.inspect = false;
      changed.add(a);
    }
    out = changed;
  }
  static void drop(core::action_kind kind, core::action_list& out) {
    core::action_list kept;
    for (const core::action& a : out) {
      if (a.kind != kind) kept.add(a);
    }
    out = kept;
  }

  core::pool_core core_;
  fault fault_;
  core::lease_id last_;
};

}  // namespace simulation
