// What the parts of fault_proxy share: the plan that tests write from any thread, the counters, and the proxy thread's
// own things.
#pragma once

#include "tests/support/fault_proxy.hpp"

#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/ssl/context.hpp>
#include <asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>

namespace lido::testing {

class proxy_connection;

struct main_cut {
  direction way = direction::to_client;
  std::uint64_t bytes = 0;
  connection_end end = connection_end::reset;
  std::uint64_t number = 0;  // tells this cut from the one before
};

struct proxy_plan {
  bool new_connections_are_cancels = false;
  std::optional<std::size_t> expected_main;
  cancel_fault fault = cancel_fault::none;
  std::chrono::milliseconds delay{0};
  control_fault on_control = control_fault::none;
  traffic_shape shape;
  bool stalled = false;
  bool listening = true;
  std::optional<main_cut> cut;
  std::uint64_t releases = 0;  // how often held cancels were let go
  std::uint64_t cuts = 0;      // how many cuts were ever asked for
};

struct proxy_state {
  explicit proxy_state(const proxy_settings& settings);

  [[nodiscard]] proxy_plan plan() const {
    const std::lock_guard lock{mutex};
    return shared_plan;
  }
  [[nodiscard]] proxy_counters counters() const {
    const std::lock_guard lock{mutex};
    return shared_counters;
  }
  void count(const std::function<void(proxy_counters&)>& change) {
    const std::lock_guard lock{mutex};
    change(shared_counters);
  }

  mutable std::mutex mutex;
  proxy_plan shared_plan;          // guarded by mutex
  proxy_counters shared_counters;  // guarded by mutex

  // The rest belongs to the proxy's thread. Above `io` stands what connections touch when the io_context's destructor
  // ends them.
  std::set<proxy_connection*> connections;
  std::function<void()> roles_changed = [] {};
  std::optional<asio::ssl::context> right_context;
  std::optional<asio::ssl::context> wrong_context;
  asio::ssl::context client_context{asio::ssl::context::tls_client};
  bool encrypt_to_server = true;
  asio::generic::stream_protocol::endpoint server;
  asio::io_context io{1};
  asio::steady_timer plan_changed{io, asio::steady_timer::time_point::max()};  // cancelled to wake who waits
};

}  // namespace lido::testing
