#include "tests/support/blocking_stream.hpp"

#include <openssl/err.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lido::testing {

const char* to_string(peer_end end) {
  switch (end) {
    case peer_end::open: return "open";
    case peer_end::closed: return "closed";
    case peer_end::truncated: return "truncated";
    case peer_end::reset: return "reset";
    case peer_end::alert: return "TLS alert";
    case peer_end::silent: return "silent";
    case peer_end::stopped: return "stopped";
    case peer_end::cut: return "output cut";
  }
  return "unknown";
}

blocking_stream::blocking_stream(descriptor socket, int stop, std::chrono::milliseconds budget)
    : socket_{std::move(socket)}, stop_{stop}, budget_{budget} {
  const int flags = checked(::fcntl(socket_.get(), F_GETFL), "fcntl");
  checked(::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK), "fcntl");
  const int on = 1;  // slices are to leave as slices; fails on a Unix socket,
                     // which needs no such thing
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

blocking_stream blocking_stream::connect(std::uint16_t port) {
  descriptor socket{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  return blocking_stream{std::move(socket)};
}

void blocking_stream::wait(short events) {
  std::array<pollfd, 2> items{pollfd{socket_.get(), events, 0}, pollfd{stop_, POLLIN, 0}};
  const int count = ::poll(items.data(), items.size(), static_cast<int>(budget_.count()));
  if (items[1].revents != 0) end_ = peer_end::stopped;
  if (count == 0) end_ = peer_end::silent;
  if (end_ != peer_end::open) throw stream_ended{end_};
}

void blocking_stream::pause(std::chrono::milliseconds time) const {
  pollfd item{stop_, POLLIN, 0};
  if (::poll(&item, 1, static_cast<int>(time.count())) > 0) throw stream_ended{peer_end::stopped};
}

void blocking_stream::slice_output(std::size_t bytes, std::chrono::milliseconds between) {
  slice_ = bytes;
  between_ = between;
}

void blocking_stream::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    // MSG_NOSIGNAL: a peer that has gone is an outcome here, not the end of the test program.
    const auto written = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EINTR) {
      wait(POLLOUT);
    } else {
      end_ = peer_end::reset;
      throw stream_ended{end_};
    }
  }
}

void blocking_stream::send_beneath(std::string_view bytes) {
  const bool cut = output_left_ && bytes.size() > *output_left_;
  if (output_left_) {
    bytes = bytes.substr(0, *output_left_);
    *output_left_ -= bytes.size();
  }
  if (slice_ == 0) {
    write_all(bytes);
  } else {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(slice_, bytes.size()))) {
      write_all(bytes.substr(0, slice_));
      if (between_.count() > 0) pause(between_);
    }
  }
  if (cut) throw stream_ended{peer_end::cut};
}

// False at the peer's end, which is then known.
bool blocking_stream::read_wire(std::string& into) {
  std::array<char, 16384> buffer;
  for (;;) {
    const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) {
      into.assign(buffer.data(), static_cast<std::size_t>(size));
      return true;
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      wait(POLLIN);
      continue;
    }
    end_ = size < 0 ? peer_end::reset : tls_ ? peer_end::truncated : peer_end::closed;
    return false;
  }
}

bool blocking_stream::feed_tls() {
  std::string bytes;
  if (!read_wire(bytes)) return false;
  BIO_write(SSL_get_rbio(tls_.get()), bytes.data(), static_cast<int>(bytes.size()));
  return true;
}

void blocking_stream::flush_tls() {
  BIO* out = SSL_get_wbio(tls_.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (bytes.empty()) return;
  BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  send_beneath(bytes);
}

// True when the call is worth repeating. An alert of ours (flushed) and one of the peer's end the stream alike.
bool blocking_stream::handle_tls_error(int result) {
  const int error = SSL_get_error(tls_.get(), result);
  flush_tls();
  if (error == SSL_ERROR_WANT_READ) return feed_tls();
  if (error == SSL_ERROR_WANT_WRITE) return true;
  end_ = error == SSL_ERROR_ZERO_RETURN ? peer_end::closed : peer_end::alert;
  return false;
}

void blocking_stream::start_tls(SSL_CTX& context, role kind) {
  tls_.reset(SSL_new(&context));
  SSL_set_bio(tls_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (kind == role::server) {
    SSL_set_accept_state(tls_.get());
  } else {
    SSL_set_connect_state(tls_.get());
  }
  const auto early = std::exchange(unread_, {});  // a client need not wait to be asked for its first flight
  BIO_write(SSL_get_rbio(tls_.get()), early.data(), static_cast<int>(early.size()));
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_.get());
    if (result == 1) break;
    if (!handle_tls_error(result)) throw stream_ended{end_};
  }
  flush_tls();
}

void blocking_stream::send_post_handshake() {
  ERR_clear_error();
  SSL_do_handshake(tls_.get());
  flush_tls();
}

void blocking_stream::send(std::string_view bytes) {
  if (!tls_) {
    send_beneath(bytes);
    return;
  }
  while (!bytes.empty()) {
    ERR_clear_error();
    const int result = SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (result > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(result));
      flush_tls();
    } else if (!handle_tls_error(result)) {
      throw stream_ended{end_};
    }
  }
}

std::string blocking_stream::receive_some() { return unread_.empty() ? read_next() : std::exchange(unread_, {}); }

std::string blocking_stream::receive(std::size_t size) {
  while (unread_.size() < size) {
    const auto bytes = read_next();
    if (bytes.empty()) throw stream_ended{end_};
    unread_ += bytes;
  }
  auto bytes = unread_.substr(0, size);
  unread_.erase(0, size);
  return bytes;
}

// Empty at the end.
std::string blocking_stream::read_next() {
  std::string bytes;
  while (end_ == peer_end::open) {
    if (!tls_) {
      if (!read_wire(bytes)) break;
      observer_(bytes);
      return bytes;
    }
    ERR_clear_error();
    std::array<char, 16384> buffer;
    const int size = SSL_read(tls_.get(), buffer.data(), buffer.size());
    if (size > 0) {
      bytes.assign(buffer.data(), static_cast<std::size_t>(size));
      observer_(bytes);
      return bytes;
    }
    if (!handle_tls_error(size)) break;
  }
  return {};
}

peer_end blocking_stream::wait_for_end() {
  try {
    while (!receive_some().empty()) continue;
  } catch (const stream_ended& ended) {
    return ended.end;
  }
  return end_;
}

void blocking_stream::send_close_notify() {
  if (!tls_) return;
  ERR_clear_error();
  SSL_shutdown(tls_.get());
  flush_tls();
}

void blocking_stream::half_close() { ::shutdown(socket_.get(), SHUT_WR); }

void blocking_stream::close() { socket_.reset(); }

void blocking_stream::reset() {
  const linger now{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  socket_.reset();
}

}  // namespace lido::testing
