// The control sessions of a pool, one for each server that it has connections to: who is known to which, and what
// becomes of a new connection whose pid an unanswered statement names (contract I3, model control.pml).
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"

#include <algorithm>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

using recovery::control_channel;
using recovery::control_session;

std::shared_ptr<control_session> pool_impl::control_for(const std::shared_ptr<const session_peer>& peer,
                                                        core::shard_id shard) {
  std::string where = describe(*peer);
  const auto how = config();
  const lock guard(mutex_);
  for (const control_entry& e : controls_) {
    if (e.use == control_use::current && e.where == where) return e.session;
  }
  std::erase_if(controls_, [](const control_entry& e) { return !e.session->is_needed(); });
  const io_shard& on = shards_[shard];
  recovery::control_surroundings around;
  around.executor = on.executor;
  around.deadlines = on.deadlines;
  around.credentials_now = [weak = weak_from_this(), shard](std::function<void(recovery::credentials)> done) {
    if (const auto pool = weak.lock()) pool->ask_for_credentials(shard, std::move(done));
  };
  around.peer = peer;
  around.close_timeout = how->connect.close_timeout;
  around.keeps = weak_from_this();
  around.counters = &counters_;
  around.log = [this](const std::string& text) {
    sink_.line(stats::topic::control_session, "pool " + name_ + ": " + text, std::chrono::steady_clock::now());
  };
  auto made = std::make_shared<control_session>(std::move(around), recovery::channel_limits(*how));
  made->start();
  controls_.push_back({std::move(where), shard, control_use::current, made});
  return made;
}

// A new connection is ready. If its pid is in a cancel that is on its way, it has to wait for the answer; also when it
// is to be cancelled by requests itself, and the statement is of an earlier configuration's session.
void pool_impl::introduce(const std::shared_ptr<pool_member>& who) {
  who->channel = config()->cancel.channel;
  const auto peer = who->session->peer();
  if (!peer) return usable(*who);
  if (who->channel != cancel_channel_choice::request) who->control = control_for(peer, who->shard);
  const auto go_on = [self = shared_from_this(), who](bool use) { use ? self->know(*who) : self->reject(who); };
  switch (admission_of(describe(*peer), who->session->process_id(), go_on)) {
    case control_channel::admission::use: return know(*who);
    case control_channel::admission::wait: return;
    case control_channel::admission::close: return reject(who);
  }
}

// Of all that may still cancel at that address: one whose io_context has stopped is not asked to, but its last
// statement may be under way.
control_channel::admission pool_impl::admission_of(const std::string& where, int pid,
                                                   const std::function<void(bool)>& later) {
  std::vector<std::shared_ptr<control_session>> there;
  {
    const lock guard(mutex_);
    for (const control_entry& e : controls_) {
      if (e.where == where) there.push_back(e.session);
    }
  }
  for (const auto& each : there) {
    const auto verdict = each->admits(pid, later);
    if (verdict != control_channel::admission::use) return verdict;
  }
  return control_channel::admission::use;
}

void pool_impl::know(pool_member& who) {
  {
    const lock guard(mutex_);
    if (gone_ || who.reason || members_[who.id.index].get() != &who) return;  // closed while it waited
  }
  if (who.control) who.control_name = who.control->enrol(*who.session);
  usable(who);
}

void pool_impl::usable(pool_member& who) { hooks_.after_connect ? set_up(who.shared_from_this()) : ready(who); }

// Nobody knows whom a statement that was never answered may still hit: this one is not used, another one is opened.
void pool_impl::reject(const std::shared_ptr<pool_member>& who) {
  sink_.line(stats::topic::rejected,
             "pool " + name_ + ": a new connection was closed unused: an unanswered cancel names its process",
             std::chrono::steady_clock::now());
  who->session->close(within(config()->connect.close_timeout).deadline, [self = shared_from_this(), who](bool) {
    self->tell([&](core::pool_core& c, core::action_list& out) {
      c.connect_given_up(who->id, std::chrono::steady_clock::now(), out);
    });
  });
}

std::vector<std::shared_ptr<control_session>> pool_impl::all_controls() const {
  std::vector<std::shared_ptr<control_session>> all;
  const lock guard(mutex_);
  all.reserve(controls_.size());
  for (const control_entry& e : controls_) all.push_back(e.session);
  return all;
}

void pool_impl::abandon_controls(core::shard_id which) noexcept {
  std::vector<std::shared_ptr<control_session>> its;
  {
    const lock guard(mutex_);
    for (control_entry& e : controls_) {
      if (e.use == control_use::abandoned || (which != core::any_shard && e.shard != which)) continue;
      e.use = control_use::abandoned;
      its.push_back(e.session);
    }
  }
  for (const auto& each : its) each->abandon();
}

void pool_impl::outdate_controls() noexcept {
  for (control_entry& e : controls_) {
    if (e.use == control_use::current) e.use = control_use::outdated;
  }
}

// Connections of an earlier generation keep the session that knows them, with its credentials, until the last of them
// has gone; new ones get a new one.
void pool_impl::renew_controls(const pool_config& now, bool rolling) noexcept {
  for (const auto& each : all_controls()) each->adjust(recovery::channel_limits(now));
  if (!rolling) return;
  std::vector<std::shared_ptr<control_session>> old;
  {
    const lock guard(mutex_);
    for (const control_entry& e : controls_) {
      if (e.use == control_use::outdated) old.push_back(e.session);
    }
  }
  for (const auto& each : old) each->retire();
}

// The last connection is closed; theirs end with it, within the same time.
void pool_impl::close_controls(std::function<void()> done) {
  const auto all = all_controls();
  const auto left = std::make_shared<std::atomic<std::size_t>>(all.size() + 1);
  const auto one_less = [left, done = std::move(done)] {
    if (left->fetch_sub(1) == 1) done();
  };
  for (const auto& each : all) each->close(one_less);
  one_less();
}

void pool_impl::count_controls(pool_stats& out) const {
  for (const auto& each : all_controls()) ++out.cancels.control[static_cast<std::size_t>(each->state())];
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
