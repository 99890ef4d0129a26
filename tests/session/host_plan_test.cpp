// The order of hosts, and which failures lead to the next one.
#include "driver/session/host_plan.hpp"

#include <lido/driver/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace lido::session {
namespace {

using target = target_session_attrs;
using order = load_balance_hosts;

std::vector<std::size_t> walk(host_plan plan) {
  std::vector<std::size_t> hosts;
  do hosts.push_back(plan.host());
  while (plan.advance());
  return hosts;
}

using hosts = std::vector<std::size_t>;

TEST(host_plan, hosts_are_tried_as_they_are_written) {
  EXPECT_EQ(walk({3, target::any, order::disable, 1}), (hosts{0, 1, 2}));
  EXPECT_EQ(walk({1, target::primary, order::random, 1}), (hosts{0}));
}

TEST(host_plan, random_order_has_every_host_once_and_differs) {
  std::set<hosts> seen;
  for (std::uint64_t seed = 1; seed < 100; ++seed) {
    hosts one = walk({4, target::any, order::random, seed * 7919});
    seen.insert(one);
    std::ranges::sort(one);
    EXPECT_EQ(one, (hosts{0, 1, 2, 3}));
  }
  EXPECT_GT(seen.size(), 10U);
}

TEST(host_plan, P107_prefer_standby_looks_for_a_standby_everywhere_before_it_takes_anybody) {
  host_plan plan(2, target::prefer_standby, order::disable, 1);
  std::vector<target> wanted;
  do wanted.push_back(plan.wanted());
  while (plan.advance());
  EXPECT_EQ(wanted, (std::vector{target::standby, target::standby, target::any, target::any}));
}

TEST(host_plan, the_share_of_time_is_of_the_tries_that_are_left) {
  host_plan plan(3, target::any, order::disable, 1);
  EXPECT_EQ(plan.left(), 3U);
  EXPECT_FALSE(plan.is_last());
  plan.advance();
  plan.advance();
  EXPECT_EQ(plan.left(), 1U);
  EXPECT_TRUE(plan.is_last());
  EXPECT_FALSE(plan.advance());
}

TEST(host_plan, a_choice_bars_hosts_and_says_which_is_first) {
  EXPECT_EQ(walk({4, target::any, order::disable, 1, {true, 2, 0}}), (hosts{2, 0, 1, 3}));
  EXPECT_EQ(walk({4, target::any, order::disable, 1, {true, 2, 0b0011}}), (hosts{2, 3}));
  EXPECT_EQ(walk({4, target::any, order::disable, 1, {true, 1, 0b0010}}), (hosts{0, 2, 3})) << "the first is barred";
  EXPECT_EQ(walk({2, target::any, order::disable, 1, {true, 1, 0b0011}}), (hosts{1})) << "all barred: one is asked";
  EXPECT_EQ(walk({3, target::any, order::random, 5, {true, 1, 0}}).front(), 1U);
}

TEST(host_plan, the_next_host_is_tried_when_this_one_is_down_or_not_what_is_wanted) {
  for (const std::error_code ec :
       {make_error_code(errc::resolve_failed), make_error_code(errc::connect_failed), make_error_code(errc::timeout),
        make_error_code(errc::tls_failed), make_error_code(errc::tls_refused), make_error_code(errc::connection_lost),
        make_error_code(errc::server_shutdown), make_error_code(errc::wrong_server_role), make_sqlstate("57P03"),
        make_sqlstate("57P01")}) {
    EXPECT_TRUE(host_plan::goes_on(ec)) << ec.message();
  }
}

TEST(host_plan, a_refused_login_is_the_same_everywhere) {
  for (const std::error_code ec : {make_sqlstate("28P01"), make_sqlstate("28000"), make_sqlstate("3D000"),
                                   make_sqlstate("53300"), make_error_code(errc::auth_failed),
                                   make_error_code(errc::auth_refused), make_error_code(errc::server_not_proven),
                                   make_error_code(errc::protocol_error), make_error_code(errc::not_encodable)}) {
    EXPECT_FALSE(host_plan::goes_on(ec)) << ec.message();
  }
}

}  // namespace
}  // namespace lido::session
