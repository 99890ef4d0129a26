// /metrics over HTTP for one pool.
#pragma once

#include <lido/pool/pool.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace lido::storm {

class metrics_server {
 public:
  /// `address` is ADDR:PORT; port 0 takes a free one. Throws std::runtime_error when it cannot be had.
  metrics_server(const std::string& address, const pool& of);
  ~metrics_server();
  metrics_server(const metrics_server&) = delete;
  metrics_server& operator=(const metrics_server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
  std::uint16_t port_ = 0;
};

}  // namespace lido::storm
