// The control session's bookkeeping, event by event. Time is a number: `at(n)` is n milliseconds after the start.
#include "pool/recovery/control_channel.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lido::recovery {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using state = control_channel::state;
using outcome = control_channel::outcome;
using admission = control_channel::admission;
using row_kind = control_channel::row_kind;

control_channel::time_point at(int ms) { return control_channel::time_point{} + seconds(1000) + milliseconds(ms); }

constexpr std::int64_t server = 7;

backend tcp(std::int32_t pid, std::int32_t port) { return {pid, {"192.0.2.1", port}, 0, std::nullopt}; }

class channel_test : public ::testing::Test {
 protected:
  static control_channel::limits limits() {
    control_channel::limits l;
    l.batch = 3;
    l.patience = milliseconds(100);
    l.open_patience = milliseconds(50);
    l.answer_timeout = milliseconds(500);
    l.idle_timeout = seconds(60);
    l.retry_min = milliseconds(200);
    l.retry_max = seconds(2);
    l.untrusted_retry = seconds(600);
    return l;
  }

  control_channel c{limits()};

  // The session's first statement, answered: self, and whoever is enrolled, all found.
  void become_trusted(int ms) {
    c.opened(tcp(900, 9000), at(ms));
    EXPECT_TRUE(c.take_work().write);
    EXPECT_TRUE(c.take(at(ms)).empty()) << "no cancel before the session is known to be what it should be";
    c.replied(all_found(c.write({}, at(ms))), at(ms));
    EXPECT_EQ(c.now_in(), state::ready);
  }
  // What a server says that knows everybody.
  static control_channel::reply all_found(const std::vector<control_channel::row>& rows) {
    control_channel::reply r{900, server, {}};
    for (const auto& row : rows) r.rows.push_back({1000 + row.target.pid, row.kind == row_kind::cancel});
    return r;
  }
  // take() and write(), everybody still wanting it.
  std::vector<control_channel::row> write_all(int ms) {
    const auto taken = c.take(at(ms));
    return c.write(taken, at(ms));
  }
  std::vector<control_channel::answer> answers() { return c.take_work().answers; }

  // A trusted session with a cancel written for member 1, pid 11.
  control_channel::ticket written() {
    c.enrol(1, tcp(11, 5001), at(0));
    const auto t = c.submit(1, at(0));
    EXPECT_TRUE(c.take_work().open);
    become_trusted(5);
    (void)c.take_work();
    const auto rows = write_all(6);
    EXPECT_EQ(rows.size(), 1U);
    EXPECT_EQ(c.now_in(), state::busy);
    return t;
  }
};

TEST_F(channel_test, the_session_is_opened_when_it_is_first_needed) {
  c.enrol(1, tcp(11, 5001), at(0));
  EXPECT_TRUE(c.take_work().empty());
  EXPECT_NE(c.submit(1, at(1)), 0U);
  EXPECT_TRUE(c.take_work().open);
  EXPECT_EQ(c.now_in(), state::opening);
}

TEST_F(channel_test, the_first_statement_asks_who_answers_and_reads_every_backends_start) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(1));
  c.opened(tcp(900, 9000), at(2));
  (void)c.take(at(2));
  const auto rows = c.write({}, at(2));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].kind, row_kind::self);
  EXPECT_EQ(rows[1].kind, row_kind::look);
  EXPECT_FALSE(rows[1].target.started);
}

TEST_F(channel_test, a_cancel_names_what_was_read_when_the_connection_was_known_to_live) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(0));
  become_trusted(5);
  const auto rows = write_all(6);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].kind, row_kind::cancel);
  EXPECT_EQ(rows[0].target.started, 1011);
  EXPECT_EQ(rows[0].target.end.port, 5001);
}

TEST_F(channel_test, I3_a_signal_sent_is_the_answer) {
  const auto t = written();
  c.replied({900, server, {{1011, true}}}, at(7));
  const auto got = answers();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got[0].which, t);
  EXPECT_EQ(got[0].what, outcome::signalled);
}

TEST_F(channel_test, no_such_backend_is_a_miss) {
  (void)written();
  c.replied({900, server, {{std::nullopt, false}}}, at(7));
  ASSERT_EQ(answers().at(0).what, outcome::missed);
  EXPECT_EQ(c.now_in(), state::ready);
}

TEST_F(channel_test, I4_a_statement_that_is_not_answered_in_time_is_unknown) {
  (void)written();
  EXPECT_EQ(c.next_deadline(), at(506));
  c.tick(at(506));
  const auto w = c.take_work();
  EXPECT_TRUE(w.close);
  ASSERT_EQ(w.answers.size(), 1U);
  EXPECT_EQ(w.answers[0].what, outcome::unknown);
  EXPECT_EQ(c.now_in(), state::refused);
}

TEST_F(channel_test, I4_a_session_lost_with_a_statement_under_way_is_unknown) {
  (void)written();
  c.lost(at(7));
  EXPECT_EQ(answers().at(0).what, outcome::unknown);
}

TEST_F(channel_test, I4_an_answer_that_does_not_fit_the_statement_is_none) {
  (void)written();
  c.replied({900, server, {}}, at(7));
  EXPECT_EQ(answers().at(0).what, outcome::unknown);
}

TEST_F(channel_test, an_error_ends_the_statement_so_another_way_is_safe) {
  (void)written();
  c.server_refused(true, at(7));
  const auto w = c.take_work();
  EXPECT_EQ(w.answers.at(0).what, outcome::missed);
  EXPECT_TRUE(w.close);
  EXPECT_FALSE(c.available(1, at(1900)));
  EXPECT_TRUE(c.available(1, at(2100)));
}

TEST_F(channel_test, what_was_granted_but_never_sent_is_missed) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(0));
  become_trusted(5);
  const auto taken = c.take(at(6));
  ASSERT_EQ(taken.size(), 1U);
  c.lost(at(6));
  EXPECT_TRUE(answers().empty()) << "its owner is being asked: it is told once the answer is known";
  EXPECT_TRUE(c.write(taken, at(6)).empty());
  EXPECT_EQ(answers().at(0).what, outcome::missed);
}

TEST_F(channel_test, I19_a_queued_cancel_is_withdrawn_for_free) {
  c.enrol(1, tcp(11, 5001), at(0));
  const auto t = c.submit(1, at(0));
  EXPECT_TRUE(c.withdraw(t));
  become_trusted(5);
  EXPECT_TRUE(write_all(6).empty());
  EXPECT_EQ(c.statements(), 0U);
}

TEST_F(channel_test, I19_who_no_longer_wants_it_at_the_last_moment_is_not_in_the_statement) {
  c.enrol(1, tcp(11, 5001), at(0));
  c.enrol(2, tcp(12, 5002), at(0));
  (void)c.submit(1, at(0));
  const auto second = c.submit(2, at(0));
  become_trusted(5);
  EXPECT_EQ(c.take(at(6)).size(), 2U);
  const auto rows = c.write({second}, at(6));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].who, second);
}

TEST_F(channel_test, a_written_cancel_cannot_be_withdrawn) {
  const auto t = written();
  EXPECT_FALSE(c.withdraw(t));
}

TEST_F(channel_test, I8_a_statement_names_no_more_than_the_batch) {
  for (unsigned i = 1; i <= 8; ++i) c.enrol(i, tcp(static_cast<int>(10 + i), static_cast<int>(5000 + i)), at(0));
  for (unsigned i = 1; i <= 8; ++i) (void)c.submit(i, at(0));
  become_trusted(5);
  std::size_t cancelled = 0;
  for (int i = 0; i < 20 && cancelled < 8; ++i) {
    const auto rows = write_all(6);
    EXPECT_LE(rows.size(), 3U);
    for (const auto& row : rows) cancelled += row.kind == row_kind::cancel ? 1U : 0U;
    c.replied(all_found(rows), at(7));
  }
  EXPECT_EQ(cancelled, 8U);
}

TEST_F(channel_test, I5_what_waits_too_long_for_its_turn_goes_another_way) {
  (void)written();
  c.enrol(2, tcp(12, 5002), at(10));
  const auto t = c.submit(2, at(10));
  EXPECT_EQ(c.next_deadline(), at(110));
  c.tick(at(109));
  EXPECT_TRUE(answers().empty());
  c.tick(at(110));
  const auto told = answers();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].which, t);
  EXPECT_EQ(told[0].what, outcome::missed);
}

TEST_F(channel_test, who_comes_while_a_statement_is_stuck_need_not_wait) {
  (void)written();
  c.enrol(2, tcp(12, 5002), at(10));
  EXPECT_TRUE(c.available(2, at(50)));
  EXPECT_FALSE(c.available(2, at(200)));
  EXPECT_EQ(c.submit(2, at(200)), 0U);
}

TEST_F(channel_test, I3_a_new_connection_with_a_pid_that_is_in_an_unanswered_statement_waits_for_the_answer) {
  (void)written();
  EXPECT_EQ(c.admits(12, 71), admission::use);
  EXPECT_EQ(c.admits(11, 72), admission::wait);
  c.replied({900, server, {{1011, true}}}, at(7));
  const auto w = c.take_work();
  ASSERT_EQ(w.admitted.size(), 1U);
  EXPECT_EQ(w.admitted[0], std::pair(std::uint64_t{72}, true));
  EXPECT_EQ(c.admits(11, 73), admission::use);
}

TEST_F(channel_test, I3_it_is_closed_unused_when_the_answer_never_comes_and_so_is_the_next_one) {
  (void)written();
  EXPECT_EQ(c.admits(11, 72), admission::wait);
  c.lost(at(7));
  EXPECT_EQ(c.take_work().admitted.at(0), std::pair(std::uint64_t{72}, false));
  EXPECT_EQ(c.admits(11, 73), admission::close);
}

TEST_F(channel_test, I3_a_pid_is_free_again_once_the_lost_sessions_backend_is_known_to_be_gone) {
  (void)written();
  c.lost(at(7));
  (void)c.take_work();
  c.enrol(2, tcp(12, 5002), at(1000));
  (void)c.submit(2, at(1000));
  EXPECT_TRUE(c.take_work().open);
  c.opened(tcp(900, 9001), at(1001));
  (void)c.take(at(1001));
  auto rows = c.write({}, at(1001));
  ASSERT_EQ(rows.at(1).kind, row_kind::ghost);
  EXPECT_EQ(rows[1].target.pid, 900);
  EXPECT_EQ(rows[1].target.started, 1900);
  c.replied(all_found(rows), at(1002));
  EXPECT_EQ(c.admits(11, 74), admission::close) << "the old backend still runs";
  c.tick(at(2100));
  EXPECT_TRUE(c.take_work().write) << "asked again after a while";
  rows = write_all(2100);
  auto reply = all_found(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind == row_kind::ghost) reply.rows[i].started.reset();
  }
  c.replied(reply, at(2101));
  EXPECT_EQ(c.admits(11, 75), admission::use);
}

TEST_F(channel_test, I3_another_server_at_the_same_address_cannot_say_that_a_lost_session_is_gone) {
  (void)written();
  c.lost(at(7));
  (void)c.submit(1, at(1000));
  c.opened(tcp(900, 9001), at(1001));
  (void)c.take(at(1001));
  auto reply = all_found(c.write({}, at(1001)));
  reply.server = server + 1;
  reply.rows.at(1).started.reset();
  c.replied(reply, at(1002));
  EXPECT_EQ(c.admits(11, 74), admission::close);
}

TEST_F(channel_test, behind_a_pooler_it_is_not_trusted_and_not_tried_again_soon) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(0));
  c.opened(tcp(900, 9000), at(1));
  (void)c.take(at(1));
  auto reply = all_found(c.write({}, at(1)));
  reply.self = 4711;
  c.replied(reply, at(2));
  const auto w = c.take_work();
  EXPECT_TRUE(w.close);
  EXPECT_EQ(w.answers.at(0).what, outcome::missed);
  EXPECT_EQ(c.now_in(), state::untrusted);
  EXPECT_FALSE(c.available(1, at(500'000)));
  EXPECT_TRUE(c.available(1, at(700'000)));
}

TEST_F(channel_test, a_session_that_is_not_seen_with_our_own_address_is_not_trusted) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(0));
  c.opened(tcp(900, 9000), at(1));
  (void)c.take(at(1));
  auto reply = all_found(c.write({}, at(1)));
  reply.rows.at(0).started.reset();
  c.replied(reply, at(2));
  EXPECT_EQ(c.now_in(), state::untrusted);
}

TEST_F(channel_test, a_connection_that_the_server_shows_otherwise_goes_another_way_alone) {
  c.enrol(1, tcp(11, 5001), at(0));
  c.enrol(2, tcp(12, 5002), at(0));
  (void)c.submit(1, at(0));
  (void)c.submit(2, at(0));
  c.opened(tcp(900, 9000), at(1));
  (void)c.take(at(1));
  auto reply = all_found(c.write({}, at(1)));
  reply.rows.at(1).started.reset();
  c.replied(reply, at(2));
  EXPECT_EQ(c.now_in(), state::ready);
  EXPECT_EQ(answers().at(0).what, outcome::missed);
  EXPECT_FALSE(c.available(1, at(3)));
  EXPECT_TRUE(c.available(2, at(3)));
  EXPECT_EQ(write_all(3).size(), 1U);
}

TEST_F(channel_test, I3_on_a_unix_socket_a_backend_that_began_after_our_connection_was_ready_is_not_ours) {
  const auto unix_backend = [](std::int32_t pid, std::int64_t known_at) {
    return backend{pid, {{}, -1}, known_at, std::nullopt};
  };
  c.enrol(1, unix_backend(11, 1'000), at(0));
  c.enrol(2, unix_backend(12, 2'000), at(0));
  (void)c.submit(1, at(0));
  c.opened(unix_backend(900, 5'000), at(1));
  (void)c.take(at(1));
  (void)c.write({}, at(1));
  c.replied({900, server, {{4'000, false}, {1'500, false}, {1'500, false}}}, at(2));
  EXPECT_FALSE(c.available(1, at(3)));
  EXPECT_TRUE(c.available(2, at(3)));
}

TEST_F(channel_test, a_refused_connect_is_retried_with_back_off) {
  c.enrol(1, tcp(11, 5001), at(0));
  int now = 0;
  for (const int wait : {200, 400, 800, 1600, 2000, 2000}) {
    EXPECT_NE(c.submit(1, at(now)), 0U);
    EXPECT_TRUE(c.take_work().open);
    c.open_failed(at(now));
    EXPECT_EQ(answers().at(0).what, outcome::missed);
    EXPECT_EQ(c.submit(1, at(now + wait - 1)), 0U);
    now += wait;
  }
}

TEST_F(channel_test, an_idle_session_is_closed_and_opened_again_when_needed) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(0));
  become_trusted(5);
  c.replied(all_found(write_all(6)), at(7));
  (void)c.take_work();
  EXPECT_EQ(c.next_deadline(), at(60'007));
  c.tick(at(60'007));
  EXPECT_TRUE(c.take_work().close);
  EXPECT_EQ(c.now_in(), state::absent);
  EXPECT_NE(c.submit(1, at(60'008)), 0U);
  EXPECT_TRUE(c.take_work().open);
}

TEST_F(channel_test, I8_with_too_many_lost_statements_nothing_more_is_cancelled_this_way) {
  c.enrol(1, tcp(11, 5001), at(0));
  int now = 0;
  for (std::size_t i = 0; i < control_channel::most_ghosts; ++i) {
    ASSERT_NE(c.submit(1, at(now)), 0U);
    become_trusted(now + 1);
    (void)c.take_work();
    ASSERT_FALSE(write_all(now + 2).empty());
    c.lost(at(now + 3));
    (void)c.take_work();
    now += 5000;
  }
  EXPECT_FALSE(c.available(1, at(now)));
}

TEST_F(channel_test, I21_a_closing_pool_gives_everything_up) {
  (void)written();
  c.enrol(2, tcp(12, 5002), at(10));
  (void)c.submit(2, at(10));
  c.give_up_all(at(11));
  const auto w = c.take_work();
  EXPECT_TRUE(w.close);
  EXPECT_EQ(w.answers.size(), 2U);
  EXPECT_EQ(c.submit(2, at(12)), 0U);
}

// A pooler that is full lets a new client wait.
TEST_F(channel_test, who_wants_a_cancel_waits_for_the_opening_for_a_short_time_only) {
  c.enrol(1, tcp(11, 5001), at(0));
  c.enrol(2, tcp(12, 5002), at(0));
  const auto t = c.submit(1, at(0));
  EXPECT_TRUE(c.take_work().open);
  EXPECT_EQ(c.next_deadline(), at(50));
  c.tick(at(49));
  EXPECT_TRUE(answers().empty());
  EXPECT_TRUE(c.available(2, at(49)));
  c.tick(at(50));
  const auto told = answers();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].which, t);
  EXPECT_EQ(told[0].what, outcome::missed);
  EXPECT_FALSE(c.available(2, at(50))) << "nobody else waits behind an opening that does not come";
  EXPECT_EQ(c.submit(2, at(60)), 0U);
  become_trusted(400);
  EXPECT_TRUE(c.available(2, at(401)));
}

TEST_F(channel_test, a_first_statement_that_is_not_answered_is_part_of_the_opening) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(0));
  (void)c.take_work();
  c.opened(tcp(900, 9000), at(10));
  (void)c.take(at(10));
  (void)c.write({}, at(10));
  EXPECT_TRUE(c.available(1, at(49)));
  EXPECT_FALSE(c.available(1, at(50)));
  c.tick(at(50));
  EXPECT_EQ(answers().size(), 1U);
  c.tick(at(509));
  EXPECT_EQ(c.now_in(), state::busy);
  c.tick(at(510));
  EXPECT_EQ(c.now_in(), state::refused) << "500 ms after it was written";
}

TEST_F(channel_test, a_retired_session_is_closed_when_the_last_connection_has_left) {
  c.enrol(1, tcp(11, 5001), at(0));
  c.enrol(2, tcp(12, 5002), at(0));
  (void)c.submit(1, at(0));
  (void)c.take_work();
  become_trusted(5);
  (void)write_all(6);
  c.retire();
  c.leave(2);
  c.tick(at(7));
  EXPECT_FALSE(c.take_work().close);
  c.leave(1);
  EXPECT_FALSE(c.is_useless()) << "a statement is under way";
  c.replied({900, server, {{1011, true}}}, at(8));
  EXPECT_EQ(answers().size(), 1U);
  EXPECT_TRUE(c.is_useless());
  c.tick(at(9));
  EXPECT_TRUE(c.take_work().close);
  EXPECT_EQ(c.now_in(), state::absent);
}

TEST_F(channel_test, a_session_that_is_not_retired_stays_without_connections) {
  c.enrol(1, tcp(11, 5001), at(0));
  (void)c.submit(1, at(0));
  (void)c.take_work();
  become_trusted(5);
  (void)c.take_work();
  c.leave(1);
  EXPECT_FALSE(c.is_useless());
  c.tick(at(60));
  EXPECT_FALSE(c.take_work().close);
}

TEST_F(channel_test, a_retired_session_stays_while_it_must_watch_a_ghost) {
  (void)written();
  c.lost(at(10));
  (void)c.take_work();
  (void)c.submit(1, at(300));
  EXPECT_TRUE(c.take_work().open);
  become_trusted(310);
  (void)c.take_work();
  c.retire();
  c.leave(1);
  c.tick(at(320));
  EXPECT_FALSE(c.is_useless());
}

TEST_F(channel_test, other_limits_hold_from_the_next_statement_on) {
  for (int i = 1; i <= 4; ++i) c.enrol(static_cast<control_channel::member>(i), tcp(10 + i, 5000 + i), at(0));
  for (int i = 1; i <= 4; ++i) (void)c.submit(static_cast<control_channel::member>(i), at(0));
  (void)c.take_work();
  auto wider = limits();
  wider.batch = 4;
  c.adjust(wider);
  become_trusted(5);
  (void)c.take_work();
  EXPECT_EQ(c.take(at(6)).size(), 4U);
}

}  // namespace
}  // namespace lido::recovery
