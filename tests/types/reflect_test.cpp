// What each compiler calls a field: if a new one changes its words, this fails first.
#include <lido/driver/detail/reflect.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct in_no_namespace {
  int first;
  std::string second_one;
};

namespace lido::test {
namespace {

using detail::field_names_of;

struct one_field {
  int only;
};
struct with_defaults {
  std::int64_t id = 7;
  std::optional<std::string> name_ = "x";
  std::vector<std::byte> bytes;
  std::chrono::sys_days day;
  std::optional<std::int64_t> count;
  std::unique_ptr<int> pointer;
  std::span<const std::byte> view;
  std::string_view text;
};
template <class T>
struct of_template {
  T first;
  std::optional<T> second;
};
struct with_32 {
  int a1, a2, a3, a4, a5, a6, a7, a8, b1, b2, b3, b4, b5, b6, b7, b8, c1, c2, c3, c4, c5, c6, c7, c8, d1, d2, d3, d4,
      d5, d6, d7, d8;
};
struct with_33 {
  int a1, a2, a3, a4, a5, a6, a7, a8, b1, b2, b3, b4, b5, b6, b7, b8, c1, c2, c3, c4, c5, c6, c7, c8, d1, d2, d3, d4,
      d5, d6, d7, d8, e1;
};
struct with_constructor {
  with_constructor() {}
  int a = 0;
};
struct empty {};

static_assert(field_names_of<one_field>[0] == "only");
static_assert(field_names_of<in_no_namespace>[0] == "first" && field_names_of<in_no_namespace>[1] == "second_one");
static_assert(field_names_of<with_defaults>.size() == 8);
static_assert(field_names_of<with_defaults>[0] == "id" && field_names_of<with_defaults>[1] == "name_");
static_assert(field_names_of<with_defaults>[3] == "day" && field_names_of<with_defaults>[7] == "text");
static_assert(field_names_of<of_template<std::optional<std::string>>>[1] == "second");
static_assert(field_names_of<with_32>[0] == "a1" && field_names_of<with_32>[31] == "d8");
static_assert(!detail::reflectable<with_33>);
static_assert(!detail::reflectable<with_constructor>);
static_assert(!detail::reflectable<empty>);
static_assert(!detail::reflectable<int>);

TEST(reflect, local_structs_have_names_too) {
  struct local {
    int a;
    std::string bb;
  };
  static_assert(field_names_of<local>[0] == "a" && field_names_of<local>[1] == "bb");
  local object{1, "x"};
  *std::get<1>(detail::field_pointers(object)) = "y";
  EXPECT_EQ(object.bb, "y");
}

TEST(reflect, pointers_are_in_the_order_of_names) {
  with_32 object{};
  object.c3 = 5;
  EXPECT_EQ(*std::get<18>(detail::field_pointers(object)), 5);
  EXPECT_EQ(field_names_of<with_32>[18], "c3");
}

}  // namespace
}  // namespace lido::test
