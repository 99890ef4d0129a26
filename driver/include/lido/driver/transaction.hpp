// A transaction as an object: commit it, or leave it and it is rolled back, on whatever way out (exception, return,
// cancellation). The destructor does not wait: the session rolls back behind the caller's back, before anybody's next
// statement.
//
//   lido::transaction tx = co_await db->async_begin();
//   co_await tx.async_query("update accounts set balance = balance - $1 where id = $2", amount, id);
//   co_await tx.async_commit();
#pragma once

#include <lido/driver/connection.hpp>
#include <lido/driver/pipeline.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// What COMMIT brought besides success: the server's warnings, e.g. 01000 "canceling wait for synchronous replication"
/// (contract I15).
struct commit_result {
  std::vector<diagnostics> warnings;

  commit_result() = default;  // not an aggregate: g++ 12
  static commit_result of(detail::op_outcome& out) {
    commit_result made;
    if (out.warnings) made.warnings = std::move(*out.warnings);
    return made;
  }
};

class savepoint;

namespace detail {

// The open savepoints of one transaction, the innermost last, each by a number that is given once.
struct scope_ladder {
  std::vector<std::uint32_t> open;
  std::uint32_t made = 0;
  bool over = false;  // the transaction has ended
};

// The transaction itself (number 0) or one of its savepoints.
struct scope {
  std::shared_ptr<scope_ladder> ladder;  // null: no savepoint was ever made
  std::uint32_t number = 0;

  bool innermost() const noexcept {
    if (!ladder) return true;
    return !ladder->over && (ladder->open.empty() ? 0 : ladder->open.back()) == number;
  }
  bool is_open() const noexcept {
    return ladder && !ladder->over && std::ranges::find(ladder->open, number) != ladder->open.end();
  }
  // Refused by the session before anything is sent when another scope is to be used.
  request guard(request statement) const {
    if (!innermost()) statement.fail(errc::wrong_scope);
    return statement;
  }
  // With all that are inside of it.
  void end() const noexcept {
    if (!ladder) return;
    ladder->over = ladder->over || number == 0;
    ladder->open.erase(std::ranges::find(ladder->open, number), ladder->open.end());
  }
};

struct finish_savepoint;
std::string savepoint_text(std::uint32_t number);
std::string release_text(std::uint32_t number);
std::string roll_back_to_text(std::uint32_t number);

// What BEGIN brought besides; the transaction's name, if it was asked for and the server could tell.
std::optional<transaction_id> name_in(op_outcome& out);
// BEGIN and what stood behind it are one message: when that failed, a transaction is open, and nobody's.
void undo_begin(const session_handle& on, op_outcome& out) noexcept;

struct finish_commit {
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    std::forward<Handler>(handler)(out.error, commit_result::of(out));
  }
};

struct finish_begin {
  session_handle on;
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const;
};

}  // namespace detail

class transaction {
 public:
  transaction() = default;
  transaction(transaction&& other) noexcept
      : db_(std::move(other.db_)),
        scope_(std::move(other.scope_)),
        id_(other.id_),
        open_(std::exchange(other.open_, false)) {}
  transaction& operator=(transaction&& other) noexcept;
  ~transaction() { leave(); }

  /// As connection::async_query, inside this transaction. While a savepoint inside it is open: errc::wrong_scope, and
  /// nothing is sent.
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(std::string_view sql, Args&&... args) {
    return async_query<Row>(op_options{}, sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(op_options options, std::string_view sql, Args&&... args) {
    static_assert((detail::await_safe<Args&&> && ...),
                  "lido: name the aggregate first, g++ 12 destroys such a temporary twice inside co_await");
    return detail::co_query<Row>(db_.handle(), {detail::op_kind::query, true, options},
                                 scope_.guard(detail::make_request(sql, args...)));
  }
  template <row_type Row = row, asio::completion_token_for<void(std::error_code, result<Row>)> Token, class... Args>
  auto async_query_with(Token&& token, op_options options, std::string_view sql, const Args&... args) {
    return asio::async_initiate<Token, void(std::error_code, result<Row>)>(
        detail::start_operation<detail::finish_query<Row>>{}, token, db_.handle(),
        detail::op_plan{detail::op_kind::query, true, options}, scope_.guard(detail::make_request(sql, args...)));
  }

  /// As connection's, inside this transaction; end or leave them before it.
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<row_stream<Row>> async_stream(std::string_view sql, Args&&... args) {
    return db_.async_stream<Row>(sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<row_stream<Row>> async_stream(stream_options options, std::string_view sql,
                                                              Args&&... args) {
    return db_.async_stream<Row>(options, sql, std::forward<Args>(args)...);
  }
  [[nodiscard]] asio::awaitable<copy_in> async_copy_in(std::string_view sql, op_options options = {});
  [[nodiscard]] asio::awaitable<copy_out> async_copy_out(std::string_view sql, op_options options = {});

  /// As connection::async_run, inside this transaction: after an error it can only be rolled back.
  [[nodiscard]] asio::awaitable<pipeline_results> async_run(pipeline work, op_options options = {}) {
    if (!scope_.innermost()) work.fail(errc::wrong_scope);
    return db_.async_run(std::move(work), options);
  }
  template <class Token>
  auto async_run_with(Token&& token, pipeline work, op_options options = {}) {
    if (!scope_.innermost()) work.fail(errc::wrong_scope);
    return db_.async_run_with(std::forward<Token>(token), std::move(work), options);
  }
  template <std::ranges::input_range Rows>
  [[nodiscard]] asio::awaitable<std::uint64_t> async_execute_many(std::string_view sql, Rows&& rows,
                                                                  op_options options = {}) {
    pipeline work;
    work.add_many(sql, rows);
    if (!scope_.innermost()) work.fail(errc::wrong_scope);
    return db_.execute_many(std::move(work), options);
  }

  /// SAVEPOINT: a scope inside this one, which is not to be used until that one has ended.
  [[nodiscard]] asio::awaitable<savepoint> async_savepoint(op_options options = {});
  /// Handler: void(std::error_code, savepoint).
  template <class Token>
  auto async_savepoint_with(Token&& token, op_options options = {});

  /// COMMIT, with three outcomes (contract I15): returns; throws a definite error (rolled_back, a SQLSTATE); or throws
  /// outcome_unknown when it was sent and cancellation, a deadline or a lost connection hid the answer. It is never
  /// sent a CancelRequest. With a savepoint open inside it: errc::wrong_scope, and the transaction stays open.
  [[nodiscard]] asio::awaitable<commit_result> async_commit(op_options options = {});
  /// Handler: void(std::error_code, commit_result).
  template <asio::completion_token_for<void(std::error_code, commit_result)> Token>
  auto async_commit_with(Token&& token, op_options options = {}) {
    const detail::scope where = end_scope();
    return asio::async_initiate<Token, void(std::error_code, commit_result)>(
        detail::start_operation<detail::finish_commit>{}, token, db_.handle(),
        detail::op_plan{detail::op_kind::commit, false, options}, where.guard(detail::request("COMMIT")));
  }
  /// ROLLBACK, of its savepoints, too. Succeeds, too, when the lease was revoked or the connection is gone: then the
  /// server has rolled back or will (contract I13).
  [[nodiscard]] asio::awaitable<void> async_rollback(op_options options = {});
  /// Handler: void(std::error_code).
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_rollback_with(Token&& token, op_options options = {}) {
    open_ = false;
    scope_.end();
    return asio::async_initiate<Token, void(std::error_code)>(
        detail::start_operation<detail::finish_rollback>{}, token, db_.handle(),
        detail::op_plan{detail::op_kind::rollback, false, options}, detail::request("ROLLBACK"));
  }

  bool is_open() const noexcept { return open_; }
  /// With transaction_options::resolvable: what to ask pool::async_commit_status() about. Keep it before the commit.
  const std::optional<transaction_id>& id() const noexcept { return id_; }

 private:
  friend class connection;
  friend struct detail::finish_begin;
  explicit transaction(detail::session_handle handle, std::optional<transaction_id> id = {}) noexcept
      : db_(std::move(handle)), id_(id), open_(true) {}
  void leave() noexcept;
  static asio::awaitable<commit_result> co_commit(detail::session_handle on, op_options options, bool innermost);
  static asio::awaitable<void> co_roll_back(detail::session_handle on, op_options options);
  static asio::awaitable<transaction> co_begin(detail::session_handle on, transaction_options mode, op_options options);

  // Before COMMIT: the scope as it is judged; ended, unless another one is inside.
  detail::scope end_scope() noexcept {
    detail::scope judged = scope_;
    if (!scope_.innermost()) return judged;
    open_ = false;
    scope_.end();
    judged.ladder.reset();
    return judged;
  }

  connection db_;
  detail::scope scope_;
  std::optional<transaction_id> id_;
  bool open_ = false;
};

/// A scope inside a transaction: release it, roll it back, or leave it and it is rolled back to its beginning before
/// anybody's next statement, while the transaction goes on. A failed statement fails the scope alone.
///
///   lido::savepoint attempt = co_await tx.async_savepoint();
///   co_await attempt.async_query("insert into names values ($1)", name);       // may fail
///   co_await attempt.async_release();
///
/// Scopes end in the order opposite to that in which they began; use of any but the innermost is errc::wrong_scope.
/// Not thread-safe, as the transaction.
class savepoint {
 public:
  savepoint() = default;
  savepoint(savepoint&& other) noexcept = default;
  savepoint& operator=(savepoint&& other) noexcept;
  ~savepoint() { leave(); }

  /// As connection::async_query, inside this scope. While a savepoint inside it is open: errc::wrong_scope, and
  /// nothing is sent.
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(std::string_view sql, Args&&... args) {
    return async_query<Row>(op_options{}, sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(op_options options, std::string_view sql, Args&&... args) {
    static_assert((detail::await_safe<Args&&> && ...),
                  "lido: name the aggregate first, g++ 12 destroys such a temporary twice inside co_await");
    return detail::co_query<Row>(db_.handle(), {detail::op_kind::query, true, options},
                                 scope_.guard(detail::make_request(sql, args...)));
  }
  template <row_type Row = row, asio::completion_token_for<void(std::error_code, result<Row>)> Token, class... Args>
  auto async_query_with(Token&& token, op_options options, std::string_view sql, const Args&... args) {
    return asio::async_initiate<Token, void(std::error_code, result<Row>)>(
        detail::start_operation<detail::finish_query<Row>>{}, token, db_.handle(),
        detail::op_plan{detail::op_kind::query, true, options}, scope_.guard(detail::make_request(sql, args...)));
  }

  /// As connection::async_run, inside this scope: after an error it can only be rolled back.
  [[nodiscard]] asio::awaitable<pipeline_results> async_run(pipeline work, op_options options = {}) {
    if (!scope_.innermost()) work.fail(errc::wrong_scope);
    return db_.async_run(std::move(work), options);
  }
  template <class Token>
  auto async_run_with(Token&& token, pipeline work, op_options options = {}) {
    if (!scope_.innermost()) work.fail(errc::wrong_scope);
    return db_.async_run_with(std::forward<Token>(token), std::move(work), options);
  }
  template <std::ranges::input_range Rows>
  [[nodiscard]] asio::awaitable<std::uint64_t> async_execute_many(std::string_view sql, Rows&& rows,
                                                                  op_options options = {}) {
    pipeline work;
    work.add_many(sql, rows);
    if (!scope_.innermost()) work.fail(errc::wrong_scope);
    return db_.execute_many(std::move(work), options);
  }

  /// SAVEPOINT: a scope inside this one, which is not to be used until that one has ended.
  [[nodiscard]] asio::awaitable<savepoint> async_savepoint(op_options options = {});
  /// Handler: void(std::error_code, savepoint).
  template <class Token>
  auto async_savepoint_with(Token&& token, op_options options = {});

  /// RELEASE: what was done in it stays, as a part of the scope around it.
  [[nodiscard]] asio::awaitable<void> async_release(op_options options = {});
  /// Handler: void(std::error_code).
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_release_with(Token&& token, op_options options = {}) {
    return end_with(std::forward<Token>(token), detail::release_text(scope_.number), options);
  }
  /// ROLLBACK TO and RELEASE: as if nothing had been done in it.
  [[nodiscard]] asio::awaitable<void> async_rollback(op_options options = {});
  /// Handler: void(std::error_code).
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_rollback_with(Token&& token, op_options options = {}) {
    return end_with(std::forward<Token>(token), detail::roll_back_to_text(scope_.number), options);
  }

  bool is_open() const noexcept { return scope_.is_open(); }

 private:
  friend struct detail::finish_savepoint;
  savepoint(detail::session_handle handle, detail::scope where) noexcept
      : db_(std::move(handle)), scope_(std::move(where)) {}
  void leave() noexcept;
  template <class Token>
  auto end_with(Token&& token, std::string text, op_options options);

  connection db_;
  detail::scope scope_;
};

namespace detail {

struct finish_savepoint {
  session_handle on;
  scope made;
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    if (out.error) return std::forward<Handler>(handler)(out.error, savepoint());
    made.ladder->open.push_back(made.number);
    std::forward<Handler>(handler)(std::error_code{}, savepoint(on, made));
  }
};

// The savepoint itself may have moved meanwhile.
struct finish_scope {
  scope ended;
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    if (!out.error) ended.end();
    std::forward<Handler>(handler)(out.error);
  }
};

template <class Token>
auto start_savepoint(Token&& token, const session_handle& on, scope& around, op_options options) {
  if (!around.ladder) around.ladder = std::make_shared<scope_ladder>();
  const scope inner{around.ladder, ++around.ladder->made};
  return asio::async_initiate<Token, void(std::error_code, savepoint)>(
      start_operation<finish_savepoint>{{on, inner}}, token, on, op_plan{op_kind::query, false, options},
      around.guard(request(savepoint_text(inner.number))));
}

}  // namespace detail

template <class Token>
auto transaction::async_savepoint_with(Token&& token, op_options options) {
  return detail::start_savepoint(std::forward<Token>(token), db_.handle(), scope_, options);
}
template <class Token>
auto savepoint::async_savepoint_with(Token&& token, op_options options) {
  return detail::start_savepoint(std::forward<Token>(token), db_.handle(), scope_, options);
}
template <class Token>
auto savepoint::end_with(Token&& token, std::string text, op_options options) {
  return asio::async_initiate<Token, void(std::error_code)>(
      detail::start_operation<detail::finish_scope>{{scope_}}, token, db_.handle(),
      detail::op_plan{detail::op_kind::query, false, options}, scope_.guard(detail::request(text)));
}

template <class Handler>
void detail::finish_begin::operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
  report(out, diag);
  if (out.error) undo_begin(on, out);
  std::forward<Handler>(handler)(out.error, out.error ? transaction() : transaction(on, name_in(out)));
}

template <class Token>
auto connection::async_begin_with(Token&& token, transaction_options mode, op_options options) {
  return asio::async_initiate<Token, void(std::error_code, transaction)>(
      detail::start_operation<detail::finish_begin>{{handle_}}, token, handle_,
      detail::op_plan{detail::op_kind::begin, false, options}, detail::request(detail::begin_text(mode)));
}

}  // namespace v0
}  // namespace lido
