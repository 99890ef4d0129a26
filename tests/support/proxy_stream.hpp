// One leg of a proxied connection: a socket that may become TLS in either role, and the three ways to end it.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/stream.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

namespace lido::testing {

class proxy_stream {
 public:
  using socket = asio::generic::stream_protocol::socket;

  explicit proxy_stream(socket from);
  proxy_stream(const proxy_stream&) = delete;
  proxy_stream& operator=(const proxy_stream&) = delete;

  [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }
  [[nodiscard]] bool encrypted() const noexcept { return tls_.has_value(); }
  asio::awaitable<std::error_code> connect(asio::generic::stream_protocol::endpoint endpoint);
  asio::awaitable<std::error_code> start_tls(asio::ssl::context& context, asio::ssl::stream_base::handshake_type role);
  asio::awaitable<std::size_t> read_some(std::span<char> buffer, std::error_code& error);
  asio::awaitable<std::error_code> read_exactly(std::span<char> buffer);
  asio::awaitable<std::error_code> write(std::string_view bytes);
  /// Reads and forgets, beneath TLS, until the peer goes; its bytes get no answer.
  asio::awaitable<void> ignore_until_closed();
  /// An orderly end, as PostgreSQL's: close_notify under TLS, then FIN.
  asio::awaitable<void> finish();
  void reopen();      // closed, and plain again: ready to connect
  void half_close();  // FIN of our direction only
  void close();       // FIN without close_notify
  void reset();       // RST

 private:
  using tls_stream = asio::ssl::stream<socket&>;

  socket socket_;
  std::optional<tls_stream> tls_;
};

}  // namespace lido::testing
