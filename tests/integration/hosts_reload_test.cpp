// Another host, another purpose, other credentials, while the pool runs: who watches the hosts goes along.
#include "tests/integration/pool_fixture.hpp"

#include <lido/pool/pool.hpp>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
using lido::target_session_attrs;
using lido::testing::pool_of;
using lido::testing::postgres_cluster;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::tls_config;

lido::pool_config watched(const postgres_cluster& server, target_session_attrs wanted) {
  lido::pool_config config = pool_of(tls_config(server), 3);
  config.connect.application_name = "watched pool";
  config.connect.target_session_attrs = wanted;
  config.min_size = 3;
  config.role_probe_interval = 20ms;
  return config;
}

// Connections of the pool, and of what watches for it.
int sessions_on(const postgres_cluster& server) {
  return std::stoi(server.sql("select count(*) from pg_stat_activity where application_name = 'watched pool'"));
}

// When a watch has last asked.
std::string last_look(const postgres_cluster& server) {
  return server.sql(
      "select max(query_start) from pg_stat_activity where application_name = 'watched pool' and query like "
      "'%is_in_recovery%'");
}

// Turns of the io_context, until it holds; the test's own time-out is the hang guard.
template <class Condition>
asio::awaitable<void> turns_until(Condition holds) {
  while (!holds()) co_await asio::post(asio::use_awaitable);
}

asio::awaitable<void> some_looks(const postgres_cluster& server) {
  for (int look = 0; look < 3; ++look) {
    const std::string before = last_look(server);
    co_await turns_until([&] { return last_look(server) != before; });
  }
}

TEST(hosts_reload, the_watch_leaves_a_host_that_the_configuration_has_left) {
  const postgres_cluster& first = shared_cluster();
  const postgres_cluster second;
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), watched(first, target_session_attrs::primary));
    co_await turns_until([&] { return sessions_on(first) == 4; });  // three, and the watch
    pool.reconfigure(watched(second, target_session_attrs::primary));
    co_await turns_until([&] { return sessions_on(second) == 4 && sessions_on(first) == 0; });
    co_await turns_until([&] { return pool.stats().idle == 3; });
    // the addresses of the name that was left are not held against connections to the other
    const auto opened = pool.stats().created;
    co_await some_looks(second);
    EXPECT_EQ(pool.stats().created, opened);
    EXPECT_EQ((co_await pool.async_query<int>("select 1")).one(), 1);
    co_await pool.async_close(5s);
  });
}

TEST(hosts_reload, another_purpose_needs_a_watch_from_now_on) {
  const postgres_cluster& server = shared_cluster();
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), watched(server, target_session_attrs::any));
    co_await turns_until([&] { return sessions_on(server) == 3; });
    pool.reconfigure(watched(server, target_session_attrs::primary));
    co_await turns_until([&] { return sessions_on(server) == 4; });
    pool.reconfigure(watched(server, target_session_attrs::any));
    co_await turns_until([&] { return sessions_on(server) == 3; });
    co_await pool.async_close(5s);
  });
}

// One host becomes two: the list is another, and each is seen.
TEST(hosts_reload, a_list_of_hosts_can_change_while_the_pool_runs) {
  const postgres_cluster& server = shared_cluster();
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), watched(server, target_session_attrs::any));
    auto two = watched(server, target_session_attrs::any);
    two.connect.hosts = {{"localhost", "", server.port()}, {"127.0.0.1", "", server.port()}};
    pool.reconfigure(two);
    const auto all_up = [&] {
      const auto hosts = pool.stats().endpoints;
      return hosts.size() == 2 && hosts[0].state == lido::endpoint_state::up &&
             hosts[1].state == lido::endpoint_state::up;
    };
    co_await turns_until(all_up);
    EXPECT_EQ((co_await pool.async_query<int>("select 1")).one(), 1);
    std::swap(two.connect.hosts[0], two.connect.hosts[1]);
    pool.reconfigure(two);
    co_await turns_until(all_up);
    EXPECT_EQ((co_await pool.async_query<int>("select 1")).one(), 1);
    co_await pool.async_close(5s);
  });
}

// The password is only the hook's to give.
TEST(hosts_reload, a_watch_goes_by_the_credentials_of_before_connect) {
  const postgres_cluster& server = shared_cluster();
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    auto config = watched(server, target_session_attrs::any);
    config.connect.hosts = {{"localhost", "", server.port()}, {"127.0.0.1", "", server.port()}};
    config.connect.password = std::string_view("not this one");
    config.hooks.before_connect = [&server](lido::connect_config& with) -> asio::awaitable<void> {
      with.password = std::string_view(server.password());
      co_return;
    };
    lido::pool pool(io.get_executor(), config);
    co_await turns_until([&] {
      const auto hosts = pool.stats().endpoints;
      return hosts[0].state == lido::endpoint_state::up && hosts[1].state == lido::endpoint_state::up;
    });
    co_await pool.async_close(5s);
  });
}

}  // namespace
