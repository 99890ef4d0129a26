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
};

class transaction {
 public:
  transaction() = default;
  transaction(transaction&& other) noexcept : db_(std::move(other.db_)), open_(std::exchange(other.open_, false)) {}
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

  /// COMMIT, with three outcomes (contract I15): returns; throws a definite error (rolled_back, a SQLSTATE); or throws
  /// outcome_unknown when it was sent and cancellation, a deadline or a lost connection hid the answer. It is never
  /// sent a CancelRequest.
  [[nodiscard]] asio::awaitable<commit_result> async_commit(op_options options = {});
  /// ROLLBACK. Succeeds, too, when the lease was revoked or the connection is gone: then the server has rolled back or
  /// will (contract I13).
  [[nodiscard]] asio::awaitable<void> async_rollback(op_options options = {});

  bool is_open() const noexcept { return open_; }

 private:
  friend class connection;
  explicit transaction(detail::session_handle handle) noexcept : db_(std::move(handle)), open_(true) {}
  void leave() noexcept;
  static asio::awaitable<commit_result> co_commit(detail::session_handle on, op_options options);
  static asio::awaitable<void> co_roll_back(detail::session_handle on, op_options options);
  static asio::awaitable<transaction> co_begin(detail::session_handle on, transaction_options mode, op_options options);

  connection db_;
  bool open_ = false;
};

}  // namespace v0
}  // namespace lido
