// What the messages of a segment mean to the operation under way.
#include "driver/session/protocol.hpp"

#include "driver/wire/limits.hpp"
#include "tests/session/protocol_script.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace lido::session {
namespace {

using namespace std::string_literals;
using test::begin;
using test::bytes;
using test::error_body;
using test::feed;
using test::feed_body;
using test::feed_one;
using enum event_kind;

using events = std::vector<event_kind>;

TEST(protocol, a_prepared_run_gives_columns_rows_and_its_tag) {
  protocol p;
  begin(p, "prepare");
  EXPECT_EQ(p.outstanding(), 1U);
  EXPECT_EQ(feed(p, "1tT"), (events{none, none, columns}));
  EXPECT_TRUE(p.parsed());
  ASSERT_NE(p.columns(), nullptr);
  EXPECT_EQ(p.columns()->at(1).name, "y");
  EXPECT_TRUE(p.columns()->at(1).binary) << "described before Bind, asked for in binary";
  EXPECT_EQ(feed(p, "2DD"), (events{none, row, row}));
  const std::string tag = bytes{}.text("SELECT 2");
  EXPECT_EQ(feed_body(p, 'C', tag), complete);
  EXPECT_EQ(p.tag(), "SELECT 2");
  EXPECT_EQ(feed_body(p, 'Z', "T"), ready);
  EXPECT_EQ(p.outstanding(), 0U);
  EXPECT_EQ(p.status(), wire::transaction_status::in_transaction);
  EXPECT_NE(p.columns(), nullptr) << "the statement cache takes them after the segment";
}

TEST(protocol, a_description_runs_nothing_and_tells_the_types_of_parameters) {
  const std::string two = bytes{}.u16(2).u32(23).u32(25);
  protocol p;
  p.begin(segment::prepare);
  EXPECT_EQ(feed(p, "1"), (events{none}));
  EXPECT_EQ(feed_body(p, 't', two), none);
  EXPECT_EQ(feed(p, "TZ"), (events{columns, ready}));
  EXPECT_EQ(p.described(), (std::vector<std::uint32_t>{23, 25}));
  EXPECT_TRUE(p.columns()->at(1).binary) << "as a query's";
  p.begin(segment::describe);
  EXPECT_EQ(feed(p, "tnZ"), (events{none, none, ready}));
  EXPECT_TRUE(p.described().empty());
  EXPECT_EQ(p.columns(), nullptr);
  p.begin(segment::describe);
  EXPECT_EQ(feed(p, "EZ"), (events{server_error, ready}));
  p.begin(segment::describe);
  EXPECT_EQ(feed(p, "tT2"), (events{none, columns, violation})) << "nothing was bound";
}

TEST(protocol, a_run_takes_its_columns_from_the_cache) {
  const auto cached = test::two_columns();
  protocol p;
  p.begin(segment::run, cached);
  EXPECT_EQ(feed(p, "2DCZ"), (events{none, row, complete, ready}));
  EXPECT_EQ(p.columns(), cached);
  EXPECT_FALSE(p.parsed());
}

TEST(protocol, a_statement_without_rows_has_no_columns) {
  protocol p;
  begin(p, "prepare");
  EXPECT_EQ(feed(p, "1tn2CZ"), (events{none, none, none, none, complete, ready}));
  EXPECT_EQ(p.columns(), nullptr);
}

TEST(protocol, simple_queries_give_several_results) {
  protocol p;
  begin(p, "simple");
  EXPECT_EQ(feed(p, "TDC"), (events{columns, row, complete}));
  EXPECT_FALSE(p.columns()->at(0).binary);
  EXPECT_EQ(feed(p, "C"), events{complete});
  EXPECT_EQ(p.columns(), nullptr) << "the second statement has no rows";
  EXPECT_EQ(feed(p, "TCIZ"), (events{columns, complete, complete, ready}));
}

TEST(protocol, B60_M8_an_error_in_the_middle_ends_a_simple_query) {
  protocol p;
  begin(p, "simple");
  EXPECT_EQ(feed(p, "TDCEZ"), (events{columns, row, complete, server_error, ready}));
  EXPECT_EQ(p.error(), make_sqlstate("42601"));
  EXPECT_EQ(p.diag().message, "syntax error");
}

TEST(protocol, an_error_of_the_implicit_commit_comes_behind_the_tag) {
  protocol p;
  begin(p, "run");
  EXPECT_EQ(feed(p, "2DCEZ"), (events{none, row, complete, server_error, ready}));
}

TEST(protocol, a_segment_forgets_the_one_before) {
  protocol p;
  begin(p, "prepare");
  feed(p, "1tT2DCEZ");
  begin(p, "sync");
  EXPECT_FALSE(p.parsed());
  EXPECT_FALSE(p.error());
  EXPECT_EQ(p.columns(), nullptr);
  EXPECT_TRUE(p.tag().empty());
}

TEST(protocol, closes_that_an_error_skipped_are_not_owed_any_more) {
  protocol p;
  begin(p, "run");
  p.expect_close_complete(2);
  EXPECT_EQ(feed(p, "3EZ"), (events{none, server_error, ready}));
  begin(p, "sync");
  EXPECT_EQ(feed(p, "Z"), events{ready});
}

TEST(protocol, closes_may_be_announced_before_the_segment) {
  protocol p;
  p.expect_close_complete(1);
  begin(p, "run");
  EXPECT_EQ(feed(p, "32CZ"), (events{none, none, complete, ready}));
}

TEST(protocol, B45_B46_a_malformed_status_kills) {
  for (const std::string_view body : {"X", "", "II"}) {
    protocol p;
    begin(p, "sync");
    EXPECT_EQ(feed_body(p, 'Z', body), violation);
    EXPECT_EQ(p.outstanding(), 1U);
    EXPECT_EQ(p.status(), wire::transaction_status::idle);
  }
}

TEST(protocol, B48_text_is_safe_only_in_utf8_with_conforming_strings) {
  const auto set = [](protocol& p, std::string_view name, std::string_view value) {
    EXPECT_EQ(feed_body(p, 'S', std::string{bytes{}.text(name).text(value)}), parameter);
  };
  protocol p{{{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}}};
  EXPECT_TRUE(p.text_is_safe());
  set(p, "client_encoding", "LATIN1");
  EXPECT_FALSE(p.text_is_safe());
  set(p, "client_encoding", "UTF8");
  EXPECT_TRUE(p.text_is_safe());
  set(p, "standard_conforming_strings", "off");
  EXPECT_FALSE(p.text_is_safe());
  EXPECT_FALSE(protocol{}.text_is_safe());
}

TEST(protocol, B47_M7_a_parameter_changes_with_any_reply) {
  protocol p{{{"TimeZone", "UTC"}}};
  const std::string changed = bytes{}.text("TimeZone").text("Asia/Tokyo");
  begin(p, "simple");
  EXPECT_EQ(feed(p, "C"), events{complete});
  EXPECT_EQ(feed_body(p, 'S', changed), parameter);
  EXPECT_EQ(p.changed_parameter(), "TimeZone");
  EXPECT_EQ(*p.parameter("TimeZone"), "Asia/Tokyo");
  EXPECT_EQ(p.parameter("timezone"), nullptr);
  EXPECT_EQ(feed(p, "Z"), events{ready});
  EXPECT_EQ(feed_body(p, 'S', "TimeZone"), violation);
}

TEST(protocol, B47_names_of_parameters_are_bounded) {
  protocol p;
  const auto name = [](std::size_t i) { return std::string{bytes{}.text("name" + std::to_string(i)).text("value")}; };
  for (std::size_t i = 0; i < wire::max_server_parameters; ++i) EXPECT_EQ(feed_body(p, 'S', name(i)), parameter);
  EXPECT_EQ(feed_body(p, 'S', name(7)), parameter) << "a known one may change";
  EXPECT_EQ(feed_body(p, 'S', name(wire::max_server_parameters)), violation);
}

TEST(protocol, B47_bytes_of_parameters_are_bounded) {
  const auto sized = [](std::size_t total) {
    return std::string{bytes{}.text("big").text(std::string(total - 3, 'v'))};
  };
  protocol p{{{"a", "b"}}};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(feed_body(p, 'S', sized(wire::max_server_parameter_bytes - 2)), parameter);
  EXPECT_EQ(feed_body(p, 'S', sized(wire::max_server_parameter_bytes - 1)), violation);
}

TEST(protocol, B92_a_fatal_error_of_an_idle_connection_says_goodbye) {
  protocol p;
  EXPECT_EQ(feed(p, "F"), events{fatal});
  EXPECT_TRUE(is_disconnect(p.error()));
  EXPECT_EQ(p.diag().sqlstate, "57P01");
  begin(p, "sync");
  EXPECT_EQ(feed(p, "Z"), events{none}) << "no segment begins on a dead connection";
}

TEST(protocol, B51_the_last_words_of_a_stopping_server_are_fatal) {
  for (const std::string_view severity : {"WARNING", "FATAL"}) {
    for (const std::string_view sqlstate : {"57P01", "57P02"}) {
      protocol idle;
      EXPECT_EQ(feed_body(idle, 'N', error_body(severity, sqlstate, "terminating connection")), fatal);
      EXPECT_EQ(idle.error(), make_sqlstate(sqlstate));
      protocol busy;
      begin(busy, "simple");
      EXPECT_EQ(feed_body(busy, 'N', error_body(severity, sqlstate, "terminating connection")), fatal);
      EXPECT_EQ(feed(busy, "CZ"), (events{none, none}));
    }
  }
}

TEST(protocol, a_users_own_notice_with_such_a_code_is_a_notice) {
  for (const std::string_view severity : {"NOTICE", "INFO", "LOG"}) {
    protocol p;
    begin(p, "simple");
    EXPECT_EQ(feed_body(p, 'N', error_body(severity, "57P01", "raised")), notice);
    EXPECT_EQ(feed(p, "CZ"), (events{complete, ready}));
  }
}

TEST(protocol, I25_B52_an_error_never_carries_success) {
  for (const std::string_view severity : {"ERROR", "NOTICE"}) {
    protocol p;
    begin(p, "simple");
    EXPECT_EQ(feed_body(p, 'E', error_body(severity, "00000", "odd")), server_error);
    EXPECT_EQ(p.error(), make_sqlstate("XX000"));
    EXPECT_EQ(p.diag().sqlstate, "XX000");
    EXPECT_EQ(feed(p, "Z"), events{ready});
  }
  protocol empty;
  begin(empty, "run");
  EXPECT_EQ(feed_body(empty, 'E', ""), server_error);
  EXPECT_EQ(empty.error(), make_sqlstate("XX000"));
}

TEST(protocol, C3_diagnostics_without_their_end_kill) {
  for (const char type : {'E', 'N'}) {
    protocol p;
    begin(p, "simple");
    EXPECT_EQ(feed_body(p, type, "Mno end"), violation);
  }
}

TEST(protocol, a_second_error_before_ready_for_query_kills) {
  protocol p;
  begin(p, "simple");
  EXPECT_EQ(feed(p, "EE"), (events{server_error, violation}));
}

TEST(protocol, B63_B65_rows_fit_their_description) {
  for (const std::string_view prefix : {"2", "2D"}) {
    for (const std::string& body :
         {test::data_row({"a"}), test::data_row({"a", "b", "c"}), test::data_row({"a", "b"}) + "x",
          std::string{bytes{}.u16(2).u32(0xfffffffe).u32(0)}, ""s}) {
      protocol p;
      begin(p, "run");
      feed(p, prefix);
      EXPECT_EQ(feed_body(p, 'D', body), violation);
    }
  }
}

TEST(protocol, rows_are_taken_until_something_else_comes) {
  const std::string row_frame = test::message('D', test::data_row({"a", "b"}));
  const std::string rows = row_frame + row_frame + row_frame;
  for (const std::string& rest :
       {test::message('C', bytes{}.text("SELECT 3")), row_frame.substr(0, 7), row_frame.substr(0, 3), ""s,
        test::message('D', test::data_row({"a"})), test::header('D', 0x80000000U), test::header('D', 3)}) {
    protocol p;
    begin(p, "run");
    std::vector<std::string_view> taken;
    const auto sink = [&](std::string_view body) { taken.push_back(body); };
    const std::string stream = rows + rest;
    EXPECT_EQ(p.take_rows(stream, {}, sink), 0U) << "Bind is not complete";
    feed(p, "2D");
    EXPECT_EQ(p.take_rows(stream, {}, sink), rows.size());
    EXPECT_EQ(taken, std::vector<std::string_view>(3, std::string_view{row_frame}.substr(5)));
    EXPECT_EQ(p.take_rows(stream, {10}, sink), 0U) << "longer than the knob allows";
    feed(p, "C");
    EXPECT_EQ(p.take_rows(stream, {}, sink), 0U);
  }
}

TEST(protocol, rows_without_columns_are_rows) {
  protocol p;
  begin(p, "simple");
  EXPECT_EQ(feed_body(p, 'T', test::row_description({})), columns);
  EXPECT_EQ(feed_body(p, 'D', test::data_row({})), row);
  EXPECT_EQ(feed(p, "CZ"), (events{complete, ready}));
}

TEST(protocol, B67_B68_B70_B75_malformed_descriptions_and_tags_kill) {
  struct malformed {
    std::string_view segment, prefix;
    char type;
    std::string body;
  };
  const malformed cases[] = {{"simple", "", 'T', bytes{}.u16(0xffff)},
                             {"prepare", "1t", 'T', test::row_description({"a"}, 2)},
                             {"simple", "", 'C', "SELECT 1"},
                             {"run", "2D", 'C', ""},
                             {"prepare", "1", 't', bytes{}.u16(2).u32(23)},
                             {"simple", "", 'G', bytes{}.u8(2).u16(0)},
                             {"simple", "", 'H', bytes{}.u8(0).u16(0xffff)}};
  for (const malformed& each : cases) {
    protocol p;
    begin(p, each.segment);
    feed(p, each.prefix);
    EXPECT_EQ(feed_body(p, each.type, each.body), violation) << each.segment << ' ' << each.type;
    EXPECT_FALSE(p.diag().context.empty());
  }
}

TEST(protocol, B75_values_are_bound_only_to_as_many_parameters) {
  const std::string two = bytes{}.u16(2).u32(23).u32(23);
  const auto described = [&](std::size_t bound) {
    protocol p;
    begin(p, "prepare");
    p.expect_parameters(bound);
    feed(p, "1");
    EXPECT_EQ(feed_body(p, 't', two), none);
    feed(p, "n");
    return p;
  };
  protocol right = described(2);
  EXPECT_EQ(feed_one(right, '2'), none);
  protocol lie = described(1);
  EXPECT_EQ(feed_one(lie, '2'), violation);
  protocol mistake = described(1);
  EXPECT_EQ(feed_one(mistake, 'E'), server_error) << "what a real server says to a user's mistake";
}

TEST(protocol, B62_a_statement_without_rows_gives_not_even_empty_ones) {
  protocol p;
  begin(p, "run without rows");
  feed(p, "2");
  EXPECT_EQ(feed_body(p, 'D', test::data_row({})), violation);
}

TEST(protocol, B77_an_empty_answer_is_an_empty_result) {
  protocol p;
  begin(p, "run");
  EXPECT_EQ(feed(p, "2IZ"), (events{none, complete, ready}));
  EXPECT_TRUE(p.tag().empty());
  EXPECT_EQ(p.columns(), nullptr);
}

TEST(protocol, B79_copy_in_wants_a_refusal_and_then_the_error) {
  protocol p;
  begin(p, "simple");
  EXPECT_EQ(feed(p, "G"), events{copy_in});
  EXPECT_FALSE(p.copy_needs_sync());
  EXPECT_FALSE(p.in_doubt());
  EXPECT_EQ(feed(p, "EZ"), (events{server_error, ready}));
}

TEST(protocol, B79_M8_an_extended_copy_in_swallowed_our_sync_or_not) {
  protocol p;
  begin(p, "prepare");
  EXPECT_EQ(feed(p, "1tn2G"), (events{none, none, none, none, copy_in}));
  EXPECT_TRUE(p.copy_needs_sync());
  EXPECT_TRUE(p.in_doubt());
  EXPECT_EQ(feed(p, "EZ"), (events{server_error, ready}));
  EXPECT_TRUE(p.in_doubt()) << "one more ReadyForQuery may come";
}

TEST(protocol, B80_B84_B85_copy_out_is_drained) {
  protocol p;
  begin(p, "run");
  EXPECT_EQ(feed(p, "2Hd"), (events{none, none, none}));
  EXPECT_EQ(feed_body(p, 'd', ""), none);
  EXPECT_TRUE(p.copied_out());
  EXPECT_EQ(feed(p, "cCZ"), (events{none, complete, ready}));
  begin(p, "simple");
  EXPECT_FALSE(p.copied_out());
  EXPECT_EQ(feed(p, "HdEZ"), (events{none, none, server_error, ready}));
}

TEST(protocol, B88_notifications_are_delivered_once_and_in_order) {
  const std::string first = bytes{}.u32(1).text("a").text("one");
  const std::string second = bytes{}.u32(2).text("").text(std::string(9000, 'p'));
  protocol p;
  begin(p, "run");
  feed(p, "2D");
  EXPECT_EQ(feed_body(p, 'A', first), notification);
  EXPECT_EQ(p.note().process_id, 1U);
  EXPECT_EQ(p.note().channel, "a");
  EXPECT_EQ(p.note().payload, "one");
  EXPECT_EQ(feed(p, "D"), events{row});
  EXPECT_EQ(feed_body(p, 'A', second), notification);
  EXPECT_EQ(p.note().payload.size(), 9000U);
  EXPECT_EQ(feed(p, "CZ"), (events{complete, ready}));
  EXPECT_EQ(feed_body(p, 'A', first), notification);
  EXPECT_EQ(feed_body(p, 'A', std::string_view{first}.substr(0, first.size() - 1)), violation);
}

TEST(protocol, S8_the_words_about_a_violation_are_ours) {
  protocol p;
  begin(p, "simple");
  EXPECT_EQ(feed_body(p, 'T', "secret of a user"), violation);
  EXPECT_EQ(p.diag().context.find("secret"), std::string::npos);
  EXPECT_TRUE(p.diag().message.empty());
}

// What stands in front of the segment, a setting as a simple query, is none of the operation's.
TEST(protocol, a_prologue_is_answered_in_front_of_every_kind_of_segment) {
  for (const auto& [kind, answer] : {std::pair{"simple", "TDCZ"}, {"prepare", "1tT2DCZ"}, {"run", "2DCZ"}}) {
    protocol p;
    begin(p, kind);
    p.expect_prologue();
    EXPECT_EQ(p.outstanding(), 2U);
    EXPECT_EQ(feed(p, "SNCA"), (events{parameter, notice, none, notification}));
    EXPECT_EQ(feed_body(p, 'Z', "T"), prologue);
    EXPECT_FALSE(p.prologue_failed());
    EXPECT_EQ(p.outstanding(), 1U);
    EXPECT_EQ(p.status(), wire::transaction_status::in_transaction);
    const events all = feed(p, answer);
    EXPECT_EQ(all.back(), ready) << kind;
    EXPECT_EQ(p.outstanding(), 0U);
  }
}

TEST(protocol, a_prologue_that_fails_is_nobodys_failure) {
  protocol p;
  begin(p, "run");
  p.expect_close_complete(1);
  p.expect_prologue();
  EXPECT_EQ(feed_body(p, 'E', error_body("ERROR", "57014", "canceling statement")), none);
  EXPECT_EQ(feed_one(p, 'Z'), prologue);
  EXPECT_EQ(p.prologue_error(), make_sqlstate("57014"));
  EXPECT_EQ(feed(p, "32DCZ"), (events{none, none, row, complete, ready}));
  EXPECT_FALSE(p.error());
  begin(p, "run");
  p.expect_prologue();
  EXPECT_FALSE(p.prologue_failed());
}

TEST(protocol, a_prologue_answered_otherwise_breaks_the_protocol) {
  for (const char* const answer : {"D", "T", "1", "2", "I", "Z", "CC", "CD", "EE", "EC", "G"}) {
    protocol p;
    begin(p, "run");
    p.expect_prologue();
    EXPECT_EQ(feed(p, answer).back(), event_kind::violation) << answer;
  }
  protocol p;
  begin(p, "run");
  p.expect_prologue();
  EXPECT_EQ(feed_one(p, 'F'), fatal);
}

std::string parameter_body(std::string_view name, std::string_view value) { return bytes{}.text(name).text(value); }

TEST(protocol, I14_a_reported_parameter_that_moved_is_known_until_it_is_back) {
  protocol p({{"TimeZone", "UTC"}, {"is_superuser", "off"}});
  EXPECT_FALSE(p.parameters_moved());
  feed_body(p, 'S', parameter_body("TimeZone", "UTC"));
  EXPECT_FALSE(p.parameters_moved()) << "said again, not changed";
  feed_body(p, 'S', parameter_body("TimeZone", "CET"));
  EXPECT_TRUE(p.has_moved("TimeZone"));
  EXPECT_FALSE(p.has_moved("is_superuser"));
  feed_body(p, 'S', parameter_body("TimeZone", "EST"));
  feed_body(p, 'S', parameter_body("TimeZone", "UTC"));
  EXPECT_FALSE(p.parameters_moved()) << "as after a SET LOCAL";
  feed_body(p, 'S', parameter_body("search_path", "x"));
  EXPECT_TRUE(p.has_moved("search_path")) << "never reported before";
  p.accept_parameters();
  EXPECT_FALSE(p.parameters_moved());
  feed_body(p, 'S', parameter_body("search_path", "y"));
  EXPECT_TRUE(p.parameters_moved());
}

}  // namespace
}  // namespace lido::session
