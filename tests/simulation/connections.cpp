// The driver's side: what it reports of its connections, and what it is told to do.
#include "tests/simulation/world.hpp"

#include <algorithm>

namespace simulation {

bool world::connect_result(event e, backend* b) {
  if (b == nullptr) return false;
  const core::slot_id id = b->id;
  b->is = e == event::connected ? phase::open : phase::none;
  b->last_ok = now_;
  connect_outcome(e == event::connected || e == event::connect_given_up);
  b->host = static_cast<core::endpoint_id>(below(max_hosts));
  begin(e);
  report(e, id);
  end();
  return true;
}

bool world::ping_result(event e, backend* b) {
  if (b == nullptr) return false;
  if (e == event::vetoed && !b->inspecting) return false;
  b->is = phase::open;
  b->dead = e != event::ping_ok;
  if (!b->dead) b->last_ok = now_;
  b->passed = !b->dead && b->inspecting;
  if (e == event::vetoed && !b->lent) connect_outcome(false);
  begin(e);
  report(e, b->id);
  end();
  return true;
}

bool world::recovery_result(event e, backend* b) {
  if (b == nullptr) return false;
  b->is = phase::open;
  b->dead = e == event::unrecoverable;
  if (!b->dead) b->last_ok = now_;
  begin(e);
  report(e, b->id);
  end();
  return true;
}

bool world::lose(event e) {
  backend& b = backends_[below(max_backends)];
  if (b.is == phase::none || b.is == phase::closing || b.dead) return false;
  const bool bumps = e == event::endpoint_lost && b.is != phase::connecting && is_current(b);
  if (b.is == phase::connecting) {
    b.is = phase::none;
    connect_outcome(false);
  } else {
    b.is = phase::open;
    b.dead = true;
  }
  begin(e);
  if (bumps) host_retired_[b.host] = ++generation_;
  report(e, b.id);
  end();
  return true;
}

bool world::closed(event e, backend* b) {
  if (b == nullptr) return false;
  // A connect that was aborted may say so in its own words.
  event how = e;
  if (b->aborted && chance(50))
    how = chance(80) ? event::connect_failed : chance(50) ? event::connect_refused : event::connect_given_up;
  b->is = phase::none;
  begin(how);
  report(how, b->id);
  end();
  return true;
}

void world::report(event e, core::slot_id id) {
  core::pool_core& p = pool_.real();
  note("  about", id);
  switch (e) {
    case event::connected:
      p.connected(id, backends_[std::min<std::size_t>(id.index, max_backends - 1)].host, now_, actions_);
      break;
    case event::connect_failed: p.connect_failed(id, false, now_, actions_); break;
    case event::connect_refused: p.connect_failed(id, true, now_, actions_); break;
    case event::connect_given_up: p.connect_given_up(id, now_, actions_); break;
    case event::ping_ok: p.validated(id, true, now_, actions_); break;
    case event::ping_failed: p.validated(id, false, now_, actions_); break;
    case event::vetoed: p.validated(id, false, now_, actions_, core::close_reason::vetoed); break;
    case event::recovered: p.recovered(id, true, core::close_reason::broken, now_, actions_); break;
    case event::unrecoverable: p.recovered(id, false, core::close_reason::recovery_failed, now_, actions_); break;
    case event::disconnected: p.disconnected(id, core::disconnect_scope::connection, now_, actions_); break;
    case event::endpoint_lost: p.disconnected(id, core::disconnect_scope::endpoint, now_, actions_); break;
    case event::closed: p.closed(id, false, now_, actions_); break;
    default: p.closed(id, true, now_, actions_); break;
  }
}

// Would this be news about this connection?
bool world::expected(event e, core::slot_id id) const {
  const backend& b = backends_[id.index];
  if (!(b.id == id)) return false;
  switch (e) {
    case event::connected: return b.is == phase::connecting;
    case event::connect_failed:
    case event::connect_refused:
    case event::connect_given_up: return b.is == phase::connecting || (b.is == phase::closing && b.aborted);
    case event::ping_ok:
    case event::ping_failed:
    case event::vetoed: return b.is == phase::pinging;
    case event::recovered:
    case event::unrecoverable: return b.is == phase::recovering;
    case event::disconnected:
    case event::endpoint_lost: return b.is != phase::none && b.is != phase::closing && !b.dead;
    default: return b.is == phase::closing;
  }
}

// Late, double or mistaken news changes nothing and is counted.
bool world::stale() {
  constexpr auto first = static_cast<std::uint64_t>(event::connected);
  constexpr auto last = static_cast<std::uint64_t>(event::orphaned);
  const auto e = static_cast<event>(first + below(last - first + 1));
  core::slot_id id = backends_[below(max_backends)].id;
  if (id.index >= max_backends) return false;
  if (chance(30)) --id.incarnation;
  if (expected(e, id) || id.incarnation == 0) return false;
  const std::uint64_t counted = seen().statistics().stale_events;
  begin(event::stale);
  note(event_names[static_cast<std::size_t>(e)], id);
  report(e, id);
  require(actions_.empty(), "a stale event caused an action");
  require(seen().statistics().stale_events == counted + 1, "a stale event was not counted");
  end();
  return true;
}

bool world::stale_lease() {
  client* c = some_client(client_state::revoked);
  if (c == nullptr && past_leases_.empty()) return false;
  const core::lease_id lease = c != nullptr ? c->lease : past_leases_[below(past_leases_.size())];
  if (c != nullptr && chance(50)) c->state = client_state::outside;
  const std::uint64_t counted = seen().statistics().stale_events;
  begin(event::stale);
  if (chance(50)) {
    pool_.real().release(lease, static_cast<core::condition>(below(3)), now_, actions_);
  } else {
    pool_.real().revoked(lease, now_, actions_);
  }
  require(actions_.empty(), "I13: an ended lease caused an action");
  require(seen().statistics().stale_events == counted + 1, "I13: an ended lease was not noticed");
  end();
  return true;
}

// --- what the shell does with actions ---

void world::perform(const core::action& a) {
  backend& b = backends_[std::min<std::size_t>(a.slot.index, max_backends - 1)];
  switch (a.kind) {
    case core::action_kind::connect:
      require(b.is == phase::none, "I9: a second connection in one slot");
      require(a.shard < limits_.shards, "a connect for a shard that does not exist");
      require(!unwell_ || now_ - last_connect_ >= distance_, "connect_rate: too soon after the last, while they fail");
      last_connect_ = now_;
      distance_ = limits_.connect_rate > 0
                      ? core::duration{static_cast<core::duration::rep>(1e9 / limits_.connect_rate)}
                      : core::duration{};
      b = backend{.id = a.slot, .is = phase::connecting, .last_ok = now_, .generation = generation_};
      break;
    case core::action_kind::validate:
      require(b.id == a.slot && b.is == phase::open && !b.dead, "a ping for no idle connection");
      require(a.ping || a.inspect, "a check that checks nothing");
      b.is = phase::pinging;
      b.inspecting = a.inspect;
      break;
    case core::action_kind::recover:
      require(b.id == a.slot && b.is == phase::open && !b.dead, "a recovery for no live connection");
      b.is = phase::recovering;
      take_away(a.slot);
      break;
    case core::action_kind::close:
      require(b.id == a.slot, "a close for no connection");
      close(b);
      take_away(a.slot);
      break;
    case core::action_kind::grant: grant(owner_of(a.who), a); break;
    case core::action_kind::fail: fail(owner_of(a.who), a); break;
    case core::action_kind::goal_ended: goal_ended(*a.what); break;
    case core::action_kind::long_hold:
    case core::action_kind::reclaim: long_hold(a); break;
    case core::action_kind::finished: require(++finished_ == 1, "I21: close completes exactly once"); break;
  }
}

void world::grant(client& c, const core::action& a) {
  require(next_in_turn() == &c, "I10 FIFO: granted out of turn");
  require(c.node.state() == core::waiter_state::granted && c.node.lease() == a.slot, "I10: a grant without its slot");
  serve(c);
  c.state = client_state::outside;
  lend(c, c.node.lease());
  c.state = client_state::granted;
}

void world::fail(client& c, const core::action& a) {
  const bool was_queued = c.state == client_state::waiting;
  require(was_queued || (c.state == client_state::granted && now_happening_ == event::resume),
          "failed, and not waiting");
  require(c.node.state() == core::waiter_state::detached, "I10: failed and still known");
  if (a.failure == core::fail_reason::nested_acquire) check_nested(c, a);
  leave(c);
  c.state = client_state::outside;
  switch (a.failure) {
    case core::fail_reason::timeout: require(c.node.deadline() <= now_, "timed out too early"); break;
    case core::fail_reason::pool_closed:
      require(seen().state() > core::pool_state::paused, "pool_closed from an open pool");
      break;
    case core::fail_reason::connect_refused:
      require(now_happening_ == event::connect_refused, "refused for no reason");
      break;
    case core::fail_reason::nested_acquire: break;
    case core::fail_reason::breaker_open: check_refusal(); break;
  }
}

void world::goal_ended(const core::goal& g) {
  errand* const mine =
      &*std::find_if(errands_.begin(), errands_.end(), [&g](const errand& e) { return e.goal && &*e.goal == &g; });
  require(!mine->told, "a goal ends once");
  mine->told = true;
  const core::slot_table& slots = seen().slots();
  switch (g.end) {
    case core::goal_end::pending: throw violation{"a goal ended without an end"};
    case core::goal_end::reached:
      if (g.kind == core::goal_kind::rest) {
        require(slots.count(core::slot_state::leased) + slots.count(core::slot_state::recovering) == 0,
                "at rest, and somebody has a connection");
      }
      break;
    case core::goal_end::failed:
      require(g.kind == core::goal_kind::rest ? seen().state() == core::pool_state::open : g.impatient,
              "a goal failed without reason");
      break;
    case core::goal_end::timeout: require(g.deadline <= now_, "a goal timed out too early"); break;
    case core::goal_end::pool_closed:
      require(seen().state() > core::pool_state::paused, "pool_closed from an open pool");
      break;
  }
}

void world::close(backend& b) {
  require(b.is != phase::none && b.is != phase::closing, "I9: a slot is closed once");
  b.aborted = b.is == phase::connecting;
  b.is = phase::closing;
}

// The deadline of close(): who holds this connection has lost it.
void world::take_away(core::slot_id id) {
  for (client& c : clients_) {
    if (c.state != client_state::holding || !(c.lease == id)) continue;
    require(now_happening_ == event::force_close || id == reclaimed_, "a lease was taken from its owner");
    c.state = client_state::revoked;
  }
}

client& world::owner_of(const core::waiter* w) {
  for (client& c : clients_) {
    if (&c.node == w) return c;
  }
  throw violation{"an action for nobody"};
}

}  // namespace simulation
