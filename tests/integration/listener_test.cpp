// LISTEN on a real server.
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/listener.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>

namespace {

using namespace std::chrono_literals;
using kind = lido::listener_event::kind;
using lido::testing::error_of;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::unix_config;

lido::connect_config named(const char* name) {
  auto config = unix_config(shared_cluster());
  config.application_name = name;
  return config;
}

lido::listener_options quick() {
  lido::listener_options o;
  o.backoff_min = 1ms;
  o.backoff_max = 20ms;
  return o;
}

asio::awaitable<void> take(lido::listener& news) { co_await news.async_next(lido::within(50ms)); }

void with_pool(const std::function<asio::awaitable<void>(asio::io_context&, lido::pool&)>& body) {
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 2));
    co_await body(io, pool);
    co_await pool.async_close(1s);
  });
}

TEST(listener, P169_notifications_come_in_order_and_none_is_lost) {
  with_pool([](asio::io_context& io, lido::pool& pool) -> asio::awaitable<void> {
    lido::listener news(io.get_executor(), named("listener-order"));
    co_await news.async_listen("Some \"Channel\"");
    co_await news.async_listen("b");
    for (int i = 0; i < 20; ++i) {
      co_await lido::async_notify(pool, i % 2 == 0 ? "Some \"Channel\"" : "b", std::to_string(i));
      co_await lido::async_notify(pool, "some \"channel\"", "another one");
    }
    for (int i = 0; i < 20; ++i) {
      const lido::listener_event e = co_await news.async_next(lido::within(lido::testing::hang_guard));
      EXPECT_EQ(e.what, kind::notification);
      EXPECT_EQ(e.payload, std::to_string(i));
      EXPECT_EQ(e.channel, i % 2 == 0 ? "Some \"Channel\"" : "b");
      EXPECT_GT(e.process_id, 0);
    }
    co_await news.async_unlisten("b");
    co_await lido::async_notify(pool, "b", "unheard");
    const auto ec = co_await error_of(take(news));
    EXPECT_EQ(ec, lido::errc::timeout);
    co_await lido::async_notify(pool, "Some \"Channel\"", "heard");
    const lido::listener_event last = co_await news.async_next(lido::within(lido::testing::hang_guard));
    EXPECT_EQ(last.payload, "heard") << "P170: usable after a time-out";
  });
}

TEST(listener, P172_it_comes_back_and_says_that_some_may_be_missing) {
  with_pool([](asio::io_context& io, lido::pool& pool) -> asio::awaitable<void> {
    lido::listener news(io.get_executor(), named("listener-back"), quick());
    co_await news.async_listen("a");
    co_await news.async_listen("b");
    for (int round = 0; round < 3; ++round) {
      co_await pool.async_query(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'listener-back'");
      const lido::listener_event gap = co_await news.async_next(lido::within(lido::testing::hang_guard));
      EXPECT_EQ(gap.what, kind::gap);
      co_await lido::async_notify(pool, "a", "again");
      co_await lido::async_notify(pool, "b", "again");
      for (const char* channel : {"a", "b"}) {
        const lido::listener_event e = co_await news.async_next(lido::within(lido::testing::hang_guard));
        EXPECT_EQ(e.channel, channel);
        EXPECT_EQ(e.payload, "again");
      }
    }
  });
}

TEST(listener, a_full_queue_drops_the_oldest_and_says_how_many) {
  with_pool([](asio::io_context& io, lido::pool& pool) -> asio::awaitable<void> {
    lido::listener_options few;
    few.max_events = 5;
    lido::listener news(io.get_executor(), named("listener-few"), few);
    co_await news.async_listen("a");
    co_await news.async_listen("end");
    for (int i = 0; i < 20; ++i) co_await lido::async_notify(pool, "a", std::to_string(i));
    co_await lido::async_notify(pool, "end", "");
    std::uint64_t dropped = 0;
    int taken = 0;
    for (;;) {
      const lido::listener_event e = co_await news.async_next(lido::within(lido::testing::hang_guard));
      if (e.channel == "end") break;
      dropped += e.dropped;
      taken += e.what == kind::notification ? 1 : 0;
    }
    EXPECT_EQ(dropped + static_cast<std::uint64_t>(taken), 20U);
  });
}

TEST(listener, P174_a_wait_ends_by_cancel_close_and_deadline_and_loses_nothing) {
  with_pool([](asio::io_context& io, lido::pool& pool) -> asio::awaitable<void> {
    lido::listener news(io.get_executor(), named("listener-ends"));
    co_await news.async_listen("a");
    for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial}) {
      asio::cancellation_signal stop;
      std::error_code ec;
      bool done = false;
      news.async_next_with(
          asio::bind_cancellation_slot(stop.slot(), [&](const std::error_code& end, const lido::listener_event&) {
            ec = end;
            done = true;
          }));
      stop.emit(type);
      asio::steady_timer timer(io);
      while (!done) {
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
      }
      EXPECT_EQ(ec, asio::error::operation_aborted);
    }
    co_await lido::async_notify(pool, "a", "kept");
    const lido::listener_event e = co_await news.async_next(lido::within(lido::testing::hang_guard));
    EXPECT_EQ(e.payload, "kept");
    news.close();
    const auto ec = co_await error_of(take(news));
    EXPECT_EQ(ec, lido::errc::connection_closed);
  });
}

TEST(listener, what_cannot_be_listened_to_says_why) {
  with_pool([](asio::io_context& io, lido::pool&) -> asio::awaitable<void> {
    lido::listener news(io.get_executor(), named("listener-wrong"));
    auto ec = co_await error_of(news.async_listen(std::string(64, 'x')));
    EXPECT_EQ(ec, lido::errc::not_encodable);
    ec = co_await error_of(news.async_listen(std::string("a\0b", 3)));
    EXPECT_EQ(ec, lido::errc::not_encodable);
    auto nowhere = named("x");
    nowhere.database = "no_such_database";
    lido::listener lost(io.get_executor(), nowhere, quick());
    ec = co_await error_of(lost.async_listen("a", lido::within(lido::testing::hang_guard)));
    EXPECT_EQ(lido::sqlstate_of(ec), "3D000");
    auto unreachable = unix_config(shared_cluster());
    unreachable.host = "/nonexistent";
    lido::listener never(io.get_executor(), unreachable, quick());
    ec = co_await error_of(never.async_listen("a", lido::within(100ms)));
    EXPECT_EQ(ec, lido::errc::timeout);
  });
}

TEST(listener, P171_a_listen_on_a_lease_is_not_the_next_users) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(unix_config(shared_cluster()), 1));
    co_await pool.async_query("listen leaked");
    const auto left = co_await pool.async_query<std::int64_t>("select count(*) from pg_listening_channels()");
    EXPECT_EQ(left.one(), 0);
    co_await pool.async_close(1s);
  });
}

TEST(notices, I27_they_reach_the_callback_and_what_it_throws_is_counted_and_goes_no_further) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = unix_config(shared_cluster());
    const auto heard = std::make_shared<std::vector<std::string>>();
    config.on_notice = [heard](const lido::diagnostics& note) {
      heard->push_back(note.message);
      throw std::runtime_error("a user's own");
    };
    lido::connection db = co_await lido::connection::async_connect(config);
    co_await db.async_simple_query("do $$ begin raise notice 'one'; raise warning 'two'; end $$");
    const auto next = co_await db.async_query<int>("select 1");
    EXPECT_EQ(next.one(), 1);
    EXPECT_EQ(*heard, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(db.callback_errors(), 2U);
    EXPECT_EQ(db.notices_dropped(), 0U);
    co_await db.async_close();
    static_cast<void>(io);
  });
}

TEST(notices, I27_what_the_callbacks_of_a_pool_and_of_its_connections_throw_is_one_number) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 1);
    const auto throws = [](const lido::diagnostics&) { throw std::runtime_error("a user's own"); };
    config.connect.on_notice = throws;
    lido::pool pool(io.get_executor(), config);
    co_await pool.async_query("do $$ begin raise notice 'one'; end $$");
    EXPECT_EQ(pool.stats().sink_errors, 1U) << "of the connection's";
    {
      lido::lease db = co_await pool.async_acquire();
      EXPECT_EQ(db->callback_errors(), 1U);
    }
    co_await pool.async_close(1s);
    EXPECT_EQ(pool.stats().sink_errors, 1U) << "those of closed connections stay";
    config.on_notice = throws;
    lido::pool both(io.get_executor(), config);
    co_await both.async_query("do $$ begin raise notice 'one'; raise notice 'two'; end $$");
    EXPECT_EQ(both.stats().sink_errors, 4U);
    co_await both.async_close(1s);
  });
}

}  // namespace
