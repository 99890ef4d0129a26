// What happens next: random limits, random weights, random events; then a calm in which everybody who waits has to be
// served; then the end.
#include "tests/simulation/world.hpp"

#include <algorithm>

namespace simulation {

using namespace std::chrono_literals;

core::limits world::draw_limits(core::random& r) {
  const auto one_of = [&r](auto... values) {
    const std::array all{values...};
    return all[r.next() % all.size()];
  };
  core::limits l;
  l.max_size = one_of(1U, 1U, 2U, 2U, 3U, 4U);
  l.min_size = one_of(0U, 0U, 1U, 2U, 4U);
  l.max_waiters = one_of(0U, 1U, 3U, 100U, 100U, 100U);
  l.connect_concurrency = one_of(1U, 2U, 8U);
  l.shards = static_cast<std::uint16_t>(one_of(1, 1, 2, 3));
  l.max_lifetime = one_of(core::duration{}, core::duration{40ms}, core::duration{1s}, core::duration{1h});
  l.max_lifetime_jitter = one_of(0.0, 0.1, 1.0);
  l.idle_timeout = one_of(core::duration{}, core::duration{10ms}, core::duration{1s});
  l.validate_after_idle = one_of(core::duration{}, core::duration{-1ns}, core::duration{2ms}, core::duration{1s});
  l.stall_gap = one_of(core::duration{}, core::duration{20ms}, core::duration{5s});
  l.connect_backoff_min = one_of(core::duration{}, core::duration{1ms}, core::duration{20ms});
  l.connect_backoff_max = one_of(core::duration{1ms}, core::duration{100ms});
  l.breaker_threshold = one_of(0U, 1U, 2U, 5U);
  l.connect_rate = one_of(0.0, 0.0, 20.0, 300.0);
  l.min_idle = one_of(0U, 0U, 0U, 1U, 2U);
  l.max_uses = one_of(0U, 0U, 1U, 3U);
  l.max_bytes_received = one_of(std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{1500});
  l.prune_interval = one_of(core::duration{}, core::duration{5ms});
  l.keepalive_interval = one_of(core::duration{}, core::duration{}, core::duration{3ms}, core::duration{1s});
  l.inspect = one_of(0, 0, 0, 1) == 1;
  l.reserved_slots = one_of(0U, 0U, 0U, 1U, 2U);
  l.refuse_hopeless = one_of(false, false, true);
  l.leak_threshold = one_of(core::duration{}, core::duration{}, core::duration{3ms}, core::duration{100ms});
  l.leak_reclaim = one_of(core::duration{}, core::duration{}, core::duration{5ms}, core::duration{100ms});
  l.seed = r.next();
  return l;
}

world::world(std::uint64_t seed, fault f, transition_table& table, std::ostream* trace)
    : random_(seed),
      limits_(draw_limits(random_)),
      pool_(limits_, now_, f),
      client_count_(1 + below(max_clients)),
      table_(table),
      trace_(trace) {
  const double rate = limits_.connect_rate;
  const std::uint32_t reserved = limits_.reserved_slots;
  limits_ = seen().settings();
  limits_.connect_rate = rate;
  limits_.reserved_slots = std::min(reserved, limits_.max_size - 1);
  draw_weights();
}

// However the schedule ended, no client leaves while the core knows him.
world::~world() {
  for (client& c : clients_) pool_.real().cancel(c.node, now_, actions_);
  for (errand& e : errands_) {
    if (e.goal) pool_.real().forget(*e.goal);
  }
}

void world::draw_weights() {
  constexpr std::array<std::uint32_t, event_count> usual{
      40, 10, 60, 12, 30, 6, 3,
      6,  // acquire, try_acquire, resume, cancel, release clean, dirty, broken, revoked
      40, 10, 1, 2, 20, 6, 4, 15,
      5,  // connected, connect failed, refused, given up, ping ok, failed, vetoed, recovered, unrecoverable
      6, 2, 25, 4, 10, 1, 1, 2, 1, 2, 6, 3,  // disconnected, endpoint, closed, orphaned, expire, time lost, generation,
                                             // host's, reconfigure, pause, unpause, await
      1, 1, 5};                              // begin_close, force_close, stale
  constexpr std::array<std::uint32_t, 6> moods{0, 1, 1, 2, 2, 6};
  for (std::size_t i = 0; i < event_count; ++i) weights_[i] = usual[i] * moods[below(moods.size())];
  if (chance(80)) weights_[static_cast<std::size_t>(event::begin_close)] = 0;
  if (chance(80)) weights_[static_cast<std::size_t>(event::force_close)] = 0;
}

void world::run() {
  begin(event::expire);
  pool_.expire(now_, actions_);
  end();
  wild(50 + below(40));
  calm();
  if (chance(50)) wild(below(10));
  shutdown();
}

void world::wild(std::uint64_t events) {
  for (const std::uint64_t until = events_ + events; events_ < until;) step();
}

void world::step() {
  let_time_pass();
  std::uint64_t total = 0;
  for (const std::uint32_t w : weights_) total += w;
  for (int tries = 0; total > 0 && tries < 20; ++tries) {
    std::uint64_t at = below(total);
    std::size_t e = 0;
    while (at >= weights_[e]) at -= weights_[e++];
    if (attempt(static_cast<event>(e))) return;
  }
  attempt(event::expire);
}

void world::let_time_pass() {
  const std::uint64_t how = below(100);
  if (how < 50) return;
  if (how < 85) {
    now_ += tick * static_cast<core::duration::rep>(below(4));
  } else if (how < 97) {
    if (seen().next_deadline() != core::never && seen().next_deadline() > now_) now_ = seen().next_deadline();
  } else {
    now_ += tick * static_cast<core::duration::rep>(below(8000));
  }
}

bool world::attempt(event e) {
  switch (e) {
    case event::acquire: return acquire();
    case event::try_acquire: return try_acquire();
    case event::resume: return resume(some_client(client_state::granted));
    case event::cancel: return cancel();
    case event::release_clean:
    case event::release_dirty:
    case event::release_broken:
    case event::revoked: return release(e, some_client(client_state::holding));
    case event::connected:
    case event::connect_failed:
    case event::connect_refused:
    case event::connect_given_up: return connect_result(e, some_backend(phase::connecting));
    case event::ping_ok:
    case event::ping_failed:
    case event::vetoed: return ping_result(e, some_backend(phase::pinging));
    case event::recovered:
    case event::unrecoverable: return recovery_result(e, some_backend(phase::recovering));
    case event::disconnected:
    case event::endpoint_lost: return lose(e);
    case event::closed:
    case event::orphaned: return closed(e, some_backend(phase::closing));
    case event::await: return await();
    case event::stale: return chance(50) ? stale() : stale_lease();
    case event::expire:
    case event::time_lost:
    case event::new_generation:
    case event::endpoint_changed:
    case event::reconfigure:
    case event::pause:
    case event::unpause:
    case event::begin_close:
    case event::force_close: return administrate(e);
  }
  return false;
}

// The server is well and everybody does his duty: nobody may be left waiting, and min_size must come back (I10).
void world::calm() {
  if (seen().state() == core::pool_state::paused) administrate(event::unpause);
  for (int rounds = 0; rounds < 2000; ++rounds) {
    if (settle()) continue;
    const bool content =
        waiting() == 0 && (seen().state() != core::pool_state::open || seen().slots().live() >= limits_.min_size);
    if (content) return;
    require(seen().next_deadline() != core::never, "I10 lost wake-up: somebody waits, and nothing will ever happen");
    if (seen().next_deadline() > now_) now_ = seen().next_deadline();
    attempt(event::expire);
  }
  require(false, "I10 starvation: a calm world, and still somebody waits");
}

// One duty of somebody's, if there is any.
bool world::settle() {
  return resume(some_client(client_state::granted)) ||
         release(event::release_clean, some_client(client_state::holding)) ||
         connect_result(event::connected, some_backend(phase::connecting)) ||
         ping_result(event::ping_ok, some_backend(phase::pinging)) ||
         recovery_result(event::recovered, some_backend(phase::recovering)) ||
         closed(event::closed, some_backend(phase::closing));
}

void world::shutdown() {
  administrate(event::begin_close);
  wild(below(8));
  if (chance(50)) administrate(event::force_close);
  wild(below(8));
  for (int rounds = 0; rounds < 200 && settle(); ++rounds) {
  }
  require(seen().is_closed(), "I21: everything has ended, and the pool is not closed");
  require(finished_ == 1, "I21: close completes exactly once");
  acquire();
  stale();
}

client* world::some_client(client_state s) {
  const std::size_t start = below(client_count_);
  for (std::size_t i = 0; i < client_count_; ++i) {
    client& c = clients_[(start + i) % client_count_];
    if (c.state == s) return &c;
  }
  return nullptr;
}

backend* world::some_backend(phase p) {
  const std::size_t start = below(max_backends);
  for (std::size_t i = 0; i < max_backends; ++i) {
    backend& b = backends_[(start + i) % max_backends];
    if (b.is == p) return &b;
  }
  return nullptr;
}

}  // namespace simulation
