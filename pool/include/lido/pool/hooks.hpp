// The application's own code at five moments of a connection's life.
//
//   config.hooks.before_connect = [](lido::connect_config& c) -> asio::awaitable<void> {
//     c.password = co_await fetch_token();                       // dynamic credentials, for this connect alone
//   };
//   config.hooks.after_connect = [](lido::connection& db) -> asio::awaitable<void> {
//     co_await db.async_simple_query("set statement_timeout = '5s'");
//   };
//
// Each runs on an executor of the connection's io_context, without any lock of Lido's, for at most `hook_timeout`; it
// may use the pool, but an acquire may wait for the very connection that waits for the hook. What it throws is
// contained and counted (lido_hook_errors_total) and has the consequence that is told below; so has a time-out, at
// which it is cancelled and the connection taken away from it. Unset hooks cost nothing.
#pragma once

#include <lido/driver/config.hpp>

#include <asio/awaitable.hpp>

#include <functional>

namespace lido {
inline namespace v0 {

class connection;

struct pool_hooks {
  /// Before each connect, on a copy of the pool's connect_config. `user` and `password` may be changed, for this
  /// connect; other changes have no effect. Failure: as a failed connect (back-off, breaker).
  std::function<asio::awaitable<void>(connect_config&)> before_connect;
  /// On a new connection, before anybody gets it. What it sets stays, as if the connection had begun with it: see
  /// docs/reset.md for what that means for resets. Failure, or a transaction left open: as a failed connect.
  std::function<asio::awaitable<void>(connection&)> after_connect;
  /// Before each lease. False is a veto: the connection is closed, another one is tried. Failure: a veto. Acquires then
  /// never take the short way of an idle connection, and pool::try_acquire() finds none.
  std::function<asio::awaitable<bool>(connection&)> before_acquire;
  /// After each lease, when the connection is clean again. Failure: the connection is closed. A transaction left open
  /// is rolled back.
  std::function<asio::awaitable<void>(connection&)> after_release;
  /// Before a connection that is in order is closed, within `close_timeout`. Failure: none.
  std::function<asio::awaitable<void>(connection&)> before_close;
};

}  // namespace v0
}  // namespace lido
