// Which texts are a COMMIT: those are never sent a CancelRequest, and lost unanswered they are outcome_unknown.
#include "driver/session/statement_class.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lido::session {
namespace {

TEST(statement_class, I15_commit_in_all_its_spellings) {
  for (const char* sql : {"COMMIT",
                          "commit",
                          "CoMmIt;",
                          "  \t\r\n\f\vcommit",
                          "commit work and chain",
                          "COMMIT/**/",
                          "COMMIT--",
                          "END",
                          "end transaction",
                          "(commit",
                          ";;commit",
                          "; ( ; commit",
                          "-- x\ncommit",
                          "-- x\rcommit",
                          "/* a */commit",
                          "/* /* nested */ still */ COMMIT",
                          "/**/ -- y\n /*z*/ commit",
                          "--\ncommit",
                          "PREPARE TRANSACTION 'x'",
                          "prepare\n/* c */transaction'x'",
                          "commit prepared 'x'",
                          "commit;select 1",
                          "commit\xa0"}) {
    const auto expected = std::string(sql) == "commit\xa0" ? statement_class::other : statement_class::commit;
    EXPECT_EQ(classify(sql), expected) << sql;
  }
}

TEST(statement_class, I15_what_only_looks_like_a_commit_may_be_cancelled) {
  for (const char* sql : {"",
                          " ",
                          ";",
                          "--commit",
                          "-- commit",
                          "/* commit */",
                          "/* /* */ commit",
                          "/*",
                          "*/commit",
                          "select 1; commit",
                          "commits",
                          "commit_",
                          "commit1",
                          "commit$",
                          "ending",
                          "endpoint",
                          "\"commit\"",
                          "'commit'",
                          "prepare transactions as select 1",
                          "prepare p as select 1",
                          "prepare",
                          "explain commit",
                          "-commit",
                          "/commit",
                          "select 'commit'"}) {
    EXPECT_EQ(classify(sql), statement_class::other) << sql;
  }
}

TEST(statement_class, begins_are_told_from_the_rest) {
  for (const char* sql : {"begin", "BEGIN ISOLATION LEVEL SERIALIZABLE", "start transaction",
                          "START /* x */ TRANSACTION READ ONLY", "begin;commit"}) {
    EXPECT_EQ(classify(sql), statement_class::begin) << sql;
  }
  for (const char* sql : {"beginning", "start", "start replication", "start_transaction"})
    EXPECT_EQ(classify(sql), statement_class::other) << sql;
}

TEST(statement_class, only_the_end_of_the_transaction_is_a_rollback) {
  for (const char* sql : {"rollback", "ROLLBACK;", "rollback work", "rollback transaction and chain", "abort",
                          "ABORT WORK", "rollback and no chain"}) {
    EXPECT_EQ(classify(sql), statement_class::rollback) << sql;
  }
  for (const char* sql : {"rollback to s", "ROLLBACK WORK TO SAVEPOINT s", "rollback /* x */ transaction to s",
                          "rollback prepared 'x'", "rollbacks"}) {
    EXPECT_EQ(classify(sql), statement_class::other) << sql;
  }
}

TEST(statement_class, reads_any_bytes_without_harm) {
  std::string text;
  for (int i = 0; i < 256; ++i) {
    text.assign(3, static_cast<char>(i));
    EXPECT_EQ(classify(text), statement_class::other);
  }
  EXPECT_EQ(classify(std::string(1U << 20, '(')), statement_class::other);
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += "/*";
  EXPECT_EQ(classify(nested), statement_class::other);
}

}  // namespace
}  // namespace lido::session
