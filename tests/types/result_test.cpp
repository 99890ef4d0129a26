#include "tests/types/wire_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ranges>

namespace lido::test {

struct user {
  std::int64_t id = 0;
  std::string name;
  std::optional<double> score;
  friend bool operator==(const user&, const user&) = default;
};
struct with_keyword {
  int class_ = 0;
  std::string_view text;
};

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::vector<column> user_columns{make_column("id", oid::int8), make_column("name", oid::text),
                                       make_column("score", oid::float8)};
const std::vector<cells> two_users{{big(std::int64_t{1}), "ada", unhex("3ff8000000000000")},
                                   {big(std::int64_t{2}), "bob", std::nullopt}};

template <class T = row>
result<T> bound(std::vector<column> columns, const std::vector<cells>& rows) {
  result<T> r(make_raw(std::move(columns), rows));
  lido::detail::lazy_diagnostics diag;
  EXPECT_FALSE(r.bind(diag)) << lido::detail::said_in(diag).context;
  return r;
}

template <class T>
thrown refused(std::vector<column> columns) {
  result<T> r(make_raw(std::move(columns), {}));
  lido::detail::lazy_diagnostics diag;
  const auto ec = r.bind(diag);
  EXPECT_TRUE(r.empty()) << "after an error there are no rows";
  return {ec, diag->context};
}

TEST(results, plain_structs_by_column_name) {
  const auto r = bound<user>(user_columns, two_users);
  std::vector<user> seen;
  for (const user& u : r) seen.push_back(u);
  EXPECT_THAT(seen, ElementsAre(user{1, "ada", 1.5}, user{2, "bob", std::nullopt}));
}

TEST(results, the_order_of_columns_does_not_matter_to_a_struct) {
  const auto r =
      bound<user>({user_columns[2], user_columns[0], user_columns[1]}, {{std::nullopt, big(std::int64_t{9}), "eve"}});
  EXPECT_EQ(r.one(), (user{9, "eve", std::nullopt}));
}

TEST(results, a_struct_wants_each_column_once_and_no_other) {
  const auto missing = refused<user>({user_columns[0], user_columns[1], make_column("points", oid::float8)});
  EXPECT_EQ(missing.code, errc::column_mismatch);
  EXPECT_THAT(missing.context, HasSubstr("\"score\""));
  auto four = user_columns;
  four.push_back(make_column("extra", oid::text));
  EXPECT_EQ(refused<user>(four).code, errc::column_mismatch);
  four.back().name = "id";
  const auto twice = refused<user>(four);
  EXPECT_EQ(twice.code, errc::column_mismatch);
  EXPECT_THAT(twice.context, HasSubstr("more than one column"));
  EXPECT_EQ(refused<user>({}).code, errc::column_mismatch);
}

TEST(results, a_field_with_an_underscore_takes_a_column_that_cpp_cannot_name) {
  const auto r =
      bound<with_keyword>({make_column("class", oid::int4), make_column("text", oid::text)}, {{big(3), "abc"}});
  EXPECT_EQ(r.one().class_, 3);
  EXPECT_EQ(r.one().text, "abc");
}

TEST(results, a_type_that_does_not_fit_is_said_once_with_names_and_without_values) {
  auto columns = user_columns;
  columns[1].type_oid = oid::timestamptz;
  const auto e = refused<user>(columns);
  EXPECT_EQ(e.code, errc::type_mismatch);
  EXPECT_THAT(e.context, AllOf(HasSubstr("column 2"), HasSubstr("\"name\""), HasSubstr("timestamptz"),
                               HasSubstr("std::string"), HasSubstr("lido::timestamptz")));
  columns[1] = make_column("name", 99999);
  EXPECT_THAT((refused<std::tuple<std::int64_t, int, double>>(columns).context), HasSubstr("type 99999"));
}

TEST(results, tuples_by_position) {
  const auto r = bound<std::tuple<std::int64_t, std::string_view, std::optional<double>>>(user_columns, two_users);
  std::int64_t sum = 0;
  std::string names;
  for (auto [id, name, score] : r) {
    sum += id;
    names += name;
    EXPECT_EQ(score.has_value(), id == 1);
  }
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(names, "adabob");
  EXPECT_EQ((refused<std::tuple<std::int64_t, std::string>>(user_columns).code), errc::column_mismatch);
  EXPECT_EQ((refused<std::tuple<std::int64_t, std::string, int>>(user_columns).code), errc::type_mismatch);
}

TEST(results, scalars) {
  const auto r = bound<std::int64_t>({make_column("count", oid::int8)}, {{big(std::int64_t{42})}});
  EXPECT_EQ(r.one(), 42);
  EXPECT_EQ(r.optional(), 42);
  EXPECT_EQ(*r.begin(), 42);
  EXPECT_EQ(refused<std::int64_t>(user_columns).code, errc::column_mismatch);
  EXPECT_EQ(refused<int>({make_column("count", oid::int8)}).code, errc::type_mismatch) << "would cut it";
  EXPECT_EQ(refused<std::int64_t>({}).code, errc::column_mismatch) << "the statement returns no rows";
}

TEST(results, an_optional_scalar_may_be_null) {
  const auto r = bound<std::optional<std::int64_t>>({make_column("max", oid::int8)}, {{std::nullopt}});
  EXPECT_EQ(r.one(), std::nullopt);
  const auto strict = bound<std::int64_t>({make_column("max", oid::int8)}, {{std::nullopt}});
  const auto e = error_of([&] { (void)strict.one(); });
  EXPECT_EQ(e.code, errc::unexpected_null);
  EXPECT_THAT(e.context, AllOf(HasSubstr("\"max\""), HasSubstr("std::optional<std::int64_t>")));
}

TEST(results, rows_by_index_and_name) {
  const auto r = bound(user_columns, two_users);
  ASSERT_EQ(r.size(), 2U);
  EXPECT_EQ(r[0].get<std::int64_t>(0), 1);
  EXPECT_EQ(r[0].get<std::string>("name"), "ada");
  EXPECT_EQ(r[1].get<std::optional<double>>("score"), std::nullopt);
  EXPECT_TRUE(r[1].is_null("score"));
  EXPECT_FALSE(r[0].is_null(2));
  EXPECT_EQ(r[0].size(), 3U);
  EXPECT_EQ(r[0].column_at(1).type_oid, oid::text);
  EXPECT_EQ(row().size(), 0U);
}

TEST(results, rows_complain_with_names) {
  const auto r = bound(user_columns, two_users);
  EXPECT_EQ(error_of([&] { (void)r[0].get<int>(0); }).code, errc::type_mismatch);
  EXPECT_EQ(error_of([&] { (void)r[1].get<double>(2); }).code, errc::unexpected_null);
  EXPECT_EQ(error_of([&] { (void)r[0].get<int>(3); }).code, errc::column_mismatch);
  EXPECT_THAT(error_of([&] { (void)r[0].get<int>("nmae"); }).context, HasSubstr("nmae"));
  EXPECT_EQ(error_of([&] { (void)row().get<int>("x"); }).code, errc::column_mismatch);
  EXPECT_EQ(error_of([&] { (void)r[2]; }).code, errc::no_row);
}

TEST(results, C10_column_names_are_data) {
  const std::string evil = std::string("\x1b[31m; drop\n") + std::string(300, 'x');
  const auto r = bound({make_column(evil, oid::int4), make_column("", oid::int4), make_column("a", oid::int4),
                        make_column("a", oid::int4)},
                       {{big(1), big(2), big(3), big(4)}});
  EXPECT_EQ(r[0].get<int>(std::string_view(evil)), 1);
  EXPECT_EQ(r[0].get<int>(""), 2);
  EXPECT_EQ(r[0].get<int>(3), 4);
  EXPECT_EQ(error_of([&] { (void)r[0].get<int>("a"); }).code, errc::column_mismatch) << "which one is meant?";
  const auto e = error_of([&] { (void)r[0].get<std::string>(0); });
  EXPECT_THAT(e.context, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("\n"))));
  EXPECT_LT(e.context.size(), 400U);
}

TEST(results, errors_never_hold_a_value) {
  const auto r = bound<bool>({make_column("flag", oid::boolean)}, {{"S"}});
  const auto e = error_of([&] { (void)r.one(); });
  EXPECT_EQ(e.code, errc::value_out_of_range);
  EXPECT_THAT(e.context, AllOf(HasSubstr("\"flag\""), HasSubstr("bool"), Not(HasSubstr("S"))));
}

TEST(results, one_and_optional_count_rows) {
  const std::vector<column> columns{make_column("n", oid::int4)};
  EXPECT_EQ(error_of([&] { (void)bound<int>(columns, {}).one(); }).code, errc::no_row);
  EXPECT_EQ(bound<int>(columns, {}).optional(), std::nullopt);
  const auto two = bound<int>(columns, {{big(1)}, {big(2)}});
  EXPECT_EQ(error_of([&] { (void)two.one(); }).code, errc::no_row);
  EXPECT_EQ(error_of([&] { (void)two.optional(); }).code, errc::no_row);
  EXPECT_EQ(two[1], 2);
}

TEST(results, text_columns_of_the_simple_protocol) {
  const auto r = bound<std::tuple<int, std::string, bool>>(
      {make_column("a", oid::int4, false), make_column("b", oid::interval, false),
       make_column("c", oid::boolean, false)},
      {{"7", "1 day", "t"}});
  EXPECT_EQ(r.one(), std::make_tuple(7, std::string("1 day"), true));
  const auto e = refused<timestamptz>({make_column("t", oid::timestamptz, false)});
  EXPECT_EQ(e.code, errc::type_mismatch);
  EXPECT_THAT(e.context, HasSubstr("text"));
}

TEST(results, without_rows_say_what_was_done) {
  detail::raw_result raw;
  raw.tag = "UPDATE 3";
  result<> r(std::move(raw));
  lido::detail::lazy_diagnostics diag;
  ASSERT_FALSE(r.bind(diag));
  EXPECT_EQ(r.affected_rows(), 3U);
  EXPECT_EQ(r.command_tag(), "UPDATE 3");
  EXPECT_TRUE(r.empty());
  EXPECT_TRUE(r.columns().empty());
  EXPECT_EQ(r.begin(), r.end());
  result<> none;
  EXPECT_EQ(none.affected_rows(), 0U);
}

TEST(results, an_unbound_or_refused_one_has_no_rows) {
  result<user> never_bound(make_raw(user_columns, two_users));
  EXPECT_TRUE(never_bound.empty());
  EXPECT_EQ(error_of([&] { (void)never_bound[0]; }).code, errc::no_row);
  result<int> wrong(make_raw(user_columns, two_users));
  lido::detail::lazy_diagnostics diag;
  EXPECT_TRUE(wrong.bind(diag));
  EXPECT_EQ(wrong.begin(), wrong.end());
}

TEST(results, moving_takes_the_rows_along) {
  auto r = bound<user>(user_columns, two_users);
  const auto moved = std::move(r);
  EXPECT_EQ(moved.size(), 2U);
  EXPECT_EQ(moved[0].name, "ada");
  EXPECT_TRUE(r.empty());  // NOLINT(bugprone-use-after-move): that it is empty is the point
}

TEST(results, work_with_ranges_and_algorithms) {
  static_assert(std::ranges::forward_range<const result<user>>);
  const auto r = bound<user>(user_columns, two_users);
  std::vector<std::string> names;
  for (const auto& name : r | std::views::transform([](const user& u) { return u.name; })) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("ada", "bob"));
  std::vector<user> all(r.begin(), r.end());
  EXPECT_EQ(all.size(), 2U);
}

TEST(results, views_point_into_the_result) {
  const auto r = bound<std::tuple<std::int64_t, std::string_view, std::optional<double>>>(user_columns, two_users);
  const auto first = std::get<1>(r[0]);
  const auto again = std::get<1>(r[0]);
  EXPECT_EQ(first.data(), again.data());
}

TEST(type_names, of_the_server) {
  EXPECT_EQ(type_name(oid::int8), "int8");
  EXPECT_EQ(type_name(oid::single_char), "\"char\"");
  EXPECT_EQ(type_name(1016), "int8[]");
  EXPECT_EQ(type_name(16423), "type 16423");
  EXPECT_EQ(type_name(0), "type 0");
}

}  // namespace
}  // namespace lido::test
