// Which addresses a name still has.
#include "pool/host_addresses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lido::detail {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::Optional;
using ::testing::UnorderedElementsAre;

TEST(host_addresses, F22_one_look_up_is_enough_where_roles_are_asked_for) {
  host_addresses name(1);
  EXPECT_THAT(name.found({"a", "b"}), Optional(UnorderedElementsAre("a", "b")));
  EXPECT_THAT(name.found({"b"}), Optional(UnorderedElementsAre("b")));
}

TEST(host_addresses, F22_an_address_has_left_when_none_of_the_last_look_ups_had_it) {
  host_addresses name(3);
  EXPECT_EQ(name.found({"a"}), std::nullopt);  // too early to say
  EXPECT_EQ(name.found({"b"}), std::nullopt);
  EXPECT_THAT(name.found({"b"}), Optional(Contains("a")));
  EXPECT_THAT(name.found({"b"}), Optional(Not(Contains("a"))));
}

TEST(host_addresses, F22_a_name_that_tells_of_its_addresses_in_turn_keeps_them_all) {
  host_addresses name(3);
  for (int turn = 0; turn < 9; ++turn) {
    const auto has = name.found({turn % 3 == 0 ? "a" : turn % 3 == 1 ? "b" : "c"});
    if (turn >= 2) EXPECT_THAT(has, Optional(UnorderedElementsAre("a", "b", "c")));
  }
}

}  // namespace
}  // namespace lido::detail
