// Streams and COPY, step by step: what a user asks, what the server says, what is written, when the step ends.
#include "driver/session/exchange.hpp"

#include "driver/wire/byte_order.hpp"
#include "tests/session/protocol_script.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace lido::test {
namespace {

using detail::exchange_ask;
using detail::exchange_kind;
using session::exchange;
using session::exchange_move;
using message = exchange_move::message;

constexpr wire::copy_format text_columns{false, 2};

exchange rows_of(std::uint32_t most = 2) {
  exchange x(exchange_kind::rows, 7, most);
  x.described(two_columns());
  return x;
}
exchange open_copy(exchange_kind kind) {
  exchange x(kind, 7, 0);
  EXPECT_TRUE(x.copy_opened(kind == exchange_kind::copy_in, text_columns).complete);
  EXPECT_EQ(x.take()->columns->size(), 2U);
  return x;
}
diagnostics said(const char* sqlstate) {
  diagnostics d;
  d.sqlstate = sqlstate;
  return d;
}

TEST(exchange, a_stream_gives_its_first_batch_when_the_portal_is_suspended) {
  exchange x = rows_of();
  x.row("one");
  EXPECT_FALSE(x.arrived().complete);
  x.row("two");
  EXPECT_TRUE(x.suspended().complete);
  const auto batch = x.take();
  EXPECT_EQ(batch->row_count(), 2U);
  EXPECT_EQ(batch->row(1), "two");
  EXPECT_FALSE(batch->last);
}

TEST(exchange, the_server_is_asked_for_more_rows_only_when_the_user_asks) {
  exchange x = rows_of();
  x.row("one");
  x.suspended();
  x.take();
  EXPECT_EQ(x.ask(exchange_ask::next).send, message::execute);
  x.row("two");
  const auto end = x.command_over("SELECT 2");
  EXPECT_EQ(end.send, message::sync);
  EXPECT_FALSE(end.complete) << "the session is not free yet";
  EXPECT_TRUE(x.ready(false).complete);
  const auto last = x.take();
  EXPECT_TRUE(last->last);
  EXPECT_EQ(last->tag, "SELECT 2");
  EXPECT_EQ(last->row_count(), 1U);
}

TEST(exchange, behind_the_end_of_a_stream_there_is_only_its_end) {
  exchange x = rows_of();
  x.command_over("SELECT 0");
  x.ready(false);
  x.take();
  EXPECT_TRUE(x.ask(exchange_ask::next).complete);
  EXPECT_TRUE(x.take()->last);
}

TEST(exchange, large_rows_are_given_before_the_batch_is_whole) {
  exchange x = rows_of(1000);
  x.row(std::string(session::chunk_bytes, 'x'));
  EXPECT_TRUE(x.arrived().complete);
  EXPECT_EQ(x.take()->row_count(), 1U);
}

TEST(exchange, no_more_than_a_chunk_is_kept_of_what_nobody_reads) {
  exchange x = rows_of(1000);
  x.row(std::string(session::chunk_bytes, 'x'));
  x.arrived();
  x.take();
  x.row(std::string(session::chunk_bytes - 1, 'x'));
  EXPECT_FALSE(x.full());
  x.row("y");
  EXPECT_TRUE(x.full()) << "reading stops here";
  EXPECT_TRUE(x.ask(exchange_ask::next).complete);
  x.take();
  EXPECT_FALSE(x.full());
}

TEST(exchange, a_portal_that_has_given_all_it_was_asked_for_is_asked_again_for_who_waits) {
  exchange x = rows_of(1);
  x.row(std::string(session::chunk_bytes, 'x'));
  x.arrived();
  x.take();
  EXPECT_FALSE(x.ask(exchange_ask::next).complete);
  EXPECT_EQ(x.suspended().send, message::execute);
}

TEST(exchange, an_error_in_a_stream_is_told_behind_sync) {
  exchange x = rows_of();
  x.row("one");
  EXPECT_EQ(x.failed(make_sqlstate("22012"), said("22012")).send, message::sync);
  EXPECT_TRUE(x.ready(false).complete);
  EXPECT_EQ(x.error(), make_sqlstate("22012"));
}

TEST(exchange, leaving_a_suspended_portal_needs_sync_and_no_cancel) {
  exchange x = rows_of();
  x.row("one");
  x.suspended();
  EXPECT_EQ(x.leave().send, message::sync);
  EXPECT_TRUE(x.ends_by_itself());
  EXPECT_FALSE(x.ready(false).complete);
}

TEST(exchange, leaving_a_portal_that_runs_needs_more_than_sync) {
  exchange x = rows_of();
  EXPECT_EQ(x.leave().send, message::sync);
  EXPECT_FALSE(x.ends_by_itself());
  x.row("late");
  EXPECT_FALSE(x.arrived().complete);
  EXPECT_FALSE(x.suspended().complete);
  EXPECT_EQ(x.leave().send, message::none) << "once";
}

TEST(exchange, a_copy_in_writes_flushes_and_finishes) {
  exchange x = open_copy(exchange_kind::copy_in);
  EXPECT_TRUE(x.takes_bytes());
  EXPECT_FALSE(x.ask(exchange_ask::write).complete);
  EXPECT_TRUE(x.flushed().complete);
  EXPECT_FALSE(x.flushed().complete) << "nobody waits";
  EXPECT_EQ(x.ask(exchange_ask::finish).send, message::copy_done);
  EXPECT_FALSE(x.flushed().complete) << "the server has the last word";
  x.command_over("COPY 3");
  EXPECT_TRUE(x.ready(false).complete);
  EXPECT_EQ(x.take()->tag, "COPY 3");
}

TEST(exchange, B98_the_servers_answer_to_our_own_copy_fail_is_no_error) {
  exchange x = open_copy(exchange_kind::copy_in);
  EXPECT_EQ(x.ask(exchange_ask::fail).send, message::copy_fail);
  x.failed(make_sqlstate("57014"), said("57014"));
  EXPECT_TRUE(x.ready(false).complete);
  EXPECT_FALSE(x.error());
  EXPECT_TRUE(x.ask(exchange_ask::write).complete);
  EXPECT_EQ(x.error(), errc::copy_aborted);
}

TEST(exchange, B98_any_other_error_behind_our_copy_fail_is_the_servers) {
  exchange x = open_copy(exchange_kind::copy_in);
  x.ask(exchange_ask::fail);
  x.failed(make_sqlstate("53100"), said("53100"));
  EXPECT_TRUE(x.ready(false).complete);
  EXPECT_EQ(x.error(), make_sqlstate("53100"));
}

TEST(exchange, a_57014_without_our_copy_fail_is_the_servers) {
  exchange x = open_copy(exchange_kind::copy_in);
  x.ask(exchange_ask::write);
  x.failed(make_sqlstate("57014"), said("57014"));
  EXPECT_TRUE(x.ready(false).complete);
  EXPECT_EQ(x.error(), make_sqlstate("57014"));
}

TEST(exchange, an_error_while_nobody_writes_is_what_the_next_write_hears) {
  exchange x = open_copy(exchange_kind::copy_in);
  x.failed(make_sqlstate("22P02"), said("22P02"));
  EXPECT_FALSE(x.takes_bytes());
  EXPECT_FALSE(x.ask(exchange_ask::write).complete) << "not before the session is in step";
  EXPECT_TRUE(x.ready(false).complete);
  EXPECT_EQ(x.error(), make_sqlstate("22P02"));
}

TEST(exchange, leaving_a_copy_in_fails_it) {
  exchange x = open_copy(exchange_kind::copy_in);
  EXPECT_EQ(x.leave().send, message::copy_fail);
  EXPECT_TRUE(x.ends_by_itself());
}

TEST(exchange, a_copy_in_that_was_left_before_it_opened_is_failed_when_it_opens) {
  exchange x(exchange_kind::copy_in, 7, 0);
  EXPECT_EQ(x.leave().send, message::none);
  EXPECT_FALSE(x.ends_by_itself()) << "it may wait for a lock";
  EXPECT_EQ(x.copy_opened(true, text_columns).send, message::copy_fail);
}

TEST(exchange, a_copy_out_gives_what_came_and_then_its_end) {
  exchange x = open_copy(exchange_kind::copy_out);
  EXPECT_FALSE(x.ask(exchange_ask::next).complete);
  x.data("1\t2\n");
  x.data("3\t4\n");
  EXPECT_TRUE(x.arrived().complete);
  EXPECT_EQ(x.take()->bytes, "1\t2\n3\t4\n");
  x.data("5\t6\n");
  EXPECT_FALSE(x.arrived().complete);
  x.command_over("COPY 3");
  EXPECT_FALSE(x.ready(false).complete);
  EXPECT_TRUE(x.ask(exchange_ask::next).complete);
  const auto rest = x.take();
  EXPECT_EQ(rest->bytes, "5\t6\n");
  EXPECT_TRUE(rest->last);
  EXPECT_EQ(rest->tag, "COPY 3");
}

TEST(exchange, leaving_a_copy_out_sends_nothing_and_needs_a_cancel) {
  exchange x = open_copy(exchange_kind::copy_out);
  EXPECT_EQ(x.leave().send, message::none);
  EXPECT_FALSE(x.ends_by_itself());
}

TEST(exchange, the_wrong_kind_of_copy_is_a_clear_error) {
  exchange wants_out(exchange_kind::copy_out, 7, 0);
  EXPECT_EQ(wants_out.copy_opened(true, text_columns).send, message::copy_fail);
  wants_out.failed(make_sqlstate("57014"), said("57014"));
  EXPECT_TRUE(wants_out.ready(false).complete);
  EXPECT_EQ(wants_out.error(), errc::copy_unexpected);

  exchange wants_in(exchange_kind::copy_in, 7, 0);
  EXPECT_TRUE(wants_in.ready(true).complete);
  EXPECT_EQ(wants_in.error(), errc::copy_unexpected);

  exchange rows = rows_of();
  EXPECT_EQ(rows.copy_opened(true, text_columns).send, message::copy_fail);
  EXPECT_EQ(rows.error(), errc::copy_unexpected);

  exchange no_copy(exchange_kind::copy_in, 7, 0);
  no_copy.command_over("SELECT 1");
  EXPECT_TRUE(no_copy.ready(false).complete);
  EXPECT_EQ(no_copy.error(), errc::copy_unexpected);
}

TEST(exchange, a_second_copy_in_one_text_is_refused) {
  exchange x = open_copy(exchange_kind::copy_in);
  x.ask(exchange_ask::finish);
  x.command_over("COPY 0");
  EXPECT_EQ(x.copy_opened(true, text_columns).send, message::copy_fail);
  EXPECT_EQ(x.error(), errc::copy_unexpected);
}

TEST(exchange, unsent_copy_data_is_dropped_at_a_message_boundary) {
  const auto message_of = [](std::size_t n) {
    std::string m = "d0000" + std::string(n, 'x');
    wire::store_u32(m.data() + 1, static_cast<std::uint32_t>(n + 4));
    return m;
  };
  const std::string two = message_of(10) + message_of(20);
  const auto left_of = [&](std::size_t sent, std::size_t least) {
    std::string out = two;
    session::drop_unsent_copy_data(out, sent, least);
    return out.size();
  };
  EXPECT_EQ(left_of(0, 0), 0U);
  EXPECT_EQ(left_of(1, 0), 15U);
  EXPECT_EQ(left_of(15, 0), 15U);
  EXPECT_EQ(left_of(16, 0), 40U);
  EXPECT_EQ(left_of(0, 1), 15U);
  EXPECT_EQ(left_of(14, 2), 40U);
  EXPECT_EQ(left_of(40, 100), 40U);
}

// ---- the protocol under it ----

TEST(protocol_stream, a_portal_with_a_limit_suspends_resumes_and_ends_with_our_sync) {
  protocol p;
  begin(p, "prepare");
  p.hold_open(1);
  EXPECT_EQ(feed(p, "1tT2D").back(), event_kind::row);
  EXPECT_EQ(feed_one(p, 's'), event_kind::suspended);
  p.resumed();
  EXPECT_EQ(feed_one(p, 'D'), event_kind::row);
  EXPECT_EQ(feed_one(p, 'C'), event_kind::complete);
  EXPECT_TRUE(p.owes_sync());
  p.sync_sent();
  EXPECT_EQ(p.outstanding(), 1U);
  EXPECT_EQ(feed_one(p, 'Z'), event_kind::ready);
  EXPECT_EQ(p.outstanding(), 0U);
}

TEST(protocol_stream, sync_ends_a_suspended_portal_and_one_that_still_runs) {
  for (const bool suspended_first : {true, false}) {
    protocol p;
    begin(p, "run");
    p.hold_open(1);
    feed(p, "2D");
    if (suspended_first) feed_one(p, 's');
    p.sync_sent();
    if (!suspended_first) {
      EXPECT_EQ(feed_one(p, 's'), event_kind::suspended);
    }
    EXPECT_EQ(feed_one(p, 'Z'), event_kind::ready);
  }
}

TEST(protocol_stream, an_error_waits_for_our_sync) {
  protocol p;
  begin(p, "run");
  p.hold_open(1);
  EXPECT_EQ(feed(p, "2E").back(), event_kind::server_error);
  EXPECT_TRUE(p.owes_sync());
  p.sync_sent();
  EXPECT_EQ(feed_one(p, 'Z'), event_kind::ready);
}

TEST(protocol_stream, B72_ready_for_query_before_our_sync_kills) {
  protocol p;
  begin(p, "run");
  p.hold_open(1);
  feed(p, "2DC");
  EXPECT_EQ(feed_one(p, 'Z'), event_kind::violation);
}

TEST(protocol_stream, B76_a_suspended_portal_kills_without_a_limit_without_a_row_and_twice) {
  for (const auto& [limit, before] : {std::pair{0U, "2D"}, std::pair{5U, "2"}, std::pair{5U, "2Ds"}}) {
    protocol p;
    begin(p, "run");
    p.hold_open(limit);
    feed(p, before);
    EXPECT_EQ(feed_one(p, 's'), event_kind::violation) << before;
  }
}

TEST(protocol_stream, B76_a_portal_suspended_behind_a_copy_kills) {
  protocol p;
  begin(p, "run");
  p.hold_open(5);
  feed(p, "2Hdc");
  EXPECT_EQ(feed_one(p, 's'), event_kind::violation);
}

TEST(protocol_stream, B82_rows_of_a_portal_that_was_not_asked_kill) {
  protocol p;
  begin(p, "run");
  p.hold_open(1);
  feed(p, "2Ds");
  EXPECT_EQ(feed_one(p, 'D'), event_kind::violation);
}

TEST(protocol_copy, a_copy_in_that_was_asked_for_ends_after_copy_done) {
  protocol p;
  begin(p, "simple");
  p.expect_copy('G');
  EXPECT_EQ(feed_one(p, 'G'), event_kind::copy_in);
  EXPECT_EQ(p.copy().columns, 1U);
  EXPECT_FALSE(p.in_doubt());
  p.copy_done_sent();
  EXPECT_EQ(feed_one(p, 'C'), event_kind::complete);
  EXPECT_EQ(feed_one(p, 'Z'), event_kind::ready);
}

TEST(protocol_copy, B82_an_end_of_a_copy_in_before_its_data_ended_kills) {
  for (const char early : {'C', 'Z', 'c', 'd'}) {
    protocol p;
    begin(p, "simple");
    p.expect_copy('G');
    feed_one(p, 'G');
    EXPECT_EQ(feed_one(p, early), event_kind::violation) << early;
  }
}

TEST(protocol_copy, data_of_a_copy_out_that_was_asked_for_is_told) {
  protocol p;
  begin(p, "simple");
  p.expect_copy('H');
  EXPECT_EQ(feed_one(p, 'H'), event_kind::copy_out);
  EXPECT_EQ(feed_one(p, 'd'), event_kind::copy_data);
  std::string all;
  const std::string frames = std::string("d\0\0\0\x06hid\0\0\0\x05!d\0\0\0\x09pa", 20);
  const std::size_t used = p.take_copy_data(frames, {}, [&](std::string_view body) { all += body; });
  EXPECT_EQ(all, "hi!");
  EXPECT_EQ(used, 13U);
  EXPECT_EQ(feed_one(p, 'c'), event_kind::none);
  EXPECT_EQ(p.take_copy_data(frames, {}, [](std::string_view) {}), 0U);
  EXPECT_EQ(feed(p, "CZ").back(), event_kind::ready);
  EXPECT_FALSE(p.copied_out());
}

TEST(protocol_copy, only_the_first_copy_of_a_text_is_the_one_that_was_asked_for) {
  protocol p;
  begin(p, "simple");
  p.expect_copy('H');
  feed(p, "HdcC");
  EXPECT_EQ(feed_one(p, 'H'), event_kind::none);
  EXPECT_EQ(feed_one(p, 'd'), event_kind::none);
  EXPECT_EQ(feed(p, "cCZ").back(), event_kind::ready);
  EXPECT_TRUE(p.copied_out());
}

TEST(protocol_copy, a_copy_in_a_stream_is_refused_before_sync_and_leaves_no_doubt) {
  protocol p;
  begin(p, "run without rows");
  p.hold_open(1);
  EXPECT_EQ(feed(p, "2G").back(), event_kind::copy_in);
  EXPECT_FALSE(p.in_doubt());
  EXPECT_EQ(feed_one(p, 'E'), event_kind::server_error);
  p.sync_sent();
  EXPECT_EQ(feed_one(p, 'Z'), event_kind::ready);
  EXPECT_FALSE(p.in_doubt());
}

}  // namespace
}  // namespace lido::test
