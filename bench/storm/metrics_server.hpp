// One pool over HTTP: /metrics and /pools.
#pragma once

#include <lido/metrics/exposer.hpp>
#include <lido/pool/pool.hpp>

#include <cstdint>
#include <string>

namespace lido::storm {

class metrics_server {
 public:
  /// `address` is ADDR:PORT of a loopback address; port 0 takes a free one. Throws lido::error when it cannot be had.
  metrics_server(const std::string& address, const pool& of);

  [[nodiscard]] std::uint16_t port() const noexcept { return exposer_.port(); }

 private:
  metrics::exposer exposer_;
};

}  // namespace lido::storm
