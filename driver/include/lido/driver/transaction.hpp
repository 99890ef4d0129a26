// A transaction as an object: commit it, or leave it and it is rolled back, on whatever way out (exception, return,
// cancellation). The destructor does not wait: the session rolls back behind the caller's back, before anybody's next
// statement.
//
//   lido::transaction tx = co_await db->async_begin();
//   co_await tx.async_query("update accounts set balance = balance - $1 where id = $2", amount, id);
//   co_await tx.async_commit();
#pragma once

#include <lido/driver/connection.hpp>

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

namespace detail {

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
      : db_(std::move(other.db_)), id_(other.id_), open_(std::exchange(other.open_, false)) {}
  transaction& operator=(transaction&& other) noexcept;
  ~transaction() { leave(); }

  /// As connection::async_query, inside this transaction.
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(std::string_view sql, Args&&... args) {
    return db_.async_query<Row>(sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(op_options options, std::string_view sql, Args&&... args) {
    return db_.async_query<Row>(options, sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, asio::completion_token_for<void(std::error_code, result<Row>)> Token, class... Args>
  auto async_query_with(Token&& token, op_options options, std::string_view sql, const Args&... args) {
    return db_.async_query_with<Row>(std::forward<Token>(token), options, sql, args...);
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

  /// COMMIT, with three outcomes (contract I15): returns; throws a definite error (rolled_back, a SQLSTATE); or throws
  /// outcome_unknown when it was sent and cancellation, a deadline or a lost connection hid the answer. It is never
  /// sent a CancelRequest.
  [[nodiscard]] asio::awaitable<commit_result> async_commit(op_options options = {});
  /// Handler: void(std::error_code, commit_result).
  template <asio::completion_token_for<void(std::error_code, commit_result)> Token>
  auto async_commit_with(Token&& token, op_options options = {}) {
    open_ = false;
    return asio::async_initiate<Token, void(std::error_code, commit_result)>(
        detail::start_operation<detail::finish_commit>{}, token, db_.handle(),
        detail::op_plan{detail::op_kind::commit, false, options}, detail::request("COMMIT"));
  }
  /// ROLLBACK. Succeeds, too, when the lease was revoked or the connection is gone: then the server has rolled back or
  /// will (contract I13).
  [[nodiscard]] asio::awaitable<void> async_rollback(op_options options = {});
  /// Handler: void(std::error_code).
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_rollback_with(Token&& token, op_options options = {}) {
    open_ = false;
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
  static asio::awaitable<commit_result> co_commit(detail::session_handle on, op_options options);
  static asio::awaitable<void> co_roll_back(detail::session_handle on, op_options options);
  static asio::awaitable<transaction> co_begin(detail::session_handle on, transaction_options mode, op_options options);

  connection db_;
  std::optional<transaction_id> id_;
  bool open_ = false;
};

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
