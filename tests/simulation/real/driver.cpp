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

void server::connect_begins() {
  ++backends_;
  require(backends_ <= limit, "I9: more connections than max_size, as the server counts");
}

void server::crash() {
  for (const auto& weak : std::exchange(sessions_, {})) {
    if (const auto s = weak.lock()) s->die(lido::errc::connection_lost, true);
  }
}

void server::lose_one() {
  std::erase_if(sessions_, [](const auto& weak) { return weak.expired(); });
  if (sessions_.empty()) return;
  if (const auto s = sessions_[below(sessions_.size())].lock()) s->die(lido::errc::connection_lost, false);
}

namespace {

class attempt final : public detail::connect_attempt, public std::enable_shared_from_this<attempt> {
 public:
  attempt(server& s, asio::any_io_executor executor, std::weak_ptr<detail::session_observer> observer,
          std::function<void(detail::connect_result)> done)
      : server_(s), executor_(std::move(executor)), observer_(std::move(observer)), done_(std::move(done)) {}

  void start(std::chrono::nanoseconds patience) {
    epoch_ = server_.epoch;
    server_.connect_begins();
    const bool swallowed = server_.chance(server_.today.swallows);
    const auto takes = swallowed ? patience : std::min(patience, server_.some(10ms));
    server_.time().after(takes, [me = shared_from_this(), swallowed] {
      asio::post(me->executor_, [me, swallowed] { me->end(swallowed); });
    });
  }
  void cancel() noexcept override {
    if (std::exchange(done_, nullptr)) server_.backend_gone();
  }

 private:
  void end(bool swallowed) {
    if (!done_) return;
    detail::connect_result result;
    if (swallowed) {
      result.error = lido::errc::timeout;
    } else if (server_.chance(server_.today.rejects)) {
      result.error = lido::errc::auth_failed;
    } else if (server_.chance(server_.today.refuses)) {
      result.error = std::make_error_code(std::errc::connection_refused);
    } else {
      const auto made = std::make_shared<simulated_session>(server_, executor_, observer_, epoch_);
      server_.add(made);
      result.session = made;
    }
    if (result.error) server_.backend_gone();
    std::exchange(done_, nullptr)(std::move(result));
  }

  server& server_;
  asio::any_io_executor executor_;
  std::weak_ptr<detail::session_observer> observer_;
  std::function<void(detail::connect_result)> done_;
  unsigned epoch_ = 0;
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

std::string describe(const session_peer&) { return {}; }  // no session of this server has one

std::shared_ptr<const session_settings> with_credentials(const session_settings& base, const connect_config&,
                                                         std::error_code&, std::string&) {
  return std::make_shared<session_settings>(base);
}

std::shared_ptr<connect_attempt> connect_session(asio::any_io_executor executor,
                                                 std::shared_ptr<const session_settings> settings,
                                                 std::shared_ptr<deadline_queue>,
                                                 std::weak_ptr<session_observer> observer,
                                                 std::function<void(connect_result)> done, const host_choice&,
                                                 std::shared_ptr<const session_peer>) {
  const auto made = std::make_shared<simulation::attempt>(simulation::server::of_this_thread(), std::move(executor),
                                                          std::move(observer), std::move(done));
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
