#include "tests/support/proxy_stream.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <utility>

namespace lido::testing {

using asio::redirect_error;
using asio::use_awaitable;

proxy_stream::proxy_stream(socket from) : socket_{std::move(from)} {
  std::error_code ignored;
  if (socket_.is_open()) socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
}

asio::awaitable<std::error_code> proxy_stream::connect(asio::generic::stream_protocol::endpoint endpoint) {
  std::error_code error;
  co_await socket_.async_connect(endpoint, redirect_error(use_awaitable, error));
  std::error_code ignored;
  if (!error) socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
  co_return error;
}

asio::awaitable<std::error_code> proxy_stream::start_tls(asio::ssl::context& context,
                                                         asio::ssl::stream_base::handshake_type role) {
  std::error_code error;
  tls_.emplace(socket_, context);
  co_await tls_->async_handshake(role, redirect_error(use_awaitable, error));
  co_return error;
}

asio::awaitable<std::size_t> proxy_stream::read_some(std::span<char> buffer, std::error_code& error) {
  const auto target = asio::buffer(buffer.data(), buffer.size());
  std::size_t size = 0;
  if (tls_) {
    size = co_await tls_->async_read_some(target, redirect_error(use_awaitable, error));
  } else {
    size = co_await socket_.async_read_some(target, redirect_error(use_awaitable, error));
  }
  co_return size;
}

asio::awaitable<std::error_code> proxy_stream::read_exactly(std::span<char> buffer) {
  std::error_code error;
  while (!buffer.empty() && !error) {
    const auto size = co_await read_some(buffer, error);
    buffer = buffer.subspan(size);
  }
  co_return error;
}

asio::awaitable<std::error_code> proxy_stream::write(std::string_view bytes) {
  std::error_code error;
  const auto source = asio::buffer(bytes.data(), bytes.size());
  if (tls_) {
    co_await asio::async_write(*tls_, source, redirect_error(use_awaitable, error));
  } else {
    co_await asio::async_write(socket_, source, redirect_error(use_awaitable, error));
  }
  co_return error;
}

asio::awaitable<void> proxy_stream::ignore_until_closed() {
  std::array<char, 4096> buffer;
  std::error_code error;
  while (!error) co_await socket_.async_read_some(asio::buffer(buffer), redirect_error(use_awaitable, error));
}

asio::awaitable<void> proxy_stream::finish() {
  std::error_code ignored;
  if (tls_) {
    // The server sends close_notify and does not wait for the peer's: without a receiving side async_shutdown does the
    // same.
    socket_.shutdown(asio::socket_base::shutdown_receive, ignored);
    co_await tls_->async_shutdown(redirect_error(use_awaitable, ignored));
  }
  close();
}

void proxy_stream::reopen() {
  close();
  tls_.reset();
}

void proxy_stream::half_close() {
  std::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
}

void proxy_stream::close() {
  std::error_code ignored;
  socket_.close(ignored);
}

void proxy_stream::reset() {
  std::error_code ignored;
  if (socket_.is_open()) socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket_.close(ignored);
}

}  // namespace lido::testing
