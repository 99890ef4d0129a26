// The shell around core::retry_plan: which of its ends an error is, and what it decides, done.
#include "pool/clock.hpp"
#include "pool/core/retry_plan.hpp"

#include <lido/pool/retrying.hpp>

#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <string>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

core::retry_limits limits_of(const retry_options& o, bool has_others) {
  core::retry_limits l;
  l.attempts = static_cast<std::uint32_t>(std::max(o.attempts, 1));
  l.deadline = o.deadline;
  l.backoff_min = o.backoff_min;
  l.backoff_max = o.backoff_max;
  l.resolve_timeout = o.resolve_timeout;
  l.can_ask = o.mode.resolvable && has_others;
  return l;
}

// Nothing for what is no error of Lido's or Asio's: it is the body's own.
std::error_code code_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& e) {
    return e.code();
  } catch (...) {
    return {};
  }
}

[[noreturn]] void throw_in_doubt(const std::exception_ptr& failure, std::string_view found) {
  try {
    std::rethrow_exception(failure);
  } catch (const error& e) {
    diagnostics diag = e.diag();
    diag.context += (diag.context.empty() ? "" : "; ") + std::string("asked afterwards, the server says: ");
    diag.context += found;
    throw error(e.code(), std::move(diag));
  }
}

[[noreturn]] void throw_rolled_back() {
  diagnostics diag;
  diag.context = "the answer to COMMIT was lost; asked afterwards, the server says: aborted";
  throw error(errc::rolled_back, std::move(diag));
}

}  // namespace

retry_course::retry_course(pool& from, const retry_options& options, const std::source_location& where)
    : from_(&from), options_(options), where_(where) {}
retry_course::retry_course(const retry_options& options) : from_(nullptr), options_(options), where_() {}
retry_course::~retry_course() = default;

core::retry_plan& retry_course::plan() {
  if (!plan_) {
    const auto seed = static_cast<std::uint64_t>(steady_now().time_since_epoch().count()) ^
                      static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this));
    plan_ = std::make_unique<core::retry_plan>(limits_of(options_, from_ != nullptr), seed);
  }
  return *plan_;
}

void retry_course::begins_anew() {
  id_.reset();
  if (options_.report == nullptr) return;
  options_.report->attempts = attempt_;
  options_.report->id.reset();
}

asio::awaitable<lease> retry_course::acquire() {
  phase_ = phase::acquiring;
  begins_anew();
  acquire_options how = bounded_by(until(options_.deadline), where_);
  return from_->async_acquire(how.tag(options_.tag).priority(options_.priority));
}

// A lease from acquire() is bounded as a whole.
asio::awaitable<transaction> retry_course::begin(connection& db) {
  if (from_ == nullptr) begins_anew();
  phase_ = phase::beginning;
  transaction tx = co_await db.async_begin(options_.mode, until(options_.deadline));
  phase_ = phase::in_body;
  id_ = tx.id();
  if (options_.report != nullptr) options_.report->id = id_;
  co_return tx;
}

asio::awaitable<void> retry_course::commit(transaction& tx) {
  phase_ = phase::committing;
  if (!tx.is_open()) co_return;
  commit_result done = co_await tx.async_commit(until(options_.deadline));
  if (options_.report != nullptr) options_.report->commit = std::move(done);
}

namespace {

bool is_conflict(const std::error_code& ec) {
  return ec == condition::serialization_failure || ec == condition::deadlock_detected;
}

// A connection that is gone, and not one that another would not be either: no certificate, no such protocol.
bool is_loss(const std::error_code& ec) { return is_disconnect(ec) && is_retryable(ec); }

}  // namespace

bool retry_course::ended(std::exception_ptr failure, bool db_lives) {
  failure_ = std::move(failure);
  if (!failure_) return true;
  const std::error_code ec = code_of(failure_);
  core::attempt_end how = core::attempt_end::failed;
  switch (phase_) {
    case phase::acquiring:
    case phase::beginning:
      if (is_loss(ec) && from_ != nullptr) how = core::attempt_end::lost;
      break;
    case phase::committing:
      if (ec == errc::outcome_unknown) how = core::attempt_end::in_doubt;
      [[fallthrough]];
    case phase::in_body:  // an error of another connection of the body's, while this one lives, is the body's own
      if (is_conflict(ec)) how = core::attempt_end::conflict;
      if (is_loss(ec) && !db_lives && from_ != nullptr) how = core::attempt_end::lost;
      break;
  }
  const core::retry_step next = plan().after(how, steady_now());
  if (next == core::retry_step::give_up) std::rethrow_exception(failure_);
  in_doubt_ = next == core::retry_step::ask;
  return false;
}

asio::awaitable<bool> retry_course::go_on() {
  if (in_doubt_) {
    commit_status found = commit_status::unknown;
    if (id_) found = co_await from_->async_commit_status(*id_, lido::until(plan_->until()));
    in_doubt_ = false;
    switch (found) {
      case commit_status::committed: co_return true;
      case commit_status::aborted: break;
      case commit_status::in_progress:
      case commit_status::unknown: throw_in_doubt(failure_, to_string(found));
    }
    if (plan_->after(core::attempt_end::found_aborted, steady_now()) == core::retry_step::give_up) throw_rolled_back();
  }
  attempt_ = static_cast<int>(plan_->attempt());
  asio::steady_timer pause(co_await asio::this_coro::executor, plan_->until());
  std::error_code cancelled;
  co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  if (cancelled) throw error(cancelled);
  co_return false;
}

void retry_course::rethrow_in_doubt() const {
  if (in_doubt_) std::rethrow_exception(failure_);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
