// Parsers of backend messages: what a body must be, to the byte.
#include "driver/wire/backend.hpp"
#include "driver/wire/limits.hpp"
#include "tests/unit/wire_bytes.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::wire {
namespace {

using namespace std::string_view_literals;
using test::bytes;
using test::data_row;
using test::row_description;

// A parser and a body that it takes.
struct exact_case {
  const char* name;
  std::function<bool(std::string_view)> parses;
  std::string body;
};

std::vector<exact_case> exact_cases() {
  const auto authenticates = [](std::string_view b) { return parse_authentication(b).has_value(); };
  const auto describes = [](std::string_view b) { return parse_row_description(b).has_value(); };
  const auto negotiates = [](std::string_view b) { return parse_negotiation(b).has_value(); };
  return {
      {"AuthenticationOk", authenticates, bytes{}.u32(0)},
      {"AuthenticationCleartextPassword", authenticates, bytes{}.u32(3)},
      {"AuthenticationMD5Password", authenticates, bytes{}.u32(5).raw("salt")},
      {"AuthenticationSASL", authenticates, bytes{}.u32(10).text("SCRAM-SHA-256").text("SCRAM-SHA-256-PLUS").u8(0)},
      {"ParameterStatus", [](std::string_view b) { return parse_parameter_status(b).has_value(); },
       bytes{}.text("a").text("b")},
      {"BackendKeyData", [](std::string_view b) { return parse_backend_key(b).has_value(); }, bytes{}.u32(1).u32(2)},
      {"ReadyForQuery", [](std::string_view b) { return parse_ready_for_query(b).has_value(); }, "I"},
      {"NotificationResponse", [](std::string_view b) { return parse_notification(b).has_value(); },
       bytes{}.u32(1).text("channel").text("payload")},
      {"NegotiateProtocolVersion", negotiates, bytes{}.u32(0x30000).u32(2).text("_pq_.a").text("_pq_.b")},
      {"NegotiateProtocolVersion without options", negotiates, bytes{}.u32(0x30000).u32(0)},
      {"CommandComplete", [](std::string_view b) { return parse_command_complete(b).has_value(); },
       bytes{}.text("SELECT 1")},
      {"RowDescription", describes, row_description({"id", "name"})},
      {"RowDescription without columns", describes, row_description({})},
      {"ParameterDescription", [](std::string_view b) { return parse_parameter_description(b).has_value(); },
       bytes{}.u16(2).u32(23).u32(25)},
      {"DataRow", [](std::string_view b) { return is_data_row(b, 2); }, data_row({"abc", "d"})},
      {"DataRow with an empty last field", [](std::string_view b) { return is_data_row(b, 2); }, data_row({"abc", ""})},
      {"DataRow without columns", [](std::string_view b) { return is_data_row(b, 0); }, data_row({})},
      {"CopyInResponse", [](std::string_view b) { return parse_copy_response(b).has_value(); },
       bytes{}.u8(1).u16(2).u16(1).u16(0)},
      {"ErrorResponse",
       [](std::string_view b) { return !b.empty() && b.back() == '\0' && parse_diagnostics(b).has_value(); },
       bytes{}.raw("M").text("text").u8(0)},
  };
}

TEST(wire_backend, B59_every_exact_body_is_taken) {
  for (const exact_case& each : exact_cases()) EXPECT_TRUE(each.parses(each.body)) << each.name;
}

TEST(wire_backend, B59_every_longer_body_is_refused) {
  for (const exact_case& each : exact_cases()) {
    for (const std::string_view more : {"\0"sv, "x"sv, "\0\0\0\0"sv, "\xff\xff\xff\xff"sv}) {
      EXPECT_FALSE(each.parses(each.body + std::string{more})) << each.name;
    }
  }
}

TEST(wire_backend, B59_every_truncation_is_refused) {
  for (const exact_case& each : exact_cases()) {
    for (std::size_t cut = 0; cut < each.body.size(); ++cut) {
      // An ErrorResponse without its terminator is taken: B52 asks for leniency there.
      if (each.name == "ErrorResponse"sv && (cut == 0 || cut == each.body.size() - 1)) continue;
      EXPECT_FALSE(each.parses(std::string_view{each.body}.substr(0, cut))) << each.name << " cut at " << cut;
    }
  }
}

TEST(wire_backend, authentication_requests_carry_their_data) {
  EXPECT_EQ(parse_authentication(bytes{}.u32(0))->kind, auth_kind::ok);
  EXPECT_EQ(parse_authentication(bytes{}.u32(3))->kind, auth_kind::cleartext);
  const std::string md5_body = bytes{}.u32(5).raw("salt");
  const auto md5 = parse_authentication(md5_body);
  EXPECT_EQ(md5->kind, auth_kind::md5);
  EXPECT_EQ(md5->salt, "salt");
  const std::string sasl_body = bytes{}.u32(10).text("SCRAM-SHA-256-PLUS").text("SCRAM-SHA-256").u8(0);
  const auto sasl = parse_authentication(sasl_body);
  EXPECT_EQ(sasl->kind, auth_kind::sasl);
  EXPECT_EQ(sasl->mechanisms, (std::vector<std::string_view>{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}));
  const std::string next_body = bytes{}.u32(11).raw("r=x,s=y,i=1");
  const auto next = parse_authentication(next_body);
  EXPECT_EQ(next->kind, auth_kind::sasl_continue);
  EXPECT_EQ(next->data, "r=x,s=y,i=1");
  const std::string last_body = bytes{}.u32(12).raw("v=z");
  const auto last = parse_authentication(last_body);
  EXPECT_EQ(last->kind, auth_kind::sasl_final);
  EXPECT_EQ(last->data, "v=z");
}

TEST(wire_backend, methods_that_lido_does_not_speak_are_named_by_their_code) {
  for (const std::uint32_t code : {1U, 2U, 4U, 6U, 7U, 8U, 9U, 13U, 0xffffffffU}) {
    const auto parsed = parse_authentication(bytes{}.u32(code).raw("anything"));
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->kind, auth_kind::unsupported);
    EXPECT_EQ(parsed->code, code);
  }
}

TEST(wire_backend, B42_a_key_is_exactly_twelve_bytes_long) {
  const std::string body = bytes{}.u32(4711).raw("\x01\x02\x03\x04");
  const auto key = parse_backend_key(body);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->process_id, 4711U);
  EXPECT_EQ(key->secret, "\x01\x02\x03\x04");
  EXPECT_FALSE(parse_backend_key(bytes{}.u32(4711)));
  EXPECT_FALSE(parse_backend_key(bytes{}.u32(4711).raw(std::string(32, 'k'))));
}

TEST(wire_backend, B45_B46_only_three_transaction_states_exist) {
  EXPECT_EQ(parse_ready_for_query("I"), transaction_status::idle);
  EXPECT_EQ(parse_ready_for_query("T"), transaction_status::in_transaction);
  EXPECT_EQ(parse_ready_for_query("E"), transaction_status::failed);
  for (const std::string_view bad : {""sv, "X"sv, "i"sv, "\0"sv, "II"sv})
    EXPECT_FALSE(parse_ready_for_query(bad)) << bad;
}

TEST(wire_backend, B47_a_parameter_has_name_and_value) {
  const auto parsed = parse_parameter_status("TimeZone\0UTC\0"sv);
  EXPECT_EQ(parsed->name, "TimeZone");
  EXPECT_EQ(parsed->value, "UTC");
  EXPECT_FALSE(parse_parameter_status("TimeZone\0UTC"sv));
}

TEST(wire_backend, B88_notifications_may_have_empty_names_and_long_payloads) {
  const std::string body = bytes{}.u32(7).text("").text(std::string(9000, 'p'));
  const auto parsed = parse_notification(body);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->process_id, 7U);
  EXPECT_TRUE(parsed->channel.empty());
  EXPECT_EQ(parsed->payload.size(), 9000U);
  EXPECT_FALSE(parse_notification(bytes{}.u32(7).text("c").raw("payload")));
}

TEST(wire_backend, B40_unknown_options_are_listed_and_counted_strictly) {
  const std::string body = bytes{}.u32(0x00030000).u32(1).text("_pq_.foo");
  const auto parsed = parse_negotiation(body);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->newest_minor, 0x00030000U);
  EXPECT_EQ(parsed->unknown_options, std::vector<std::string_view>{"_pq_.foo"});
  EXPECT_FALSE(parse_negotiation(bytes{}.u32(0x00030000).u32(0xffffffff).text("_pq_.foo")));
  EXPECT_FALSE(parse_negotiation(bytes{}.u32(0x00030000).u32(2).text("_pq_.foo")));
  EXPECT_FALSE(parse_negotiation(bytes{}.u32(0x00030000).u32(1).raw("_pq_.foo")));
}

TEST(wire_backend, a_row_description_gives_names_types_and_formats) {
  const auto parsed =
      parse_row_description(bytes{}.u16(1).text("id").u32(16384).u16(1).u32(1043).u16(0xffff).u32(68).u16(1));
  ASSERT_TRUE(parsed.has_value());
  const column& only = parsed->at(0);
  EXPECT_EQ(only.name, "id");
  EXPECT_EQ(only.table_oid, 16384U);
  EXPECT_EQ(only.type_oid, 1043U);
  EXPECT_EQ(only.type_modifier, 68);
  EXPECT_TRUE(only.binary);
  EXPECT_FALSE(parse_row_description(row_description({"id"}, 0))->at(0).binary);
}

TEST(wire_backend, C10_column_names_are_plain_data) {
  const std::string longest(63, 'n');
  const auto parsed = parse_row_description(row_description({"", "__proto__", ";drop", longest, longest}));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->at(0).name, "");
  EXPECT_EQ(parsed->at(1).name, "__proto__");
  EXPECT_EQ(parsed->at(3).name, parsed->at(4).name);
}

TEST(wire_backend, B67_a_column_count_is_not_believed) {
  EXPECT_FALSE(parse_row_description(bytes{}.u16(0xffff)));
  EXPECT_FALSE(parse_row_description(bytes{}.u16(0xffff).raw(std::string(100, '\0'))));
  EXPECT_FALSE(parse_row_description(bytes{}.u16(1).raw("name without NUL and then some more bytes")));
  const auto columns = [](unsigned count) {
    bytes body;
    body.u16(count);
    for (unsigned i = 0; i < count; ++i) test::append_column(body, "c", 0);
    return std::string{body};
  };
  EXPECT_EQ(parse_row_description(columns(max_columns))->size(), max_columns);
  EXPECT_FALSE(parse_row_description(columns(max_columns + 1)));
}

TEST(wire_backend, B68_a_format_is_text_or_binary) {
  for (const unsigned format : {2U, 0xffffU, 0x100U}) {
    EXPECT_FALSE(parse_row_description(row_description({"a"}, format))) << format;
    bytes first_of_two = bytes{}.u16(2);
    test::append_column(test::append_column(first_of_two, "a", format), "b", 0);
    EXPECT_FALSE(parse_row_description(first_of_two)) << format;
  }
}

TEST(wire_backend, B75_parameter_types_are_listed) {
  EXPECT_EQ(parse_parameter_description(bytes{}.u16(2).u32(23).u32(25)), (std::vector<std::uint32_t>{23, 25}));
  EXPECT_EQ(parse_parameter_description(bytes{}.u16(0)), std::vector<std::uint32_t>{});
  bytes most;
  most.u16(65535);
  for (int i = 0; i < 65535; ++i) most.u32(20);
  EXPECT_EQ(parse_parameter_description(most)->size(), 65535U);
}

TEST(wire_backend, B63_C25_a_row_has_as_many_fields_as_announced) {
  EXPECT_TRUE(is_data_row(data_row({"a", "b"}), 2));
  EXPECT_FALSE(is_data_row(data_row({"a"}), 2));
  EXPECT_FALSE(is_data_row(data_row({"a", "b", "c"}), 2));
  EXPECT_FALSE(is_data_row(data_row({}), 2));
  EXPECT_FALSE(is_data_row(data_row({"a"}), 65537));
}

TEST(wire_backend, B64_C16_only_minus_one_is_a_negative_length) {
  EXPECT_TRUE(is_data_row(bytes{}.u16(1).u32(0xffffffff), 1));
  for (const std::uint32_t length : {0xfffffffeU, 0xfffffff0U, 0x80000001U, 0x80000000U, 0x7fffffffU, 5U}) {
    EXPECT_FALSE(is_data_row(bytes{}.u16(1).u32(length).raw("abcd"), 1)) << length;
    EXPECT_FALSE(is_data_row(bytes{}.u16(2).u32(length).u32(0xffffffff), 2)) << length;
  }
}

TEST(wire_backend, B65_a_field_ends_within_its_row) {
  EXPECT_TRUE(is_data_row(bytes{}.u16(2).u32(4).raw("abcd").u32(0), 2));
  EXPECT_FALSE(is_data_row(bytes{}.u16(2).u32(8).raw("abcd").u32(0).u8(0), 2));
  EXPECT_FALSE(is_data_row(bytes{}.u16(2).u32(3).raw("abcd").u32(0), 2));
  EXPECT_FALSE(is_data_row(bytes{}.u16(2).u32(0xffffffff).u16(0), 2));
}

TEST(wire_backend, B70_a_tag_gives_its_rows_or_none) {
  EXPECT_EQ(affected_rows("INSERT 0 5"), 5U);
  EXPECT_EQ(affected_rows("SELECT 3"), 3U);
  EXPECT_EQ(affected_rows("UPDATE 0"), 0U);
  EXPECT_EQ(affected_rows("MERGE 18446744073709551615"), UINT64_MAX);
  for (const std::string_view none : {"", "BEGIN", "CREATE TABLE", "INSERT 0 99999999999999999999", "SELECT ",
                                      "SELECT -1", "SELECT 3x", "SELECT 0x3", "5", "SELECT +5"}) {
    EXPECT_EQ(affected_rows(none), std::nullopt) << none;
  }
  EXPECT_EQ(parse_command_complete("INSERT 0 5\0"sv), "INSERT 0 5");
  EXPECT_FALSE(parse_command_complete("INSERT 0 5"));
  EXPECT_FALSE(parse_command_complete("INSERT\0 0 5\0"sv));
}

TEST(wire_backend, B83_copy_formats_are_checked) {
  EXPECT_TRUE(parse_copy_response(bytes{}.u8(0).u16(0)));
  EXPECT_TRUE(parse_copy_response(bytes{}.u8(0).u16(1).u16(0)));
  EXPECT_TRUE(parse_copy_response(bytes{}.u8(1).u16(1).u16(1)));
  EXPECT_FALSE(parse_copy_response(bytes{}.u8(2).u16(0)));
  EXPECT_FALSE(parse_copy_response(bytes{}.u8(0).u16(1).u16(1)));
  EXPECT_FALSE(parse_copy_response(bytes{}.u8(1).u16(1).u16(2)));
  EXPECT_FALSE(parse_copy_response(bytes{}.u8(1).u16(0xffff)));
  EXPECT_FALSE(parse_copy_response(bytes{}.u8(1).u16(1665).raw(std::string(2 * 1665, '\0'))));
  EXPECT_TRUE(parse_copy_response(bytes{}.u8(1).u16(1664).raw(std::string(std::size_t{2} * 1664, '\0'))));
}

}  // namespace
}  // namespace lido::wire
