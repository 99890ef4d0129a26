// The cache of prepared statements: which go, and which names are to be closed.
#include "driver/session/statement_cache.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lido::session {
namespace {

using names = std::vector<std::string>;

detail::request statement(std::string_view sql, std::initializer_list<std::uint32_t> types = {}) {
  detail::request out{sql};
  for (const std::uint32_t oid : types) out.add_type(oid, true);
  return out;
}

TEST(statement_cache, a_statement_is_found_by_text_and_types) {
  statement_cache cache{8};
  EXPECT_EQ(cache.find(statement("select $1", {23})), nullptr);
  statement_cache::entry* const kept = cache.insert(statement("select $1", {23}));
  ASSERT_NE(kept, nullptr);
  EXPECT_FALSE(kept->prepared);
  EXPECT_EQ(cache.find(statement("select $1", {23})), kept);
  EXPECT_EQ(cache.find(statement("select $1", {25})), nullptr);
  EXPECT_EQ(cache.find(statement("select $1")), nullptr);
  EXPECT_EQ(cache.find(statement("select $1 ", {23})), nullptr);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(statement_cache, what_is_there_is_not_added_twice) {
  statement_cache cache{8};
  statement_cache::entry* const kept = cache.insert(statement("select 1"));
  EXPECT_EQ(cache.insert(statement("select 1")), kept);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(statement_cache, I14_all_are_given_up_together_when_the_server_may_have_forgotten_some) {
  statement_cache cache{8};
  for (const char* sql : {"a", "b", "c"}) cache.insert(statement(sql));
  cache.evict_all();
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.find(statement("a")), nullptr);
  EXPECT_EQ(cache.take_closable().size(), 3U) << "a Close of one that is gone does no harm";
}

TEST(statement_cache, the_least_recently_used_one_goes_first) {
  statement_cache cache{3};
  const std::string b = cache.insert(statement("b"))->name;
  statement_cache::entry* const a = cache.insert(statement("a"));
  cache.insert(statement("c"));
  EXPECT_FALSE(cache.has_closable());
  const std::string c = cache.find(statement("c"))->name;
  cache.find(statement("a"));
  cache.insert(statement("d"));
  EXPECT_EQ(cache.find(statement("b")), nullptr);
  EXPECT_EQ(cache.find(statement("a")), a) << "pointers stay valid";
  EXPECT_TRUE(cache.has_closable());
  EXPECT_EQ(cache.take_closable(), names{b});
  cache.insert(statement("e"));
  EXPECT_EQ(cache.take_closable(), names{c});
  EXPECT_EQ(cache.size(), 3U);
}

TEST(statement_cache, names_to_close_are_handed_out_once) {
  statement_cache cache{1};
  cache.insert(statement("a"));
  cache.insert(statement("b"));
  cache.insert(statement("c"));
  EXPECT_EQ(cache.take_closable().size(), 2U);
  EXPECT_FALSE(cache.has_closable());
  EXPECT_TRUE(cache.take_closable().empty());
}

TEST(statement_cache, names_begin_as_their_owner_says) {
  statement_cache cache(4, SIZE_MAX, "l4k7q2x1f_");
  EXPECT_EQ(cache.insert(statement("one"))->name, "l4k7q2x1f_1");
  EXPECT_EQ(cache.insert(statement("two"))->name, "l4k7q2x1f_2");
}

TEST(statement_cache, a_stale_one_is_closed_and_an_erased_one_is_not) {
  statement_cache cache{8};
  statement_cache::entry* const stale = cache.insert(statement("stale"));
  statement_cache::entry* const gone = cache.insert(statement("gone"));
  const std::string name = stale->name;
  cache.evict(stale);
  cache.erase(gone);
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.take_closable(), names{name});
  EXPECT_EQ(cache.find(statement("stale")), nullptr);
  EXPECT_EQ(cache.find(statement("gone")), nullptr);
}

TEST(statement_cache, clear_forgets_everything) {
  statement_cache cache{2};
  for (const std::string_view sql : {"a", "b", "c"}) cache.insert(statement(sql));
  cache.clear();
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_FALSE(cache.has_closable()) << "the server has forgotten them all";
  EXPECT_EQ(cache.find(statement("c")), nullptr);
  EXPECT_NE(cache.insert(statement("c")), nullptr);
}

TEST(statement_cache, names_are_never_given_twice) {
  statement_cache cache{2};
  std::set<std::string> given;
  for (int i = 0; i < 100; ++i) {
    if (i % 10 == 0) cache.clear();
    EXPECT_TRUE(given.insert(cache.insert(statement("select " + std::to_string(i)))->name).second);
  }
}

TEST(statement_cache, capacity_zero_keeps_nothing) {
  statement_cache cache{0};
  EXPECT_EQ(cache.insert(statement("select 1")), nullptr);
  EXPECT_EQ(cache.find(statement("select 1")), nullptr);
  EXPECT_FALSE(cache.has_closable());
}

TEST(statement_cache, very_long_texts_are_not_kept) {
  statement_cache cache{8};
  EXPECT_NE(cache.insert(statement(std::string(max_cached_text, ' '))), nullptr);
  EXPECT_EQ(cache.insert(statement(std::string(max_cached_text + 1, ' '))), nullptr);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(statement_cache, many_statements_are_all_found_again) {
  statement_cache cache{1000};
  const auto nth = [](std::uint32_t i) { return statement("select " + std::to_string(i / 2), {i}); };
  for (std::uint32_t i = 0; i < 1000; ++i) cache.insert(nth(i))->prepared = true;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    statement_cache::entry* const found = cache.find(nth(i));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->name, "lido_" + std::to_string(i + 1));
  }
}

TEST(statement_cache, P143_the_bytes_of_its_texts_are_bounded) {
  statement_cache cache{100, 100};
  for (int i = 0; i < 10; ++i) ASSERT_NE(cache.insert(statement("select " + std::to_string(i) + "--")), nullptr);
  EXPECT_EQ(cache.size(), 10U);
  EXPECT_EQ(cache.bytes(), 100U);
  ASSERT_NE(cache.insert(statement(std::string(25, 'x'))), nullptr);
  EXPECT_EQ(cache.size(), 8U) << "three made room for one";
  EXPECT_EQ(cache.bytes(), 95U);
  EXPECT_EQ(cache.take_closable(), (names{"lido_1", "lido_2", "lido_3"}));
  EXPECT_EQ(cache.insert(statement(std::string(101, 'x'))), nullptr) << "and nobody goes for what never fits";
  EXPECT_EQ(cache.size(), 8U);
  cache.clear();
  EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace lido::session
