// What threads keep between two leases (thread_cache.hpp), and how it comes back into the books.
#include "pool/clock.hpp"
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

constinit thread_local std::uint32_t thread_number = 0;

std::uint32_t number_thread() noexcept {
  static std::atomic<std::uint32_t> numbered{0};
  do thread_number = numbered.fetch_add(1, std::memory_order_relaxed) + 1;
  while (thread_number == 0);
  return thread_number;
}

// Not where each lease is to be seen by the books, or where a term is a long time.
bool pool_impl::may_keep(const core::limits& l) noexcept {
  const auto is_long = [](core::duration d) { return d <= core::duration::zero() || d >= 10 * thread_cache::term; };
  return l.min_idle == 0 && l.max_uses == 0 && l.max_bytes_received == 0 && !l.inspect && is_long(l.max_lifetime) &&
         is_long(l.validate_after_idle) && is_long(l.idle_timeout) && is_long(l.keepalive_interval);
}

void pool_impl::open_cache(core::time_point now) noexcept {
  if (!may_keep_ || !core_.waiters().empty() || core_.state() != core::pool_state::open) return;
  if (now >= cache_ends_) {  // whoever is busy all the time hears no timer
    call_in();
    cache_closed_until_ = now;
  }
  if (now < cache_closed_until_) return;
  cache_.open_here(now + thread_cache::term);
  cache_ends_ = std::min(cache_ends_, now + thread_cache::term);
}

void pool_impl::call_in() noexcept {
  cache_ends_ = core::never;
  cache_closed_until_ = steady_now() + thread_cache::pause;
  while (loan* const kept = cache_.shut_next()) book(*kept);
}

// Of what all threads keep: whether there may have been any.
bool pool_impl::call_in_others() noexcept {
  {
    const lock guard(mutex_);
    if (gone_ || !cache_.is_open()) return false;
  }
  tell([](core::pool_core&, core::action_list&) {});
  return true;
}

// Nobody performs anything any more.
void pool_impl::let_go_of_kept() noexcept {
  cache_ends_ = core::never;
  for (const auto& who : members_) {
    if (who) who->forget_loan();
  }
  while (const std::unique_ptr<loan> kept{cache_.shut_next()}) --handles_;
}

void pool_impl::enter(loan& what) noexcept {
  const std::uint64_t again = what.again.load(std::memory_order_relaxed);
  if (again == 0 && what.in_hand.load(std::memory_order_relaxed)) return;
  what.again.store(0, std::memory_order_relaxed);
  core_.lent_again(again);
  counters_.did_not_wait_serialised(again);
  counters_.used_serialised(what.use);
}

// The lease is the pool's, or its connection's end.
void pool_impl::forget_loan_of(pool_member& who) noexcept {
  if (who.out == nullptr) return;
  enter(*who.out);
  core_.leased_since(who.lease, who.out->since.load(std::memory_order_relaxed));
  who.forget_loan();
}

// ---- for those who look at the pool ----

bool pool_impl::is_kept(std::uint32_t slot) const {
  const pool_member* const who = members_[slot].get();
  const core::slot& s = core_.slots()[slot];
  return who != nullptr && who->out != nullptr && !who->out->in_hand.load(std::memory_order_relaxed) &&
         s.state == core::slot_state::leased && s.granted_to == nullptr;
}

std::uint32_t pool_impl::kept_count() const {
  if (!cache_.is_open()) return 0;
  std::uint32_t n = 0;
  for (std::uint32_t i = 0; i < members_.size(); ++i) n += is_kept(i) ? 1 : 0;
  return n;
}

core::time_point pool_impl::lent_since(std::uint32_t slot) const {
  const pool_member* const who = gone_ ? nullptr : members_[slot].get();
  const core::slot& s = core_.slots()[slot];
  const bool knows = who != nullptr && who->out != nullptr && s.granted_to == nullptr;
  return knows ? who->out->since.load(std::memory_order_relaxed) : s.lent_at;
}

void pool_impl::read_kept(pool_stats& out) const {
  const std::uint32_t kept = kept_count();
  out.idle += kept;
  out.leased -= kept;
  for (const auto& who : members_) {
    if (!who || who->out == nullptr) continue;
    const std::uint64_t again = who->out->again.load(std::memory_order_relaxed);
    out.acquires += again;
    out.wait_time.counts[0] += again;
    who->out->use.add_to(out.use_time);
  }
}

// What lasts long is counted from the beginning of the lease, not of the term.
void pool_impl::tell_beginnings() noexcept {
  const core::limits& l = core_.settings();
  if (std::max(l.leak_threshold, l.leak_reclaim) <= core::duration::zero()) return;
  for (const auto& who : members_) {
    if (who && who->out != nullptr) core_.leased_since(who->lease, who->out->since.load(std::memory_order_relaxed));
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
