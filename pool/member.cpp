#include "pool/member.hpp"

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

void count(stats::pool_counters& to, cancel_event what, cancel_channel by) noexcept {
  switch (what) {
    case cancel_event::requested: return to.cancel_requested();
    case cancel_event::suppressed_unsent: return to.cancel_suppressed(cancel_suppression::unsent);
    case cancel_event::suppressed_overtaken: return to.cancel_suppressed(cancel_suppression::overtaken);
    case cancel_event::suppressed_budget: return to.cancel_suppressed(cancel_suppression::budget);
    case cancel_event::suppressed_no_key: return to.cancel_suppressed(cancel_suppression::no_key);
    case cancel_event::sent: return to.cancel_sent(by);
    case cancel_event::retried: return to.cancel_retried();
    case cancel_event::eof: return to.cancel_eof(by);
    case cancel_event::failed_resolve: return to.cancel_failed(cancel_phase::resolve, by);
    case cancel_event::failed_connect: return to.cancel_failed(cancel_phase::connect, by);
    case cancel_event::failed_tls: return to.cancel_failed(cancel_phase::tls, by);
    case cancel_event::failed_write: return to.cancel_failed(cancel_phase::write, by);
    case cancel_event::failed_eof: return to.cancel_failed(cancel_phase::eof, by);
    case cancel_event::unknown: return to.cancel_unknown(by);
    case cancel_event::missed: return to.cancel_missed();
    case cancel_event::fell_back: return to.cancel_fell_back();
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

void pool_member::on_revoked(std::uint64_t of) noexcept {
  if (const auto pool = pool_.lock()) pool->on_revoked(*this, of);
}

void pool_member::on_disconnected(std::error_code ec, bool endpoint) noexcept {
  if (const auto pool = pool_.lock()) pool->on_disconnected(*this, ec, endpoint);
}

void pool_member::on_cancel(cancel_event what, cancel_via by) noexcept {
  const auto pool = pool_.lock();
  if (!pool) return;
  count(pool->counters(), what, by == cancel_via::session ? cancel_channel::session : cancel_channel::request);
  const char* const where = failure_words(what);
  if (where == nullptr) return;
  pool->sink().line(stats::topic::cancel,
                    "pool " + pool->name() + ": a query could not be cancelled on the server: " + where,
                    std::chrono::steady_clock::now());
}

void pool_member::on_stray_cancel() noexcept {
  if (const auto pool = pool_.lock()) pool->counters().stray_cancel();
}

void pool_member::on_notice(const diagnostics& note) noexcept {
  if (const auto pool = pool_.lock()) pool->sink().notice(note);
}

void pool_member::on_role(server_role now, bool read_only) noexcept {
  if (const auto pool = pool_.lock()) pool->on_role(*this, now, read_only);
}

void pool_member::on_read_only_refusal() noexcept {
  if (const auto pool = pool_.lock()) pool->on_read_only_refusal(*this);
}

bool pool_member::admit_cancel() noexcept {
  const auto pool = pool_.lock();
  return pool && pool->budget().admit(std::chrono::steady_clock::now());
}

void pool_member::cancel_ended() noexcept {
  if (const auto pool = pool_.lock()) pool->budget().ended();
}

bool pool_member::prefers_control() noexcept {
  return control && (channel == cancel_channel_choice::session || control->available(control_name));
}

bool pool_member::allows_request() noexcept { return channel != cancel_channel_choice::session; }

std::uint64_t pool_member::submit_control(std::weak_ptr<control_client> who) noexcept {
  return control ? control->submit(control_name, std::move(who)) : 0;
}

void pool_member::withdraw_control(std::uint64_t ticket) noexcept {
  if (control) control->withdraw(ticket);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
