// What the users of the fault tests do.
#pragma once

#include "tests/contract/harness.hpp"

#include <string>

namespace lido::testing {

/// Runs the statement in a lease of its own.
inline task_ptr ask(world& w, std::string sql) { return w.start_statement(std::move(sql)); }

/// Waits for it, and answers its SQLSTATE: empty when there is none.
inline std::string end_of(world& w, const task_ptr& user) {
  if (!w.turn_until([&] { return user->done; }, 60s)) return "never ended";
  return sqlstate_of(user->error);
}

/// A lease of `pool` that the test itself holds.
inline lido::lease take(world& w) {
  lido::lease held;
  const auto body = [](lido::pool& pool, lido::lease& into) -> asio::awaitable<void> {
    lido::lease got = co_await pool.async_acquire();
    into = std::move(got);
  };
  const task_ptr user = w.start(body(*w.pool, held));
  w.turn_until([&] { return user->done; });
  return held;
}

/// Runs a statement on a lease that the test holds.
inline task_ptr ask(world& w, lido::lease& on, std::string sql) {
  const auto body = [](lido::lease& db, std::string text) -> asio::awaitable<void> {
    co_await db->async_simple_query(text);
  };
  return w.start(body(on, std::move(sql)));
}

inline void impatient(pool_config& c) {
  c.connect_backoff_min = 10ms;
  c.connect_backoff_max = 100ms;
  c.breaker_threshold = 0;  // who waits for a server waits to his own deadline
  c.cancel.timeout = 1s;
  c.drain.timeout = 1s;
  c.connect.close_timeout = 300ms;
}
inline void small(pool_config& c) {
  impatient(c);
  c.max_size = 2;
}

}  // namespace lido::testing
