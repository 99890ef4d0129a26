// A transaction as an object: commit it, or leave it and it is rolled back, on whatever way out (exception, return,
// cancellation). The destructor does not wait: the session rolls back behind the caller's back, before anybody's next
// statement.
//
//   lido::transaction tx = co_await db->async_begin();
//   co_await tx.async_query("update accounts set balance = balance - $1 where id = $2", amount, id);
//   co_await tx.async_commit();
//
// What can be asked in it is what a connection can be asked: <lido/driver/statements.hpp>.
#pragma once

#include <lido/driver/connection.hpp>
#include <lido/driver/pipeline.hpp>

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

class transaction : public statements<detail::scope> {
 public:
  transaction() = default;
  transaction(transaction&& other) noexcept
      : statements(static_cast<statements&&>(other)), id_(other.id_), open_(std::exchange(other.open_, false)) {}
  transaction& operator=(transaction&& other) noexcept;
  ~transaction() { leave(); }

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
        detail::start_operation<detail::finish_commit>{}, token, handle_,
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
        detail::start_operation<detail::finish_rollback>{}, token, handle_,
        detail::op_plan{detail::op_kind::rollback, false, options}, detail::request("ROLLBACK"));
  }

  bool is_open() const noexcept { return open_; }
  /// With transaction_options::resolvable: what to ask pool::async_commit_status() about. Keep it before the commit.
  const std::optional<transaction_id>& id() const noexcept { return id_; }

 private:
  friend class connection;
  friend struct detail::finish_begin;
  explicit transaction(detail::session_handle handle, std::optional<transaction_id> id = {}) noexcept
      : statements(std::move(handle)), id_(id), open_(true) {}
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
class savepoint : public statements<detail::scope> {
 public:
  savepoint() = default;
  savepoint(savepoint&& other) noexcept = default;
  savepoint& operator=(savepoint&& other) noexcept;
  ~savepoint() { leave(); }

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
      : statements(std::move(handle), std::move(where)) {}
  void leave() noexcept;
  template <class Token>
  auto end_with(Token&& token, const std::string& text, op_options options);
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
  return detail::start_savepoint(std::forward<Token>(token), handle_, scope_, options);
}
template <class Token>
auto savepoint::async_savepoint_with(Token&& token, op_options options) {
  return detail::start_savepoint(std::forward<Token>(token), handle_, scope_, options);
}
template <class Token>
auto savepoint::end_with(Token&& token, const std::string& text, op_options options) {
  return asio::async_initiate<Token, void(std::error_code)>(
      detail::start_operation<detail::finish_scope>{{scope_}}, token, handle_,
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
