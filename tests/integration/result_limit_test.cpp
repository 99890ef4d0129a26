// How much one operation may keep of what the server sends (B94).
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/stream.hpp>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace {

using namespace std::chrono_literals;
using lido::testing::error_of;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::unix_config;
using lido::testing::with_lease;

constexpr const char* a_megabyte = "select repeat('x', 1000) from generate_series(1, 1000)";

lido::connect_config limited_to(std::size_t bytes) {
  auto config = unix_config(shared_cluster());
  config.max_result_bytes = bytes;
  return config;
}

TEST(result_limit, B94_an_operation_has_its_own_and_the_lease_stays) {
  with_lease([](lido::connection& db) -> asio::awaitable<void> {
    auto ec = co_await error_of(db.async_query(lido::at_most(100'000), a_megabyte));
    EXPECT_EQ(ec, lido::errc::result_too_large);
    const auto all = co_await db.async_query(lido::at_most(2'000'000, lido::within(30s)), a_megabyte);
    EXPECT_EQ(all.size(), 1000U);
    ec = co_await error_of(db.async_simple_query(a_megabyte, lido::at_most(100'000)));
    EXPECT_EQ(ec, lido::errc::result_too_large);
    co_await db.async_query_with(asio::redirect_error(asio::use_awaitable, ec), lido::at_most(100'000), a_megabyte);
    EXPECT_EQ(ec, lido::errc::result_too_large);
    lido::transaction tx = co_await db.async_begin();
    ec = co_await error_of(tx.async_query(lido::at_most(100'000), a_megabyte));
    EXPECT_EQ(ec, lido::errc::result_too_large);
    co_await tx.async_rollback();
    EXPECT_TRUE(db.is_open());
    const auto next = co_await db.async_query(a_megabyte);
    EXPECT_EQ(next.size(), 1000U) << "of one operation, not of those behind it";
  });
}

TEST(result_limit, B94_it_may_be_above_the_connections_own) {
  with_lease(
      [](lido::connection& db) -> asio::awaitable<void> {
        const auto ec = co_await error_of(db.async_query(a_megabyte));
        EXPECT_EQ(ec, lido::errc::result_too_large);
        const auto all = co_await db.async_query(lido::at_most(2'000'000), a_megabyte);
        EXPECT_EQ(all.size(), 1000U);
      },
      limited_to(100'000));
}

TEST(result_limit, B94_of_all_answers_of_a_pipeline_together) {
  with_lease([](lido::connection& db) -> asio::awaitable<void> {
    for (const std::size_t most : {std::size_t{500'000}, std::size_t{5'000'000}}) {
      lido::pipeline work(lido::pipeline_mode::each_on_its_own);
      for (int i = 0; i < 3; ++i) work.add(a_megabyte);
      const auto ec = co_await error_of(db.async_run(std::move(work), lido::at_most(most)));
      EXPECT_EQ(ec == lido::errc::result_too_large, most == 500'000) << ec.message();
    }
    lido::stream_options small;
    small.open = lido::at_most(1000);
    auto rows = co_await db.async_stream(small, a_megabyte);
    int count = 0;
    while (co_await rows.async_next()) ++count;
    EXPECT_EQ(count, 1000) << "a stream keeps a batch, whatever it says";
  });
}

TEST(result_limit, B94_through_the_pool_in_one) {
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    auto ec = co_await error_of(pool.async_query(lido::at_most(100'000), a_megabyte));
    EXPECT_EQ(ec, lido::errc::result_too_large);
    ec = co_await error_of(pool.async_query(lido::tagged("small", lido::at_most(100'000)), a_megabyte));
    EXPECT_EQ(ec, lido::errc::result_too_large);
    co_await pool.async_close(1s);
  });
}

}  // namespace
