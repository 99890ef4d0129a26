// What clients do, and the people who run the pool.
#include "tests/simulation/world.hpp"

#include <algorithm>

namespace simulation {

bool world::acquire() {
  client* c = some_client(client_state::outside);
  if (c == nullptr) return false;
  c->node.set_deadline(chance(30) ? core::never : now_ + tick * static_cast<core::duration::rep>(below(60)));
  c->node.set_preference(chance(30) ? core::any_shard : static_cast<core::shard_id>(below(limits_.shards)));
  c->worth = static_cast<core::priority>(chance(60) ? 1 : below(core::waiter_class_count));
  c->task = chance(50) ? 0 : 1 + below(2);
  c->node.set_priority(c->worth);
  c->node.set_task(c->task);
  const bool waited_for = anybody_before(c->worth) || !has_room(c->worth);
  // What is past its lifetime is closed when it is come across, and then counts as taken.
  const bool paused = seen().state() == core::pool_state::paused;
  const bool excused = paused || waited_for || (limits_.reserved_slots != 0 && past_lifetime());
  c->arrival = ++arrivals_;
  begin(event::acquire);
  const core::acquire_result result = pool_.acquire(c->node, now_, actions_);
  const bool open = seen().state() <= core::pool_state::paused;
  require((result == core::acquire_result::pool_closed) == !open, "I21: pool_closed exactly when it is");
  switch (result) {
    case core::acquire_result::granted:
      require(!waited_for, "I10 FIFO: a newcomer overtook, or took a reserved slot");
      require(!paused, "granted during a pause");
      lend(*c, c->node.lease());
      c->state = client_state::granted;
      break;
    case core::acquire_result::queued:
      require(waiting() < limits_.max_waiters, "the queue has a bound");
      c->state = client_state::waiting;
      line_of(*c).push_back(c);
      break;
    case core::acquire_result::timeout:
      require(c->node.deadline() <= now_ && (excused || !usable_idle()), "timed out though it could be served");
      break;
    case core::acquire_result::too_many_waiters:
      require(waiting() >= limits_.max_waiters && (excused || !usable_idle()), "refused though there was room");
      break;
    case core::acquire_result::overloaded:
      require(!paused && limits_.refuse_hopeless && c->node.deadline() != core::never,
              "refused, and nobody asked for it");
      require(excused || !usable_idle(), "refused though it could be served");
      break;
    case core::acquire_result::breaker_open:
    case core::acquire_result::pool_closed: break;
  }
  end();
  if (result == core::acquire_result::breaker_open) check_refusal();  // what it found too old is closed by now
  return true;
}

bool world::try_acquire() {
  client* c = some_client(client_state::outside);
  if (c == nullptr) return false;
  const bool possible =
      seen().state() == core::pool_state::open && waiting() == 0 && has_room(core::priority::normal) && usable_idle();
  begin(event::try_acquire);
  // It may give up, for acquire() to find out more, when the timer is late or a connection past its lifetime is on top.
  const bool late = timer_is_late() || past_lifetime();
  const bool got = pool_.try_acquire(static_cast<core::shard_id>(below(limits_.shards)), now_, c->lease);
  require(got || !possible || late, "the fast path missed an idle connection");
  require(!got || waiting() == 0, "I10 FIFO: the fast path overtook");
  if (got) {
    c->worth = core::priority::normal;
    c->task = 0;
    lend(*c, c->lease);
    c->state = client_state::holding;
  }
  end();
  return true;
}

bool world::resume(client* c) {
  if (c == nullptr) return false;
  const backend& b = backends_[c->lease.index];
  const bool alive = b.is == phase::open && !b.dead && b.id == c->lease;
  begin(event::resume);
  const bool has = pool_.resume(c->node, now_, actions_);
  require(has || !alive, "I10: a granted waiter lost a connection that lives");
  if (has) {
    resumed(*c, alive);
  } else if (c->node.state() == core::waiter_state::queued) {
    require(c->node.deadline() > now_, "I10: put back after its deadline");
    join(*c);
  }
  end();
  return true;
}

void world::resumed(client& c, bool had_it) {
  const core::lease_id& lease = c.node.lease();
  require(had_it == (lease == c.lease), "I10: the lease is the one that was granted, unless that one died");
  if (!had_it) {
    require(!anybody_before(c.worth) && has_room(c.worth), "I10 FIFO: a second grant overtook");
    lend(c, lease);
  }
  c.state = client_state::holding;
  require(backends_[lease.index].is == phase::open && !backends_[lease.index].dead, "resumed with a dead connection");
}

bool world::cancel() {
  client* c = some_client(chance(50) ? client_state::waiting : client_state::granted);
  if (c == nullptr) c = some_client(client_state::outside);
  if (c == nullptr) return false;
  const bool known = c->state != client_state::outside;
  begin(event::cancel);
  leave(*c);
  c->state = client_state::outside;
  require(pool_.cancel(c->node, now_, actions_) == known, "I10: cancel knows whom the pool knows");
  require(c->node.state() == core::waiter_state::detached, "I10: cancelled and still known");
  require(known || actions_.empty(), "I11: cancelling nothing did something");
  end();
  return true;
}

bool world::release(event e, client* c) {
  if (c == nullptr) return false;
  backend& b = backends_[c->lease.index];
  if (e == event::release_clean && !b.dead) b.last_ok = now_;
  past_leases_.push_back(c->lease);
  if (past_leases_.size() > 4) past_leases_.erase(past_leases_.begin());
  c->state = e == event::revoked ? client_state::revoked : client_state::outside;
  begin(e);
  ++b.uses;
  b.bytes += below(1000);
  b.worn = b.worn || (limits_.max_uses != 0 && b.uses >= limits_.max_uses) ||
           (limits_.max_bytes_received != 0 && b.bytes >= limits_.max_bytes_received);
  pool_.real().wear(c->lease, b.bytes);
  switch (e) {
    case event::release_clean: pool_.real().release(c->lease, core::condition::clean, now_, actions_); break;
    case event::release_dirty: pool_.real().release(c->lease, core::condition::needs_recovery, now_, actions_); break;
    case event::release_broken: pool_.real().release(c->lease, core::condition::broken, now_, actions_); break;
    default: pool_.real().revoked(c->lease, now_, actions_); break;
  }
  end();
  return true;
}

bool world::administrate(event e) {
  begin(e);
  switch (e) {
    case event::time_lost:
      doubted_ = now_;
      noticed_ = seen().next_deadline();
      pool_.real().time_was_lost(now_);
      break;
    case event::new_generation:
      all_retired_ = ++generation_;
      pool_.real().new_generation(now_, actions_);
      break;
    case event::endpoint_changed: {
      const auto host = static_cast<core::endpoint_id>(below(max_hosts));
      host_retired_[host] = ++generation_;
      pool_.real().retire_endpoint(host, now_, actions_);
      break;
    }
    case event::reconfigure: {
      core::limits l = draw_limits(random_);
      l.max_size = static_cast<std::uint32_t>(1 + below(max_backends - 1));
      pool_.real().reconfigure(l, now_, actions_);
      limits_ = seen().settings();
      break;
    }
    case event::pause: pool_.real().pause(now_, actions_); break;
    case event::unpause: pool_.real().unpause(now_, actions_); break;
    case event::begin_close: pool_.real().begin_close(now_, actions_); break;
    case event::force_close: pool_.real().force_close(now_, actions_); break;
    default: pool_.expire(now_, actions_); break;
  }
  end();
  return true;
}

bool world::await() {
  for (errand& e : errands_) {
    if (e.goal && !e.told) continue;
    const auto deadline = chance(30) ? core::never : now_ + tick * static_cast<core::duration::rep>(below(60));
    const auto kind = chance(50) ? core::goal_kind::warm : core::goal_kind::rest;
    e.goal.emplace(kind, static_cast<std::uint32_t>(below(max_backends)), deadline, chance(30));
    e.told = false;
    begin(event::await);
    pool_.real().await(*e.goal, now_, actions_);
    end();
    return true;
  }
  return false;
}

}  // namespace simulation
