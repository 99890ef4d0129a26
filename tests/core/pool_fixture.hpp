// A pool core, a clock that is set by hand, and words for what a test wants to say about the actions.
#pragma once

#include "pool/core/pool_core.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace core_test {

using namespace std::chrono_literals;
namespace core = lido::core;
using core::action_kind;
using core::slot_state;
using core::waiter_state;

inline core::limits plain_limits(std::uint32_t max_size) {
  core::limits l;
  l.max_size = max_size;
  l.max_lifetime = {};
  l.idle_timeout = {};
  l.validate_after_idle = {};
  l.stall_gap = {};
  return l;
}

class pool {
 public:
  explicit pool(const core::limits& l) : book(l, now) {}
  explicit pool(std::uint32_t max_size) : pool(plain_limits(max_size)) {}

  core::time_point now{1h};
  core::action_list actions;
  core::pool_core book;

  // Forgets the actions so far.
  pool& next() {
    actions.clear();
    return *this;
  }
  pool& later(core::duration d) {
    now += d;
    return next();
  }

  core::acquire_result acquire(core::waiter& w) { return book.acquire(w, now, actions); }
  bool resume(core::waiter& w) { return book.resume(w, now, actions); }
  bool cancel(core::waiter& w) { return book.cancel(w, now, actions); }
  void connected(core::slot_id id) { book.connected(id, now, actions); }
  void connect_given_up(core::slot_id id) { book.connect_given_up(id, now, actions); }
  void connect_failed(core::slot_id id, bool permanent = false) { book.connect_failed(id, permanent, now, actions); }
  void release(const core::lease_id& id, core::condition how = core::condition::clean) {
    book.release(id, how, now, actions);
  }
  void disconnected(core::slot_id id, core::disconnect_scope scope = core::disconnect_scope::connection) {
    book.disconnected(id, scope, now, actions);
  }
  void closed(core::slot_id id, bool orphaned = false) { book.closed(id, orphaned, now, actions); }
  void validated(core::slot_id id, bool ok) { book.validated(id, ok, now, actions); }
  void expire() { book.expire(now, actions); }

  // The slots that the actions of this kind are about, in order.
  [[nodiscard]] std::vector<core::slot_id> slots(action_kind kind) const {
    std::vector<core::slot_id> found;
    for (const core::action& a : actions) {
      if (a.kind == kind) found.push_back(a.slot);
    }
    return found;
  }
  [[nodiscard]] std::vector<const core::waiter*> waiters(action_kind kind) const {
    std::vector<const core::waiter*> found;
    for (const core::action& a : actions) {
      if (a.kind == kind) found.push_back(a.who);
    }
    return found;
  }
  [[nodiscard]] std::uint32_t count(slot_state s) const { return book.slots().count(s); }
  [[nodiscard]] core::stats stats() const { return book.statistics(); }

  // A lease by way of a new connection.
  core::lease_id lease() {
    core::waiter w;
    const core::acquire_result result = acquire(w);
    if (result == core::acquire_result::queued) connected(slots(action_kind::connect).back());
    EXPECT_TRUE(resume(w));
    next();
    return w.lease();
  }
  // That many connections, idle; the last of the list on top.
  std::vector<core::lease_id> idle(std::size_t n) {
    std::vector<core::lease_id> all;
    for (std::size_t i = 0; i < n; ++i) all.push_back(lease());
    for (const core::lease_id& l : all) release(l);
    next();
    return all;
  }
};

using one_slot = std::vector<core::slot_id>;
using these_waiters = std::vector<const core::waiter*>;

}  // namespace core_test
