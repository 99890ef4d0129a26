// A small HTTP server for few, local, trusted readers: one thread, everything bounded. Not prometheus-cpp's: civetweb,
// which that one is built on, changes the process's SIGPIPE handler (contract I28) and keeps a thread for every open
// connection, so that a few idle ones starve the health probe. It speaks exactly what message.hpp does.
#pragma once

#include "metrics/http/message.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace lido::inline v0::metrics::http {

struct server_settings {
  std::string address = "127.0.0.1";                             // numeric
  std::uint16_t port = 0;                                        // 0: one that is free
  std::size_t max_connections = 64;                              // further ones wait in the kernel's queue
  std::chrono::milliseconds deadline = std::chrono::seconds(5);  // accept to the request's end, and again for the rest
};

class server {
 public:
  /// Called on the server's thread, one at a time. What it throws is answered with 500.
  using handler = std::function<answer(const request&)>;

  /// Listens before it returns; throws std::system_error when it cannot.
  server(const server_settings& settings, handler answers);
  /// Open connections are cut. Waits for a handler that runs.
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  class parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace lido::inline v0::metrics::http
