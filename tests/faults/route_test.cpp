// What only a network of one's own can do: no route (F15), a narrow line (F19).
#include "tests/faults/privilege.hpp"
#include "tests/faults/users.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lido::testing {
namespace {

asio::awaitable<void> asks_within(lido::pool& pool, std::chrono::nanoseconds budget, std::string sql) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query(lido::within(budget), sql);
}

TEST(faults,
     F15_without_a_route_connects_are_backed_off_from_and_a_statement_under_way_keeps_its_deadline_and_its_slot) {
  in_a_network_of_its_own("F15", [] {
    // The kernel's own table comes first, and knows the loopback address: give way.
    ASSERT_TRUE(
        shell("ip rule add pref 10 lookup local && ip rule del pref 0 && ip route add unreachable 127.0.0.1 table 7"));
    postgres_cluster server;
    // ENETUNREACH, EINVAL, EACCES, EHOSTUNREACH
    for (const std::string kind : {"unreachable", "blackhole", "prohibit", "lookup 7"}) {
      world w{route::plain, small, server};
      ASSERT_TRUE(shell("ip rule add pref 5 to 127.0.0.1 " + kind));
      const task_ptr user = ask(w, "select 1");
      ASSERT_TRUE(w.turn_until([&] { return w.stats().connect_failures >= 3; })) << kind;
      EXPECT_FALSE(user->done) << kind << ": " << user->error.message();
      EXPECT_EQ(w.pool->readiness().state, readiness_state::unreachable);
      EXPECT_NE(w.pool->readiness().reason.find("127.0.0.1"), std::string::npos) << w.pool->readiness().reason;
      ASSERT_TRUE(shell("ip rule del pref 5"));
      EXPECT_EQ(end_of(w, user), "");
      EXPECT_FALSE(user->error) << user->error.message();
      EXPECT_TRUE(w.close());
    }
    // And one that goes away under a statement.
    world w{route::plain, small, server};
    w.warm(2);
    ASSERT_TRUE(shell("ip rule add pref 5 to 127.0.0.1 unreachable && ip route flush cache"));
    const task_ptr user = w.start(asks_within(*w.pool, 200ms, "select pg_sleep(60)"));
    ASSERT_TRUE(w.turn_until([&] { return user->done; }));
    EXPECT_TRUE(user->error == errc::timeout || is_disconnect(user->error)) << user->error.message();
    ASSERT_TRUE(w.turn_until([&] { return w.stats().recovering == 0 && w.stats().closing == 0; }));
    ASSERT_TRUE(shell("ip rule del pref 5"));
    EXPECT_EQ(w.wrong_answers(6), 0);
    EXPECT_TRUE(w.close());
  });
}

TEST(faults, F19_on_a_narrow_line_everything_is_right_and_deadlines_stay_absolute) {
  in_a_network_of_its_own("F19", [] {
    postgres_cluster server;
    if (!shell("ip link set lo mtu 1500 && tc qdisc add dev lo root tbf rate 2mbit burst 16kb latency 400ms"))
      return not_made_here("F19", "the kernel has no token bucket filter, or tc (package iproute2) is missing");
    world w{route::plain,
            [](pool_config& c) {
              small(c);
              c.cancel.timeout = 10s;
              c.drain.timeout = 10s;
            },
            server};
    EXPECT_EQ(w.wrong_answers(6), 0);
    const task_ptr wide =
        ask(w, "select 1 where length('" + std::string(100'000, 'x') + "') = 100000");  // against the stream
    const task_ptr back = ask(w, "select repeat('x', 100000)");
    EXPECT_EQ(end_of(w, wide), "");
    EXPECT_EQ(end_of(w, back), "");
    // Sixteen seconds' worth: the answer trickles in all the while, and moves no deadline.
    const task_ptr late =
        w.start(asks_within(*w.pool, 300ms, "select repeat('x', 1000) from generate_series(1, 4000)"));
    ASSERT_TRUE(w.turn_until([&] { return late->done; }));
    EXPECT_EQ(late->error, errc::timeout);
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(w.stats().stray_cancels, 0U);
    EXPECT_EQ(w.wrong_answers(4), 0);
    EXPECT_TRUE(w.close());
  });
}

}  // namespace
}  // namespace lido::testing
