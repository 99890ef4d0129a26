// What went over the connections, and when their certificates end, as a scrape would show it.
#include "tests/integration/pool_fixture.hpp"

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::tls_config;
using lido::testing::unix_config;

TEST(I23_usage, statements_and_bytes_are_counted_and_outlive_their_connection) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    for (int i = 0; i < 3; ++i) co_await pool.async_query<std::string>("select repeat('x', 10000)");
    const lido::pool_stats before = pool.stats();
    EXPECT_EQ(before.statements, 3U);
    EXPECT_GT(before.bytes_received, 30'000U);
    EXPECT_LT(before.bytes_received, 40'000U);
    EXPECT_GT(before.bytes_sent, 3 * 25U);
    EXPECT_LT(before.bytes_sent, 1'000U);
    {
      lido::lease db = co_await pool.async_acquire();
      try {
        co_await db->async_query("select pg_terminate_backend(pg_backend_pid())");
      } catch (const lido::error&) {
      }
    }
    co_await pool.async_query<std::string>("select repeat('x', 10000)");
    const lido::pool_stats after = pool.stats();
    EXPECT_EQ(after.created, 2U);
    EXPECT_EQ(after.statements, 5U);
    EXPECT_GT(after.bytes_received, before.bytes_received + 10'000U);
    co_await pool.async_close(1s);
  });
}

TEST(I23_usage, the_end_of_the_servers_certificate_is_seen_and_stays_known) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(tls_config(shared_cluster()), 2));
    EXPECT_EQ(pool.stats().server_certificate_end, 0);
    co_await pool.async_query<std::int64_t>("select 1::int8");
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    const std::int64_t end = pool.stats().server_certificate_end;
    EXPECT_GT(end, now);
    EXPECT_LT(end, now + 100LL * 366 * 86'400);
    EXPECT_EQ(pool.stats().client_certificate_end, 0);
    co_await pool.async_close(1s);
    EXPECT_EQ(pool.stats().server_certificate_end, end);
  });
}

TEST(I23_usage, without_tls_there_is_no_certificate) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    co_await pool.async_query<std::int64_t>("select 1::int8");
    EXPECT_EQ(pool.stats().server_certificate_end, 0);
    co_await pool.async_close(1s);
  });
}

TEST(I23_usage, the_pools_own_certificate_is_seen) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = tls_config(shared_cluster());
    config.user = shared_cluster().certificate_user();
    config.sslcert = shared_cluster().client_certificate();
    config.sslkey = shared_cluster().client_key();
    config.password = {};
    config.require_auth = {lido::auth_method::none};
    lido::pool pool(io.get_executor(), pool_of(config, 1));
    try {
      co_await pool.async_query<std::int64_t>("select 1::int8");
    } catch (const lido::error& e) {
      ADD_FAILURE() << e.what();
    }
    EXPECT_GT(pool.stats().client_certificate_end, 0);
    co_await pool.async_close(1s);
  });
}

// What collectors ask, while the pool lives and afterwards.
TEST(I23_usage, holders_hosts_pings_and_readiness_are_there_for_collectors_that_outlive_the_pool) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool_config config = pool_of(unix_config(shared_cluster()), 2);
    const std::string folder = config.connect.host;
    config.connect.hosts = {{.host = folder, .hostaddr = {}, .port = config.connect.port},
                            {.host = folder + "/nowhere", .hostaddr = {}, .port = config.connect.port}};
    config.validate_after_idle = 1ns;  // a ping before each use
    lido::pool_sources ask;
    {
      lido::pool pool(io.get_executor(), config);
      ask = pool.sources();
      EXPECT_TRUE(ask.readiness().value().ready);
      EXPECT_TRUE(ask.holders().value().empty());
      {
        const lido::acquire_options tagged = lido::tagged("checkout");
        lido::lease db = co_await pool.async_acquire(tagged);
        const auto held = ask.holders().value();
        EXPECT_EQ(held.size(), 1U);
        EXPECT_EQ(held.at(0).tag, "checkout");
        EXPECT_EQ(held.at(0).backend_pid, db->process_id());
      }
      co_await pool.async_query<std::int64_t>("select 1::int8");
      const lido::pool_stats s = ask.stats().value();
      EXPECT_EQ(s.endpoints.size(), 2U);
      EXPECT_EQ(s.endpoints.at(0).connections, 1U);
      EXPECT_EQ(s.endpoints.at(0).state, lido::endpoint_state::up);
      EXPECT_EQ(s.endpoints.at(1).connections, 0U);
      EXPECT_EQ(s.ping_time.count(), s.pings);
      EXPECT_GT(s.pings, 0U);
      co_await pool.async_close(1s);
      EXPECT_EQ(ask.readiness().value().state, lido::readiness_state::closing);
    }
    EXPECT_FALSE(ask.stats().has_value());
    EXPECT_FALSE(ask.holders().has_value());
    EXPECT_FALSE(ask.readiness().has_value());
  });
}

}  // namespace
