// Another configuration while the pool runs: what is refused changes nothing, what is taken hurts no task.
#include "tests/simulation/real/world.hpp"

#include <lido/driver/error.hpp>
#include <lido/pool/config.hpp>

#include <algorithm>

namespace simulation {

using namespace std::chrono_literals;

void world::change(lido::pool_config& c) {
  using channel = lido::cancel_channel_choice;
  switch (server_.below(20)) {
    case 0:
    case 1: c.max_size = one_of(1U, 2U, 3U, 5U, 6U); break;
    case 2: c.min_size = one_of(0U, 1U, 2U); break;
    case 3: c.min_idle = one_of(0U, 1U, 2U); break;
    case 4: c.max_lifetime = one_of(0ms, 300ms, 60000ms); break;  // rolling
    case 5: c.max_uses = one_of(0U, 1U, 3U); break;
    case 6: c.idle_timeout = one_of(0ms, 50ms, 60000ms); break;
    case 7: c.validate_after_idle = one_of(0ms, 1ms, 1000ms); break;
    case 8: c.keepalive_interval = one_of(0ms, 20ms, 1000ms); break;
    case 9: c.acquire_timeout = one_of(100ms, 3000ms); break;
    case 10:
      c.cancel.after = one_of(lido::after_cancel::recover, lido::after_cancel::recover, lido::after_cancel::discard,
                              lido::after_cancel::never);
      break;
    case 11: c.cancel.concurrency = one_of(1U, 16U); break;
    case 12: c.reset.mode = one_of(lido::reset_mode::automatic, lido::reset_mode::discard_all); break;  // rolling
    case 13: c.connect.application_name += 'x'; break;                                                  // rolling
    case 14: c.connect_concurrency = one_of(1U, 4U); break;
    case 15: c.cancel.timeout = one_of(100ms, 300ms); break;
    case 16: c.connect.connect_timeout = one_of(200ms, 2000ms); break;
    case 17: c.cancel.batch = one_of(1U, 2U, 64U); break;
    case 18: c.cancel.channel = one_of(channel::request, channel::session, channel::automatic); break;  // rolling
    default: c.max_waiters = strict_ ? 100U : one_of(1U, 100U); break;
  }
  c.min_size = std::min(c.min_size, c.max_size);
  c.min_idle = std::min(c.min_idle, c.max_size);
}

// Nonsense, or what only a restart can change.
void world::spoil(lido::pool_config& c) {
  switch (server_.below(6)) {
    case 0: c.max_size = 0; break;
    case 1: c.min_size = c.max_size + 1; break;
    case 2: c.reset.timeout = 0ms; break;
    case 3: c.connect_backoff_min = c.connect_backoff_max + 1ms; break;
    case 4: c.name = "another"; break;
    default: c.replica.max_size += 1; break;
  }
}

void world::reload() {
  lido::pool_config next = config_;
  const bool bad = server_.chance(25);
  change(next);
  if (bad) spoil(next);
  const auto generation = pool_->stats().generation;
  const std::string before = lido::to_text(pool_->effective());
  const auto expected = config_.changes_to(next);
  const bool rolling =
      std::ranges::any_of(expected, [](const auto& c) { return c.applies == lido::knob_class::rolling; });
  // It connects, perhaps, before it returns.
  if (!bad) server_.limit[0] = static_cast<unsigned>(next.max_size);
  if (!bad && rolling) ++server_.epoch;
  if (!bad) server_.most_requests = std::max(server_.most_requests, static_cast<unsigned>(next.cancel.concurrency));
  std::vector<lido::knob_change> changes;
  try {
    changes = pool_->reconfigure(next);
  } catch (const lido::error& e) {
    note(std::string("a reload is refused: ") + e.what());
    require(bad && e.code() == lido::errc::invalid_config, "a good configuration was refused");
    require(lido::to_text(pool_->effective()) == before, "a refused configuration changed a knob");
    require(pool_->stats().generation == generation, "a refused configuration retired connections");
    ++tally_.bad_reloads;
    return;
  }
  require(!bad, "a bad configuration was taken");
  for (const lido::knob_change& c : changes) note("reloaded " + lido::to_text(c));
  require(std::ranges::equal(changes, expected, {}, &lido::knob_change::name, &lido::knob_change::name),
          "a reload told of other changes than it made");
  require(pool_->stats().generation == generation + (rolling ? 1 : 0), "a rolling change begins one new generation");
  ++tally_.reloads;
  config_ = std::move(next);
}

// After the storm, with everybody served: whatever error a task meets now, a reload has caused.
void world::reload_under_load() {
  // Only a connect closes the breaker.
  const auto closed = [](const lido::pool_stats& s) { return s.breaker == lido::breaker_state::closed; };
  const auto both = [&] { return closed(pool_->stats()) && closed(pool_->replica_stats()); };
  for (int i = 0; i < 20 && !both(); ++i) {
    config_.connect.application_name += 'y';
    ++server_.epoch;
    (void)pool_->reconfigure(config_);
    spawn(users_[0]);
    users_[0].reader = server_.replicas && closed(pool_->stats());
    be_at_rest();
  }
  require(both(), "the breaker stays open in good weather");
  note("reloads under load");
  strict_ = true;
  config_.max_waiters = 100;
  (void)pool_->reconfigure(config_);
  const std::uint64_t rounds = 4 + server_.below(10);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < user_count_; ++i) {
      if (!users_[i].busy) spawn(users_[i]);
    }
    reload();
    drain(time_.now() + server_.some(40ms));
    if (user& who = users_[server_.below(user_count_)]; who.busy && server_.chance(20)) cancel(who);
  }
  be_at_rest();
  strict_ = false;
}

}  // namespace simulation
