#include "pool/pool_impl.hpp"

#include "pool/clock.hpp"
#include "pool/host_watch.hpp"
#include "pool/member.hpp"
#include "pool/pool_hosts.hpp"
#include "pool/stats/from_core.hpp"

#include <lido/driver/detail/hand_over.hpp>

#include <algorithm>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

constexpr auto shard_check_interval = std::chrono::milliseconds(250);

std::shared_ptr<const pool_config> validated(pool_config config) {
  config.validate();
  return std::make_shared<const pool_config>(std::move(config));
}

core::limits limits_of(const pool_config& c, std::size_t shards) {
  core::limits l;
  l.max_size = static_cast<std::uint32_t>(c.max_size);
  l.min_size = static_cast<std::uint32_t>(c.min_size);
  l.max_waiters = static_cast<std::uint32_t>(c.max_waiters);
  l.connect_concurrency = static_cast<std::uint32_t>(c.connect_concurrency);
  l.reserved_slots = static_cast<std::uint32_t>(c.reserved_slots);
  l.refuse_hopeless = c.admission == admission_mode::deadline;
  l.leak_threshold = c.leak_threshold;
  l.leak_reclaim = c.leak_reclaim;
  l.shards = static_cast<std::uint16_t>(shards);
  l.min_idle = static_cast<std::uint32_t>(c.min_idle);
  l.connect_rate = c.connect_rate;
  l.breaker_threshold = static_cast<std::uint32_t>(c.breaker_threshold);
  l.max_lifetime = c.max_lifetime;
  l.max_lifetime_jitter = c.max_lifetime_jitter;
  l.idle_timeout = c.idle_timeout;
  l.prune_interval = c.prune_interval;
  l.max_uses = static_cast<std::uint32_t>(c.max_uses);
  l.max_bytes_received = c.max_bytes_received;
  l.keepalive_interval = c.keepalive_interval;
  l.inspect = static_cast<bool>(c.hooks.before_acquire);
  l.validate_after_idle = c.validate_after_idle;
  l.connect_backoff_min = c.connect_backoff_min;
  l.connect_backoff_max = c.connect_backoff_max;
  l.seed = static_cast<std::uint64_t>(steady_now().time_since_epoch().count());
  return l;
}

acquire_node::end end_of(const core::action& a) {
  if (a.kind == core::action_kind::grant) return acquire_node::end::granted;
  switch (a.failure) {
    case core::fail_reason::timeout: return acquire_node::end::timed_out;
    case core::fail_reason::pool_closed: return acquire_node::end::closed;
    case core::fail_reason::connect_refused: return acquire_node::end::refused;
    case core::fail_reason::breaker_open: return acquire_node::end::no_server;
    case core::fail_reason::nested_acquire: return acquire_node::end::nested;
  }
  return acquire_node::end::closed;
}

}  // namespace

// ---- construction ----

std::vector<pool_impl::io_shard> pool_impl::make_shards(std::vector<asio::any_io_executor> executors) {
  std::vector<io_shard> shards;
  shards.reserve(executors.size());
  for (auto& executor : executors) {
    auto deadlines = make_deadline_queue(executor);
    const auto* context = context_of(executor);
    asio::io_context* const io = plain_context(executor);
    shards.push_back({std::move(executor), std::move(deadlines), context, io});
  }
  return shards;
}

pool_impl::pool_impl(std::vector<asio::any_io_executor> executors, pool_config config, lane which)
    : config_(validated(std::move(config))),
      recovery_(recovery::settings_of(*config_)),
      tls_stamps_(stamps_of_tls_files(config_->connect)),
      name_(config_->name),
      lane_(which),
      acquire_timeout_(config_->acquire_timeout.count()),
      when_clean_(left_clean(*config_)),
      when_soiled_(left_soiled(*config_)),
      shards_(make_shards(std::move(executors))),
      sharded_(shards_.size() > 1),
      tags_(config_->max_tags),
      sink_(name_, config_->log, config_->on_notice, counters_),
      hooks_(config_->hooks),
      budget_(config_->cancel.concurrency, config_->cancel.rate),
      core_(limits_for(*config_), steady_now()),
      endpoints_(endpoints_of(*config_)),
      members_(config_->max_size),
      shard_states_(shards_.size(), shard_state::running) {
  settings_ = settings_for(*config_);
  may_keep_ = may_keep(core_.settings());
}

core::condition pool_impl::left_clean(const pool_config& c) noexcept {
  return c.reset.mode == reset_mode::discard_all || c.hooks.after_release ? core::condition::needs_recovery
                                                                          : core::condition::clean;
}
core::condition pool_impl::left_soiled(const pool_config& c) noexcept {
  return c.reset.mode == reset_mode::none ? left_clean(c) : core::condition::needs_recovery;
}

core::limits pool_impl::limits_for(const pool_config& c) const { return limits_of(c, shards_.size()); }

pool_impl::~pool_impl() = default;

void pool_impl::start() {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const io_shard& s = shards_[i];
    on_context_shutdown(s.executor, weak_from_this(),
                        [weak = weak_from_this(), which = static_cast<core::shard_id>(i)] {
                          if (const auto self = weak.lock()) self->context_is_going(which);
                        });
    deadline_entries_.push_back(std::make_unique<deadline_entry>());
    deadline_entries_.back()->attach(s.deadlines, weak_from_this());
  }
  tell([](core::pool_core& c, core::action_list& out) { c.expire(steady_now(), out); });  // opens min_size
  watch_hosts();
}

// ---- the core's decisions ----

void pool_impl::decide(follow_up& then) {
  then.granted = sole_grant();
  if (then.granted != nullptr) return;
  queue_actions();
  if (std::exchange(performing_, true)) return;
  then.performs = true;
  then.pool = shared_from_this();
}

// The usual case, a connection that goes from one user to the next, needs no queue of actions.
acquire_op* pool_impl::sole_grant() {
  if (decided_.size() != 1 || performing_ || !to_do_.empty()) return nullptr;
  const core::action& only = *decided_.begin();
  if (only.kind != core::action_kind::grant) return nullptr;
  acquire_node& node = acquire_node::of(*only.who);
  node.claim();
  decided_.clear();
  return &node.op();
}

// Who is named in an action is out of the core's queue: claimed, until the action is performed.
void pool_impl::queue_actions() {
  for (const core::action& a : decided_) {
    if (a.who != nullptr) {
      acquire_node& node = acquire_node::of(*a.who);
      node.claim();
      node.why = end_of(a);
      if (node.why == acquire_node::end::nested) node.holds = a.slot.index;
    }
    to_do_.push_back(a);
  }
  decided_.clear();
}

void pool_impl::work_off() {
  for (;;) {
    core::action a;
    {
      const lock guard(mutex_);
      if (to_do_.empty()) {
        performing_ = false;
        return;
      }
      a = to_do_.front();
      to_do_.pop_front();
    }
    perform(a);
  }
}

void pool_impl::arm_earlier() {
  if (core_.is_closed()) return;
  core::time_point next = std::min({core_.next_deadline(), force_at_, cache_ends_, tell_leases_at_});
  if (sharded_) next = std::min(next, steady_now() + shard_check_interval);
  if (next >= armed_) return;
  armed_ = next;
  for (const auto& entry : deadline_entries_) entry->arm(next);
}

void pool_impl::on_deadline(time_point now) noexcept {
  {
    const lock guard(mutex_);
    armed_ = tell_leases_at_ = core::never;
  }
  if (sharded_) check_shards();
  const core::time_point more_leases = sink_.tell_leases(now);
  tell([now, more_leases, this](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    mind_sleep(now);
    tell_beginnings();
    c.expire(now, out);
    tell_leases_at_ = std::min(tell_leases_at_, more_leases);
    if (tell_leases_at_ != core::never) arm_earlier();  // arm() does not look
    if (now < force_at_) return;
    force_at_ = core::never;
    c.force_close(now, out);
  });
}

void pool_impl::perform(const core::action& a) {
  switch (a.kind) {
    case core::action_kind::connect: return connect(a);
    case core::action_kind::validate: return validate(a);
    case core::action_kind::grant:
    case core::action_kind::fail: return acquire_node::of(*a.who).op().post();
    case core::action_kind::recover: return recover(a);
    case core::action_kind::close: return close_slot(a);
    case core::action_kind::long_hold:
    case core::action_kind::reclaim: return told_long(a);
    case core::action_kind::goal_ended: return goal_ended(*a.what);
    case core::action_kind::finished: return finished();
  }
}

std::shared_ptr<pool_member> pool_impl::member_at(core::slot_id id) {
  const lock guard(mutex_);
  if (gone_) return nullptr;
  const auto& found = members_[id.index];
  return found && found->id == id ? found : nullptr;
}

void pool_impl::connect(const core::action& a) {
  auto born = std::make_shared<pool_member>(shared_from_this(), a.slot);
  {
    const lock guard(mutex_);
    born->shard = living(a.shard);
    born->choice = choose_hosts(*born);
    members_[a.slot.index] = born;
  }
  ask_for_credentials(born->shard, [self = shared_from_this(), born](recovery::credentials as) {
    if (as.settings) return self->open_session(born, std::move(as.settings));
    self->connect_failed(*born, as.error, std::move(as.diag), false);
  });
}

void pool_impl::open_session(const std::shared_ptr<pool_member>& born,
                             std::shared_ptr<const session_settings> settings) {
  if (!is_wanted(*born)) return;
  const io_shard& on = shards_[born->shard];
  auto attempt = connect_session(
      on.executor, std::move(settings), on.deadlines, born,
      [self = shared_from_this(), born](connect_result made) { self->on_connected(*born, std::move(made)); },
      born->choice);
  {
    const lock guard(mutex_);
    if (!born->session && !born->reason) {
      born->attempt = std::move(attempt);
      return;
    }
  }
  attempt->cancel();  // its end came first, or the connection is not wanted any more
}

void pool_impl::on_connected(pool_member& who, connect_result made) {
  bool wanted = false;
  {
    const lock guard(mutex_);
    who.attempt.reset();
    wanted = !gone_ && members_[who.id.index].get() == &who && !who.reason;
    if (wanted && made.session) {
      who.session = made.session;
      note_certificates(made.session->certificates());
    }
  }
  if (made.session && !wanted) return made.session->close_now();
  if (!wanted) return;
  if (made.session) {
    give_budgets(*made.session);
    if (config()->statement_timeout_from_deadline) made.session->set_server_deadlines(true);
    made.session->leave_looking_to_owner();
    return introduce(who.shared_from_this());
  }
  const bool permanent = !is_retryable(made.error) && made.error != condition::timeout;
  connect_failed(who, made.error, std::move(made.diag), permanent);
}

void pool_impl::ready(pool_member& who) {
  const auto now = steady_now();
  counters_.created_in(now - who.born);
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) { settle_host(who, now, c, out); });
}

void pool_impl::connect_failed(pool_member& who, std::error_code ec, diagnostics diag, bool permanent) {
  const auto now = steady_now();
  sink_.line(stats::topic::connect, "pool " + name_ + ": a connect failed: " + error(ec, diag).what(), now);
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    last_error_ = ec;
    last_diag_ = std::move(diag);
    c.connect_failed(who.id, permanent || gives_up(c), now, out);
  });
}

void pool_impl::validate(const core::action& a) {
  const auto who = member_at(a.slot);
  if (!who) return;
  if (!a.ping) return inspect(who);
  who->session->ping(within(config()->validation_timeout).deadline, [self = shared_from_this(), who, then = a.inspect,
                                                                     begun = steady_now()](const std::error_code& ec) {
    self->counters_.pinged(steady_now() - begun);
    if (!ec && then) return self->inspect(who);
    self->checked(who->id, ec);
  });
}

void pool_impl::checked(core::slot_id id, const std::error_code& ec) {
  tell([&](core::pool_core& c, core::action_list& out) { c.validated(id, !ec, steady_now(), out); });
}

void pool_impl::recover(const core::action& a) {
  const auto who = member_at(a.slot);
  if (!who) return;
  const auto begun = steady_now();
  // A forced close takes the lease away: its operation ends like any cancelled one.
  std::uint64_t tenure = 0;
  {
    const lock guard(mutex_);
    forget_loan_of(*who);
    tenure = who->tenure;
  }
  const bool abandoned = who->session->end_tenure(tenure).condition == session_condition::in_use;
  const auto finish = [self = shared_from_this(), who, begun, abandoned](recovery::verdict v) {
    const auto now = steady_now();
    if (abandoned) self->counters_.fenced(now - begun);
    self->counters_.reset(v.resets, v.reset_time);
    if (!v.usable) {
      const lock guard(self->mutex_);
      who->reason = v.reason;
    }
    self->tell([&](core::pool_core& c, core::action_list& out) {
      c.recovered(who->id, v.usable, core::close_reason::recovery_failed, now, out);
    });
  };
  const std::function<void(recovery::verdict)> done = [self = shared_from_this(), who, finish](recovery::verdict v) {
    if (v.usable && self->hooks_.after_release) return self->after_release(who, v, finish);
    finish(v);
  };
  // Who was cancelled goes first, and so do all who are cancelled at the same time: theirs is a turn, a recovery begins
  // with a connect. Twice, since the first turn may stand between two of them (I2).
  const auto& executor = who->session->executor();
  post_to<asio::io_context::executor_type>(executor, [executor, session = who->session, how = recovery_now(), done] {
    post_to<asio::io_context::executor_type>(
        executor, [session, how, done] { std::make_shared<recovery::recovery>(session, how, done)->start(); });
  });
}

void pool_impl::close_slot(const core::action& a) {
  const auto closed = [this, self = shared_from_this(), id = a.slot](bool orphaned) {
    tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
      if (auto& who = members_[id.index]; who && who->id == id) {
        keep_usage(*who);
        forget_loan_of(*who);
        who.reset();
      }
      c.closed(id, orphaned, steady_now(), out);
    });
  };
  std::shared_ptr<pool_member> who;
  std::shared_ptr<connect_attempt> attempt;
  std::chrono::nanoseconds patience{};
  {
    const lock guard(mutex_);
    if (gone_) return;
    patience = config_->connect.close_timeout;
    who = members_[a.slot.index];
    if (who) {
      if (!who->reason) who->reason = stats::to_public(a.reason);
      attempt = std::move(who->attempt);
      counters_.closed(*who->reason);
    }
  }
  if (attempt) attempt->cancel();
  if (who && who->control) who->control->leave(who->control_name);
  if (!who || !who->session) return closed(false);
  if (hooks_.before_close && is_in_order(who->session->condition())) return say_goodbye(who, closed);
  who->session->close(within(patience).deadline, closed);
}

void pool_impl::finished() {
  sink_.tell_last_leases();
  const auto closers = std::make_shared<std::vector<any_completion<>>>();
  {
    const lock guard(mutex_);
    closers->swap(closers_);
    // A closed pool waits for nothing: run() returns although the pool is still there.
    force_at_ = armed_ = core::never;
    for (const auto& entry : deadline_entries_) entry->detach();
  }
  close_controls([closers] {
    for (auto& done : *closers) done.post();
  });
}

// ---- news of a member ----

// Whoever was told of the cancellation may have given the lease back already, and the next one is somebody else's: it
// lives (I1).
void pool_impl::on_revoked(pool_member& who, std::uint64_t tenure) noexcept {
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    if (who.present_tenure() != tenure) return;
    const auto now = steady_now();
    tags_.ended(who.whose.tag, now - lent_since(who.id.index));
    forget_loan_of(who);
    if (c.wears_out()) [[unlikely]]
      c.wear(who.lease, who.session->usage().bytes_received);
    c.revoked(who.lease, now, out);
  });
}

void pool_impl::on_disconnected(pool_member& who, std::error_code, bool endpoint) noexcept {
  const auto scope = endpoint ? core::disconnect_scope::endpoint : core::disconnect_scope::connection;
  tell([&](core::pool_core& c, core::action_list& out) { c.disconnected(who.id, scope, steady_now(), out); });
}

// ---- the end ----

void pool_impl::close(std::chrono::nanoseconds patience, any_completion<> done) {
  bool over = false;
  stop_watches();
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    const auto now = steady_now();
    closers_.push_back(std::move(done));
    c.begin_close(now, out);
    over = c.is_closed();
    if (!over) force_at_ = std::min(force_at_, within(patience).deadline);
  });
  if (over) finished();
}

void pool_impl::destroy() noexcept {
  stop_watches();
  tell([](core::pool_core& c, core::action_list& out) {
    const auto now = steady_now();
    c.begin_close(now, out);
    c.force_close(now, out);
  });
  const lock guard(mutex_);
  if (handles_ > 0) until_returned_ = shared_from_this();
}

void pool_impl::cancel_all() noexcept {
  std::vector<acquire_op*> waiting;
  std::vector<std::pair<std::shared_ptr<managed_session>, std::uint64_t>> running;
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    while (!c.waiters().empty()) {
      acquire_node& node = acquire_node::of(*c.waiters().first());
      c.cancel(node, steady_now(), out);
      node.claim();
      node.why = acquire_node::end::aborted;
      waiting.push_back(&node.op());
    }
    for (const auto& m : members_) {
      if (m && m->session) running.emplace_back(m->session, m->present_tenure());
    }
  });
  for (acquire_op* const op : waiting) op->post();
  for (const auto& [session, tenure] : running) session->cancel_running(tenure);
}

pool_stats pool_impl::stats() const {
  pool_stats out;
  {
    const lock guard(mutex_);
    stats::copy(core_.statistics(), out);
    out.min_size = core_.settings().min_size;
    out.min_idle = core_.settings().min_idle;
    read_usage(out);
    counters_.snapshot(out);
    read_kept(out);
  }
  count_controls(out);
  out.tags = tags_.snapshot();
  return out;
}

asio::any_io_executor executor_of(const pool_impl& pool) { return pool.executor(); }
bool prefers_shards(const pool_impl& pool) noexcept { return pool.prefers_shards(); }

}  // namespace detail
}  // namespace v0
}  // namespace lido
