// What the server says, and what it means for the connection.
#include "tests/integration/pool_fixture.hpp"

#include <string>

namespace {

// postgres_fdw and dblink raise class 08 for a connection of theirs; ours lives.
TEST(errors, I25_a_disconnect_that_a_function_raises_as_an_error_is_none) {
  lido::testing::with_lease([](lido::connection& db) -> asio::awaitable<void> {
    for (const std::string state : {"08001", "08006", "57P03"}) {
      bool raised = false;
      try {
        co_await db.async_query("do $$ begin raise exception 'elsewhere' using errcode = '" + state + "'; end $$");
      } catch (const lido::error& e) {
        raised = true;
        EXPECT_EQ(lido::sqlstate_of(e.code()), state);
        EXPECT_FALSE(e.is_disconnect()) << e.what();
        EXPECT_FALSE(lido::is_disconnect(e.code(), e.diag())) << e.what();
      }
      EXPECT_TRUE(raised) << state;
      EXPECT_EQ((co_await db.async_query<int>("select 1")).one(), 1) << state;
    }
  });
}

}  // namespace
