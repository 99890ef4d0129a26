// From a user's acquire to his release: the way of every request through the pool, apart from the rest of it so that
// the compiler makes one piece of it.
#include "pool/clock.hpp"
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"

#include <lido/pool/pool.hpp>

#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

core::condition condition_of(session_condition now, core::condition when_clean, core::condition when_soiled) {
  if (now == session_condition::clean) [[likely]]
    return when_clean;
  switch (now) {
    case session_condition::clean: break;
    case session_condition::soiled: return when_soiled;
    case session_condition::in_use:
    case session_condition::dirty: return core::condition::needs_recovery;
    case session_condition::unfit:  // a reset may mend it
      return when_soiled == core::condition::clean ? core::condition::broken : core::condition::needs_recovery;
    case session_condition::dead: return core::condition::broken;
  }
  return core::condition::broken;
}

acquire_node::end end_of(core::acquire_result r) {
  switch (r) {
    case core::acquire_result::granted:
    case core::acquire_result::queued: break;
    case core::acquire_result::timeout: return acquire_node::end::timed_out;
    case core::acquire_result::too_many_waiters: return acquire_node::end::crowded;
    case core::acquire_result::pool_closed: return acquire_node::end::closed;
    case core::acquire_result::breaker_open: return acquire_node::end::no_server;
    case core::acquire_result::overloaded: return acquire_node::end::overloaded;
  }
  return acquire_node::end::granted;
}

}  // namespace

core::shard_id pool_impl::shard_of(const asio::execution_context* context) const noexcept {
  if (sharded_ && context != nullptr) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (shards_[i].context == context) return static_cast<core::shard_id>(i);
    }
  }
  return core::any_shard;
}

[[gnu::always_inline]] inline core::condition pool_impl::returned_as(session_condition now) const noexcept {
  return condition_of(now, when_clean_.load(std::memory_order_relaxed), when_soiled_.load(std::memory_order_relaxed));
}

// One that has ended is as it was: its end is told otherwise.
core::condition pool_impl::rested_as(session_condition now) const noexcept {
  return now == session_condition::dead ? core::condition::clean : returned_as(now);
}

[[gnu::always_inline]] inline loan* pool_impl::lend(const core::lease_id& id, const std::source_location& place,
                                                    holder_note note) {
  ++handles_;
  const core::slot& slot = core_.slots()[id.index];
  pool_member& who = *members_.data()[id.index];
  who.lease = id;
  who.whose = note;
  loan* const out = who.spare ? who.spare.release() : new loan;
  who.out = out;
  const std::uint64_t tenure = who.session->begin_tenure();
  out->db.renew(who.session, tenure);
  out->pool = this;
  out->ticket = {id.index, id.tenure};
  out->begin(tenure, slot.lent_at, place);
  out->era = 0;
  return out;
}

// One io_context is everybody's. Of several, one that has stopped keeps nobody from it here: who asks is in its run().
inline bool pool_impl::runs_here(core::shard_id shard) const noexcept {
  if (!sharded_) return true;
  asio::io_context* const io = shards_.data()[shard].io;
  return io != nullptr && io->get_executor().running_in_this_thread();
}

[[gnu::always_inline]] inline lent* pool_impl::take_kept(const std::source_location& where, core::shard_id preference,
                                                         time_point& asked) noexcept {
  bool begun = false;
  loan* const kept = cache_.take(
      [&](const loan& l) { return runs_here(l.shard) && (preference == core::any_shard || preference == l.shard); },
      [&](loan& l) {
        asked = recent_now();
        if (asked >= l.until || returned_as(l.session->condition()) != core::condition::clean) [[unlikely]]
          return;
        l.begin_again(l.session->begin_tenure(), asked, where);
        begun = true;
      });
  if (kept == nullptr || begun) return kept;
  out_of_cache(*kept, asked);
  return nullptr;
}

// It stays with this thread, for its next lease.
[[gnu::always_inline]] inline bool pool_impl::keep(loan& what, core::time_point now) noexcept {
  return what.db.handle().session.get() == what.session &&
         cache_.keep(what, now, [this, &what] { return runs_here(what.shard); });
}

// One that is idle in the books.
[[gnu::always_inline]] inline lent* pool_impl::lend_idle(core::shard_id preference, core::time_point asked,
                                                         const std::source_location& where, holder_note note) noexcept {
  loan* got = nullptr;
  bool wants_stock = false;
  {
    const lock guard(mutex_);
    mind_sleep(asked);
    core::lease_id id;
    if (gone_ || !core_.try_acquire(preference, asked, id)) return nullptr;
    note_idle();
    counters_.did_not_wait_serialised();
    tags_.began(note.tag, {});
    got = lend(id, where, note);
    // Nobody's in particular: the next may have it without a look into the books.
    if (may_keep_ && note.tag == stats::tag_table::none && !note.bounds_lease) {
      got->era = cache_.era();
      got->session = got->db.handle().session.get();
      got->shard = members_.data()[id.index]->shard;
    }
    wants_stock = core_.wants_stock();
  }
  if (wants_stock) [[unlikely]]
    restock();
  return got;
}

// Out of the way of those whose thread has kept one.
[[gnu::noinline]] lent* pool_impl::try_books(const std::source_location& where, time_point& asked) noexcept {
  asked = recent_now();
  if (sharded_) check_shards();  // nobody reads for a connection whose io_context has stopped
  lent* const got = lend_idle(core::any_shard, asked, where, {});
  if (got != nullptr || !call_in_others()) return got;
  return lend_idle(core::any_shard, asked, where, {});
}

bool pool_impl::try_acquire(acquire_op& op) noexcept {
  const acquire_terms& terms = op.wanted_.terms;
  if (terms.task != 0 || terms.worth != priority::normal) return false;
  const core::shard_id preference = shard_of(op.wanted_.context);
  lent* got = nullptr;
  if (terms.tag == stats::tag_table::none && !terms.bounds_lease)
    got = take_kept(terms.place, preference, op.wanted_.asked);
  if (got == nullptr) {
    op.wanted_.asked = recent_now();
    if (sharded_) check_shards();
    got = lend_idle(preference, op.wanted_.asked, terms.place, {terms.tag, terms.worth, terms.bounds_lease});
  }
  if (got == nullptr) return false;
  op.lease_ = lease(got);
  if (terms.bounds_lease) [[unlikely]]
    op.lease_->set_deadline(terms.deadline);
  return true;
}

void pool_impl::enqueue(acquire_op& op) noexcept {
  const acquire_op::wish wanted = op.wanted_;
  const auto now = wanted.asked == time_point{} ? recent_now() : wanted.asked;
  const auto deadline = wanted.terms.deadline == time_point::max()
                            ? core::add(now, core::duration(acquire_timeout_.load(std::memory_order_relaxed)))
                            : wanted.terms.deadline;
  auto* const node =
      ::new (static_cast<void*>(&op.storage_)) acquire_node(op, wanted.terms, deadline, shard_of(wanted.context));
  op.has_node_ = true;
  auto result = core::acquire_result::pool_closed;
  node->why = acquire_node::end::closed;  // unless the pool still listens
  std::uint32_t nested_in = core::no_slot;
  const std::source_location place = wanted.terms.place;
  const auto self = wanted.terms.task != 0 ? shared_from_this() : nullptr;  // who is queued may be served and gone
  tell([this, node, now, &result, &nested_in](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    mind_sleep(now);
    node->why = acquire_node::end::granted;
    result = c.acquire(*node, now, out);
    if (result == core::acquire_result::queued) {
      if (node->task() != 0 && node->state() == core::waiter_state::queued) nested_in = c.held_by(node->task());
      return;
    }
    node->claim();
    node->why = end_of(result);
  });
  // Once queued it is the pool's, and may have ended meanwhile.
  if (result != core::acquire_result::queued) op.post();
  if (nested_in != core::no_slot) told_nested(place, nested_in);
}

// Of a connection at rest nobody has asked yet whether its server has gone with the last answer.
void pool_impl::look_for_end(std::uint32_t slot) noexcept {
  std::shared_ptr<managed_session> resting;
  {
    const lock guard(mutex_);
    if (!gone_ && core_.slots()[slot].state == core::slot_state::idle) resting = members_[slot]->session;
  }
  if (resting) resting->look_for_end();
}

void pool_impl::cancel(acquire_op& op) noexcept {
  bool post = false;
  std::uint32_t left = core::no_slot;
  tell([&](core::pool_core& c, core::action_list& out) {
    acquire_node& node = op.node();
    if (node.state() == core::waiter_state::granted) left = node.lease().index;
    if (!c.cancel(node, steady_now(), out)) return;
    node.why = acquire_node::end::aborted;
    post = node.claim();
  });
  if (left != core::no_slot) look_for_end(left);
  if (post) op.post();
}

bool pool_impl::on_turn(acquire_op& op) {
  acquire_node& node = op.node();
  bool final = true;
  bool heard = false;
  std::chrono::nanoseconds waited{0};
  std::chrono::nanoseconds slow{0};
  time_point bound = time_point::max();
  tell([&](core::pool_core& c, core::action_list& actions) LIDO_REQUIRES(mutex_) {
    heard = true;
    if (node.why != acquire_node::end::granted) {
      if (node.why != acquire_node::end::aborted) tags_.failed(node.note.tag);
      op.failure_ = failure_of(node);
      return;
    }
    if (c.resume_at_once(node) || c.resume(node, steady_now(), actions)) {
      const core::lease_id& id = node.lease();
      __builtin_prefetch(members_.data()[id.index]->session.get());
      slow = config_->slow_acquire_threshold;
      waited = c.slots()[id.index].lent_at - node.enqueued_at();
      counters_.waited_serialised(waited);
      tags_.began(node.note.tag, waited);
      op.lease_ = lease(lend(id, node.place, node.note));
      if (node.note.bounds_lease) bound = node.deadline();
    } else {
      node.held_by = acquire_node::owner::queue;  // again; or an action is about to tell why not
      final = false;
    }
  });
  if (!heard && node.why == acquire_node::end::granted) node.why = acquire_node::end::closed;  // the pool has let go
  if (bound != time_point::max()) [[unlikely]]
    op.lease_->set_deadline(bound);
  if (slow > slow.zero() && waited >= slow) [[unlikely]]
    told_slow(node, waited);
  if (final && node.why == acquire_node::end::granted) {  // nothing is left to say of it
    node.~acquire_node();
    op.has_node_ = false;
  }
  return final;
}

// Its handler was destroyed without having run, with its io_context: what was set aside for it goes to the next.
void pool_impl::forget(acquire_op& op) noexcept {
  acquire_node& node = op.node();
  if (node.state() != core::waiter_state::detached) {
    bool done = false;
    tell([&](core::pool_core& c, core::action_list& out) {
      c.cancel(node, steady_now(), out);
      done = true;
    });
    if (!done) {
      const lock guard(mutex_);
      core_.cancel(node, steady_now(), decided_);  // the pool has let go: nobody performs what follows from it
    }
  }
  node.~acquire_node();
}

// True: it is the connection's, for its next lease.
[[gnu::always_inline]] inline bool pool_impl::returned(loan& what, core::condition how, core::time_point now) {
  if (gone_) return false;
  pool_member* const who = members_.data()[what.ticket.slot].get();
  if (who == nullptr || who->lease.tenure != what.ticket.tenure) return false;  // its connection has gone
  enter(what);
  if (what.in_hand.load(std::memory_order_relaxed)) {  // else the thread that kept it has counted
    const auto since = what.since.load(std::memory_order_relaxed);
    if (what.era != 0) core_.leased_since(who->lease, since);
    const auto held = now - since;
    counters_.used_serialised(held);
    if (who->whose.tag != stats::tag_table::none && core_.slots()[what.ticket.slot].state == core::slot_state::leased)
      tags_.ended(who->whose.tag, held);
  }
  // Its user may have moved the connection away, or another one in.
  const bool is_ours = what.db.handle().session == who->session;
  const bool kept = is_ours && !who->spare;
  kept ? who->spare.reset(&what) : who->forget_loan();
  if (core_.wears_out()) [[unlikely]]
    core_.wear(who->lease, who->session->usage().bytes_received);
  core_.release(who->lease, is_ours ? how : core::condition::broken, now, decided_);
  return kept;
}

// Too old, or ended meanwhile: idle since it is kept.
[[gnu::cold]] void pool_impl::out_of_cache(loan& kept, core::time_point now) noexcept {
  follow_up then;
  {
    const lock guard(mutex_);
    book(kept);
    if (!gone_) {
      open_cache(now);
      settle(then);
    }
    if (handles_ == 0 && until_returned_) then.pool = std::move(until_returned_);
  }
  then.run();
}

[[gnu::always_inline]] inline void pool_impl::settle_return(loan& what, core::condition how, bool end_may_hide,
                                                            core::time_point now) noexcept {
  std::unique_ptr<loan> unless_spare(&what);
  const std::uint32_t slot = what.ticket.slot;
  follow_up then;
  {
    const lock guard(mutex_);
    if (returned(what, how, now)) unless_spare.release();  // NOLINT(bugprone-unused-return-value): the connection's
    if (end_may_hide && !gone_ && core_.slots()[slot].state == core::slot_state::idle) [[unlikely]]
      then.look(*this, slot);
    if (!gone_) {
      if (may_keep_ && core_.waiters().empty()) open_cache(now);
      settle(then);
    }
    if (--handles_ == 0 && until_returned_) [[unlikely]]
      then.pool = std::move(until_returned_);
  }
  then.run();  // nothing of this from here on, unless it is named: it may be gone
}

// Of a thread that is to give back what it keeps: it is idle since then.
[[gnu::cold]] void pool_impl::book(loan& kept) noexcept {
  std::unique_ptr<loan> unless_spare(&kept);
  const core::condition how = rested_as(kept.session->condition());
  if (returned(kept, how, kept.since.load(std::memory_order_relaxed)))
    unless_spare.release();  // NOLINT(bugprone-unused-return-value): it is the connection's again
  --handles_;
}

void pool_impl::take_back(lent* given) noexcept {
  auto& what = static_cast<loan&>(*given);
  const session_handle& handle = what.db.handle();
  __builtin_prefetch(handle.session.get());  // others had their turns since: it comes while the clock is read
  const auto now = recent_now();
  core::condition how = core::condition::broken;
  bool end_may_hide = false;
  if (handle.session) {
    const tenure_end left = handle.session->end_tenure(handle.tenure);
    how = returned_as(left.condition);
    end_may_hide = left.end_may_hide;
    if (how == core::condition::clean && left.was_current && what.era != 0) {
      if (end_may_hide) handle.session->look_for_end();
      end_may_hide = false;
      if (keep(what, now)) return;
    }
  }
  settle_return(what, how, end_may_hide, now);
}

bool acquire_op::try_now() noexcept { return pool_->may_have_idle() && pool_->try_acquire(*this); }
void acquire_op::enqueue() noexcept {
  static_assert(sizeof(acquire_node) <= node_size);
  pool_->enqueue(*this);
}
void acquire_op::cancel() noexcept { pool_->cancel(*this); }
bool acquire_op::on_turn() { return pool_->on_turn(*this); }
void acquire_op::forget() noexcept {
  if (pool_) pool_->forget(*this);
}

std::error_code acquire_op::error() const noexcept {
  if (failure_) return failure_->error;
  return has_node_ ? node().error() : std::error_code{};
}

void acquire_op::throw_failure() { throw lido::error(error(), take_diag()); }

void give_back(lent* what) noexcept { what->pool->take_back(what); }

connection& no_connection() noexcept {
  alignas(connection) static std::byte place[sizeof(connection)];
  static connection* const none = ::new (static_cast<void*>(place)) connection;  // never destroyed, owns nothing
  return *none;
}

}  // namespace detail

// ---- what of it is public ----

lease pool::try_acquire(std::source_location where) noexcept {
  time_point asked;
  if (!impl_->may_have_idle()) return {};
  detail::lent* const kept = impl_->take_kept(where, core::any_shard, asked);
  return lease(kept != nullptr ? kept : impl_->try_books(where, asked));
}

asio::awaitable<lease> pool::async_acquire(op_options options, std::source_location where) {
  time_point asked{};
  if (impl_->may_have_idle()) {
    detail::lent* ready = impl_->take_kept(where, core::any_shard, asked);
    if (ready == nullptr && !impl_->prefers_shards()) ready = impl_->try_books(where, asked);
    if (ready != nullptr) return asio::awaitable<lease>(ready);
  }
  return acquire_waiting(options, where, asked);
}

// Out of the way of those who need not wait.
[[gnu::noinline]] asio::awaitable<lease> pool::acquire_waiting(const op_options& options, std::source_location where,
                                                               time_point asked) {
  if (impl_->prefers_shards()) return co_lease_nearby({impl_, detail::terms_of(options, where)});
  return co_lease({impl_, detail::terms_of(options, where), nullptr, asked});
}

}  // namespace v0
}  // namespace lido
