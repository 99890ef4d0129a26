// The pool: many tasks share a bounded number of PostgreSQL connections, and cancelling a task never hurts anybody but
// that task.
//
//   lido::pool pool{io.get_executor(), lido::pool_config::load("lido.toml")};
//
//   asio::awaitable<void> handle(lido::pool& pool, std::int64_t id) {
//     lido::lease db = co_await pool.async_acquire(lido::within(250ms));
//     for (const user& u : co_await db->async_query<user>("select id, name from users where id = $1", id)) use(u);
//   }                                            // the lease returns itself, whatever happened
//
// Connections are opened when they are needed. Waiters are served first come, first served, by direct hand-over. Open
// connections keep the io_context busy: run() returns after async_close() or the pool's destruction.
#pragma once

#include <lido/driver/pipeline.hpp>
#include <lido/pool/acquire_options.hpp>
#include <lido/pool/config.hpp>
#include <lido/pool/detail/acquire.hpp>
#include <lido/pool/holders.hpp>
#include <lido/pool/lease.hpp>
#include <lido/pool/sources.hpp>
#include <lido/pool/stats.hpp>
#include <lido/pool/warm_up.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// What a lease is for.
enum class role : std::uint8_t {
  primary,  ///< reads and writes
  replica,  ///< reads that may be a little behind
};

class pool {
 public:
  /// Validates the configuration and reads the TLS files; throws lido::error (errc::invalid_config, errc::tls_failed)
  /// that names the knob. Connects nothing yet, unless min_size says so. The executor may belong to an io_context that
  /// one or many threads run.
  pool(asio::any_io_executor executor, pool_config config);
  /// One pool over several io_contexts (a thread for each core): connections are spread over them, a lease prefers its
  /// caller's own, the cap is common to all.
  pool(std::vector<asio::any_io_executor> executors, pool_config config);
  pool(pool&&) noexcept = default;
  pool& operator=(pool&& other) noexcept;
  /// Closes without waiting: waiters complete with errc::pool_closed, what leases run is cancelled. Leases that outlive
  /// the pool answer lease_revoked.
  ~pool();

  /// A connection, within `options.deadline`, or `acquire_timeout` when there is none. One that is idle is set aside
  /// when this is called, and co_await does not suspend. Throws lido::error: acquire_timeout (diag().context tells who
  /// has the connections, since when and from where, and why the last connect failed), pool_closed, too_many_waiters,
  /// overloaded (with `admission` = deadline), nested_acquire (of a named task), operation_aborted, or a permanent
  /// connect error (wrong password, no such database). Cancellation: total, partial and terminal alike; the waiter is
  /// gone without trace, a connect that it started goes on for others (contract I11). Any thread. The place of the call
  /// is remembered for as long as the lease lasts.
  [[nodiscard]] asio::awaitable<lease> async_acquire(op_options options = {},
                                                     std::source_location where = std::source_location::current());
  /// With a tag, a priority, a task.
  [[nodiscard]] asio::awaitable<lease> async_acquire(const acquire_options& options);
  /// Handler: void(std::error_code, lease). Any completion token, any cancellation slot.
  template <asio::completion_token_for<void(std::error_code, lease)> Token>
  auto async_acquire(op_options options, Token&& token, std::source_location where = std::source_location::current()) {
    return asio::async_initiate<Token, void(std::error_code, lease)>(detail::start_acquire{}, token, impl_,
                                                                     detail::terms_of(options, where), options.diag);
  }
  template <asio::completion_token_for<void(std::error_code, lease)> Token>
  auto async_acquire(const acquire_options& options, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, lease)>(
        detail::start_acquire{}, token, impl_, detail::terms_of(*impl_, options), options.plain().diag);
  }
  template <asio::completion_token_for<void(std::error_code, lease)> Token>
  auto async_acquire(Token&& token, std::source_location where = std::source_location::current()) {
    return async_acquire(op_options{}, std::forward<Token>(token), where);
  }
  /// A connection to a replica, with `replica.max_size`: to the primary when no replica can be reached, unless
  /// `replica.fallback` is none. role::primary is as without it. Errors and cancellation as above.
  [[nodiscard]] asio::awaitable<lease> async_acquire(role which, op_options options = {},
                                                     std::source_location where = std::source_location::current());
  /// One that showed everything older than `max_lag` when it was last looked at (each `role_probe_interval`); the
  /// primary when there is none, or errc::wrong_server_role with `replica.fallback` none.
  [[nodiscard]] asio::awaitable<lease> async_acquire(role which, std::chrono::nanoseconds max_lag,
                                                     op_options options = {},
                                                     std::source_location where = std::source_location::current());
  /// With a tag, a priority, a task, a bound; tags of leases from replicas are in replica_stats().
  [[nodiscard]] asio::awaitable<lease> async_acquire(role which, const acquire_options& options);
  [[nodiscard]] asio::awaitable<lease> async_acquire(role which, std::chrono::nanoseconds max_lag,
                                                     const acquire_options& options);
  /// Handler: void(std::error_code, lease). Any completion token, any cancellation slot. nanoseconds::max(): any lag.
  template <asio::completion_token_for<void(std::error_code, lease)> Token>
  auto async_acquire(role which, std::chrono::nanoseconds max_lag, const acquire_options& options, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, lease)>(
        [](auto handler, std::shared_ptr<detail::pool_impl> replicas, std::shared_ptr<detail::pool_impl> primary,
           std::chrono::nanoseconds lag, const acquire_options& how) {
          if (!replicas)
            return detail::start_acquire{}(std::move(handler), primary, detail::terms_of(*primary, how),
                                           how.plain().diag);
          asio::any_io_executor executor = detail::executor_of(*primary);
          const auto own = asio::get_associated_executor(handler, executor);
          if constexpr (std::is_convertible_v<decltype(own), asio::any_io_executor>) executor = own;
          auto slot = asio::get_associated_cancellation_slot(handler);
          auto cancel = begin_replica(std::move(replicas), std::move(primary), lag, how, executor,
                                      role_completion(std::move(handler), executor));
          if (slot.is_connected()) slot.assign([cancel = std::move(cancel)](asio::cancellation_type) { cancel(); });
        },
        token, which == role::primary ? nullptr : replicas_, impl_, max_lag, options);
  }
  /// An idle connection, now, or an empty lease. Never waits, never connects, never overtakes a waiter. Any thread.
  [[nodiscard]] lease try_acquire(std::source_location where = std::source_location::current()) noexcept;

  /// Acquire, run, release in one. Same errors as async_acquire and connection::async_query.
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(std::string_view sql, Args&&... args) {
    return async_query<Row>(op_options{}, sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(op_options options, std::string_view sql, Args&&... args) {
    detail::check_awaited<Args&&...>();
    return co_query<Row, detail::by_name<Row, Args...>>({impl_, detail::terms_of(options, {})}, options,
                                                        detail::make_request(sql, args...));
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(const acquire_options& options, std::string_view sql,
                                                         Args&&... args) {
    detail::check_awaited<Args&&...>();
    return co_query<Row, detail::by_name<Row, Args...>>({impl_, detail::terms_of(*impl_, options)}, options.plain(),
                                                        detail::make_request(sql, args...));
  }

  /// Acquire, run a pipeline, release in one. Same errors as async_acquire and connection::async_run.
  [[nodiscard]] asio::awaitable<pipeline_results> async_run(pipeline work, op_options options = {});

  /// What became of a transaction whose COMMIT was not answered (contract I15): asks the server over a connection of
  /// the pool's, and again while it is in progress or the server cannot be reached, until the deadline (without one:
  /// acquire_timeout). In doubt the answer is in_progress or unknown, and `options.diag` has the words for the last
  /// obstacle. Throws lido::error operation_aborted alone. Any thread.
  [[nodiscard]] asio::awaitable<commit_status> async_commit_status(transaction_id which, op_options options = {});

  /// Refuses new work, wakes every waiter with pool_closed, lets leases end until the deadline, then cancels and closes
  /// (contract I21). Always ends, whatever the server does: at most `patience` plus the budgets of cancel and close.
  /// Idempotent; several callers all complete. Afterwards nothing of the pool keeps the io_context's run() from
  /// returning. Any thread.
  [[nodiscard]] asio::awaitable<void> async_close(std::chrono::nanoseconds patience = std::chrono::seconds(10));
  /// Handler: void().
  template <asio::completion_token_for<void()> Token>
  auto async_close(std::chrono::nanoseconds patience, Token&& token) {
    return asio::async_initiate<Token, void()>(
        [](auto handler, std::shared_ptr<detail::pool_impl> impl, std::shared_ptr<detail::pool_impl> replicas,
           std::chrono::nanoseconds at_most) {
          const auto fallback = detail::executor_of(*impl);
          begin_close(impl, replicas, at_most, detail::any_completion<>(std::move(handler), fallback));
        },
        token, impl_, replicas_, patience);
  }

  /// How far a close has come, with that of the replicas: for a log line while the process ends. Any thread.
  [[nodiscard]] lido::close_progress close_progress() const;

  /// Opens connections until `connections` (at most max_size) are ready, connect_concurrency at a time, and keeps them
  /// open at least until then; returns how many there are. Without a deadline: acquire_timeout. Throws lido::error: in
  /// mode fail_fast the first failed connect's, or errc::timeout; in mode lazy neither; pool_closed. Not cancellable:
  /// it has a deadline. Any thread.
  [[nodiscard]] asio::awaitable<std::size_t> async_warm_up(std::size_t connections, op_options options = {},
                                                           warm_up_mode mode = warm_up_mode::fail_fast);
  /// Handler: void(std::error_code, std::size_t). `options.diag` receives the words.
  template <asio::completion_token_for<void(std::error_code, std::size_t)> Token>
  auto async_warm_up(std::size_t connections, op_options options, warm_up_mode mode, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [](auto handler, std::shared_ptr<detail::pool_impl> impl, std::size_t n, op_options opts, warm_up_mode how) {
          const auto fallback = detail::executor_of(*impl);
          begin_warm_up(impl, n, opts, how, admin_completion(std::move(handler), fallback));
        },
        token, impl_, connections, options, mode);
  }

  /// From here acquires wait (to their own deadlines), leases go on; those of replicas, too. Completes when no lease is
  /// out and no connection is being cleaned up. Throws lido::error: errc::timeout when that has not come by the
  /// deadline (acquire_timeout without one), and the pool stays paused; operation_aborted when it was resumed
  /// meanwhile; pool_closed. Any thread.
  [[nodiscard]] asio::awaitable<void> async_pause(op_options options = {});
  /// Handler: void(std::error_code, std::size_t), the number of open connections.
  template <asio::completion_token_for<void(std::error_code, std::size_t)> Token>
  auto async_pause(op_options options, Token&& token) {
    return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
        [](auto handler, std::shared_ptr<detail::pool_impl> impl, std::shared_ptr<detail::pool_impl> replicas,
           op_options opts) {
          const auto fallback = detail::executor_of(*impl);
          begin_pause(impl, replicas, opts, admin_completion(std::move(handler), fallback));
        },
        token, impl_, replicas_, options);
  }
  /// Ends a pause: who waits is served, first come, first served. Any thread, idempotent.
  void resume() noexcept;

  /// For a readiness probe: not while the pool is paused or closing, nor while it has no connection and connects fail.
  /// A pool that has not connected yet is ready: async_warm_up() first, to know. So is one whose last failed attempt is
  /// more than 30 s ago, because without traffic it makes no further one. Any thread.
  [[nodiscard]] pool_readiness readiness() const;
  [[nodiscard]] bool is_ready() const { return readiness().ready; }

  /// Cancels every waiting acquire (operation_aborted) and whatever the leases run (terminal). Any thread, noexcept
  /// (contract I24).
  void cancel_all() noexcept;

  /// Replaces all present connections, those to replicas and the control session among them: the idle ones now, a
  /// leased one when it comes back, one that is being opened when it is open. Nobody who waits or holds a lease is
  /// failed. For what the pool does not notice by itself: changed grants, role settings or extensions on the server, a
  /// proxy that balances connections anew. Any thread, noexcept.
  void retire_connections() noexcept;

  /// Another configuration for the running pool, all of it or - throwing lido::error, errc::invalid_config or
  /// errc::tls_failed - nothing. Live knobs take effect at once. A rolling one (user, host, TLS, ...) lets the
  /// connections made so far go, the idle ones now, the others as they come back. A smaller max_size takes effect as
  /// connections become free; nobody who waits or holds a lease is failed. A changed restart knob is an error that
  /// names it. Callbacks (log, on_notice) stay those of the construction. TLS files are read again. Returns what
  /// changed. Reads files: not for the hot path. Any thread; two at a time take turns.
  std::vector<knob_change> reconfigure(pool_config next);
  /// Every knob with its value, source and class, secrets redacted. Any thread.
  [[nodiscard]] std::vector<effective_knob> effective() const;

  /// A consistent copy of all counters and gauges. Any thread, does not block; cheap enough for a scrape, not for every
  /// request.
  pool_stats stats() const;
  /// Who has the connections, those to replicas among them: one entry each that is lent or being recovered, those
  /// longest in use first. Any thread, does not block.
  [[nodiscard]] std::vector<lease_holder> holders() const;
  const std::string& name() const noexcept;
  /// Of the connections to replicas; all zero without `replica.max_size`.
  pool_stats replica_stats() const;
  /// For collectors that must not keep the pool alive: statistics while it lives, nothing afterwards.
  std::function<std::optional<pool_stats>()> stats_source() const;
  /// Null without `replica.max_size`.
  std::function<std::optional<pool_stats>()> replica_stats_source() const;
  /// The same with holders and readiness.
  pool_sources sources() const;
  /// All empty without `replica.max_size`. Ready, whatever befalls the replicas, unless `replica.fallback` is none.
  pool_sources replica_sources() const;
  asio::any_io_executor get_executor() const;

 private:
  using role_completion = detail::any_completion<std::error_code, lease>;
  using admin_completion = detail::any_completion<std::error_code, std::size_t>;
  static void begin_warm_up(const std::shared_ptr<detail::pool_impl>& impl, std::size_t connections,
                            const op_options& options, warm_up_mode mode, admin_completion done);
  static void begin_pause(const std::shared_ptr<detail::pool_impl>& impl,
                          const std::shared_ptr<detail::pool_impl>& replicas, op_options options,
                          admin_completion done);
  static void begin_close(const std::shared_ptr<detail::pool_impl>& impl,
                          const std::shared_ptr<detail::pool_impl>& replicas, std::chrono::nanoseconds patience,
                          detail::any_completion<> done);
  static asio::awaitable<lease> co_lease(detail::acquire_in<lease> acquire);
  static asio::awaitable<lease> co_replica(std::shared_ptr<detail::pool_impl> replicas,
                                           std::shared_ptr<detail::pool_impl> primary, std::chrono::nanoseconds max_lag,
                                           detail::acquire_terms terms, detail::acquire_terms on_primary);
  static std::function<void()> begin_replica(std::shared_ptr<detail::pool_impl> replicas,
                                             std::shared_ptr<detail::pool_impl> primary,
                                             std::chrono::nanoseconds max_lag, const acquire_options& options,
                                             const asio::any_io_executor& executor, role_completion done);
  static asio::awaitable<commit_status> co_commit_status(std::shared_ptr<detail::pool_impl> impl, transaction_id which,
                                                         op_options options);
  asio::awaitable<lease> acquire_waiting(const op_options& options, std::source_location where, time_point asked);
  static asio::awaitable<lease> co_lease_nearby(detail::acquire_in<lease> acquire);

  template <row_type Row, bool ByName>
  [[gnu::hot]] static asio::awaitable<result<Row>> co_query(detail::acquire_in<result<Row>> acquire, op_options options,
                                                            detail::request statement) {
    // co_lease() and detail::co_query() in one: each coroutine between a query and its user costs 500 instructions.
    if (detail::prefers_shards(*acquire.pool()))
      acquire.prefer(&asio::query(co_await asio::this_coro::executor, asio::execution::context));
    if (!acquire.is_ready()) co_await acquire.wait();
    const detail::op_plan plan{detail::op_kind::query, true, options};
    if constexpr (ByName) {
      auto& held = acquire.lease_or_throw();
      co_return co_await detail::co_named_query<Row>(held->handle(), plan, std::move(statement));
    } else {
      detail::run_in<result<Row>> query(acquire.lease_or_throw()->handle(), plan, statement);
      co_await query.run();
      co_return detail::rows_or_throw<Row>(query.out);
    }
  }

  friend class pool_registry;  // changes several pools together
  std::shared_ptr<detail::pool_impl> impl_;
  std::shared_ptr<detail::pool_impl> replicas_;  // null without replica.max_size
};

}  // namespace v0
}  // namespace lido
