// io_contexts come and go: one of several that is stopped must not keep its connections counted for ever, and a
// destroyed one must not leave handlers behind (contract I28).
#include "pool/host_watch.hpp"
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"

#include <asio/io_context.hpp>

#include <algorithm>
#include <typeinfo>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

asio::io_context* pool_impl::plain_context(const asio::any_io_executor& executor) noexcept {
  using plain = asio::io_context::executor_type;
  if (executor.target_type() != typeid(plain)) return nullptr;  // target() of Asio 1.22 casts without looking
  return &executor.target<plain>()->context();
}

core::shard_id pool_impl::living(core::shard_id wanted) {
  if (shard_states_[wanted] == shard_state::running) return wanted;
  const auto other = std::find(shard_states_.begin(), shard_states_.end(), shard_state::running);
  return other == shard_states_.end() ? wanted : static_cast<core::shard_id>(other - shard_states_.begin());
}

void pool_impl::check_shards() noexcept {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    bool newly_stopped = false;
    {
      const lock guard(mutex_);
      if (gone_ || shard_states_[i] == shard_state::gone) continue;
      const bool is_stopped = shards_[i].io != nullptr && shards_[i].io->stopped();
      const shard_state now = is_stopped ? shard_state::stopped : shard_state::running;
      newly_stopped = now == shard_state::stopped && shard_states_[i] == shard_state::running;
      shard_states_[i] = now;
    }
    if (newly_stopped) retire(static_cast<core::shard_id>(i));
  }
}

// Nothing on that context will make progress: its sockets are closed from here, which ends everything that waits for
// them.
void pool_impl::retire(core::shard_id which) noexcept {
  abandon_controls(which);
  std::vector<std::shared_ptr<pool_member>> its;
  {
    const lock guard(mutex_);
    for (const auto& m : members_) {
      if (m && m->shard == which) its.push_back(m);
    }
  }
  const auto now = std::chrono::steady_clock::now();
  for (const auto& m : its) {
    if (m->session) {
      m->session->close_now();
      tell([&](core::pool_core& c, core::action_list& out) {
        c.disconnected(m->id, core::disconnect_scope::connection, now, out);
      });
    } else {
      tell([&](core::pool_core& c, core::action_list& out) { c.connect_failed(m->id, false, now, out); });
    }
  }
}

void pool_impl::context_is_going(core::shard_id which) noexcept {
  bool last = false;
  {
    const lock guard(mutex_);
    shard_states_[which] = shard_state::gone;
    last = std::find_if(shard_states_.begin(), shard_states_.end(),
                        [](shard_state s) { return s != shard_state::gone; }) == shard_states_.end();
  }
  if (last) return let_go();
  std::vector<acquire_op*> its;
  {
    const lock guard(mutex_);
    its = take_waiters(which);
  }
  for (acquire_op* const op : its) op->drop();
  retire(which);
}

void pool_impl::let_go() noexcept {
  std::vector<std::shared_ptr<pool_member>> members;
  std::vector<any_completion<>> closers;
  std::vector<std::unique_ptr<errand>> errands;
  std::vector<acquire_op*> waiting;
  std::vector<std::shared_ptr<host_watch>> watches;  // their timers go with the io_context
  {
    const lock guard(mutex_);
    if (std::exchange(gone_, true)) return;
    let_go_of_kept();  // which members have them
    watches.swap(watches_);
    members.swap(members_);
    closers.swap(closers_);
    errands.swap(errands_);
    for (const auto& e : errands) core_.forget(*e);
    waiting = take_waiters(core::any_shard);
  }
  for (acquire_op* const op : waiting) op->drop();
  abandon_controls(core::any_shard);
  for (const auto& m : members) {
    if (m && m->attempt) m->attempt->cancel();
    if (m && m->session) m->session->close_now();
  }
}

// Those whose handlers go with that io_context; of all with any_shard.
std::vector<acquire_op*> pool_impl::take_waiters(core::shard_id which) {
  std::vector<acquire_op*> taken;
  core::waiter* next = core_.waiters().first();
  while (next != nullptr) {
    acquire_node& node = acquire_node::of(*next);
    next = core_.waiters().after(node);
    if (which != core::any_shard && node.preference() != which) continue;
    core_.cancel(node, std::chrono::steady_clock::now(), decided_);
    node.claim();
    taken.push_back(&node.op());
  }
  return taken;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
