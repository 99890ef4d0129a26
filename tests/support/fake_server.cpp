#include "tests/support/fake_server.hpp"

#include "tests/support/descriptor.hpp"
#include "tests/support/files.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <list>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

namespace lido::testing {
namespace {

constexpr std::size_t largest_message = 64 * 1024 * 1024;
constexpr std::uint16_t unix_port = 5432;

std::size_t length_of(std::string_view bytes) {
  std::size_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  if (value < 4 || value > largest_message) throw std::runtime_error{"a message with an impossible length"};
  return value - 4;
}

descriptor listen_tcp(std::uint16_t& port) {
  descriptor socket{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), "bind");
  checked(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  checked(::listen(socket.get(), SOMAXCONN), "listen");
  port = ntohs(address.sin_port);
  return socket;
}

descriptor listen_unix(const std::filesystem::path& path) {
  descriptor socket{checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  checked(::listen(socket.get(), SOMAXCONN), "listen");
  return socket;
}

}  // namespace

std::string fake_session::read_packet() { return stream_.receive(length_of(stream_.receive(4))); }

client_message fake_session::read_message() {
  last.type = stream_.receive(1).front();
  last.body = stream_.receive(length_of(stream_.receive(4)));
  return last;
}

void fake_session::start_tls(const identity& who, const tls_versions& versions) {
  context_ = server_tls(who, versions);
  stream_.start_tls(*context_, blocking_stream::role::server);
}

script script::then(const script& next) const {
  auto steps = steps_;
  steps.insert(steps.end(), next.steps_.begin(), next.steps_.end());
  return script{std::move(steps)};
}

// A thread that accepts, and one for each connection; all of them wake up when stop_ becomes readable.
class fake_server::engine {
 public:
  engine(fake_server& owner, std::vector<script> scripts, fake_server_settings settings)
      : owner_{owner},
        scripts_{std::move(scripts)},
        settings_{std::move(settings)},
        own_identity_{authority_.issue(settings_.certificate)},
        listener_{settings_.unix_socket ? listen_unix(socket_path()) : listen_tcp(port_)} {
    if (scripts_.empty()) throw std::invalid_argument{"a fake server without a script"};
    write_file(folder_.path() / "ca.crt", authority_.certificate());
  }
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  ~engine() {
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    changed_.notify_all();
    ::eventfd_write(stop_.get(), 1);
    if (acceptor_.joinable()) acceptor_.join();
    for (auto& thread : sessions_) thread.join();
  }

  /// Not in the constructor: steps reach this object through its owner, who has to know it first.
  void start() {
    acceptor_ = std::thread{[this] { accept_all(); }};
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }
  [[nodiscard]] const certificate_authority& authority() const noexcept { return authority_; }
  [[nodiscard]] const identity& own_identity() const noexcept { return own_identity_; }

  [[nodiscard]] std::vector<std::string> received() const {
    const std::lock_guard lock{mutex_};
    return received_;
  }
  [[nodiscard]] std::string problems() const {
    const std::lock_guard lock{mutex_};
    return problems_;
  }
  void open(const std::string& name, std::set<std::string>& names) {
    {
      const std::lock_guard lock{mutex_};
      names.insert(name);
    }
    changed_.notify_all();
  }
  bool wait(const std::function<bool()>& condition, std::chrono::milliseconds budget) const {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, budget, condition);
  }
  void wait_at_gate(const std::string& name) {
    if (!wait([&] { return stopping_ || gates_.contains(name); }, settings_.budget)) {
      throw std::runtime_error{"nobody opened the gate"};
    }
  }

  // Guarded by mutex_; conditions given to wait() may read them.
  std::size_t done_ = 0;
  std::set<std::string> gates_;
  std::set<std::string> reached_;

 private:
  [[nodiscard]] std::filesystem::path socket_path() const {
    return folder_.path() / (".s.PGSQL." + std::to_string(unix_port));
  }

  void accept_all() {
    for (;;) {
      std::array<pollfd, 2> items{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
      ::poll(items.data(), items.size(), -1);
      if (items[1].revents != 0) return;
      descriptor socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!socket.valid()) continue;
      const auto number = sessions_.size();
      {
        const std::lock_guard lock{mutex_};
        received_.emplace_back();
      }
      changed_.notify_all();
      sessions_.emplace_back(
          [this, number, fd = std::make_shared<descriptor>(std::move(socket))] { serve(number, std::move(*fd)); });
    }
  }

  void serve(std::size_t number, descriptor socket) {
    fake_session session{owner_, blocking_stream{std::move(socket), stop_.get(), settings_.budget}};
    session.stream().on_received([this, number](std::string_view bytes) {
      const std::lock_guard lock{mutex_};
      received_[number] += bytes;
    });
    run(session, number);
    {
      const std::lock_guard lock{mutex_};
      ++done_;
    }
    changed_.notify_all();
  }

  void run(fake_session& session, std::size_t number) {
    const auto& steps = scripts_[std::min(number, scripts_.size() - 1)].steps();
    for (std::size_t index = 0; index < steps.size(); ++index) {
      try {
        steps[index].run(session);
        continue;
      } catch (const stream_ended& ended) {
        if (ended.end != peer_end::stopped) note(number, index, steps[index].name, ended.what());
      } catch (const std::exception& error) {
        note(number, index, steps[index].name, error.what());
      }
      return;
    }
    close_in_good_order(session);
  }

  static void close_in_good_order(fake_session& session) {
    try {
      session.stream().send_close_notify();
    } catch (const stream_ended&) {
      return session.stream().close();  // the peer was quicker, or a step has closed already
    }
    session.stream().close();
  }

  void note(std::size_t number, std::size_t index, const std::string& name, const std::string& what) {
    const std::lock_guard lock{mutex_};
    problems_ += "connection " + std::to_string(number) + ", step " + std::to_string(index) + " " + name + ": " + what;
    problems_ += '\n';
  }

  fake_server& owner_;
  std::vector<script> scripts_;
  fake_server_settings settings_;
  temporary_folder folder_{"lido-fake-"};
  certificate_authority authority_{"lido fake server's authority", settings_.authority_key};
  identity own_identity_;
  std::uint16_t port_ = unix_port;
  descriptor listener_;
  descriptor stop_{checked(::eventfd(0, EFD_CLOEXEC), "eventfd")};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool stopping_ = false;
  std::vector<std::string> received_;
  std::string problems_;
  std::list<std::thread> sessions_;  // the accepting thread's, until that has ended
  std::thread acceptor_;
};

namespace {

std::vector<script> just(script only) {
  std::vector<script> one;
  one.push_back(std::move(only));
  return one;
}

}  // namespace

fake_server::fake_server(script only, fake_server_settings settings)
    : fake_server{just(std::move(only)), std::move(settings)} {}

fake_server::fake_server(std::vector<script> scripts, fake_server_settings settings)
    : engine_{std::make_unique<engine>(*this, std::move(scripts), std::move(settings))} {
  engine_->start();
}

fake_server::~fake_server() = default;

std::uint16_t fake_server::port() const noexcept { return engine_->port(); }

std::filesystem::path fake_server::socket_dir() const { return engine_->folder(); }

std::filesystem::path fake_server::ca_file() const { return engine_->folder() / "ca.crt"; }

const certificate_authority& fake_server::authority() const noexcept { return engine_->authority(); }

const identity& fake_server::own_identity() const noexcept { return engine_->own_identity(); }

std::size_t fake_server::connections() const { return engine_->received().size(); }

std::string fake_server::received(std::size_t connection) const { return engine_->received().at(connection); }

std::string fake_server::problems() const { return engine_->problems(); }

bool fake_server::wait_until_done(std::size_t scripts, std::chrono::milliseconds budget) const {
  return engine_->wait([&] { return engine_->done_ >= scripts; }, budget);
}

bool fake_server::wait_until_reached(const std::string& name, std::chrono::milliseconds budget) const {
  return engine_->wait([&] { return engine_->reached_.contains(name); }, budget);
}

void fake_server::open_gate(const std::string& name) { engine_->open(name, engine_->gates_); }

void fake_server::mark_reached(const std::string& name) { engine_->open(name, engine_->reached_); }

void fake_server::wait_at_gate(const std::string& name) { engine_->wait_at_gate(name); }

}  // namespace lido::testing
