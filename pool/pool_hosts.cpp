// Several hosts: where a connect goes, and what the pool does when a host is not what it was. What follows from what is
// core::endpoints' to say.
#include "pool/pool_hosts.hpp"

#include "pool/clock.hpp"
#include "pool/host_watch.hpp"
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"

#include <lido/driver/detail/addresses.hpp>
#include <lido/driver/detail/knobs.hpp>

#include <algorithm>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

core::endpoint_role role_for_core(server_role role) noexcept {
  switch (role) {
    case server_role::unknown: return core::endpoint_role::unknown;
    case server_role::primary: return core::endpoint_role::primary;
    case server_role::standby: return core::endpoint_role::standby;
  }
  return core::endpoint_role::unknown;
}

core::endpoint_wish wish_of(target_session_attrs wanted) noexcept {
  switch (wanted) {
    case target_session_attrs::read_write:
    case target_session_attrs::primary: return core::endpoint_wish::primary;
    case target_session_attrs::standby: return core::endpoint_wish::standby;
    case target_session_attrs::any:
    case target_session_attrs::read_only:
    case target_session_attrs::prefer_standby: break;  // either will do
  }
  return core::endpoint_wish::any;
}

// Of one host whose role is nobody's concern, only the addresses are: by look-ups alone, seldom, and with patience,
// since names that spread a load may tell of another address each time.
constexpr std::chrono::nanoseconds least_look_up_interval = std::chrono::seconds(5);
constexpr std::size_t looks_until_left = 10;

void retire_all(const core::endpoint_set& which, core::time_point now, core::pool_core& c, core::action_list& out) {
  for (core::endpoint_id e = 0; e < core::most_endpoints; ++e) {
    if (which.has(e)) c.retire_endpoint(e, now, out);
  }
}

}  // namespace

bool has_other_hosts(const pool_config& now, const pool_config& next) {
  const auto same = [](const host_entry& a, const host_entry& b) {
    return a.host == b.host && a.hostaddr == b.hostaddr && a.port == b.port;
  };
  return !std::ranges::equal(hosts_of(now.connect), hosts_of(next.connect), same) ||
         wish_of(now.connect.target_session_attrs) != wish_of(next.connect.target_session_attrs);
}

core::endpoints endpoints_of(const pool_config& config) {
  return {hosts_of(config.connect).size(), wish_of(config.connect.target_session_attrs), config.max_lag};
}

pool_config primary_lane(pool_config config) {
  config.validate();  // as the user wrote it
  if (config.replica.max_size > 0 && config.connect.target_session_attrs == target_session_attrs::any)
    config.connect.target_session_attrs = target_session_attrs::primary;
  return config;
}

pool_config replica_lane(pool_config config) {
  config.name += "_replica";
  config.max_size = config.replica.max_size;
  config.min_size = 0;
  config.min_idle = 0;
  config.reserved_slots = std::min(config.reserved_slots, std::max<std::size_t>(config.max_size, 1) - 1);
  config.replica.max_size = 0;
  config.connect.target_session_attrs = target_session_attrs::standby;
  config.connect.load_balance_hosts = load_balance_hosts::random;
  return config;
}

bool pool_impl::may_serve() const {
  const lock guard(mutex_);
  return core_.slots().live() > 0 || !core_.connect_breaker().pausing(steady_now());
}

// While other connections of its lane live, one that fails is no reason to send the waiters elsewhere.
bool pool_impl::gives_up(const core::pool_core& c) const {
  const bool others_can_serve = lane_ == lane::replicas && config_->replica.fallback == replica_fallback::primary;
  return others_can_serve && c.slots().live() <= c.slots().count(core::slot_state::connecting);
}

std::chrono::nanoseconds pool_impl::lag_of(const session_handle& lent) const {
  if (!lent.session) return std::chrono::nanoseconds::max();
  const std::size_t host = lent.session->host();
  const lock guard(mutex_);
  return host < endpoints_.size() ? endpoints_.lag(static_cast<core::endpoint_id>(host))
                                  : std::chrono::nanoseconds::max();
}

host_choice pool_impl::choose_hosts(pool_member& for_whom) {
  for_whom.asked = endpoints_.choice();
  for_whom.hosts_era = hosts_era_;
  host_choice choice;
  choice.has_first = for_whom.asked.first != core::no_endpoint;
  choice.first = for_whom.asked.first;
  choice.barred = for_whom.asked.barred.bits();
  return choice;
}

// In front: the connections to a host that this one takes over from. One that began before the hosts were others says
// nothing about these, and is of an earlier generation.
void pool_impl::settle_host(pool_member& who, core::time_point now, core::pool_core& c, core::action_list& out) {
  const auto where = static_cast<core::endpoint_id>(who.session->host());
  if (who.hosts_era == hosts_era_)
    retire_all(endpoints_.connected(where, role_for_core(who.session->role()), who.asked), now, c, out);
  c.connected(who.id, where, now, out);
}

std::shared_ptr<managed_session> pool_impl::session_of(const pool_member& who) {
  const lock guard(mutex_);
  return who.session;
}

// B91. A standby that is one no longer, or a primary: true for all connections to it. That transactions are read-only
// by default now, may be this session's own affair: it alone is not used again, and the host is looked at.
void pool_impl::on_role(pool_member& who, server_role now, bool read_only) noexcept {
  const auto session = session_of(who);
  if (!session) return;  // just being made: its role is asked for when it is there
  const auto host = static_cast<core::endpoint_id>(session->host());
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    if (who.hosts_era != hosts_era_) return;
    const auto at = steady_now();
    retire_all(endpoints_.role_changed(host, role_for_core(now)), at, c, out);
    if (read_only && config_->connect.target_session_attrs == target_session_attrs::read_write)
      c.retire(who.id, at, out);
  });
  look_at(host);
}

// SQLSTATE 25006. On a standby this is no connection for who wants to write. On a primary it was the user's own
// transaction, and nothing follows. Where nobody knows (a proxy that does not say), the connection is not used again.
void pool_impl::on_read_only_refusal(pool_member& who) noexcept {
  const auto session = session_of(who);
  if (wish_of(config()->connect.target_session_attrs) != core::endpoint_wish::primary || !session) return;
  const auto host = static_cast<core::endpoint_id>(session->host());
  const server_role role = session->role();
  if (role == server_role::primary) return;
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    if (who.hosts_era != hosts_era_) return;
    const auto at = steady_now();
    retire_all(endpoints_.role_changed(host, role_for_core(role)), at, c, out);
    c.retire(who.id, at, out);
  });
  look_at(host);
}

// ---- watching ----

std::vector<watch_terms> pool_impl::watches_of(const pool_config& how) {
  std::vector<watch_terms> all;
  if (how.role_probe_interval <= std::chrono::nanoseconds::zero()) return all;
  const auto hosts = hosts_of(how.connect);
  const bool one_will_do = hosts.size() == 1 && wish_of(how.connect.target_session_attrs) == core::endpoint_wish::any;
  if (one_will_do && !has_look_up(hosts.front())) return all;
  for (const host_entry& each : hosts) {
    watch_terms terms;
    terms.host = static_cast<core::endpoint_id>(all.size());
    terms.name = each;
    terms.asks = !one_will_do;
    terms.interval = one_will_do ? std::max(how.role_probe_interval, least_look_up_interval) : how.role_probe_interval;
    terms.patience = how.validation_timeout;
    terms.looks_until_left = one_will_do ? looks_until_left : 1;
    all.push_back(std::move(terms));
  }
  return all;
}

// In place of those that there are. News of a watch counts as long as the hosts are those that it was made for.
void pool_impl::watch_hosts() {
  const auto how = config();
  std::uint32_t era = 0;
  {
    const lock guard(mutex_);
    era = hosts_era_;
  }
  host_news news;
  news.seen = [weak = weak_from_this(), era](core::endpoint_id host, const core::sighting& what) {
    if (const auto self = weak.lock()) self->on_seen(era, host, what);
  };
  news.unreachable = [weak = weak_from_this(), era](core::endpoint_id host) {
    if (const auto self = weak.lock()) {
      const lock guard(self->mutex_);
      if (era == self->hosts_era_) self->endpoints_.unreachable(host);
    }
  };
  news.addresses = [weak = weak_from_this(), era](core::endpoint_id host, const std::vector<std::string>& now) {
    if (const auto self = weak.lock()) self->on_addresses(era, host, now);
  };
  const config_source config_now = [weak = weak_from_this()](std::function<void(std::optional<connect_config>)> done) {
    const auto self = weak.lock();
    return self ? self->ask_for_config(std::move(done)) : done(std::nullopt);
  };
  std::vector<std::shared_ptr<host_watch>> made;
  for (watch_terms& terms : watches_of(*how))
    made.push_back(std::make_shared<host_watch>(executor(), std::move(terms), config_now, news));
  std::vector<std::shared_ptr<host_watch>> old;
  {
    const lock guard(mutex_);
    if (!watching_) return;
    old = std::exchange(watches_, made);
  }
  for (const auto& each : old) each->stop();
  for (const auto& each : made) each->start();
}

void pool_impl::stop_watches() noexcept {
  std::vector<std::shared_ptr<host_watch>> those;
  {
    const lock guard(mutex_);
    watching_ = false;
    those.swap(watches_);
  }
  for (const auto& each : those) each->stop();
}

void pool_impl::look_at(std::size_t host) noexcept {
  std::shared_ptr<host_watch> that;
  {
    const lock guard(mutex_);
    if (host < watches_.size()) that = watches_[host];
  }
  if (that) that->look_now();
}

void pool_impl::on_seen(std::uint32_t era, core::endpoint_id host, const core::sighting& what) noexcept {
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    if (era == hosts_era_) retire_all(endpoints_.seen(host, what), steady_now(), c, out);
  });
}

// A connection to an address that its host's name does not have any more has no future.
void pool_impl::on_addresses(std::uint32_t era, core::endpoint_id host, const std::vector<std::string>& now) noexcept {
  std::vector<core::slot_id> gone;
  {
    const lock guard(mutex_);
    if (era != hosts_era_) return;
    for (const auto& m : members_) {
      if (!m || !m->session || m->hosts_era != era || m->session->host() != host) continue;
      if (std::ranges::find(now, m->session->address()) == now.end()) gone.push_back(m->id);
    }
  }
  for (const core::slot_id id : gone) {
    tell([&](core::pool_core& c, core::action_list& out) { c.retire(id, steady_now(), out); });
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
