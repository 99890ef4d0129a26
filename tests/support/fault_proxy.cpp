#include "tests/support/fault_proxy.hpp"

#include "tests/support/loopback.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/proxy_connection.hpp"
#include "tests/support/proxy_state.hpp"

#include <asio/basic_socket_acceptor.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <filesystem>
#include <future>
#include <thread>
#include <utility>
#include <vector>

namespace lido::testing {
namespace {

asio::ssl::context server_context(const identity& who) {
  asio::ssl::context context{asio::ssl::context::tls_server};
  context.use_certificate_chain(asio::buffer(who.certificate));
  context.use_private_key(asio::buffer(who.key), asio::ssl::context::pem);
  return context;
}

using any_endpoint = asio::generic::stream_protocol::endpoint;

any_endpoint unix_endpoint(const std::filesystem::path& folder, std::uint16_t port) {
  return asio::local::stream_protocol::endpoint{(folder / (".s.PGSQL." + std::to_string(port))).string()};
}

any_endpoint server_of(const proxy_settings& s) {
  if (!s.socket_dir.empty()) return unix_endpoint(s.socket_dir, s.port);
  return asio::ip::tcp::endpoint{asio::ip::make_address(s.host), s.port};
}

proxy_settings settings_for(const postgres_cluster& cluster) {
  proxy_settings settings;
  settings.host = cluster.host();
  settings.port = cluster.port();
  settings.terminate_tls = cluster.server_identity();
  settings.wrong_identity = cluster.wrong_identity();
  return settings;
}

}  // namespace

proxy_state::proxy_state(const proxy_settings& settings)
    : encrypt_to_server{settings.encrypt_to_server}, server{server_of(settings)} {
  if (settings.terminate_tls) right_context.emplace(server_context(*settings.terminate_tls));
  if (settings.wrong_identity) wrong_context.emplace(server_context(*settings.wrong_identity));
  // The proxy stands in the server's place; whether the certificate is right is the client's question.
  client_context.set_verify_mode(asio::ssl::verify_none);
}

// The listener and the thread. The port is open unless a test closed it, or the next connection would be a refused
// cancel.
class fault_proxy::engine {
 public:
  explicit engine(const proxy_settings& settings) : state_{settings}, acceptor_{state_.io} {
    if (!settings.socket_dir.empty()) folder_.emplace("lido-proxy-");
    state_.roles_changed = [this] { follow_plan(); };
    follow_plan();
    thread_ = std::thread{[this] { state_.io.run(); }};
  }
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  ~engine() {
    state_.io.stop();
    thread_.join();
    state_.roles_changed = [] {};
  }

  [[nodiscard]] std::string host() const { return folder_ ? folder_->path().string() : "127.0.0.1"; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] proxy_counters counters() const { return state_.counters(); }

  /// Changes the plan, and returns when the proxy's thread follows it.
  void change(const std::function<void(proxy_plan&)>& edit) {
    {
      const std::lock_guard lock{state_.mutex};
      edit(state_.shared_plan);
    }
    run([this] {
      state_.plan_changed.cancel();
      follow_plan();
    });
  }

  [[nodiscard]] std::size_t open_sockets() {
    std::size_t sum = 0;
    run([&] {
      for (const auto* connection : state_.connections) sum += connection->open_sockets();
    });
    return sum;
  }

  void end(connection_end how, const std::function<bool(const proxy_connection&)>& which) {
    run([&] {
      for (auto* connection : state_.connections) {
        if (which(*connection)) connection->end(how);
      }
    });
  }

 private:
  void run(const std::function<void()>& action) {
    const auto done = std::make_shared<std::promise<void>>();
    auto finished = done->get_future();
    asio::post(state_.io, [done, action] {
      action();
      done->set_value();
    });
    finished.get();
  }

  [[nodiscard]] bool should_listen() const {
    const auto plan = state_.plan();
    const bool full = plan.expected_main && state_.counters().active_main >= *plan.expected_main;
    const bool next_is_cancel = plan.new_connections_are_cancels || full;
    return plan.listening && !(plan.fault == cancel_fault::refuse && next_is_cancel);
  }

  void follow_plan() {
    if (should_listen() == acceptor_.is_open()) return;
    if (acceptor_.is_open()) {
      acceptor_.close();
      return;
    }
    const any_endpoint here = folder_ ? unix_endpoint(folder_->path(), port_)
                                      : any_endpoint{asio::ip::tcp::endpoint{asio::ip::address_v4::loopback(), port_}};
    if (folder_) std::filesystem::remove(folder_->path() / (".s.PGSQL." + std::to_string(port_)));
    acceptor_.open(here.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address{true});
    acceptor_.bind(here);
    acceptor_.listen();
    asio::co_spawn(state_.io, accept_connections(++listens_), asio::detached);
  }

  asio::awaitable<void> accept_connections(std::uint64_t listen) {
    while (listen == listens_ && acceptor_.is_open()) {
      std::error_code error;
      proxy_stream::socket socket{state_.io};
      co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      if (error) continue;
      auto connection = std::make_shared<proxy_connection>(state_, std::move(socket));
      follow_plan();
      asio::co_spawn(state_.io, proxy_connection::run(std::move(connection)), asio::detached);
    }
  }

  proxy_state state_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{state_.io.get_executor()};
  asio::basic_socket_acceptor<asio::generic::stream_protocol> acceptor_;
  std::optional<temporary_folder> folder_;
  std::uint16_t port_ = free_port();
  std::uint64_t listens_ = 0;
  std::thread thread_;
};

fault_proxy::fault_proxy(proxy_settings settings) : engine_{std::make_unique<engine>(settings)} {}

fault_proxy::fault_proxy(const postgres_cluster& cluster) : fault_proxy{settings_for(cluster)} {}

fault_proxy::~fault_proxy() = default;

std::string fault_proxy::host() const { return engine_->host(); }

std::uint16_t fault_proxy::port() const noexcept { return engine_->port(); }

void fault_proxy::treat_new_connections_as_cancel(bool on) {
  engine_->change([=](proxy_plan& plan) { plan.new_connections_are_cancels = on; });
}

void fault_proxy::expect_main_connections(std::optional<std::size_t> count) {
  engine_->change([=](proxy_plan& plan) { plan.expected_main = count; });
}

void fault_proxy::set_cancel_fault(cancel_fault fault, std::chrono::milliseconds delay) {
  engine_->change([=](proxy_plan& plan) {
    plan.fault = fault;
    plan.delay = delay;
  });
}

void fault_proxy::release_held() {
  engine_->change([](proxy_plan& plan) { ++plan.releases; });
}

void fault_proxy::shape_main(const traffic_shape& shape) {
  engine_->change([=](proxy_plan& plan) { plan.shape = shape; });
}

void fault_proxy::stall_main(bool on) {
  engine_->change([=](proxy_plan& plan) { plan.stalled = on; });
}

void fault_proxy::cut_main_after(direction way, std::uint64_t bytes, connection_end end) {
  engine_->change([=](proxy_plan& plan) { plan.cut = main_cut{way, bytes, end, ++plan.cuts}; });
}

void fault_proxy::no_cut() {
  engine_->change([](proxy_plan& plan) { plan.cut.reset(); });
}

namespace {

bool is_main(const proxy_connection& c) { return c.kind() != proxy_connection::role::cancel; }

}  // namespace

void fault_proxy::set_control_fault(control_fault fault) {
  engine_->change([=](proxy_plan& plan) { plan.on_control = fault; });
}

void fault_proxy::close_control() {
  engine_->end(connection_end::close, [](const proxy_connection& c) { return c.is_control(); });
}

void fault_proxy::kill_main() { engine_->end(connection_end::reset, is_main); }

void fault_proxy::close_main() { engine_->end(connection_end::close, is_main); }

void fault_proxy::kill_all() {
  engine_->end(connection_end::reset, [](const proxy_connection&) { return true; });
}

void fault_proxy::stop_listening() {
  engine_->change([](proxy_plan& plan) { plan.listening = false; });
}

void fault_proxy::listen_again() {
  engine_->change([](proxy_plan& plan) { plan.listening = true; });
}

proxy_counters fault_proxy::counters() const { return engine_->counters(); }

std::size_t fault_proxy::open_sockets() const { return engine_->open_sockets(); }

bool fault_proxy::wait_until(const std::function<bool(const proxy_counters&)>& condition,
                             std::chrono::milliseconds budget) const {
  return eventually([&] { return condition(counters()); }, budget);
}

}  // namespace lido::testing
