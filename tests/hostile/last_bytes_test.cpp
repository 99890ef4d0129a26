// An end that comes in one piece with the last bytes. Behind a receive that has emptied the socket epoll has no news of
// it, so somebody must ask: the session while something is owed to it, its pool when a lease is over.
#include "tests/hostile/pool_of_one.hpp"

#include <lido/driver/connection.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <system_error>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

enum class way { tcp, unix_socket, tls };

class last_bytes : public ::testing::TestWithParam<way> {
 protected:
  // Answers a first query well and a second one so, and has closed before anybody reads that.
  static script session(const std::string& answer, const step& end) {
    std::vector<step> steps;
    if (GetParam() == way::tls) steps = {steps::expect_ssl_request(), steps::send("S"), steps::start_tls()};
    for (const step& s : {steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send(one_row("41")),
                          steps::expect_all(prepare_and_run), steps::send(answer), end})
      steps.push_back(s);
    return script{steps};
  }
  static fake_server_settings settings() { return {.unix_socket = GetParam() == way::unix_socket}; }
  static connect_config config_for(const fake_server& server) {
    connect_config config = GetParam() == way::tls ? tls_config(server) : plain_config(server);
    if (GetParam() == way::unix_socket) config.host = server.socket_dir().string();
    return config;
  }

  // The end of the second query: its request is written, the answer and the end are there before the session reads on.
  static std::optional<std::error_code> ask(pool_of_one& user, connection& db, const fake_server& server) {
    EXPECT_EQ(ask_first(user, db), std::error_code{});
    std::optional<std::error_code> end;
    db.async_query_with([&end](std::error_code ec, const result<>&) { end = ec; }, within(3s), "select answer");
    EXPECT_TRUE(server.wait_until_done(1));
    EXPECT_TRUE(user.turn_until([&] { return end.has_value(); })) << "the query did not end";
    return end;
  }

 private:
  static std::optional<std::error_code> ask_first(pool_of_one& user, connection& db) {
    std::optional<std::error_code> end;
    db.async_query_with([&end](std::error_code ec, const result<>&) { end = ec; }, within(3s), "select first");
    EXPECT_TRUE(user.turn_until([&] { return end.has_value(); })) << "the first query did not end";
    return end;
  }
};

TEST_P(last_bytes, an_end_with_half_an_answer_is_heard_at_once) {
  const std::string whole = one_row("42");
  const fake_server server{session(whole.substr(0, whole.size() - 3), steps::close_fin()), settings()};
  pool_of_one user{pool_of_one::config_for(config_for(server))};
  lease db = user.acquire();
  EXPECT_EQ(ask(user, *db, server), errc::connection_lost);  // and not errc::timeout
  EXPECT_EQ(server.problems(), "");
}

TEST_P(last_bytes, a_pool_hears_an_end_with_the_whole_answer_when_the_lease_is_over) {
  const fake_server server{session(one_row("42"), steps::close_fin()), settings()};
  pool_of_one user{pool_of_one::config_for(config_for(server))};
  lease db = user.acquire();
  EXPECT_EQ(ask(user, *db, server), std::error_code{});
  db = {};
  EXPECT_TRUE(user.turn_until([&] { return user.pool.stats().idle == 0; }))
      << "a dead connection waits for its next user";
  EXPECT_EQ(user.pool.stats().closed[static_cast<std::size_t>(close_reason::disconnected)], 1U);
}

TEST_P(last_bytes, a_pool_hears_it_too_when_the_next_in_line_is_cancelled_on_its_turn) {
  const fake_server server{session(one_row("42"), steps::close_fin()), settings()};
  pool_of_one user{pool_of_one::config_for(config_for(server))};
  lease db = user.acquire();
  EXPECT_EQ(ask(user, *db, server), std::error_code{});
  asio::cancellation_signal stop;
  bool over = false;
  const auto wait = [](lido::pool& on) -> asio::awaitable<void> { const lease got = co_await on.async_acquire(); };
  asio::co_spawn(user.io, wait(user.pool),
                 asio::bind_cancellation_slot(stop.slot(), [&over](const std::exception_ptr&) { over = true; }));
  EXPECT_TRUE(user.turn_until([&] { return user.pool.stats().waiting == 1; }));
  db = {};  // it is set aside for the one that waits
  stop.emit(asio::cancellation_type::terminal);
  EXPECT_TRUE(user.turn_until([&] { return over && user.pool.stats().idle == 0; }));
  EXPECT_EQ(user.pool.stats().closed[static_cast<std::size_t>(close_reason::disconnected)], 1U);
}

TEST_P(last_bytes, the_next_query_of_the_lease_hears_an_end_with_the_whole_answer) {
  const fake_server server{session(one_row("42"), steps::close_fin()), settings()};
  pool_of_one user{pool_of_one::config_for(config_for(server))};
  lease db = user.acquire();
  EXPECT_EQ(ask(user, *db, server), std::error_code{});
  std::optional<std::error_code> end;  // not by its deadline, nor by the second that a failed write is given
  db->async_query_with([&end](std::error_code ec, const result<>&) { end = ec; }, within(700ms), "select again");
  EXPECT_TRUE(user.turn_until([&] { return end.has_value(); }));
  ASSERT_TRUE(end);
  EXPECT_TRUE(is_disconnect(*end)) << end->message();
}

TEST_P(last_bytes, a_connection_of_nobodys_pool_hears_an_end_with_the_whole_answer) {
  const fake_server server{session(one_row("42"), steps::close_fin()), settings()};
  pool_of_one user{pool_of_one::config_for(config_for(server))};
  connection db;
  const auto open = [](connect_config config, connection& into) -> asio::awaitable<void> {
    into = co_await connection::async_connect(std::move(config));
  };
  ASSERT_FALSE(user.finish(open(config_for(server), db)));
  EXPECT_EQ(ask(user, db, server), std::error_code{});
  EXPECT_TRUE(user.turn_until([&] { return !db.is_open(); }));
}

INSTANTIATE_TEST_SUITE_P(over, last_bytes, ::testing::Values(way::tcp, way::unix_socket, way::tls),
                         [](const auto& one) {
                           return std::string(one.param == way::tcp ? "tcp" : one.param == way::tls ? "tls" : "unix");
                         });

}  // namespace
}  // namespace lido::testing
