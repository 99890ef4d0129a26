// What a hostile server costs a pool: one connection, never its slot, and never the next user (B44, B48, B54, B58, B72,
// B73).
#include "tests/hostile/hostile_server.hpp"
#include "tests/support/coroutines.hpp"

#include <lido/pool/pool.hpp>

#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include <exception>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;
using row_list = std::vector<std::vector<field>>;

/// A pool of one connection, and the thread that runs it: the caller's.
class pool_user {
 public:
  explicit pool_user(const fake_server& server) : pool_{io_.get_executor(), config_for(server)} {}

  /// Acquire, query, release.
  std::error_code query(std::chrono::milliseconds patience = 3s) { return run(one_query(patience)); }
  std::error_code close() { return run(pool_.async_close(1s)); }
  [[nodiscard]] pool_stats stats() const { return pool_.stats(); }

 private:
  static pool_config config_for(const fake_server& server) {
    pool_config config;
    config.connect = plain_config(server);
    config.max_size = 1;
    config.connect_backoff_min = 1ms;
    config.connect_backoff_max = 2ms;
    return config;
  }
  asio::awaitable<void> one_query(std::chrono::milliseconds patience) {
    co_await pool_.async_query(within(patience), "select answer");
  }
  std::error_code run(asio::awaitable<void> task) {
    const auto end = std::make_shared<std::optional<std::error_code>>();
    lido::testing::spawn(io_.get_executor(), std::move(task), [end](const std::exception_ptr& failure) {
      try {
        *end = std::error_code{};
        if (failure) std::rethrow_exception(failure);
      } catch (const error& said) {
        *end = said.code();
      }
    });
    const auto deadline = std::chrono::steady_clock::now() + hang_guard;
    io_.restart();
    while (!*end && io_.run_one_until(deadline) > 0) continue;
    EXPECT_TRUE(end->has_value()) << "the task did not end";
    return end->value_or(std::error_code{});
  }

  asio::io_context io_{1};
  pool pool_;
};

script good_session() {
  return {steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send(one_row("42")),
          steps::tolerate_loss({steps::wait_for_close()})};
}

script hostile_session(const std::string& answer) {
  return {steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send(answer), steps::wait_for_close()};
}

TEST(hostile_pool, B54_connections_that_are_killed_give_their_slot_back) {
  const std::vector<std::string> answers{raw_with_length('D', 3, ""),  // B54
                                         raw('!', ""),                 // B58
                                         ready(),                      // B72
                                         described() + raw_with_length('D', 0x80000000, "")};
  std::vector<script> sessions;
  for (const auto& answer : answers) sessions.push_back(hostile_session(answer));
  sessions.push_back(good_session());
  const fake_server server{std::move(sessions)};
  pool_user user{server};
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(user.query(), errc::protocol_error) << i;
  EXPECT_FALSE(user.query());
  const auto now = user.stats();
  EXPECT_EQ(now.idle, 1U);
  EXPECT_EQ(now.leased + now.connecting + now.recovering + now.closing + now.validating, 0U);
  EXPECT_EQ(server.connections(), answers.size() + 1);
  EXPECT_FALSE(user.close());
  EXPECT_TRUE(server.wait_until_done(answers.size() + 1));
  EXPECT_EQ(server.problems(), "");
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(sent(server, i), "^PDBES");
}

TEST(hostile_pool, B73_a_ready_too_many_costs_the_connection_and_not_the_next_user) {
  const fake_server server{std::vector<script>{hostile_session(one_row("42") + ready()), good_session()}};
  pool_user user{server};
  EXPECT_FALSE(user.query());
  EXPECT_FALSE(user.query());
  EXPECT_EQ(server.connections(), 2U);
  EXPECT_FALSE(user.close());
  EXPECT_TRUE(server.wait_until_done(2));
  EXPECT_EQ(server.problems(), "");
}

TEST(hostile_pool, B44_without_a_key_a_cancel_closes) {
  const fake_server server{
      std::vector<script>{{steps::expect_startup(), steps::send(auth_ok() + usual_parameters() + ready()),
                           steps::expect_all(prepare_and_run), steps::wait_for_close()},
                          good_session()}};
  pool_user user{server};
  EXPECT_EQ(user.query(100ms), errc::timeout);
  EXPECT_FALSE(user.query());
  EXPECT_EQ(user.stats().cancels.of(cancel_suppression::no_key), 1U);
  EXPECT_EQ(user.stats().cancels.sent, 0U);
  EXPECT_EQ(server.connections(), 2U) << "something was sent to cancel";
  EXPECT_FALSE(user.close());
  EXPECT_TRUE(server.wait_until_done(2));
  EXPECT_EQ(server.problems(), "");
}

/// After a first query the server reports this setting. The pool's next message must be its own repair, or its goodbye.
void expect_repaired_or_closed(const std::string& name, const std::string& value, const std::string& right_value) {
  const auto next_message = custom([=](fake_session& session) {
    const char type = session.read_message().type;
    if (type == 'X') return;
    if (type != 'Q') throw std::runtime_error{"the next user got the session as it was"};
    session.stream().send(command_complete("RESET") + parameter_status(name, right_value) + ready());
    session.read_message();  // of the next user, who has a session in order: that is all there was to see
  });
  const fake_server server{std::vector<script>{
      {steps::trusted_session(), steps::expect_all(prepare_and_run),
       steps::send(parameter_status(name, value) + one_row("42")), steps::tolerate_loss({next_message})},
      good_session()}};
  pool_user user{server};
  EXPECT_FALSE(user.query());
  (void)user.query(500ms);  // of the next user; what it gets is judged by the server
  (void)user.close();
  EXPECT_EQ(server.problems(), "") << name;
}

TEST(hostile_pool, B48_a_session_in_another_encoding_is_repaired_or_closed_before_the_next_user) {
  expect_repaired_or_closed("client_encoding", "LATIN1", "UTF8");
  expect_repaired_or_closed("standard_conforming_strings", "off", "on");
}

}  // namespace
}  // namespace lido::testing
