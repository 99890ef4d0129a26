// Errors of Lido: two categories (Lido's own codes, PostgreSQL's SQLSTATEs), one set of conditions over them, and the
// exception that carries what the server said. One vocabulary for the driver, the pool and the user (contract I25).
//
//   std::error_code ec = ...;
//   if (ec == lido::condition::unique_violation) ...          // SQLSTATE 23505
//   if (lido::is_disconnect(ec)) ...                          // whatever broke: SQLSTATE, errno, TLS, EOF
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace lido {
inline namespace v0 {

/// Lido's own errors. Values are stable within a minor version; compare with conditions where one fits.
enum class errc {
  // connecting
  resolve_failed = 1,  ///< the host name has no address
  connect_failed,      ///< no server answered on the address, or it answered in a language before TLS that is not shown
  tls_refused,         ///< the server has no TLS and the sslmode wants it
  tls_failed,          ///< handshake or certificate verification failed
  plaintext_before_tls,  ///< bytes behind the answer to SSLRequest: an attack or a broken proxy (CVE-2021-23222)
  auth_failed,           ///< the server refused our proof, or we refused the server's request by policy
  auth_unsupported,      ///< the server offers no method that Lido speaks
  auth_refused,          ///< the server asked for a method that `require_auth` or the TLS policy forbids
  server_not_proven,     ///< the server said AuthenticationOk without proving that it knows the password
  invalid_config,        ///< a knob has a value that makes no sense; the message names it
  // the life of a connection
  connection_lost,    ///< the peer vanished: EOF, reset, time-out of the transport
  connection_closed,  ///< closed on our side
  connection_busy,    ///< another operation is running on this connection; that one is unharmed
  server_shutdown,    ///< the server said goodbye (57P01..) and closed
  protocol_error,     ///< the peer sent bytes that are not the protocol; the connection is closed
  message_too_large,  ///< a message above `max_message_bytes`; the connection is closed before anything is allocated
  // operations
  timeout,           ///< the operation's own deadline passed
  lease_revoked,     ///< the lease ended (cancelled, timed out, returned or moved from); nothing was sent
  outcome_unknown,   ///< a COMMIT was sent and its answer will never be seen
  rolled_back,       ///< the server answered COMMIT with ROLLBACK
  not_encodable,     ///< a parameter cannot be sent: NUL in text, too long, too many
  copy_unexpected,   ///< the statement is a COPY; use the COPY interface
  result_too_large,  ///< above `max_result_bytes`
  // decoding
  type_mismatch,       ///< the column's server type is not the C++ type asked for
  column_mismatch,     ///< number or names of columns differ from the row type
  unexpected_null,     ///< NULL where the C++ type is not std::optional
  value_out_of_range,  ///< bytes of a value that its type cannot have
  no_row,              ///< exactly one row was asked for
  // pool
  acquire_timeout,   ///< no connection within the caller's deadline
  pool_closed,       ///< the pool is closing or gone
  too_many_waiters,  ///< the queue of waiters is full
  // several hosts
  wrong_server_role,  ///< a server answered, but none is what target_session_attrs wants
  overloaded,         ///< a connection would have come too late for the deadline: refused instead of queued
  nested_acquire,     ///< every connection is held by a task that waits for another one, the caller's among them
  // streams and COPY
  stream_closed,  ///< this stream or COPY is over: closed, failed or cancelled before
  copy_aborted,   ///< this COPY was failed by async_fail(); the server took nothing of it
  // pipelines and transactions
  pipeline_aborted,  ///< not run: an earlier statement of the same pipeline failed
  wrong_scope,       ///< not the innermost scope: a savepoint inside it is still open, or the one around it has ended
};

/// Classes of errors, for `ec == lido::condition::x`. Each matches Lido's, SQLSTATE's, asio's and std's categories
/// alike.
enum class condition {
  disconnected = 1,  ///< the connection is gone (see is_disconnect)
  cancelled,  ///< somebody cancelled: asio::error::operation_aborted, std::errc::operation_canceled, lease_revoked
  timeout,    ///< a deadline passed: errc::timeout, acquire_timeout, std::errc::timed_out
  retryable,  ///< the same transaction may be tried again: 40001, 40P01, 55P03, 53xxx, 57P03, a lost connection,
              ///< no server of the wanted role
  constraint_violation,    ///< class 23
  unique_violation,        ///< 23505
  foreign_key_violation,   ///< 23503
  not_null_violation,      ///< 23502
  check_violation,         ///< 23514
  serialization_failure,   ///< 40001
  deadlock_detected,       ///< 40P01
  query_canceled,          ///< 57014 as the server sent it: statement_timeout, an administrator, or a stray cancel
  undefined_table,         ///< 42P01
  syntax_error,            ///< 42601
  insufficient_privilege,  ///< 42501
  read_only_transaction,   ///< 25006
  too_many_connections,    ///< 53300
  authentication,          ///< 28xxx and our own refusals
  outcome_unknown,         ///< COMMIT sent, answer not seen
  tls,                     ///< any failure of TLS
};

/// Lido's own category.
const std::error_category& lido_category() noexcept;
/// Category whose values are SQLSTATEs: five base-36 digits packed in an int, lossless.
const std::error_category& sqlstate_category() noexcept;
const std::error_category& condition_category() noexcept;

inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), lido_category()}; }
inline std::error_condition make_error_condition(condition c) noexcept {
  return {static_cast<int>(c), condition_category()};
}

/// Packs five characters [0-9A-Z]. "00000" and anything malformed become XX000 (contract I25).
std::error_code make_sqlstate(std::string_view five) noexcept;
/// The five characters of a code of sqlstate_category(); empty for any other.
std::string sqlstate_of(const std::error_code& ec);

struct diagnostics;

/// Whether `ec` says that the connection is gone, in whatever phase and from whatever layer it comes: SQLSTATE class
/// 08, 57P01, 57P02, 57P03, 57P05, 25P03, errno, TLS, EOF, Lido's own. The pool uses this same function (contract I25).
/// A code alone does not tell an SQLSTATE that ends the session from one that a function raised as an ERROR, as
/// postgres_fdw and dblink do with class 08, after which the session goes on: with the diagnostics it does.
/// noexcept, any thread.
bool is_disconnect(const std::error_code& ec) noexcept;
bool is_disconnect(const std::error_code& ec, const diagnostics& said) noexcept;
/// Whether trying the same transaction again may help. Whether it is safe, outcome_known() says. Never true of
/// errc::outcome_unknown.
bool is_retryable(const std::error_code& ec) noexcept;
bool is_retryable(const std::error_code& ec, const diagnostics& said) noexcept;

/// What the server (or Lido) said about a failed operation. Server text is untrusted: valid UTF-8 is not promised,
/// length is capped at 64 KiB.
struct diagnostics {
  std::string severity;  ///< ERROR, FATAL, PANIC, not localised
  std::string sqlstate;  ///< five characters; XX000 when the server sent none
  std::string message;
  std::string detail;
  std::string hint;
  std::string position;           ///< in the statement, in characters from 1
  std::string internal_position;  ///< the same in internal_query
  std::string internal_query;     ///< of a function's, where the error is in that
  std::string where;
  std::string schema;
  std::string table;
  std::string column;
  std::string datatype;
  std::string constraint;
  std::string file;  ///< of the server's source, for its developers
  std::string line;
  std::string routine;
  std::string context;        ///< Lido's own words: host, phase, what to do
  bool outcome_known = true;  ///< false: the statement was sent and may have taken effect

  bool empty() const noexcept { return message.empty() && context.empty(); }
  /// One line for a person: message, SQLSTATE and hint; at most 1,024 bytes of each; control characters and what is no
  /// UTF-8 escaped. Withheld is what may carry rows or statements: detail, where, internal_query.
  std::string summary() const;
};

namespace detail {
// Null until there is something to say: thirteen strings are a price for errors only.
using lazy_diagnostics = std::unique_ptr<diagnostics>;
inline diagnostics said_in(lazy_diagnostics& diag) { return diag ? std::move(*diag) : diagnostics{}; }
}  // namespace detail

/// What Lido throws from `co_await` with the default token, and nothing else. `code()` is the same std::error_code that
/// the error_code style delivers.
class error : public std::system_error {
 public:
  explicit error(std::error_code ec, diagnostics diag = {});
  const diagnostics& diag() const noexcept { return said_->diag; }
  /// False: the statement was sent and may have taken effect.
  bool outcome_known() const noexcept { return said_->diag.outcome_known; }
  /// Whether the connection is gone, as lido::is_disconnect() with the diagnostics.
  bool is_disconnect() const noexcept { return v0::is_disconnect(code(), diag()); }
  /// Whether trying the same transaction again may help, as is_retryable(). Not whether it is safe: for that, what was
  /// sent must be known to have had no effect, or must be harmless when it is done twice.
  bool retryable() const noexcept { return is_retryable(code(), diag()); }
  /// "ERROR 23505: duplicate key value ..." or "the deadline of the operation passed; pool default: 16 of 16 ...".
  const char* what() const noexcept override { return said_->text.c_str(); }

 private:
  struct payload {
    diagnostics diag;
    std::string text;
  };
  std::shared_ptr<const payload> said_;  // shared: copying an exception must not throw
};

}  // namespace v0
}  // namespace lido

template <>
struct std::is_error_code_enum<lido::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<lido::condition> : std::true_type {};
