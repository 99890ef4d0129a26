// The seam itself: what the pool links instead of the driver's connects and timers.
#include "tests/simulation/real/session.hpp"

#include <asio/post.hpp>

#include <algorithm>
#include <utility>

namespace simulation {

using namespace std::chrono_literals;

namespace {
thread_local server* current = nullptr;
}  // namespace

server::server(std::uint64_t seed, virtual_time& time) : random_(seed), time_(time) { current = this; }
server::~server() { current = nullptr; }
server& server::of_this_thread() { return *current; }

void server::build() {
  postmasters_.emplace_back(*this, 1);
  if (between == middlebox::virtual_address) postmasters_.emplace_back(*this, 2);
}

// Unix sockets have no name at the client's end. A port is used again, but not while somebody has it.
lido::recovery::socket_end server::client_end() {
  constexpr std::int32_t ports = 40;
  if (unix_socket) return {};
  std::int32_t port = 0;
  do port = 50'000 + ++last_port_ % ports;
  while (std::ranges::any_of(postmasters_, [port](const postmaster& p) { return p.has_port(port); }));
  return {"10.0.0.1", port};
}

std::shared_ptr<simulated_session> server::session_of(std::int32_t pid, std::int64_t started) const {
  for (const auto& weak : sessions_) {
    auto s = weak.lock();
    if (s && s->backend()->pid == pid && s->backend()->started == started) return s;
  }
  return nullptr;
}

void server::connect_begins() {
  ++backends_;
  require(backends_ <= limit, "I9: more connections than max_size, as the server counts");
}

void server::crash() {
  for (const auto& weak : std::exchange(sessions_, {})) {
    const auto s = weak.lock();
    if (!s || !s->is_open()) continue;
    for (postmaster& p : postmasters_) p.kill(s->backend());
    s->die(lido::errc::connection_lost, true);
  }
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
  attempt(server& s, asio::any_io_executor executor, std::weak_ptr<detail::session_observer> observer,
          std::function<void(detail::connect_result)> done, purpose what)
      : server_(s),
        executor_(std::move(executor)),
        observer_(std::move(observer)),
        done_(std::move(done)),
        what_(what),
        epoch_(s.epoch) {}

  void start(std::chrono::nanoseconds patience) {
    if (what_ == purpose::pool) server_.connect_begins();
    if (what_ == purpose::control) server_.require(++server_.controls == 1, "two control sessions to one server");
    const bool swallowed = server_.chance(server_.today.swallows);
    const auto takes = swallowed ? patience : std::min(patience, server_.some(10ms));
    server_.time().after(takes, [me = shared_from_this(), swallowed] {
      asio::post(me->executor_, [me, swallowed] { me->end(swallowed); });
    });
  }
  void cancel() noexcept override {
    if (std::exchange(done_, nullptr)) gone();
  }

 private:
  void gone() noexcept {
    if (what_ == purpose::pool) server_.backend_gone();
    if (what_ == purpose::control) --server_.controls;
  }

  void end(bool swallowed) {
    if (!done_) return;
    detail::connect_result result;
    if (swallowed) {
      result.error = lido::errc::timeout;
    } else if (server_.chance(server_.today.rejects)) {
      result.error = lido::errc::auth_failed;
    } else if (server_.chance(server_.today.refuses)) {
      result.error =
          server_.chance(50) ? std::make_error_code(std::errc::connection_refused) : lido::make_sqlstate("53300");
    } else {
      result.session = make();
      if (!result.session) result.error = lido::make_sqlstate("53300");
    }
    if (result.error) gone();
    std::exchange(done_, nullptr)(std::move(result));
  }

  std::shared_ptr<simulated_session> make() {
    postmaster& at = server_.any_postmaster();
    birth born{what_, epoch_, 0, server_.client_end(), nullptr};
    lido::recovery::socket_end seen = born.end;
    if (server_.between == middlebox::translation || server_.between == middlebox::pooler) seen = server_.client_end();
    born.backend = at.fork(seen, true);
    if (!born.backend) return nullptr;
    born.pid = born.backend->pid;
    // One of many numbers in life: never by chance the process's own.
    while (server_.between == middlebox::pooler && born.pid == born.backend->pid)
      born.pid = 1 + static_cast<std::int32_t>(server_.below(20));
    const auto made = std::make_shared<simulated_session>(server_, at, executor_, observer_, born);
    born.backend->ours = made;
    server_.add(made);
    return made;
  }

  server& server_;
  asio::any_io_executor executor_;
  std::weak_ptr<detail::session_observer> observer_;
  std::function<void(detail::connect_result)> done_;
  const purpose what_;
  const unsigned epoch_;
};

}  // namespace
}  // namespace simulation

namespace lido {
inline namespace v0 {
namespace detail {

std::shared_ptr<const session_settings> make_session_settings(connect_config config, std::error_code&, std::string&) {
  auto settings = std::make_shared<session_settings>();
  settings->config = std::move(config);
  return settings;
}

std::string describe(const session_peer&) { return "the server"; }

std::shared_ptr<const session_settings> with_credentials(const session_settings& base, const connect_config&,
                                                         std::error_code&, std::string&) {
  return std::make_shared<session_settings>(base);
}

std::shared_ptr<connect_attempt> connect_session(asio::any_io_executor executor,
                                                 std::shared_ptr<const session_settings> settings,
                                                 std::shared_ptr<deadline_queue>,
                                                 std::weak_ptr<session_observer> observer,
                                                 std::function<void(connect_result)> done, const host_choice&,
                                                 std::shared_ptr<const session_peer> beside) {
  const auto what = beside               ? simulation::purpose::control
                    : observer.expired() ? simulation::purpose::watch
                                         : simulation::purpose::pool;
  const auto made = std::make_shared<simulation::attempt>(simulation::server::of_this_thread(), std::move(executor),
                                                          std::move(observer), std::move(done), what);
  made->start(settings->config.connect_timeout);
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

// As the real one: only an earlier time counts, until it has fired.
void deadline_entry::arm(time_point when) noexcept {
  if (when >= when_) return;
  when_ = when;
  auto fire = [this, target = target_, when] {
    const auto t = target.lock();  // this entry is part of it
    if (!t) return;
    if (when_ == when) when_ = time_point::max();
    t->on_deadline(std::chrono::steady_clock::now());
  };
  simulation::server::of_this_thread().time().at(
      when, [queue = queue_, fire = std::move(fire)] { asio::post(queue->executor, fire); });
}

void deadline_entry::detach() noexcept {
  place_ = 0;
  queue_.reset();
  target_.reset();
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
