// Who has the connections and who wants them, told to people: the table of holders, the errors of an acquire, the lines
// about slow acquires and long leases. Nothing here runs when an acquire is served in time.
#include "pool/clock.hpp"
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <utility>

namespace lido {
inline namespace v0 {

std::string_view to_string(priority p) noexcept {
  switch (p) {
    case priority::high: return "high";
    case priority::normal: return "normal";
    case priority::low: return "low";
  }
  return "unspecified";
}

std::string_view to_string(holding h) noexcept {
  switch (h) {
    case holding::granted: return "granted";
    case holding::leased: return "leased";
    case holding::recovering: return "recovering";
  }
  return "unspecified";
}

task_scope::task_scope() noexcept {
  static constinit std::atomic<std::uint64_t> last{0};
  id_ = last.fetch_add(1, std::memory_order_relaxed) + 1;
}

namespace {

// As a person says it: two figures are enough.
std::string in_words(std::chrono::nanoseconds d) {
  struct unit {
    double length;
    const char* name;
  };
  static constexpr std::array<unit, 3> units{{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}}};
  const auto ns = static_cast<double>(std::max(d.count(), std::chrono::nanoseconds::rep{0}));
  const auto* const fits = std::find_if(units.begin(), units.end() - 1, [ns](const unit& u) { return ns >= u.length; });
  const double n = ns / fits->length;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(),
                n < 10 && n != static_cast<double>(static_cast<int>(n)) ? "%.1f %s" : "%.0f %s", n, fits->name);
  return text.data();
}

std::string in_words(const std::source_location& place) {
  if (*place.file_name() == '\0') return {};
  return std::string(" at ") + place.file_name() + ":" + std::to_string(place.line());
}

}  // namespace

std::string lease_holder::to_string() const {
  std::string text{lido::to_string(state)};
  text += " for " + in_words(held);
  if (!tag.empty()) text += " by " + tag;
  text += in_words(place);
  if (backend_pid != 0) text += ", backend " + std::to_string(backend_pid);
  if (replica) text += " of a replica";
  return text;
}

namespace detail {

acquire_terms terms_of(pool_impl& pool, const acquire_options& options) noexcept {
  return {.deadline = options.plain().deadline,
          .place = options.place(),
          .task = options.task(),
          .tag = pool.tags().intern(options.tag()),
          .worth = options.priority(),
          .bounds_lease = options.is_lease_bounded() && options.plain().deadline != time_point::max()};
}

// ---- who holds what ----

lease_holder pool_impl::holder_of(std::uint32_t slot, core::time_point now) const {
  const core::slot& s = core_.slots()[slot];
  lease_holder h;
  h.slot = slot;
  h.held = now - lent_since(slot);
  h.replica = lane_ == lane::replicas;
  h.state = s.state == core::slot_state::recovering ? holding::recovering
            : s.granted_to != nullptr               ? holding::granted
                                                    : holding::leased;
  const pool_member* const who = members_[slot].get();
  if (who != nullptr && who->session) h.backend_pid = who->session->process_id();
  if (const core::waiter* const waits = s.granted_to; waits != nullptr) {
    const acquire_node& node = acquire_node::of(*s.granted_to);
    h.tag = tags_.name(node.note.tag);
    h.priority = node.note.worth;
    h.place = node.place;
    h.task = waits->task();
  } else if (who != nullptr) {
    h.tag = tags_.name(who->whose.tag);
    h.priority = who->whose.worth;
    h.place = who->present_place();
    h.task = core_.task_of(slot);
  }
  return h;
}

std::vector<lease_holder> pool_impl::holders_at(core::time_point now) const {
  std::vector<lease_holder> all;
  if (gone_) return all;
  for (std::uint32_t i = 0; i < core_.slots().size(); ++i) {
    const core::slot_state state = core_.slots()[i].state;
    if (state == core::slot_state::recovering || (state == core::slot_state::leased && !is_kept(i)))
      all.push_back(holder_of(i, now));
  }
  std::ranges::sort(all, [](const lease_holder& a, const lease_holder& b) { return a.held > b.held; });
  return all;
}

std::vector<lease_holder> pool_impl::holders() const {
  const lock guard(mutex_);
  return holders_at(steady_now());
}

// ---- why there is no connection ----

std::error_code acquire_node::error() const noexcept {
  switch (why) {
    case end::granted: return {};
    case end::aborted: return asio::error::operation_aborted;
    case end::closed: return errc::pool_closed;
    case end::crowded: return errc::too_many_waiters;
    case end::timed_out: return errc::acquire_timeout;
    case end::refused:
    case end::no_server: return errc::connect_failed;
    case end::overloaded: return errc::overloaded;
    case end::nested: return errc::nested_acquire;
  }
  return errc::pool_closed;
}

// Without memory for the words the code alone must do: whoever waits is told in any case.
std::unique_ptr<acquire_failure> pool_impl::failure_of(const acquire_node& node) const noexcept try {
  if (node.why == acquire_node::end::refused && last_error_)
    return std::make_unique<acquire_failure>(last_error_, last_diag_);
  if (node.why == acquire_node::end::no_server) {
    auto failure = std::make_unique<acquire_failure>(last_error_ ? last_error_ : node.error(), last_diag_);
    failure->diag.context += (failure->diag.context.empty() ? "" : "; ") + breaker_words();
    return failure;
  }
  const core::time_point now = steady_now();
  const std::string what = what_failed(node, now);
  if (what.empty()) return nullptr;
  auto failure = std::make_unique<acquire_failure>(node.error(), diagnostics{});
  failure->diag.context = "pool " + name_ + ": " + what + exhaustion(now);
  return failure;
} catch (const std::bad_alloc&) {
  return nullptr;
}

std::string pool_impl::what_failed(const acquire_node& node, core::time_point now) const {
  switch (node.why) {
    case acquire_node::end::timed_out:
      return "no connection within " + in_words(node.deadline() - node.enqueued_at()) + ": ";
    case acquire_node::end::crowded:
      return std::to_string(config_->max_waiters) + " tasks wait already (max_waiters): ";
    case acquire_node::end::overloaded:
      return "it would have waited for about " + in_words(core_.expected_wait(node.in_class(), node.enqueued_at())) +
             " and leases last " + in_words(core_.expected_hold()) + ", with " +
             in_words(node.deadline() - node.enqueued_at()) + " to its deadline: ";
    case acquire_node::end::nested:
      return "this task, which asks" + in_words(node.place) + ", has a connection already (" +
             holder_of(node.holds, now).to_string() + "), and so have all others that wait: ";
    default: return {};
  }
}

std::string pool_impl::exhaustion(core::time_point now) const {
  const core::stats s = core_.statistics();
  const auto in = [&s](core::slot_state state) { return std::to_string(s.slots[static_cast<std::size_t>(state)]); };
  std::string text = std::to_string(leases_out()) + " of " + std::to_string(s.max_size) + " connections leased";
  std::uint32_t oldest = core::no_slot;
  for (std::uint32_t i = 0; i < core_.slots().size(); ++i) {
    if (core_.slots()[i].state != core::slot_state::leased || is_kept(i)) continue;
    if (oldest == core::no_slot || lent_since(i) < lent_since(oldest)) oldest = i;
  }
  if (oldest != core::no_slot && !gone_) text += ", the oldest " + holder_of(oldest, now).to_string();
  text += "; " + in(core::slot_state::recovering) + " recovering, " + in(core::slot_state::connecting) +
          " connecting, " + in(core::slot_state::closing) + " closing, " + std::to_string(s.waiting) + " tasks waiting";
  if (core_.state() == core::pool_state::paused) text += "; the pool is paused";
  if (last_error_) text += "; the last connect failed: " + last_failure();
  return text;
}

// ---- what the log is told ----

void pool_impl::told_long(const core::action& a) noexcept try {
  const core::time_point now = steady_now();
  const bool taken = a.kind == core::action_kind::reclaim;
  std::string text;
  {
    const lock guard(mutex_);
    const auto& who = gone_ ? nullptr : members_[a.slot.index];
    if (!who || !(who->id == a.slot)) return;
    const lease_holder h = holder_of(a.slot.index, now);
    if (!taken && h.held < config_->leak_threshold) return;  // it came back meanwhile
    text = h.to_string();
  }
  const auto due = sink_.lease(taken ? stats::topic::taken_lease : stats::topic::long_lease, std::move(text), now);
  if (due == core::never) return;
  const lock guard(mutex_);
  tell_leases_at_ = std::min(tell_leases_at_, due);
  arm_earlier();
} catch (const std::bad_alloc&) {
  return;  // the counter tells
}

void pool_impl::told_slow(const acquire_node& node, std::chrono::nanoseconds waited) noexcept try {
  counters_.slow_acquire();
  const std::string_view tag = tags_.name(node.note.tag);
  sink_.line(stats::topic::slow_acquire,
             "pool " + name_ + ": a slow acquire" + in_words(node.place) +
                 (tag.empty() ? "" : " by " + std::string(tag)) + " waited for " + in_words(waited),
             steady_now());
} catch (const std::bad_alloc&) {
  return;
}

void pool_impl::told_nested(const std::source_location& place, std::uint32_t holds) noexcept try {
  const core::time_point now = steady_now();
  std::string has;
  {
    const lock guard(mutex_);
    if (!gone_) has = holder_of(holds, now).to_string();
  }
  sink_.line(
      stats::topic::nested_wait,
      "pool " + name_ + ": a task waits for a further connection" + in_words(place) + " while it has one (" + has + ")",
      now);
} catch (const std::bad_alloc&) {
  return;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
