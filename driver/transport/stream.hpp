// One byte stream to a server: TCP or Unix socket, plain or TLS, behind one class. Not synchronised: its owner
// serialises every call. TLS is an SSL over a BIO of ours on the non-blocking socket (design decision 7): sends with
// MSG_NOSIGNAL (contract I28, no SIGPIPE), reads what async_receive brought. OpenSSL's own socket BIO would raise
// SIGPIPE, asio::ssl::stream costs 11,000 instructions and 60 KiB more.
#pragma once

#include "driver/transport/whole_receive.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/generic/stream_protocol.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace lido::transport {

using socket = asio::generic::stream_protocol::socket;

class tls_session;  // SSL object + ciphertext buffer; defined in tls_session.hpp

struct io_result {
  std::size_t bytes = 0;
  std::error_code error;     // asio::error::eof for a clean end (FIN, and under TLS close_notify before it);
                             // errc::connection_lost for a truncated TLS stream
  bool would_block = false;  // nothing more now; bytes may still be > 0
};

// When the certificates of a TLS connection end, in seconds since 1970; 0: there is none.
struct certificate_ends {
  std::int64_t server = 0;
  std::int64_t client = 0;
};

// Of the server's certificate, for channel binding.
struct certificate_digest {
  std::string bytes;    // empty: there is none
  std::string why_not;  // then
};

class stream {
 public:
  stream() noexcept;  // closed
  stream(socket s, std::unique_ptr<tls_session> tls) noexcept;
  stream(stream&&) noexcept;
  stream& operator=(stream&&) noexcept;
  ~stream();  // closes

  bool is_open() const noexcept;
  bool secure() const noexcept;
  certificate_ends certificates() const noexcept;  // after the handshake
  certificate_digest endpoint_digest() const;

  // Sends what the socket takes now. Repeat with the rest after async_wait_writable when would_block. Under TLS the
  // same bytes must be offered again.
  [[gnu::hot]] io_result write_some(std::string_view bytes) noexcept;
  template <class Handler>  // void(std::error_code)
  void async_wait_writable(Handler&& handler) {
    native().async_wait(socket::wait_write, std::forward<Handler>(handler));
  }

  // One receive is always pending on a session (design decision 2). `room` takes plain bytes; under TLS the ciphertext
  // goes to a buffer of ours. Then: accept() for what came, and more() until would_block. Handler:
  // void(std::error_code, std::size_t).
  template <class Handler>
  void async_receive(asio::mutable_buffer room, Handler&& handler) {
    native().async_read_some(receive_buffer(room), std::forward<Handler>(handler));
  }
  // The same, but behind a receive of this kind that had room left over the next one does not ask the socket, it waits
  // for epoll: a system call less. An end that came with those bytes is heard by receive_now() alone.
  template <class Handler>
  void async_receive_whole(asio::mutable_buffer room, Handler&& handler) {
    native().async_read_some(whole_receive{receive_buffer(room)}, std::forward<Handler>(handler));
  }
  io_result receive_now(asio::mutable_buffer room) noexcept;  // while no receive is pending; would_block: nothing came
  bool has_news() noexcept;                                   // bytes, an end, an error: a receive would not wait
  void cancel_receive() noexcept;                             // ends with operation_aborted
  // What a receive of `n` bytes means: plain bytes in room, decrypted ones under TLS.
  [[gnu::hot]] io_result accept(asio::mutable_buffer room, std::error_code ec, std::size_t n) noexcept;
  io_result more(asio::mutable_buffer room) noexcept;

  void shutdown_write() noexcept;    // close_notify, then FIN; best effort
  void close() noexcept;             // at once; pending waits end with operation_aborted
  void close_with_reset() noexcept;  // SO_LINGER 0: after fork, or to give the port back

  socket& native() noexcept { return *socket_; }  // of a stream made from a socket
  const socket& native() const noexcept { return *socket_; }

 private:
  [[gnu::hot]] asio::mutable_buffer receive_buffer(asio::mutable_buffer room) noexcept;

  std::optional<socket> socket_;      // a socket needs an executor, a closed stream has none
  std::unique_ptr<tls_session> tls_;  // outlives close(): a receive that ended before it may still be reported
};

}  // namespace lido::transport
