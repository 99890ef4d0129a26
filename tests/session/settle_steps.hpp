// Steps of the fence, and fences that have come some way, for its tests. Time is a number here: `at(n)` is n
// milliseconds after the operation was abandoned.
#pragma once

#include "driver/session/settle.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace lido::session {

inline bool operator==(const settle_step& a, const settle_step& b) {
  return a.start_cancel == b.start_cancel && a.drop_cancel == b.drop_cancel && a.park_cancel == b.park_cancel &&
         a.quiet == b.quiet && a.close == b.close;
}
inline void PrintTo(const settle_step& s, std::ostream* out) {
  *out << (s.start_cancel ? "start " : "") << (s.drop_cancel ? "drop " : "") << (s.park_cancel ? "park " : "")
       << (s.quiet ? "quiet " : "") << "close " << static_cast<int>(s.close);
}

using std::chrono::milliseconds;
using std::chrono::seconds;

inline time_point at(int ms) { return time_point{} + seconds(1000) + milliseconds(ms); }

inline const settle_step nothing;
inline settle_step starts() {
  settle_step s;
  s.start_cancel = true;
  return s;
}
inline settle_step quiet(bool drop = false) {
  settle_step s;
  s.quiet = true;
  s.drop_cancel = drop;
  return s;
}
inline settle_step closes(give_up why) {
  settle_step s;
  s.close = why;
  return s;
}
inline settle_step closes_and_parks(give_up why) {
  settle_step s = closes(why);
  s.park_cancel = true;
  return s;
}
inline settle_step closes_and_drops(give_up why) {
  settle_step s = closes(why);
  s.drop_cancel = true;
  return s;
}
inline settle_step drops() {
  settle_step s;
  s.drop_cancel = true;
  return s;
}

inline settle_budgets budgets(cancel_after after = cancel_after::recover) {
  settle_budgets b;
  b.cancel_timeout = milliseconds(1000);
  b.retry_after = milliseconds(100);
  b.drain_timeout = milliseconds(500);
  b.drain_max_bytes = 1000;
  b.after = after;
  return b;
}

// An abandoned query whose bytes are all out: the first attempt is connecting.
inline settle connecting(cancel_after after = cancel_after::recover) {
  settle s;
  EXPECT_EQ(s.begin(budgets(after), cancel_permission::allowed, 1, true, at(0)), starts());
  EXPECT_EQ(s.cancel(), cancel_state::connecting);
  return s;
}
inline settle written(cancel_after after = cancel_after::recover) {
  settle s = connecting(after);
  EXPECT_TRUE(s.may_write());
  EXPECT_EQ(s.cancel(), cancel_state::written);
  return s;
}
inline settle after_eof() {
  settle s = written();
  EXPECT_EQ(s.cancel_eof(at(10)), nothing);
  EXPECT_EQ(s.cancel(), cancel_state::eof);
  return s;
}
inline settle second_attempt() {
  settle s = after_eof();
  EXPECT_EQ(s.tick(at(110)), starts());
  EXPECT_EQ(s.attempt(), 2U);
  return s;
}

inline void expect_over(settle& s) {
  EXPECT_FALSE(s.active());
  EXPECT_EQ(s.next_deadline(), time_point::max());
  EXPECT_FALSE(s.may_write());
  for (const settle_step& late : {s.flushed(at(1)), s.ready(at(1)), s.received(1U << 30, at(1)), s.cancel_eof(at(1)),
                                  s.cancel_failed(cancel_phase::eof, at(1)), s.cancel_missed(true, at(1)),
                                  s.lost(at(1)), s.tick(at(1000000)), s.hurry(budgets(), at(1))}) {
    EXPECT_EQ(late, nothing);
  }
}

}  // namespace lido::session
