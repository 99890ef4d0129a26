// One PostgreSQL session: what a lease gives access to, and what async_connect makes when there is no pool.
//
//   lido::connection db = co_await lido::connection::async_connect(cfg);
//   for (auto [id, name] : co_await db.async_query<std::tuple<int, std::string>>("select id, name from users where id =
//   $1", 42)) use(id, name); co_await db.async_close();
//
// Queries, streams, COPY and pipelines are the same here, in a transaction and in a savepoint, and are in
// <lido/driver/statements.hpp>, with the two forms that every async_ function has.
//
// Cancellation (contract, table of types). Before its first byte is sent an operation is gone without trace, whatever
// the type. In flight: `total` is not honoured; `partial` stops the statement on the server and completes, with
// operation_aborted, when the session is in step again: the connection stays usable; `terminal` (what co_spawn passes,
// and `all`) completes at once with operation_aborted, and every handle of this connection or lease is revoked. A
// deadline acts as terminal with errc::timeout. COMMIT in flight honours terminal alone and then completes with
// errc::outcome_unknown.
//
// One operation at a time: a second one completes with errc::connection_busy and leaves the first alone. Thread-safe:
// distinct operations may be started from any thread; asio::cancellation_signal::emit only on the operation's executor
// (Asio's rule), lido::canceller from anywhere.
#pragma once

#include <lido/driver/commit_status.hpp>
#include <lido/driver/config.hpp>
#include <lido/driver/detail/abi.hpp>
#include <lido/driver/detail/any_completion.hpp>
#include <lido/driver/detail/initiate.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/options.hpp>
#include <lido/driver/result.hpp>
#include <lido/driver/statements.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

class transaction;
struct transaction_options;
namespace detail {
std::string begin_text(const transaction_options& mode);
}

enum class isolation : std::uint8_t { server_default, read_committed, repeatable_read, serializable };

struct transaction_options {
  lido::isolation isolation = lido::isolation::server_default;
  bool read_only = false;
  bool deferrable = false;
  /// transaction::id() names it, so that a COMMIT without an answer can be resolved (contract I15). It is asked for in
  /// BEGIN's own message, without a round trip more, but it is a statement: the server gives an xid at once, and
  /// repeatable read and serializable take their snapshot here. Without effect for read_only, and on a standby.
  bool resolvable = false;
};

/// Cancels, as `terminal` does, whatever its lease or connection is running. Any thread, noexcept, outlives its
/// connection harmlessly (contract I24).
class canceller {
 public:
  canceller() = default;
  void cancel() const noexcept {
    if (const auto session = session_.lock()) session->cancel_running(tenure_);
  }

 private:
  friend class connection;
  canceller(std::weak_ptr<detail::managed_session> session, std::uint64_t tenure) noexcept
      : session_(std::move(session)), tenure_(tenure) {}
  std::weak_ptr<detail::managed_session> session_;
  std::uint64_t tenure_ = 0;
};

class connection : public statements<detail::unscoped> {
 public:
  /// Signature of the `_with` form's handler.
  using connect_signature = void(std::error_code, connection);

  connection() = default;  ///< empty: every operation completes with errc::lease_revoked
  connection(connection&& other) noexcept
      : statements(std::exchange(other.handle_, {})), owns_(std::exchange(other.owns_, false)) {}
  connection& operator=(connection&& other) noexcept;
  ~connection() {  ///< of one's own connection: cancels what runs, closes; never blocks, never throws
    if (owns_) leave();
  }

  /// Connects within `config.connect_timeout`, or `options.deadline` if that is earlier. Errors: resolve_failed,
  /// connect_failed, tls_*, auth_*, timeout, SQLSTATEs. Any cancellation type ends it at once (contract I20).
  static asio::awaitable<connection> async_connect(connect_config config, op_options options = {});
  template <asio::completion_token_for<void(std::error_code, connection)> Token>
  static auto async_connect_with(Token&& token, asio::any_io_executor executor, connect_config config,
                                 op_options options = {}) {
    return asio::async_initiate<Token, connect_signature>(
        [](auto handler, asio::any_io_executor ex, connect_config cfg, op_options opts) {
          auto slot = asio::get_associated_cancellation_slot(handler);
          auto cancel = begin_connect(ex, std::move(cfg), opts,
                                      detail::any_completion<std::error_code, connection>(std::move(handler), ex));
          if (slot.is_connected()) slot.assign([cancel = std::move(cancel)](asio::cancellation_type) { cancel(); });
        },
        token, std::move(executor), std::move(config), options);
  }

  /// Runs the text as it is by the simple protocol: several statements, no parameters, one result each, in text format.
  /// They are one implicit transaction unless the text says otherwise.
  [[nodiscard]] asio::awaitable<std::vector<result<>>> async_simple_query(std::string_view sql,
                                                                          op_options options = {});
  /// Handler: void(std::error_code, std::vector<result<>>).
  template <asio::completion_token_for<void(std::error_code, std::vector<result<>>)> Token>
  auto async_simple_query_with(Token&& token, std::string_view sql, op_options options = {}) {
    return asio::async_initiate<Token, void(std::error_code, std::vector<result<>>)>(
        detail::start_operation<detail::finish_simple_query>{}, token, handle_,
        detail::op_plan{detail::op_kind::simple, false, options}, detail::begin_request(sql));
  }

  /// BEGIN. The transaction rolls back when it is left without a commit, after the caller has gone.
  [[nodiscard]] asio::awaitable<transaction> async_begin(transaction_options mode = {}, op_options options = {});
  /// Handler: void(std::error_code, transaction). Defined in <lido/driver/transaction.hpp>.
  template <class Token>
  auto async_begin_with(Token&& token, transaction_options mode = {}, op_options options = {});

  /// What became of a transaction whose COMMIT was not answered, asked once over this connection, which must be to the
  /// same server, idle, and another one. Errors as async_query's; from a server that cannot know,
  /// commit_status::unknown.
  [[nodiscard]] asio::awaitable<commit_status> async_commit_status(transaction_id which, op_options options = {});

  /// Cancels what still runs, on the server, too; then says goodbye and waits for the server's own EOF. Each step takes
  /// at most `config.close_timeout`. Never fails.
  [[nodiscard]] asio::awaitable<void> async_close();
  /// Handler: void().
  template <asio::completion_token_for<void()> Token>
  auto async_close_with(Token&& token) {
    owns_ = false;
    return asio::async_initiate<Token, void()>(
        [](auto handler, const detail::session_handle& handle) {
          const asio::any_io_executor fallback = handle.executor();
          begin_close(handle, detail::any_completion<>(std::move(handler), fallback));
        },
        token, release_handle());
  }

  /// One deadline for all that is done through this lease or connection from now on, COMMIT included, besides each
  /// operation's own: the earlier one counts. For a request that has one from its edge on:
  ///
  ///   db->set_deadline(request.deadline);      // of a pool: pool.async_acquire(lido::bounded_by(request.deadline))
  ///
  /// An operation that would begin behind it completes with errc::timeout and is not sent; the pool cleans up as after
  /// any lease. Ends with the lease. Any thread, does not block; time_point::max() takes it away.
  void set_deadline(time_point deadline) noexcept {
    if (handle_.session) handle_.session->set_deadline(handle_.tenure, deadline);
  }
  /// Whether operations may be started: the session lives and this handle was not revoked. Any thread, does not block.
  bool is_open() const noexcept { return handle_.session && handle_.session->holds(handle_.tenure); }
  /// The server's process id, as in pg_stat_activity; 0 when the server gave none.
  int process_id() const noexcept { return handle_.session ? handle_.session->process_id() : 0; }
  bool is_encrypted() const noexcept { return handle_.session && handle_.session->secure(); }
  /// A parameter that the server reports by itself (server_version, TimeZone, in_hot_standby, ...).
  std::optional<std::string> server_parameter(std::string_view name) const;
  /// What the server's notices came to that `connect_config::on_notice` could not be given: exceptions that it threw,
  /// contained (contract I27), and notices beyond 1,000 a second. Any thread, does not block.
  std::uint64_t callback_errors() const noexcept {
    return handle_.session ? handle_.session->usage().callback_errors : 0;
  }
  std::uint64_t notices_dropped() const noexcept {
    return handle_.session ? handle_.session->usage().notices_dropped : 0;
  }
  lido::canceller canceller() const noexcept { return {handle_.session, handle_.tenure}; }
  asio::any_io_executor get_executor() const { return handle_.executor(); }

  /// For owners of sessions (lease, async_connect).
  struct owner_tag {};
  connection(detail::session_handle handle, owner_tag) noexcept : statements(std::move(handle)), owns_(true) {}
  explicit connection(detail::session_handle handle) noexcept : statements(std::move(handle)) {}
  /// For pools: the next tenure of the same session.
  void renew(const std::shared_ptr<detail::managed_session>& session, std::uint64_t tenure) {
    if (handle_.session != session) handle_.session = session;  // its last user may have moved it away
    handle_.tenure = tenure;
  }
  void renew(std::uint64_t tenure) noexcept { handle_.tenure = tenure; }
  const detail::session_handle& handle() const noexcept { return handle_; }
  detail::session_handle release_handle() noexcept { return std::exchange(handle_, {}); }

 private:
  static std::function<void()> begin_connect(const asio::any_io_executor& executor, connect_config config,
                                             op_options options,
                                             detail::any_completion<std::error_code, connection> done);

  static void begin_close(const detail::session_handle& handle, detail::any_completion<> done);
  void leave() noexcept;

  bool owns_ = false;  // made by async_connect: the destructor closes
};

}  // namespace v0
}  // namespace lido
