#include "bench/storm/verdict.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>

namespace lido::storm {
namespace {

// What may keep somebody from getting a connection. Not here: plaintext_before_tls and server_not_proven, which are an
// attack or a very broken proxy, and nobody's everyday.
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
    case errc::too_many_waiters: return true;
    default: return false;
  }
}

// What may befall a statement on a connection that stood: its end, or its own. An error of connecting or of TLS is
// there the cancel path's, which no caller is to see.
bool excusable_in_statement(errc e) noexcept {
  switch (e) {
    case errc::connection_lost:
    case errc::server_shutdown:
    case errc::timeout:
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
  const bool struck = o.cancel == strike::in_time;
  if (!ec) return o.own_result ? verdict::completed : verdict::unexpected;
  if (ec == asio::error::make_error_code(asio::error::operation_aborted)) {
    return struck ? verdict::cancelled : verdict::unexpected;
  }
  // Whatever the cancel path, the connection or the server did after the signal: it is not this task's any more.
  if (struck) return verdict::unexpected;
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
  // Narrow ones first: a code may match several.
  static constexpr named conditions[] = {
      {condition::query_canceled, "query_canceled"},
      {condition::outcome_unknown, "outcome_unknown"},
      {condition::authentication, "authentication"},
      {condition::tls, "tls"},
      {condition::too_many_connections, "too_many_connections"},
      {condition::serialization_failure, "serialization_failure"},
      {condition::deadlock_detected, "deadlock_detected"},
      {condition::undefined_table, "undefined_table"},
      {condition::syntax_error, "syntax_error"},
      {condition::insufficient_privilege, "insufficient_privilege"},
      {condition::constraint_violation, "constraint_violation"},
      {condition::timeout, "timeout"},
      {condition::disconnected, "disconnected"},
      {condition::cancelled, "cancelled"},
      {condition::retryable, "retryable"},
  };
  for (const named& c : conditions) {
    if (ec == c.is) return c.name;
  }
  if (ec.category() == sqlstate_category()) return "sqlstate_" + sqlstate_of(ec);
  return std::string{ec.category().name()} + "_" + std::to_string(ec.value());
}

}  // namespace lido::storm
