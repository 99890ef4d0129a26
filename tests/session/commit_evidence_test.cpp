// What the server's words about a lost COMMIT prove, and what they do not.
#include "driver/session/commit_evidence.hpp"

#include <gtest/gtest.h>

namespace lido::session {
namespace {

constexpr transaction_id mine{
    .xid = 4'294'967'999, .system = 7'443'000'000'000'000'001, .timeline = 0x1A, .era = 1'732'000'000'123'456};

text_fields row_of(std::optional<std::string_view> first) {
  return {first, "7443000000000000001", "0000001A", "1732000000123456"};
}

commit_status verdict(const text_fields& fields) { return verdict_on(mine, &fields); }

TEST(commit_evidence, I15_the_name_is_read_from_four_numbers_or_not_at_all) {
  EXPECT_EQ(name_in(row_of("4294967999")), mine);
  EXPECT_EQ(name_in(row_of(std::nullopt)), std::nullopt);
  EXPECT_EQ(name_in(row_of("")), std::nullopt);
  EXPECT_EQ(name_in(row_of("0")), std::nullopt);
  EXPECT_EQ(name_in(row_of("12x")), std::nullopt);
  EXPECT_EQ(name_in(row_of("99999999999999999999999")), std::nullopt);
  for (std::size_t i = 1; i < text_fields{}.size(); ++i) {
    text_fields broken = row_of("5");
    broken[i] = std::nullopt;
    EXPECT_EQ(name_in(broken), std::nullopt) << i;
    broken[i] = "?";
    EXPECT_EQ(name_in(broken), std::nullopt) << i;
  }
}

TEST(commit_evidence, I15_a_system_identifier_of_the_upper_half_is_an_int8_with_a_minus) {
  text_fields fields = row_of("5");
  fields[1] = "-2";
  const auto name = name_in(fields);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->system, 18'446'744'073'709'551'614U);
  EXPECT_NE(question_about(*name).find("'-2'::pg_catalog.int8"), std::string::npos);
}

TEST(commit_evidence, I15_what_the_server_says_counts_on_the_same_server_and_timeline) {
  EXPECT_EQ(verdict(row_of("committed")), commit_status::committed);
  EXPECT_EQ(verdict(row_of("aborted")), commit_status::aborted);
  EXPECT_EQ(verdict(row_of("in progress")), commit_status::in_progress);
  for (const std::size_t i : {1U, 2U}) {
    for (const char* said : {"committed", "aborted", "in progress"}) {
      text_fields elsewhere = row_of(said);
      elsewhere[i] = "2";
      EXPECT_EQ(verdict(elsewhere), commit_status::unknown) << i << said;
    }
  }
}

// The xid may have been given again, and what is committed is its second bearer. An abort is one in any case.
TEST(commit_evidence, I15_behind_a_crash_only_an_abort_is_certain) {
  text_fields later = row_of("committed");
  later[3] = "1732000099000000";
  EXPECT_EQ(verdict(later), commit_status::unknown);
  later[0] = "aborted";
  EXPECT_EQ(verdict(later), commit_status::aborted);
  EXPECT_TRUE(proves_abort("22023")) << "an xid that was never given";
  EXPECT_FALSE(proves_abort("42501"));
}

TEST(commit_evidence, I15_too_old_or_no_row_or_another_word_is_unknown) {
  EXPECT_EQ(verdict(row_of(std::nullopt)), commit_status::unknown);
  EXPECT_EQ(verdict(row_of("frozen")), commit_status::unknown);
  EXPECT_EQ(verdict_on(mine, nullptr), commit_status::unknown) << "a standby";
}

TEST(commit_evidence, the_question_names_server_timeline_and_xid) {
  const std::string sql = question_about(mine);
  EXPECT_NE(sql.find("'4294967999'::pg_catalog.xid8"), std::string::npos) << sql;
  EXPECT_NE(sql.find("'0000001A'"), std::string::npos) << sql;
  EXPECT_NE(sql.find("'7443000000000000001'"), std::string::npos) << sql;
}

}  // namespace
}  // namespace lido::session
