#include "tests/simulation/real/world.hpp"

#include <algorithm>
#include <ostream>

namespace simulation {

using namespace std::chrono_literals;

void tally::add(const tally& other) noexcept {
  events += other.events;
  acquires += other.acquires;
  answers += other.answers;
  cancelled += other.cancelled;
  timeouts += other.timeouts;
  lost += other.lost;
  closed += other.closed;
  refused += other.refused;
  recovered += other.recovered;
  misled += other.misled;
  changes += other.changes;
  reloads += other.reloads;
  bad_reloads += other.bad_reloads;
  requests += other.requests;
  control_calls += other.control_calls;
  control_signals += other.control_signals;
  window += other.window;
  unanswered += other.unanswered;
}

lido::pool_config world::draw_config() {
  lido::pool_config c;
  c.connect.host = "/run/simulated";
  c.connect.connect_timeout = one_of(200ms, 2000ms);
  c.connect.close_timeout = one_of(50ms, 1000ms);
  c.max_size = one_of(1U, 1U, 2U, 3U, 5U);
  c.min_size = one_of(0U, 0U, 1U);
  c.max_waiters = one_of(1U, 100U, 100U, 100U);
  c.acquire_timeout = 3s;
  c.max_lifetime = one_of(0ms, 300ms, 60000ms);
  c.idle_timeout = one_of(0ms, 50ms, 60000ms);
  c.validate_after_idle = one_of(0ms, 1ms, 1000ms);
  c.validation_timeout = 100ms;
  c.connect_concurrency = one_of(1U, 4U);
  c.connect_backoff_min = 5ms;
  c.connect_backoff_max = 200ms;
  c.connect_rate = one_of(0.0, 20.0, 500.0);
  c.breaker_threshold = one_of(0U, 1U, 5U);
  c.min_idle = one_of(0U, 0U, 1U);
  c.max_uses = one_of(0U, 0U, 2U);
  c.keepalive_interval = one_of(0ms, 0ms, 20ms);
  c.prune_interval = one_of(0ms, 10ms);
  c.reset.mode = one_of(lido::reset_mode::automatic, lido::reset_mode::automatic, lido::reset_mode::discard_all);
  c.reset.timeout = 200ms;
  c.cancel.timeout = 300ms;
  c.cancel.retry_after = one_of(20ms, 100ms);
  c.cancel.concurrency = one_of(1U, 16U);
  using channel = lido::cancel_channel_choice;
  c.cancel.channel = one_of(channel::request, channel::session, channel::automatic, channel::automatic);
  c.cancel.batch = one_of(1U, 2U, 64U);
  c.drain.timeout = 500ms;
  server_.limit[0] = static_cast<unsigned>(c.max_size);
  server_.most_requests = static_cast<unsigned>(c.cancel.concurrency);
  if (server_.chance(40)) {
    draw_cluster(c);
    return c;
  }
  server_.unix_socket = server_.chance(50);
  if (server_.chance(25))
    server_.between = one_of(middlebox::translation, middlebox::pooler, middlebox::virtual_address);
  if (server_.between == middlebox::virtual_address) server_.unix_socket = false;
  server_.hosts.build(1, server_.between == middlebox::virtual_address);
  return c;
}

// Two or three hosts, the first of them the primary.
void world::draw_cluster(lido::pool_config& c) {
  using target = lido::target_session_attrs;
  const std::uint64_t hosts = 2 + server_.below(2);
  c.connect.host.clear();
  for (std::uint64_t i = 0; i < hosts; ++i) c.connect.hosts.push_back({"h" + std::to_string(i), {}, 5432});
  c.connect.sslmode = lido::sslmode::disable;
  c.connect.target_session_attrs = one_of(target::any, target::primary, target::primary, target::read_write,
                                          target::standby, target::prefer_standby);
  c.role_probe_interval = one_of(50ms, 200ms);
  c.max_lag = one_of(0ms, 500ms);
  const target wanted = c.connect.target_session_attrs;
  const bool has_lane = wanted == target::any || wanted == target::primary || wanted == target::read_write;
  if (has_lane) c.replica.max_size = one_of(0U, 1U, 2U);
  c.replica.fallback = one_of(lido::replica_fallback::primary, lido::replica_fallback::none);
  server_.replicas = c.replica.max_size > 0;
  server_.limit[1] = static_cast<unsigned>(c.replica.max_size);
  server_.wanted = server_.replicas && wanted == target::any ? target::primary : wanted;
  server_.max_lag = c.max_lag;
  writes_ = server_.wanted == target::primary || server_.wanted == target::read_write;
  server_.hosts.build(hosts, false);
  ticking_ = true;
}

// Asio's own timers look at the clock when a new one is the earliest.
void world::tick() {
  if (!ticking_) return;
  poke_.expires_at(instant{});
  poke_.async_wait([](std::error_code) {});
  time_.after(10ms, [this] { tick(); });
}

world::world(std::uint64_t seed, std::ostream* trace)
    : server_(seed, time_), config_(draw_config()), user_count_(1 + server_.below(most_users)), trace_(trace) {
  if (trace_ != nullptr) server_.note = [this](const std::string& what) { note(what); };
  pool_.emplace(io_.get_executor(), config_);
  tick();
}

world::~world() {
  pool_.reset();
  time_.forget_all();
}

void world::run() {
  change_weather();
  const std::uint64_t happenings = 60 + server_.below(120);
  for (std::uint64_t i = 0; i < happenings; ++i) {
    something_happens();
    const auto gap = server_.chance(5) ? server_.some(3s) : server_.some(8ms);
    drain(time_.now() + gap);
  }
  calm();
  reload_under_load();
  shut_down();
  const sightings& s = server_.seen;
  tally_.requests = s.requests;
  tally_.control_calls = s.control_calls;
  tally_.control_signals = s.control_signals;
  tally_.window = s.window;
  tally_.unanswered = s.unanswered;
}

void world::change_weather() {
  server_.today = {};
  if (server_.chance(35)) return;
  const auto sometimes = [this](unsigned percent) { return server_.chance(40) ? percent : 0U; };
  server_.today = {sometimes(60), sometimes(5), sometimes(20), sometimes(10), sometimes(5), sometimes(20)};
  if (server_.chance(10)) server_.today.refuses = 100;
  if (server_.chance(5)) server_.today.swallows = 100;
}

void world::something_happens() {
  user& who = users_[server_.below(user_count_)];
  switch (server_.below(20)) {
    case 0: return change_weather();
    case 1: note("the server crashes"); return server_.crash();
    case 2: note("a connection dies"); return server_.lose_one();
    case 3:
      if (!server_.chance(10)) return;
      note("cancel_all");
      cancelled_all_ = true;
      return pool_->cancel_all();
    case 4: {
      lido::lease db = pool_->try_acquire();
      require(!db || pool_->stats().leased > 0, "a lease that the pool does not know of");
      return;
    }
    case 5: return reload();
    case 6: return server_.hosts.any_postmaster().strangers_come_and_go();
    case 7:
      if (server_.hosts.size() == 1) return;
      ++tally_.changes;
      return server_.hosts.something_changes();
    default:
      if (!who.busy) return spawn(who);
      if (server_.chance(35)) cancel(who);
      return;
  }
}

void world::drain(instant until) {
  for (;;) {
    while (io_.poll() > 0) {
    }
    check();
    io_.restart();
    if (!time_.step(until)) return;
    ++tally_.events;
  }
}

// Whatever has happened: in good weather every task ends, and soon.
void world::calm() {
  note("calm");
  server_.today = {};
  if (server_.hosts.size() > 1) {
    drain(time_.now() + 1s);  // what was about to change, has
    server_.hosts.heal();
    drain(time_.now() + 1s);  // and was looked at
  }
  for (std::size_t i = 0; i < user_count_; ++i) {
    if (!users_[i].busy) spawn(users_[i]);
  }
  be_at_rest();
}

// In both lanes.
std::uint64_t world::under_way() const {
  std::uint64_t sum = 0;
  for (const lido::pool_stats& s : {pool_->stats(), pool_->replica_stats()})
    sum += s.leased + s.waiting + s.recovering + s.connecting + s.closing;
  return sum;
}

void world::be_at_rest() {
  const instant end = time_.now() + 60s;
  const auto somebody = [this] {
    return under_way() > 0 || pool_->stats().size() < config_.min_size || std::ranges::any_of(users_, &user::busy);
  };
  while (somebody() && time_.now() < end) drain(time_.now() + 100ms);
  for (const user& u : users_) require(!u.busy, "I10: a calm world, and still somebody waits");
  const lido::pool_stats now = pool_->stats();
  require(now.leased == 0, "I9: a connection that nobody holds counts as leased");
  require(now.waiting == 0, "I10: nobody waits, and the pool counts one");
  require(now.recovering == 0, "I5: a recovery that does not end");
  require(now.size() >= config_.min_size, "min_size does not come back");
  require(now.size() <= config_.max_size, "I9: more connections than the max_size that was reloaded");
  require(now.size() == server_.backends(), "I9: the pool and the server count differently");
  const lido::pool_stats readers = pool_->replica_stats();
  require(readers.leased + readers.waiting + readers.recovering == 0, "the replicas' lane does not come to rest");
  require(readers.size() == server_.backends(1), "I9: the replicas' lane and the servers count differently");
}

void world::close_pool(std::chrono::nanoseconds patience) {
  ++closing_;
  shutting_down_ = true;
  pool_->async_close(patience, [this] {
    --closing_;
    require(pool_->stats().size() == 0, "I21: closed, and a connection is left");
  });
}

// At any moment, in any weather.
void world::shut_down() {
  change_weather();
  for (std::size_t i = 0; i < user_count_; ++i) {
    if (!users_[i].busy && server_.chance(70)) spawn(users_[i]);
  }
  drain(time_.now() + server_.some(30ms));
  note("close");
  const auto patience = server_.chance(30) ? 0ns : server_.some(2s);
  if (server_.chance(15)) {
    shutting_down_ = true;
    pool_.reset();
    drain(time_.now() + 1s);
    ticking_ = false;
    drain(time_.now() + 60s);
  } else {
    close_pool(patience);
    if (server_.chance(20)) close_pool(server_.some(1s));
    // what leases run is cancelled after `patience`; then at most cancel, drain, reset and close take their budgets
    drain(time_.now() + patience + config_.cancel.timeout + config_.drain.timeout + config_.reset.timeout * 2 +
          config_.connect.close_timeout * 2 + config_.connect.connect_timeout + 1s);
    require(closing_ == 0, "I21: a close that does not end");
    ticking_ = false;
    drain(time_.now() + 60s);
    pool_.reset();
  }
  require(server_.backends() + server_.backends(1) == 0, "I21: a connection that outlived its pool");
  require(server_.watches == 0, "I21: a watch that outlived its pool");
  for (std::size_t i = 0; i < server_.hosts.size(); ++i) {
    for (const unsigned n : server_.hosts[i].controls) require(n == 0, "I21: a control session that outlived its pool");
  }
  for (const user& u : users_) require(!u.busy, "I21: a task that outlived the pool");
}

void world::check() {
  if (!server_.broken().empty()) throw violation(server_.broken());
}

void world::require(bool holds, const char* rule) const {
  if (!holds) throw violation(rule);
}

void world::note(const std::string& what) const {
  if (trace_ == nullptr) return;
  *trace_ << "  t="
          << std::chrono::duration_cast<std::chrono::microseconds>(time_.now().time_since_epoch()).count() -
                 3'600'000'000
          << "us " << what;
  if (pool_) {
    const lido::pool_stats s = pool_->stats();
    *trace_ << "  [idle " << s.idle << " leased " << s.leased << " connecting " << s.connecting << " recovering "
            << s.recovering << " closing " << s.closing << " waiting " << s.waiting << " | backends "
            << server_.backends() << ']';
  }
  *trace_ << '\n';
}

}  // namespace simulation
