#include "driver/escape.hpp"

#include <lido/driver/error.hpp>
#include <lido/driver/sqlstate.hpp>

#include <asio/error.hpp>

#include <array>
#include <cstring>

namespace lido {
inline namespace v0 {
namespace {

using detail::pack_sqlstate;
constexpr int pack(std::string_view five) noexcept { return pack_sqlstate(five); }

std::string unpack(int value) {
  std::string five(5, '0');
  for (std::size_t i = 5; i-- > 0; value /= 36) {
    const int digit = value % 36;
    five[i] = static_cast<char>(digit < 10 ? '0' + digit : 'A' + digit - 10);
  }
  return five;
}

constexpr int class_unit = 36 * 36 * 36;
constexpr bool in_class(int state, std::string_view two) noexcept {
  return state / class_unit == detail::base36_digit(two[0]) * 36 + detail::base36_digit(two[1]);
}

const char* text_of(errc e) noexcept {
  switch (e) {
    case errc::resolve_failed: return "the host name could not be resolved";
    case errc::connect_failed: return "could not connect to the server";
    case errc::tls_refused: return "the server does not speak TLS and sslmode asks for it";
    case errc::tls_failed: return "TLS handshake or certificate verification failed";
    case errc::plaintext_before_tls:
      return "unencrypted bytes arrived before the TLS handshake: man in the middle or broken proxy";
    case errc::auth_failed: return "authentication failed";
    case errc::auth_unsupported: return "the server offers no authentication method that is supported";
    case errc::auth_refused: return "the server asked for an authentication method that the policy forbids";
    case errc::server_not_proven: return "the server did not prove that it knows the password";
    case errc::invalid_config: return "invalid configuration";
    case errc::connection_lost: return "the connection to the server was lost";
    case errc::connection_closed: return "the connection is closed";
    case errc::connection_busy: return "another operation is running on this connection";
    case errc::server_shutdown: return "the server is shutting down";
    case errc::protocol_error: return "the server broke the protocol";
    case errc::message_too_large: return "the server announced a message above max_message_bytes";
    case errc::timeout: return "the deadline of the operation passed";
    case errc::lease_revoked: return "the lease has ended";
    case errc::outcome_unknown: return "COMMIT was sent and its answer was not seen: the outcome is unknown";
    case errc::rolled_back: return "the server rolled the transaction back instead of committing it";
    case errc::not_encodable: return "a parameter or the statement cannot be sent";
    case errc::copy_unexpected: return "the statement is a COPY";
    case errc::stream_closed: return "the stream or COPY is over";
    case errc::copy_aborted: return "the COPY was failed by async_fail()";
    case errc::result_too_large: return "the result is larger than max_result_bytes";
    case errc::type_mismatch: return "the type of a column differs from the type asked for";
    case errc::column_mismatch: return "the columns of the result differ from the row type";
    case errc::unexpected_null: return "NULL where the type is not std::optional";
    case errc::value_out_of_range: return "a value has bytes that its type cannot have";
    case errc::no_row: return "the result does not have exactly one row";
    case errc::acquire_timeout: return "no connection became free within the deadline";
    case errc::pool_closed: return "the pool is closed";
    case errc::wrong_server_role: return "no server is what target_session_attrs asks for";
    case errc::too_many_waiters: return "too many tasks are already waiting for a connection";
    case errc::overloaded: return "overloaded: a connection would come too late for the deadline";
    case errc::nested_acquire: return "nested acquire: every connection is held by a task that waits for another one";
    case errc::pipeline_aborted: return "not run: an earlier statement of the same pipeline failed";
    case errc::wrong_scope: return "not the innermost scope: a savepoint inside is open, or the scope around has ended";
  }
  return "unknown error";
}

class lido_category_impl final : public std::error_category {
 public:
  const char* name() const noexcept override { return "lido"; }
  std::string message(int value) const override { return text_of(static_cast<errc>(value)); }
};

class sqlstate_category_impl final : public std::error_category {
 public:
  const char* name() const noexcept override { return "postgresql"; }
  std::string message(int value) const override { return "SQLSTATE " + unpack(value); }
};

bool is_asio_misc(const std::error_code& ec, int value) noexcept {
  return ec.category() == asio::error::get_misc_category() && ec.value() == value;
}

bool is_errno_disconnect(int value) noexcept {
  switch (value) {
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
    case ESHUTDOWN:
    case ENETDOWN:
    case ENETUNREACH:
    case ENETRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ETIMEDOUT:
    case EBADF:
    case ENOENT:  // a Unix socket that is gone
      return true;
    default: return false;
  }
}

bool is_errno(const std::error_code& ec) noexcept {
  return ec.category() == std::system_category() || ec.category() == std::generic_category() ||
         ec.category() == asio::error::get_system_category();
}

bool is_tls(const std::error_code& ec) noexcept {
  if (ec.category() != lido_category()) return false;
  const auto e = static_cast<errc>(ec.value());
  return e == errc::tls_failed || e == errc::tls_refused || e == errc::plaintext_before_tls;
}

bool is_lido_disconnect(errc e) noexcept {
  switch (e) {
    case errc::resolve_failed:
    case errc::connect_failed:
    case errc::tls_refused:
    case errc::tls_failed:
    case errc::plaintext_before_tls:
    case errc::connection_lost:
    case errc::connection_closed:
    case errc::server_shutdown:
    case errc::protocol_error:
    case errc::message_too_large: return true;
    default: return false;
  }
}

bool is_sqlstate_disconnect(int state) noexcept {
  static constexpr std::array gone{pack("57P01"), pack("57P02"), pack("57P03"),
                                   pack("57P04"), pack("57P05"), pack("25P03")};
  if (in_class(state, "08")) return true;
  for (int s : gone)
    if (s == state) return true;
  return false;
}

bool is_sqlstate_retryable(int state) noexcept {
  return in_class(state, "53") || state == pack("40001") || state == pack("40P01") || state == pack("55P03") ||
         state == pack("57P03");
}

// What ends a session is FATAL or PANIC.
bool lets_live(const std::error_code& ec, const diagnostics& said) noexcept {
  return ec.category() == sqlstate_category() && said.severity == "ERROR";
}

bool is_cancelled(const std::error_code& ec) noexcept {
  if (ec.category() == lido_category()) return ec.value() == static_cast<int>(errc::lease_revoked);
  if (ec == asio::error::operation_aborted) return true;
  return is_errno(ec) && ec.value() == ECANCELED;
}

bool is_timeout(const std::error_code& ec) noexcept {
  if (ec.category() == lido_category()) {
    return ec.value() == static_cast<int>(errc::timeout) || ec.value() == static_cast<int>(errc::acquire_timeout);
  }
  return is_errno(ec) && ec.value() == ETIMEDOUT;
}

bool is_auth(const std::error_code& ec) noexcept {
  if (ec.category() == sqlstate_category()) return in_class(ec.value(), "28");
  if (ec.category() != lido_category()) return false;
  const auto e = static_cast<errc>(ec.value());
  return e == errc::auth_failed || e == errc::auth_refused || e == errc::auth_unsupported ||
         e == errc::server_not_proven;
}

int state_of(condition c) noexcept {
  switch (c) {
    case condition::unique_violation: return pack("23505");
    case condition::foreign_key_violation: return pack("23503");
    case condition::not_null_violation: return pack("23502");
    case condition::check_violation: return pack("23514");
    case condition::serialization_failure: return pack("40001");
    case condition::deadlock_detected: return pack("40P01");
    case condition::query_canceled: return pack("57014");
    case condition::undefined_table: return pack("42P01");
    case condition::syntax_error: return pack("42601");
    case condition::insufficient_privilege: return pack("42501");
    case condition::read_only_transaction: return pack("25006");
    case condition::too_many_connections: return pack("53300");
    default: return -1;
  }
}

class condition_category_impl final : public std::error_category {
 public:
  const char* name() const noexcept override { return "lido.condition"; }
  std::string message(int value) const override;
  bool equivalent(const std::error_code& ec, int value) const noexcept override {
    switch (static_cast<condition>(value)) {
      case condition::disconnected: return is_disconnect(ec);
      case condition::cancelled: return is_cancelled(ec);
      case condition::timeout: return is_timeout(ec);
      case condition::retryable: return is_retryable(ec);
      case condition::authentication: return is_auth(ec);
      case condition::tls: return is_tls(ec);
      case condition::outcome_unknown: return ec == errc::outcome_unknown;
      case condition::constraint_violation: return ec.category() == sqlstate_category() && in_class(ec.value(), "23");
      default: return ec.category() == sqlstate_category() && ec.value() == state_of(static_cast<condition>(value));
    }
  }
};

std::string condition_category_impl::message(int value) const {
  switch (static_cast<condition>(value)) {
    case condition::disconnected: return "disconnected";
    case condition::cancelled: return "cancelled";
    case condition::timeout: return "timeout";
    case condition::retryable: return "retryable";
    case condition::constraint_violation: return "constraint violation";
    case condition::authentication: return "authentication";
    case condition::outcome_unknown: return "outcome unknown";
    case condition::tls: return "tls";
    default: return "SQLSTATE " + unpack(state_of(static_cast<condition>(value)));
  }
}

}  // namespace

const std::error_category& lido_category() noexcept {
  static const lido_category_impl category;
  return category;
}

const std::error_category& sqlstate_category() noexcept {
  static const sqlstate_category_impl category;
  return category;
}

const std::error_category& condition_category() noexcept {
  static const condition_category_impl category;
  return category;
}

std::error_code make_sqlstate(std::string_view five) noexcept {
  const int packed = pack(five);
  return {packed > 0 ? packed : pack("XX000"), sqlstate_category()};
}

std::string sqlstate_of(const std::error_code& ec) {
  return ec.category() == sqlstate_category() ? unpack(ec.value()) : std::string{};
}

bool is_disconnect(const std::error_code& ec) noexcept {
  if (!ec) return false;
  if (ec.category() == lido_category()) return is_lido_disconnect(static_cast<errc>(ec.value()));
  if (ec.category() == sqlstate_category()) return is_sqlstate_disconnect(ec.value());
  if (is_errno(ec)) return is_errno_disconnect(ec.value());
  return is_asio_misc(ec, asio::error::eof) || ec.category() == asio::error::get_netdb_category() ||
         ec.category() == asio::error::get_addrinfo_category();
}

bool is_disconnect(const std::error_code& ec, const diagnostics& said) noexcept {
  return !lets_live(ec, said) && is_disconnect(ec);
}

bool is_retryable(const std::error_code& ec, const diagnostics& said) noexcept {
  return lets_live(ec, said) ? is_sqlstate_retryable(ec.value()) : is_retryable(ec);
}

bool is_retryable(const std::error_code& ec) noexcept {
  if (ec == errc::outcome_unknown) return false;
  if (ec.category() == sqlstate_category())
    return is_sqlstate_retryable(ec.value()) || is_sqlstate_disconnect(ec.value());
  if (is_tls(ec) || ec == errc::protocol_error || ec == errc::message_too_large) return false;
  return is_disconnect(ec) || ec == errc::wrong_server_role;  // somebody may be promoted meanwhile
}

std::string diagnostics::summary() const {
  constexpr std::size_t cap = 1024;
  std::string text;
  if (!sqlstate.empty()) {
    detail::append_escaped(text, severity.empty() ? "ERROR" : severity, 64);  // the server's word, too
    text.append(" ");
    detail::append_escaped(text, sqlstate, 5);
    text.append(": ");
  }
  detail::append_escaped(text, message, cap);
  if (!hint.empty()) {
    text.append(" (hint: ");
    detail::append_escaped(text, hint, cap);
    text.push_back(')');
  }
  if (!context.empty()) {
    if (!text.empty()) text.append("; ");
    detail::append_escaped(text, context, cap);
  }
  return text;
}

namespace {

std::string text_for(const std::error_code& ec, const diagnostics& diag) {
  std::string words = diag.summary();
  if (ec.category() == sqlstate_category() && !diag.message.empty()) return words;  // has the SQLSTATE in it
  return words.empty() ? ec.message() : ec.message() + "; " + words;
}

}  // namespace

error::error(std::error_code ec, diagnostics diag) : std::system_error(ec) {
  std::string text = text_for(ec, diag);
  said_ = std::make_shared<const payload>(payload{std::move(diag), std::move(text)});
}

}  // namespace v0
}  // namespace lido
