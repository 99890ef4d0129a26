#include "bench/storm/verdict.hpp"

#include <lido/driver/error.hpp>
#include <lido/driver/sqlstate.hpp>

#include <asio/error.hpp>

#include <cstring>
#include <string_view>

namespace lido::storm {
namespace {

const char* enumerator(errc e) noexcept {
  switch (e) {
    case errc::resolve_failed: return "resolve_failed";
    case errc::connect_failed: return "connect_failed";
    case errc::tls_refused: return "tls_refused";
    case errc::tls_failed: return "tls_failed";
    case errc::plaintext_before_tls: return "plaintext_before_tls";
    case errc::auth_failed: return "auth_failed";
    case errc::auth_unsupported: return "auth_unsupported";
    case errc::auth_refused: return "auth_refused";
    case errc::server_not_proven: return "server_not_proven";
    case errc::invalid_config: return "invalid_config";
    case errc::connection_lost: return "connection_lost";
    case errc::connection_closed: return "connection_closed";
    case errc::connection_busy: return "connection_busy";
    case errc::server_shutdown: return "server_shutdown";
    case errc::protocol_error: return "protocol_error";
    case errc::message_too_large: return "message_too_large";
    case errc::timeout: return "timeout";
    case errc::lease_revoked: return "lease_revoked";
    case errc::outcome_unknown: return "outcome_unknown";
    case errc::rolled_back: return "rolled_back";
    case errc::not_encodable: return "not_encodable";
    case errc::copy_unexpected: return "copy_unexpected";
    case errc::result_too_large: return "result_too_large";
    case errc::type_mismatch: return "type_mismatch";
    case errc::column_mismatch: return "column_mismatch";
    case errc::unexpected_null: return "unexpected_null";
    case errc::value_out_of_range: return "value_out_of_range";
    case errc::no_row: return "no_row";
    case errc::acquire_timeout: return "acquire_timeout";
    case errc::pool_closed: return "pool_closed";
    case errc::too_many_waiters: return "too_many_waiters";
    case errc::wrong_server_role: return "wrong_server_role";
    case errc::overloaded: return "overloaded";
    case errc::nested_acquire: return "nested_acquire";
    case errc::stream_closed: return "stream_closed";
    case errc::copy_aborted: return "copy_aborted";
    case errc::pipeline_aborted: return "pipeline_aborted";
    case errc::wrong_scope: return "wrong_scope";
  }
  return "lido";
}

// What may keep somebody from getting a connection, a refusal by configuration included. Not here: plaintext_before_tls
// and server_not_proven, which are an attack or a very broken proxy, and nobody's everyday.
bool excusable_while_acquiring(errc e) noexcept {
  switch (e) {
    case errc::resolve_failed:
    case errc::connect_failed:
    case errc::tls_refused:
    case errc::tls_failed:
    case errc::auth_failed:
    case errc::auth_unsupported:
    case errc::auth_refused:
    case errc::connection_lost:
    case errc::server_shutdown:
    case errc::timeout:
    case errc::acquire_timeout:
    case errc::too_many_waiters:
    case errc::overloaded:
    case errc::wrong_server_role: return true;
    default: return false;
  }
}

// What may befall a statement on a connection that stood: its end, its own, a bound of its result. An error of
// connecting or of TLS is there the cancel path's, which no caller is to see.
bool excusable_in_statement(errc e) noexcept {
  switch (e) {
    case errc::connection_lost:
    case errc::server_shutdown:
    case errc::timeout:
    case errc::result_too_large:
    case errc::message_too_large:
    case errc::outcome_unknown:
    case errc::rolled_back: return true;
    default: return false;
  }
}

bool excusable(errc e, stage during) noexcept {
  return during == stage::acquiring ? excusable_while_acquiring(e) : excusable_in_statement(e);
}

}  // namespace

verdict judge(const outcome& o) noexcept {
  const std::error_code& ec = o.error;
  // Who waits for a connection is cancelled by the end of the run alone, and what it gets is decided on its own
  // executor: either way round is right.
  const bool waited = o.during == stage::acquiring && o.run_over;
  const bool struck = waited ? o.cancel != strike::none : o.cancel == strike::in_time;
  if (!ec) return o.own_result ? verdict::completed : verdict::unexpected;
  if (ec == asio::error::make_error_code(asio::error::operation_aborted)) {
    if (!struck) return verdict::unexpected;
    return o.run_over ? verdict::interrupted : verdict::cancelled;
  }
  // Whatever the cancel path, the connection or the server did after the signal: it is not this task's any more.
  if (struck && !waited) return verdict::unexpected;
  if (ec == condition::query_canceled) return verdict::stray_cancel;
  if (ec.category() == sqlstate_category()) return verdict::error;
  if (ec.category() == lido_category() && excusable(static_cast<errc>(ec.value()), o.during)) return verdict::error;
  return verdict::unexpected;  // with them every raw error of a socket or of TLS
}

std::string label_of(const std::error_code& ec) {
  struct named {
    condition is;
    const char* name;
  };
  // Those that gather several codes: what the reader of a table asks first is whether a connection broke.
  static constexpr named conditions[] = {
      {condition::query_canceled, "query_canceled"},
      {condition::authentication, "authentication"},
      {condition::tls, "tls"},
      {condition::timeout, "timeout"},
      {condition::disconnected, "disconnected"},
      {condition::cancelled, "cancelled"},
  };
  for (const named& c : conditions) {
    if (ec == c.is) return c.name;
  }
  return name_of(ec);
}

std::string name_of(const std::error_code& ec) {
  if (ec.category() == lido_category()) return enumerator(static_cast<errc>(ec.value()));
  if (ec.category() == sqlstate_category()) {
    const std::string_view known = sqlstate_name(ec);
    return known.empty() ? "sqlstate_" + sqlstate_of(ec) : std::string{known};
  }
  if (ec == asio::error::make_error_code(asio::error::operation_aborted)) return "operation_aborted";
  if (ec.category() == std::system_category() || ec.category() == std::generic_category() ||
      ec.category() == asio::error::get_system_category()) {
    const char* const known = ::strerrorname_np(ec.value());
    if (known != nullptr) return known;
  }
  return std::string{ec.category().name()} + ": " + ec.message();
}

}  // namespace lido::storm
