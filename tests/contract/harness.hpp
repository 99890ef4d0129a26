// A pool on a real server, straight or through the fault proxy, and an io_context that the test turns by hand: so that
// a test can count turns of the executor, stop the world at any of them, and see every slot come home.
#pragma once

#include "tests/support/eventually.hpp"
#include "tests/support/fault_proxy.hpp"
#include "tests/support/postgres_cluster.hpp"

#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace lido::testing {

using namespace std::chrono_literals;

enum class route { unix_socket, plain, tls, unix_proxy, plain_proxy, tls_proxy };
[[nodiscard]] const char* to_string(route way);
[[nodiscard]] constexpr bool through_proxy(route way) { return way == route::plain_proxy || way == route::tls_proxy; }
[[nodiscard]] constexpr bool is_unix(route way) { return way == route::unix_socket || way == route::unix_proxy; }
[[nodiscard]] constexpr bool encrypted(route way) { return way == route::tls || way == route::tls_proxy; }

/// How to reach the cluster; through the proxy where there is one.
[[nodiscard]] connect_config connect_to(const postgres_cluster& cluster, route way, const fault_proxy* through);

/// What a user's coroutine came to.
struct task {
  asio::cancellation_signal signal;
  bool done = false;
  std::error_code error;
  bool outcome_known = true;
};
using task_ptr = std::shared_ptr<task>;

/// True for exactly what a cancelled caller may see (contract I1).
[[nodiscard]] bool is_aborted(const std::error_code& ec);

/// A number from LIDO_TEST_SCALE's fraction of `full`, at least `least`.
[[nodiscard]] int scaled(int full, int least);

class world {
 public:
  using tweak = std::function<void(pool_config&)>;

  explicit world(route way, const tweak& edit = {}, postgres_cluster& cluster = shared_cluster());
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  ~world();

  asio::io_context io;
  std::optional<fault_proxy> proxy;
  std::optional<lido::pool> pool;

  [[nodiscard]] postgres_cluster& server() const noexcept { return cluster_; }
  [[nodiscard]] const pool_config& config() const noexcept { return config_; }
  /// Marks this world's connections in pg_stat_activity.
  [[nodiscard]] const std::string& application() const noexcept { return config_.connect.application_name; }

  // Time.
  bool turn_until(const std::function<bool()>& condition, std::chrono::milliseconds budget = 20s);
  /// Runs everything that is ready, and waits for nothing.
  void drain_ready();
  /// Turns, one handler each and none of them waiting, until the task is done; more than `limit` is a failure: limit
  /// + 1.
  int turns_until_done(const task& work, int limit = 8);

  // Users.
  task_ptr start(asio::awaitable<void> body);
  /// Acquires, runs the statement, releases.
  task_ptr start_statement(std::string sql);
  /// So many users at once, each with a number of its own: how many got anything but that number back. Ends with all of
  /// them done.
  int wrong_answers(int users);
  /// Opens so many connections, all idle afterwards.
  void warm(int connections);

  // Views.
  [[nodiscard]] pool_stats stats() const { return pool->stats(); }
  [[nodiscard]] bool all_home() const;
  bool settle(std::chrono::milliseconds budget = 20s);
  /// Statements of this world that the server is running now and that contain the text.
  [[nodiscard]] int running(std::string_view text) const;
  // A statement with this text has ended, whether its answer was read or not.
  [[nodiscard]] bool answered(std::string_view text) const;
  bool wait_running(std::string_view text, int count = 1);
  [[nodiscard]] int sessions(std::string_view state = "%") const;
  /// Of those, control sessions: on top of max_size.
  [[nodiscard]] int control_sessions() const;
  /// Closes the pool; true when every slot was given back and the io_context ran out of work.
  bool close(std::chrono::nanoseconds patience = 1s);

 private:
  [[nodiscard]] std::string how_many_run(std::string_view text) const;

  postgres_cluster& cluster_;
  pool_config config_;
};

// What several tests do.
asio::awaitable<void> ask(lido::pool& pool, std::int32_t number, std::int32_t& answer);
asio::awaitable<void> connects(connect_config config);
/// Until somebody stops it; tells which backend sleeps.
asio::awaitable<void> sleeps_for_ever(lido::pool& pool, pid_t& backend);
inline void run_to_end(world& w, asio::awaitable<void> user) {
  const task_ptr running = w.start(std::move(user));
  ASSERT_TRUE(w.turn_until([&] { return running->done; }));
  EXPECT_FALSE(running->error) << running->error.message();
  ASSERT_TRUE(w.settle());
}

inline void one_connection(pool_config& config) { config.max_size = 1; }
/// No budget ends what the test looks at.
inline void one_patient_connection(pool_config& config) {
  config.max_size = 1;
  config.cancel.timeout = 20s;
  config.drain.timeout = 20s;
  config.drain.max_bytes = std::size_t{1} << 30;
}

}  // namespace lido::testing
