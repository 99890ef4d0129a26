// The fields of ErrorResponse and NoticeResponse: kept within bounds whatever the server says.
#include "driver/wire/backend.hpp"
#include "driver/wire/limits.hpp"
#include "tests/unit/wire_bytes.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace lido::wire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using test::bytes;

std::string field(char code, std::string_view text) { return bytes{}.raw({&code, 1}).text(text); }

std::size_t kept(const diagnostics& of) {
  return of.severity.size() + of.sqlstate.size() + of.message.size() + of.detail.size() + of.hint.size() +
         of.position.size() + of.where.size() + of.schema.size() + of.table.size() + of.column.size() +
         of.datatype.size() + of.constraint.size() + of.context.size();
}

TEST(wire_diagnostics, every_field_has_its_place) {
  const std::string body = field('S', "FEHLER") + field('V', "ERROR") + field('C', "23505") + field('M', "message") +
                           field('D', "detail") + field('H', "hint") + field('P', "12") + field('W', "where") +
                           field('s', "schema") + field('t', "table") + field('c', "column") + field('d', "type") +
                           field('n', "constraint") + field('F', "nbtinsert.c") + field('L', "664") +
                           field('R', "_bt_check_unique") + "\0"s;
  const auto diag = parse_diagnostics(body);
  ASSERT_TRUE(diag.has_value());
  EXPECT_EQ(diag->severity, "ERROR");
  EXPECT_EQ(diag->sqlstate, "23505");
  EXPECT_EQ(diag->message, "message");
  EXPECT_EQ(diag->detail, "detail");
  EXPECT_EQ(diag->hint, "hint");
  EXPECT_EQ(diag->position, "12");
  EXPECT_EQ(diag->where, "where");
  EXPECT_EQ(diag->schema, "schema");
  EXPECT_EQ(diag->table, "table");
  EXPECT_EQ(diag->column, "column");
  EXPECT_EQ(diag->datatype, "type");
  EXPECT_EQ(diag->constraint, "constraint");
  EXPECT_TRUE(diag->context.empty());
}

TEST(wire_diagnostics, B52_missing_unknown_and_repeated_fields_do_no_harm) {
  for (const std::string_view body : {""sv, "\0"sv}) {
    const auto diag = parse_diagnostics(body);
    ASSERT_TRUE(diag.has_value());
    EXPECT_EQ(diag->sqlstate, "XX000");
    EXPECT_TRUE(diag->message.empty());
  }
  const auto odd =
      parse_diagnostics(field('\xff', "unknown") + field('1', "") + field('M', "first") + field('M', "second") + "\0"s);
  ASSERT_TRUE(odd.has_value());
  EXPECT_EQ(odd->message, "first");
  EXPECT_EQ(parse_diagnostics(field('S', "PANIC") + "\0"s)->severity, "PANIC");
}

TEST(wire_diagnostics, C3_a_field_without_its_end_is_refused) {
  EXPECT_FALSE(parse_diagnostics("Mtext"sv));
  EXPECT_FALSE(parse_diagnostics("M"sv));
  EXPECT_FALSE(parse_diagnostics(field('M', "text") + "C"));
}

TEST(wire_diagnostics, B59_bytes_behind_the_terminator_are_refused) {
  EXPECT_FALSE(parse_diagnostics(field('M', "text") + "\0x"s));
  EXPECT_FALSE(parse_diagnostics("\0\0"sv));
}

TEST(wire_diagnostics, I25_a_malformed_sqlstate_is_an_internal_error) {
  for (const std::string_view bad : {"", "4250", "425011", "42a01", "42-01", "\xff\xff\xff\xff\xff"}) {
    EXPECT_EQ(parse_diagnostics(field('C', bad) + "\0"s)->sqlstate, "XX000") << bad;
  }
  EXPECT_EQ(parse_diagnostics(field('C', "P0001") + "\0"s)->sqlstate, "P0001");
}

TEST(wire_diagnostics, I25_success_is_kept_only_where_it_is_no_error) {
  for (const std::string_view severity : {"NOTICE", "WARNING", "INFO", "LOG", "DEBUG"}) {
    EXPECT_EQ(parse_diagnostics(field('V', severity) + field('C', "00000") + "\0"s)->sqlstate, "00000") << severity;
  }
  for (const std::string_view severity : {"ERROR", "FATAL", "PANIC", "", "notice"}) {
    EXPECT_EQ(parse_diagnostics(field('V', severity) + field('C', "00000") + "\0"s)->sqlstate, "XX000") << severity;
  }
}

TEST(wire_diagnostics, B53_ten_megabytes_of_message_are_kept_to_the_bound) {
  const std::string huge(10U << 20, 'm');
  std::string body;
  for (const char code : "VCMDHPWstcdn"sv) body += field(code, huge);
  const auto diag = parse_diagnostics(body + "\0"s);
  ASSERT_TRUE(diag.has_value());
  EXPECT_LE(kept(*diag), max_diagnostic_bytes);
  EXPECT_GT(diag->message.size(), 32U << 10);
}

TEST(wire_diagnostics, B53_fields_behind_a_huge_message_are_not_lost) {
  const auto diag = parse_diagnostics(field('M', std::string(1U << 20, 'm')) + field('n', "users_pkey") + "\0"s);
  EXPECT_EQ(diag->constraint, "users_pkey");
}

TEST(wire_diagnostics, B53_the_cut_falls_between_characters) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'a');
    while (text.size() < 600) text += "\xf0\x9f\x90\x98";  // four bytes each
    const auto diag = parse_diagnostics(field('t', text) + "\0"s);
    EXPECT_EQ((diag->table.size() - shift) % 4, 0U) << shift;
    EXPECT_GT(diag->table.size(), 508U);
  }
  EXPECT_EQ(parse_diagnostics(field('t', std::string(600, '\x80')) + "\0"s)->table.size(), 509U);
}

}  // namespace
}  // namespace lido::wire
