#include "pool/member.hpp"

namespace lido {
inline namespace v0 {
namespace detail {

void pool_member::on_revoked() noexcept {
  if (const auto pool = pool_.lock()) pool->on_revoked(*this);
}

void pool_member::on_disconnected(std::error_code ec, bool endpoint) noexcept {
  if (const auto pool = pool_.lock()) pool->on_disconnected(*this, ec, endpoint);
}

void pool_member::on_cancel(cancel_event what) noexcept {
  const auto pool = pool_.lock();
  if (!pool) return;
  stats::pool_counters& count = pool->counters();
  switch (what) {
    case cancel_event::requested: return count.cancel_requested();
    case cancel_event::suppressed_unsent: return count.cancel_suppressed(cancel_suppression::unsent);
    case cancel_event::suppressed_overtaken: return count.cancel_suppressed(cancel_suppression::overtaken);
    case cancel_event::suppressed_budget: return count.cancel_suppressed(cancel_suppression::budget);
    case cancel_event::suppressed_no_key: return count.cancel_suppressed(cancel_suppression::no_key);
    case cancel_event::sent: return count.cancel_sent();
    case cancel_event::retried: return count.cancel_retried();
    case cancel_event::eof: return count.cancel_eof();
    case cancel_event::failed_resolve: return count.cancel_failed(cancel_phase::resolve);
    case cancel_event::failed_connect: return count.cancel_failed(cancel_phase::connect);
    case cancel_event::failed_tls: return count.cancel_failed(cancel_phase::tls);
    case cancel_event::failed_write: return count.cancel_failed(cancel_phase::write);
    case cancel_event::failed_eof: return count.cancel_failed(cancel_phase::eof);
    case cancel_event::unknown: return count.cancel_unknown();
  }
}

void pool_member::on_stray_cancel() noexcept {
  if (const auto pool = pool_.lock()) pool->counters().stray_cancel();
}

void pool_member::on_notice(const diagnostics& note) noexcept {
  if (const auto pool = pool_.lock()) pool->on_notice(note);
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
