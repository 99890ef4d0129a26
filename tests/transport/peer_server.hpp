// A server that follows a script, one blocking thread: what a test wants the other end to do, right or wrong, byte by
// byte. Every wait in it ends after the hang guard.
#pragma once

#include "tests/support/certificates.hpp"
#include "tests/support/descriptor.hpp"

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace lido::testing {

using server_context = std::shared_ptr<SSL_CTX>;
/// `highest`: e.g. TLS1_1_VERSION for a server that knows no better.
server_context make_server_context(const identity& who, int highest = TLS1_3_VERSION);

/// One accepted connection. Everything throws std::runtime_error when the peer does not do what the script expects.
class peer_link {
 public:
  explicit peer_link(descriptor socket);

  int fd() const noexcept { return socket_.get(); }
  SSL* ssl() const noexcept { return ssl_.get(); }

  std::string read(std::size_t exactly);
  /// What comes until the peer's end; `clean` tells whether TLS said goodbye before.
  std::string read_to_end(bool* clean = nullptr);
  void write(std::string_view bytes);
  /// Reads the eight bytes of SSLRequest.
  void expect_ssl_request();
  /// SSLRequest, 'S', handshake; false when the client refuses.
  bool accept_tls(const server_context& context);
  bool handshake(const server_context& context);
  void close_notify();
  void finish();  // FIN, without close_notify
  void reset();   // RST

 private:
  descriptor socket_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
};

class peer_server {
 public:
  using script = std::function<void(peer_link&)>;

  /// On 127.0.0.1, or on a Unix socket at `path`. The script runs for one connection after the other.
  explicit peer_server(script what, std::string path = {}, int backlog = 64);
  ~peer_server();
  peer_server(const peer_server&) = delete;
  peer_server& operator=(const peer_server&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  int served() const noexcept { return served_; }
  /// What a script threw last; empty when all went as written.
  std::string problem() const;

 private:
  void run();
  void serve(descriptor socket);

  script script_;
  descriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> served_{0};
  mutable std::mutex mutex_;
  std::string problem_;
  int current_ = -1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lido::testing
