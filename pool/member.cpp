#include "pool/member.hpp"

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

void count(stats::pool_counters& to, cancel_event what) noexcept {
  switch (what) {
    case cancel_event::requested: return to.cancel_requested();
    case cancel_event::suppressed_unsent: return to.cancel_suppressed(cancel_suppression::unsent);
    case cancel_event::suppressed_overtaken: return to.cancel_suppressed(cancel_suppression::overtaken);
    case cancel_event::suppressed_budget: return to.cancel_suppressed(cancel_suppression::budget);
    case cancel_event::suppressed_no_key: return to.cancel_suppressed(cancel_suppression::no_key);
    case cancel_event::sent: return to.cancel_sent();
    case cancel_event::retried: return to.cancel_retried();
    case cancel_event::eof: return to.cancel_eof();
    case cancel_event::failed_resolve: return to.cancel_failed(cancel_phase::resolve);
    case cancel_event::failed_connect: return to.cancel_failed(cancel_phase::connect);
    case cancel_event::failed_tls: return to.cancel_failed(cancel_phase::tls);
    case cancel_event::failed_write: return to.cancel_failed(cancel_phase::write);
    case cancel_event::failed_eof: return to.cancel_failed(cancel_phase::eof);
    case cancel_event::unknown: return to.cancel_unknown();
  }
}

// Null for what is no failure.
const char* failure_words(cancel_event what) noexcept {
  switch (what) {
    case cancel_event::failed_resolve:
    case cancel_event::failed_connect:
      return "no connection for the CancelRequest; the connection is drained or closed";
    case cancel_event::failed_tls: return "TLS failed on the cancel connection; the connection is drained or closed";
    case cancel_event::failed_write: return "the CancelRequest could not be written; the connection is closed";
    case cancel_event::failed_eof: return "the cancel connection broke before its end; the connection is closed";
    case cancel_event::unknown: return "no answer on the cancel connection in time; the connection is closed";
    default: return nullptr;
  }
}

}  // namespace

void pool_member::on_revoked() noexcept {
  if (const auto pool = pool_.lock()) pool->on_revoked(*this);
}

void pool_member::on_disconnected(std::error_code ec, bool endpoint) noexcept {
  if (const auto pool = pool_.lock()) pool->on_disconnected(*this, ec, endpoint);
}

void pool_member::on_cancel(cancel_event what) noexcept {
  const auto pool = pool_.lock();
  if (!pool) return;
  count(pool->counters(), what);
  const char* const where = failure_words(what);
  if (where == nullptr) return;
  pool->sink().line("pool " + pool->name() + ": a query could not be cancelled on the server: " + where,
                    std::chrono::steady_clock::now());
}

void pool_member::on_stray_cancel() noexcept {
  if (const auto pool = pool_.lock()) pool->counters().stray_cancel();
}

void pool_member::on_notice(const diagnostics& note) noexcept {
  if (const auto pool = pool_.lock()) pool->sink().notice(note);
}

bool pool_member::admit_cancel() noexcept {
  const auto pool = pool_.lock();
  return pool && pool->budget().admit(std::chrono::steady_clock::now());
}

void pool_member::cancel_ended() noexcept {
  if (const auto pool = pool_.lock()) pool->budget().ended();
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
