// Administration: warming up, pausing, how far a close has come, whether the pool can serve; and words for people.
#include "pool/clock.hpp"
#include "pool/core/readiness.hpp"
#include "pool/pool_impl.hpp"
#include "pool/stats/from_core.hpp"

#include <algorithm>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

std::string in_ms(core::duration d) {
  return std::to_string(std::chrono::ceil<std::chrono::milliseconds>(d).count()) + " ms";
}

}  // namespace

std::string pool_impl::breaker_words() const {
  const core::breaker& b = core_.connect_breaker();
  std::string text = "pool " + name_ + ": the breaker is open after " + std::to_string(b.failed_rounds()) +
                     " failed rounds of connects, and no other connection could serve; ";
  if (b.state() == core::breaker_state::half_open)
    return text + "one connect is under way to find out whether it is back";
  const auto left = b.ready_at() - steady_now();
  return text + (left > core::duration::zero() ? "the next try is in " + in_ms(left) : "the next acquire tries again");
}

std::string pool_impl::last_failure() const {
  if (!last_error_) return {};
  return last_error_.message() + (last_diag_.empty() ? "" : ": " + last_diag_.summary());
}

// ---- what is waited for beside connections ----

void pool_impl::warm_up(std::size_t connections, const op_options& options, warm_up_mode mode,
                        any_completion<std::error_code, std::size_t> done) {
  const auto n = static_cast<std::uint32_t>(std::min(connections, config()->max_size));
  const auto deadline =
      options.deadline == time_point::max() ? core::add(steady_now(), config()->acquire_timeout) : options.deadline;
  await(std::make_unique<errand>(core::goal_kind::warm, n, deadline, mode, options.diag, std::move(done)));
}

void pool_impl::pause(const op_options& options, any_completion<std::error_code, std::size_t> done) {
  const auto deadline =
      options.deadline == time_point::max() ? core::add(steady_now(), config()->acquire_timeout) : options.deadline;
  tell([](core::pool_core& c, core::action_list& out) { c.pause(steady_now(), out); });
  await(std::make_unique<errand>(core::goal_kind::rest, 0, deadline, warm_up_mode::fail_fast, options.diag,
                                 std::move(done)));
}

void pool_impl::resume() noexcept {
  tell([](core::pool_core& c, core::action_list& out) { c.unpause(steady_now(), out); });
}

// As by a rolling change of the configuration that changes nothing.
void pool_impl::retire_connections() noexcept {
  tell([this](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    c.new_generation(steady_now(), out);
    outdate_controls();
  });
  renew_controls(*config(), true);
}

void pool_impl::await(std::unique_ptr<errand> what) {
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    core::goal& goal = *what;
    errands_.push_back(std::move(what));
    c.await(goal, steady_now(), out);
  });
  if (what) what->done.post(errc::pool_closed, 0);  // its io_context has gone
}

void pool_impl::goal_ended(core::goal& goal) {
  std::unique_ptr<errand> what;
  std::error_code ec;
  std::size_t ready = 0;
  {
    const lock guard(mutex_);
    const auto mine =
        std::find_if(errands_.begin(), errands_.end(), [&goal](const auto& e) { return e.get() == &goal; });
    if (mine == errands_.end()) return;
    what = std::move(*mine);
    errands_.erase(mine);
    ready = core_.ready_count();
    ec = verdict_on(*what);
    if (ec && what->diag != nullptr) *what->diag = words_for(*what, ready);
  }
  what->done.post(ec, ready);
}

std::error_code pool_impl::verdict_on(const errand& what) const {
  switch (what.end) {
    case core::goal_end::pending:
    case core::goal_end::reached: return {};
    case core::goal_end::pool_closed: return errc::pool_closed;
    case core::goal_end::timeout:
      return what.kind == core::goal_kind::warm && what.mode == warm_up_mode::lazy ? std::error_code() : errc::timeout;
    case core::goal_end::failed:
      if (what.kind == core::goal_kind::rest) return asio::error::operation_aborted;
      return last_error_ ? last_error_ : errc::connect_failed;
  }
  return {};
}

diagnostics pool_impl::words_for(const errand& what, std::size_t ready) const {
  const bool is_warm_up = what.kind == core::goal_kind::warm;
  diagnostics diag = is_warm_up && what.end == core::goal_end::failed ? last_diag_ : diagnostics{};
  std::string text = is_warm_up
                         ? "warm-up of pool " + name_ + ": " + std::to_string(ready) + " of " +
                               std::to_string(what.target) + " connections are ready"
                         : "pause of pool " + name_ + ": " + std::to_string(leases_out()) + " leases are still out";
  if (const auto n = core_.slots().count(core::slot_state::recovering); !is_warm_up && n > 0)
    text += ", " + std::to_string(n) + " connections are being cleaned up";
  diag.context += (diag.context.empty() ? "" : "; ") + text;
  if (is_warm_up && what.end == core::goal_end::timeout && last_error_)
    diag.context += "; the last connect failed: " + last_failure();
  return diag;
}

std::uint32_t pool_impl::leases_out() const { return core_.slots().count(core::slot_state::leased) - kept_count(); }

// A lease has taken one of those that are to be kept idle.
void pool_impl::restock() noexcept {
  tell([](core::pool_core& c, core::action_list& out) { c.expire(steady_now(), out); });
}

// ---- for probes and people ----

pool_readiness pool_impl::readiness() const {
  const lock guard(mutex_);
  const core::slot_table& slots = core_.slots();
  switch (gone_ ? core::readiness::closing : judge(core_, steady_now())) {
    case core::readiness::paused: return {false, "the pool is paused", readiness_state::paused};
    case core::readiness::closing: return {false, "the pool is closing", readiness_state::closing};
    case core::readiness::unreachable:
      return {false, "no connection, and connects fail: " + last_failure(), readiness_state::unreachable};
    case core::readiness::ready: break;
  }
  return {true,
          std::to_string(slots.count(core::slot_state::idle) + kept_count()) + " idle, " +
              std::to_string(leases_out()) + " leased, " + std::to_string(core_.waiters().size()) + " tasks waiting",
          readiness_state::ready};
}

close_progress pool_impl::progress() const {
  const lock guard(mutex_);
  const core::slot_table& slots = core_.slots();
  close_progress out;
  out.phase = stats::to_public(core_.state());
  out.leased = leases_out();
  out.recovering = slots.count(core::slot_state::recovering);
  out.closing = slots.count(core::slot_state::closing);
  if (force_at_ != core::never && core_.state() == core::pool_state::lingering)
    out.until_forced = std::max(core::duration::zero(), force_at_ - steady_now());
  return out;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
