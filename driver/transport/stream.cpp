#include "driver/transport/stream.hpp"

#include "driver/transport/tls_session.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>
#include <asio/socket_base.hpp>

#include <sys/socket.h>

#include <cerrno>

namespace lido::transport {
namespace {

io_result write_plain(int fd, std::string_view bytes) noexcept {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return {sent, {}, true};
    } else if (errno != EINTR) {
      return {sent, {errno, asio::error::get_system_category()}, false};
    }
  }
  return {sent, {}, false};
}

}  // namespace

stream::stream() noexcept = default;
stream::stream(socket s, std::unique_ptr<tls_session> tls) noexcept : socket_(std::move(s)), tls_(std::move(tls)) {}
stream::stream(stream&&) noexcept = default;
stream& stream::operator=(stream&&) noexcept = default;
stream::~stream() = default;

certificate_ends stream::certificates() const noexcept { return tls_ ? tls_->certificates() : certificate_ends{}; }
certificate_digest stream::endpoint_digest() const { return tls_ ? tls_->endpoint_digest() : certificate_digest{}; }
bool stream::is_open() const noexcept { return socket_ && socket_->is_open(); }
bool stream::secure() const noexcept { return tls_ != nullptr; }

io_result stream::write_some(std::string_view bytes) noexcept {
  if (!is_open()) return {0, make_error_code(errc::connection_closed), false};
  return tls_ ? tls_->write(bytes) : write_plain(socket_->native_handle(), bytes);
}

asio::mutable_buffer stream::receive_buffer(asio::mutable_buffer room) noexcept {
  return tls_ ? tls_->receive_buffer() : room;
}

io_result stream::accept(asio::mutable_buffer room, std::error_code ec, std::size_t n) noexcept {
  if (!is_open()) return {0, ec ? ec : make_error_code(errc::connection_closed), false};
  if (!tls_) return {n, ec, !ec};
  if (ec == asio::error::operation_aborted) {  // says nothing about the peer
    tls_->received({}, 0);
    return {0, ec, false};
  }
  tls_->received(ec, n);
  return tls_->read(room);
}

io_result stream::more(asio::mutable_buffer room) noexcept {
  if (!tls_) return {0, {}, true};
  if (!is_open()) return {0, make_error_code(errc::connection_closed), false};
  return tls_->read(room);
}

io_result stream::receive_now(asio::mutable_buffer room) noexcept {
  if (!is_open()) return {0, make_error_code(errc::connection_closed), false};
  const asio::mutable_buffer into = receive_buffer(room);
  ssize_t n = 0;
  do {
    n = ::recv(socket_->native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    io_result got = accept(room, {}, static_cast<std::size_t>(n));
    got.would_block = false;
    return got;
  }
  if (n == 0) return accept(room, asio::error::eof, 0);
  if (errno != EAGAIN && errno != EWOULDBLOCK) return accept(room, {errno, asio::error::get_system_category()}, 0);
  if (tls_) tls_->received({}, 0);
  return {0, {}, true};
}

bool stream::has_news() noexcept {
  if (!is_open()) return false;
  char one = 0;
  const ssize_t n = ::recv(socket_->native_handle(), &one, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void stream::cancel_receive() noexcept {
  if (!is_open()) return;
  std::error_code ignored;
  socket_->cancel(ignored);
}

void stream::shutdown_write() noexcept {
  if (!is_open()) return;
  if (tls_) tls_->close_notify();
  ::shutdown(socket_->native_handle(), SHUT_WR);
}

void stream::close() noexcept {
  if (!socket_) return;
  std::error_code ignored;
  socket_->close(ignored);
}

void stream::close_with_reset() noexcept {
  if (!is_open()) return;
  std::error_code ignored;
  socket_->set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

}  // namespace lido::transport
