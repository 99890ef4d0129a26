// The seam itself: what the pool links instead of the driver's connects and timers.
#include "driver/session/host_plan.hpp"
#include "tests/simulation/real/session.hpp"

#include <lido/driver/detail/addresses.hpp>
#include <lido/driver/detail/knobs.hpp>

#include <asio/post.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace simulation {

using namespace std::chrono_literals;

namespace {
thread_local server* current = nullptr;
}  // namespace

server::server(std::uint64_t seed, virtual_time& time) : random_(seed), time_(time) { current = this; }
server::~server() { current = nullptr; }
server& server::of_this_thread() { return *current; }

// Unix sockets have no name at the client's end. A port is used again, but not while somebody has it.
lido::recovery::socket_end server::client_end() {
  constexpr std::int32_t ports = 40;
  if (unix_socket) return {};
  std::int32_t port = 0;
  do port = 50'000 + ++last_port_ % ports;
  while (hosts.has_port(port));
  return {"10.0.0.1", port};
}

std::shared_ptr<simulated_session> server::session_of(std::int32_t pid, std::int64_t started) const {
  for (const auto& weak : sessions_) {
    auto s = weak.lock();
    if (s && s->backend()->pid == pid && s->backend()->started == started) return s;
  }
  return nullptr;
}

void server::connect_begins(std::size_t lane) {
  ++backends_[lane];
  require(backends_[lane] <= limit[lane], "I9: more connections than max_size, as the server counts");
}

void server::crash() {
  for (std::size_t i = 0; i < hosts.size(); ++i) crash(i);
}

// Of this host alone: the others' connections are unharmed.
void server::crash(std::size_t host) {
  std::erase_if(sessions_, [](const auto& weak) { return weak.expired(); });
  std::vector<std::shared_ptr<simulated_session>> others;
  std::vector<std::shared_ptr<simulated_session>> here;
  for (const auto& weak : sessions_) {
    auto s = weak.lock();
    if (s && s->is_open()) (s->born().host == host ? here : others).push_back(std::move(s));
  }
  for (const auto& s : here) {
    s->kill_backend();
    s->die(lido::errc::connection_lost, true);
  }
  for (const auto& s : others) require(s->is_open(), "one host's end closed another one's connection");
}

void server::tell_role(std::size_t host, server_role role) {
  for (const auto& weak : sessions_) {
    const auto s = weak.lock();
    if (!s || !s->is_open() || s->born().host != host || s->born().what != purpose::pool) continue;
    time_.after(some(50ms), [weak, role, this] {
      const auto told = weak.lock();
      if (told && told->is_open() && hosts[told->born().host].role == role) told->hear(role);
    });
  }
}

// With two lanes nobody sees which one of them has asked.
void server::was_told(machine& m) {
  if (replicas) return;
  m.news[0].addresses = {m.address()};
  m.news[0].addresses_at = time_.now();
}

// The books of who is lent to whom. News of this very instant may still be on its way inside the pool.
void server::lent(const simulated_session& on) {
  if (hosts.size() == 1) return;
  const birth& b = on.born();
  machine& m = hosts[b.host];
  const told& news = m.news[b.lane];
  using target = lido::target_session_attrs;
  const target wish = b.lane == 1 ? target::standby : wanted;
  const bool wants_primary = wish == target::primary || wish == target::read_write;
  const bool known = news.role_at < time_.now();
  require(!known || !wants_primary || news.role != server_role::standby,
          "a lease to write on a host known as a standby");
  require(!known || wish != target::standby || news.role != server_role::primary,
          "a replica's lease on a host known as the primary");
  require(wish != target::standby || max_lag == 0ns || news.lag_at >= time_.now() || news.lag <= max_lag,
          "a replica's lease on a host known to be too far behind");
  // A look before it was connected may have found the address before this one.
  const bool looked = news.addresses_at > b.at && news.addresses_at < time_.now();
  require(!looked || std::ranges::find(news.addresses, b.address) != news.addresses.end(),
          "a lease on a connection to an address that its host has left");
  if (!wants_primary) return;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const told& other = hosts[i].news[b.lane];
    const bool newer = news.timeline > 0 && other.timeline > news.timeline && other.role_at < time_.now();
    require(!newer, "a lease on an old primary, and the new one is known");
  }
  // One primary at a time: who has been left is not come back to but by a connect that began later.
  require(b.begun > m.left_at[b.lane], "leases on two hosts that both claim to be the primary");
  if (last_host_[b.lane] != b.host) hosts[last_host_[b.lane]].left_at[b.lane] = connects_begun;
  last_host_[b.lane] = b.host;
}

void server::lose_one() {
  std::erase_if(sessions_, [](const auto& weak) { return weak.expired(); });
  if (sessions_.empty()) return;
  const auto s = sessions_[below(sessions_.size())].lock();
  if (!s || !s->is_open()) return;
  chance(50) ? s->die(lido::errc::connection_lost, false) : s->vanish(lido::errc::connection_lost, false);
}

namespace {

class attempt final : public detail::connect_attempt, public std::enable_shared_from_this<attempt> {
 public:
  struct request {
    purpose what = purpose::pool;
    std::shared_ptr<const detail::session_settings> settings;
    detail::host_choice choice;
    std::optional<std::size_t> only;  // this host
  };
  attempt(server& s, asio::any_io_executor executor, std::weak_ptr<detail::session_observer> observer,
          std::function<void(detail::connect_result)> done, const request& asked)
      : server_(s),
        executor_(std::move(executor)),
        observer_(std::move(observer)),
        done_(std::move(done)),
        what_(asked.what),
        settings_(asked.settings),
        only_(asked.only),
        lane_(server::lane_of(settings_->config)),
        plan_(only_ ? 1 : settings_->hosts.size(),
              only_ ? lido::target_session_attrs::any : settings_->config.target_session_attrs,
              settings_->config.load_balance_hosts, s.below(1000), only_ ? detail::host_choice{} : asked.choice),
        deadline_(s.time().now() + settings_->config.connect_timeout) {}

  void start() {
    born_.what = what_;
    born_.lane = lane_;
    born_.epoch = server_.epoch;
    born_.begun = ++server_.connects_begun;
    if (what_ == purpose::pool) server_.connect_begins(lane_);
    // Connections of an earlier configuration keep the one that knows them.
    if (what_ == purpose::control)
      server_.require(++server_.hosts[*only_].controls[lane_] <= server_.epoch + 1,
                      "two control sessions of one configuration to one server");
    begin_host();
  }
  void cancel() noexcept override {
    if (std::exchange(done_, nullptr)) gone();
  }

 private:
  void gone() noexcept {
    if (what_ == purpose::pool) server_.backend_gone(lane_);
    if (what_ == purpose::control) --server_.hosts[*only_].controls[lane_];
  }

  [[nodiscard]] std::size_t host() const {
    if (only_) return *only_;
    return server_.hosts.size() == 1 ? 0 : static_cast<std::size_t>(settings_->hosts[plan_.host()].host[1] - '0');
  }

  // Each host gets an equal share of the time that is left.
  void begin_host() {
    const auto share = (deadline_ - server_.time().now()) / static_cast<long>(plan_.left());
    const bool swallowed = server_.chance(server_.today.swallows);
    const auto takes = swallowed ? share : std::min(share, server_.some(10ms));
    server_.time().after(takes, [me = shared_from_this(), swallowed] {
      asio::post(me->executor_, [me, swallowed] { me->end(swallowed); });
    });
  }

  void end(bool swallowed) {
    if (!done_) return;
    detail::connect_result result;
    result.error = refusal(swallowed);
    if (!result.error) result.session = make();
    if (!result.error && !result.session) result.error = lido::make_sqlstate("53300");
    if (result.error && lido::session::host_plan::goes_on(result.error) && plan_.advance()) return begin_host();
    if (result.error) gone();
    std::exchange(done_, nullptr)(std::move(result));
  }

  [[nodiscard]] std::error_code refusal(bool swallowed) {
    const machine& m = server_.hosts[host()];
    if (swallowed) return lido::errc::timeout;
    if (!m.up) return std::make_error_code(std::errc::connection_refused);
    if (server_.chance(server_.today.rejects)) return lido::errc::auth_failed;
    if (server_.chance(server_.today.refuses))
      return server_.chance(50) ? std::make_error_code(std::errc::connection_refused) : lido::make_sqlstate("53300");
    return is_wanted(m.role) ? std::error_code() : lido::errc::wrong_server_role;
  }

  [[nodiscard]] bool is_wanted(server_role role) const {
    using target = lido::target_session_attrs;
    const target wanted = plan_.wanted();
    if (wanted == target::primary || wanted == target::read_write) return role == server_role::primary;
    if (wanted == target::standby || wanted == target::read_only) return role == server_role::standby;
    return true;
  }

  std::shared_ptr<simulated_session> make() {
    machine& on = server_.hosts[host()];
    postmaster& at = on.processes[server_.below(on.processes.size())];
    born_.end = server_.client_end();
    born_.host = on.number;
    born_.address = on.address();
    born_.at = server_.time().now();
    lido::recovery::socket_end seen = born_.end;
    if (server_.between == middlebox::translation || server_.between == middlebox::pooler) seen = server_.client_end();
    born_.backend = at.fork(seen, true);
    if (!born_.backend) return nullptr;
    born_.pid = born_.backend->pid;
    // One of many numbers in life: never by chance the process's own.
    while (server_.between == middlebox::pooler && born_.pid == born_.backend->pid)
      born_.pid = 1 + static_cast<std::int32_t>(server_.below(20));
    const auto made = std::make_shared<simulated_session>(server_, at, executor_, observer_, born_);
    born_.backend->ours = made;
    born_.backend->lane = lane_;
    server_.add(made);
    if (what_ == purpose::watch) ++server_.watches;
    if (what_ != purpose::pool) return made;
    if (on.role != server_role::primary) on.news[lane_].timeline = 0;
    on.news[lane_].role = on.role;
    return made;
  }

  server& server_;
  asio::any_io_executor executor_;
  std::weak_ptr<detail::session_observer> observer_;
  std::function<void(detail::connect_result)> done_;
  const purpose what_;
  const std::shared_ptr<const detail::session_settings> settings_;
  const std::optional<std::size_t> only_;
  const std::size_t lane_;
  lido::session::host_plan plan_;
  const instant deadline_;
  birth born_;
};

}  // namespace
}  // namespace simulation

namespace lido {
inline namespace v0 {
namespace detail {

std::shared_ptr<const session_settings> make_session_settings(connect_config config, std::error_code&, std::string&) {
  auto settings = std::make_shared<session_settings>();
  settings->hosts = hosts_of(config);
  settings->config = std::move(config);
  return settings;
}

std::string describe(const session_peer& where) { return "host " + std::to_string(where.host); }

// One host has an address for good.
bool has_look_up(const host_entry& /*host*/) { return simulation::server::of_this_thread().hosts.size() > 1; }

// A name that has moved is known by the new address at the next look.
std::function<void()> look_up_addresses(const asio::any_io_executor& executor, const host_entry& host,
                                        std::function<void(std::vector<std::string>)> done) {
  auto& s = simulation::server::of_this_thread();
  const auto wanted = std::make_shared<bool>(true);
  s.time().after(s.some(std::chrono::milliseconds(2)),
                 [&s, executor, wanted, which = host.host, done = std::move(done)] {
                   asio::post(executor, [&s, wanted, which, done] {
                     if (!*wanted) return;
                     simulation::machine& m = s.hosts[static_cast<std::size_t>(which[1] - '0')];
                     if (s.chance(s.today.swallows)) return done({});
                     s.was_told(m);
                     done({m.address()});
                   });
                 });
  return [wanted] { *wanted = false; };
}

std::shared_ptr<const session_settings> with_credentials(const session_settings& base, const connect_config&,
                                                         std::error_code&, std::string&) {
  return std::make_shared<session_settings>(base);
}

std::shared_ptr<connect_attempt> connect_session(asio::any_io_executor executor,
                                                 std::shared_ptr<const session_settings> settings,
                                                 std::shared_ptr<deadline_queue>,
                                                 std::weak_ptr<session_observer> observer,
                                                 std::function<void(connect_result)> done, const host_choice& choice,
                                                 std::shared_ptr<const session_peer> beside) {
  using simulation::purpose;
  auto& s = simulation::server::of_this_thread();
  simulation::attempt::request asked;
  asked.what = beside ? purpose::control : observer.expired() ? purpose::watch : purpose::pool;
  asked.settings = std::move(settings);
  asked.choice = choice;
  if (beside) asked.only = beside->host;
  const auto made =
      std::make_shared<simulation::attempt>(s, std::move(executor), std::move(observer), std::move(done), asked);
  made->start();
  return made;
}

// Deadlines are events of the virtual time; a queue only knows where they run.
class deadline_queue {
 public:
  explicit deadline_queue(asio::any_io_executor e) : executor(std::move(e)) {}
  asio::any_io_executor executor;
};

std::shared_ptr<deadline_queue> make_deadline_queue(asio::any_io_executor executor) {
  return std::make_shared<deadline_queue>(std::move(executor));
}

void deadline_entry::attach(std::shared_ptr<deadline_queue> queue, std::weak_ptr<deadline_target> target) noexcept {
  queue_ = std::move(queue);
  target_ = std::move(target);
}

// As the real one: only an earlier time counts, until it has fired or left the queue.
void deadline_entry::arm(time_point when) noexcept {
  if (when >= when_) return;
  when_ = when;
  auto fire = [this, target = target_, when] {
    const auto t = target.lock();  // this entry is part of it
    if (!t || when_ != when) return;
    when_ = time_point::max();
    t->on_deadline(std::chrono::steady_clock::now());
  };
  simulation::server::of_this_thread().time().at(
      when, [queue = queue_, fire = std::move(fire)] { asio::post(queue->executor, fire); });
}

void deadline_entry::detach() noexcept {
  place_ = 0;
  when_ = time_point::max();
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
