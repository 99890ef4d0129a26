#include "bench/storm/verdict.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>

namespace lido::storm {
namespace {

// Errors of Lido's own that say that the world is broken, not Lido.
bool excusable(errc e) noexcept {
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
    case errc::outcome_unknown:
    case errc::rolled_back:
    case errc::too_many_waiters: return true;
    default: return false;
  }
}

}  // namespace

verdict judge(const outcome& o) noexcept {
  const std::error_code& ec = o.error;
  if (!ec) return o.own_result ? verdict::completed : verdict::unexpected;
  if (ec == asio::error::make_error_code(asio::error::operation_aborted)) {
    return o.cancel_emitted ? verdict::cancelled : verdict::unexpected;
  }
  if (ec == condition::query_canceled) return o.cancel_emitted ? verdict::unexpected : verdict::stray_cancel;
  if (ec.category() == sqlstate_category()) return verdict::error;
  if (ec.category() == lido_category()) {
    return excusable(static_cast<errc>(ec.value())) ? verdict::error : verdict::unexpected;
  }
  return is_disconnect(ec) ? verdict::error : verdict::unexpected;
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
