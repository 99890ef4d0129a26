// The demo's world: a private PostgreSQL with its own authority, a proxy in front of it that breaks connections, one
// pool that goes through the proxy with TLS verify-full and SCRAM, and that pool's metrics over HTTP.
#pragma once

#include "bench/storm/exposition.hpp"
#include "bench/storm/metrics_server.hpp"
#include "bench/storm/runtime.hpp"
#include "tests/support/fault_proxy.hpp"
#include "tests/support/postgres_cluster.hpp"

#include <lido/pool/config.hpp>
#include <lido/pool/pool.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace lido::storm {

class demo_world {
 public:
  static constexpr std::size_t connections = 16;
  static constexpr std::size_t threads = 2;
  /// How long the pool waits for the end of a cancel. A cancel costs the server a process and a TLS handshake: on a
  /// slow machine sixteen at a time take most of a second, and are no fault.
  static constexpr std::chrono::seconds patient_cancel{5};
  /// Where the fault is that nothing comes: what takes seconds in production must be seen within a second here.
  static constexpr std::chrono::milliseconds brief_cancel{300};

  explicit demo_world(const std::string& metrics_address);

  [[nodiscard]] testing::postgres_cluster& server() noexcept { return server_; }
  [[nodiscard]] testing::fault_proxy& proxy() noexcept { return proxy_; }
  [[nodiscard]] lido::pool& pool() noexcept { return pool_; }
  [[nodiscard]] const pool_config& config() const noexcept { return config_; }
  [[nodiscard]] asio::any_io_executor executor() { return runtime_.io().get_executor(); }
  [[nodiscard]] std::uint16_t metrics_port() const noexcept { return metrics_.port(); }

  /// `cancel.timeout` from here on.
  void wait_for_cancels(std::chrono::nanoseconds at_most);
  /// What Prometheus would see now.
  [[nodiscard]] exposition scrape_metrics() const;
  /// Whether every connection that the pool may have is open and idle.
  [[nodiscard]] bool full() const;
  /// As the server counts them.
  [[nodiscard]] std::uint64_t backends() const;
  [[nodiscard]] std::uint64_t backends_running(const std::string& pattern) const;

  /// Closes the pool and ends its threads; answers how many slots it kept.
  [[nodiscard]] std::uint64_t shut_down();

 private:
  [[nodiscard]] std::uint64_t count(const std::string& condition) const;

  testing::postgres_cluster server_;
  testing::fault_proxy proxy_;
  pool_config config_;
  runtime runtime_{threads};
  lido::pool pool_;
  metrics_server metrics_;
};

}  // namespace lido::storm
