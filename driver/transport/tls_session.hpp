// One TLS connection: an SSL over a BIO of ours on a non-blocking socket (design decision 7). Reading takes ciphertext
// from a small buffer that the owner's receive fills, and, when that came back full, from the socket itself without a
// copy; writing is send(MSG_NOSIGNAL). Not synchronised.
#pragma once

#include "driver/transport/stream.hpp"
#include "driver/transport/tls_context.hpp"

#include <asio/buffer.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

struct ssl_st;
struct bio_st;

namespace lido::transport {

enum class handshake_step { done, want_read, want_write, failed };

class tls_session {
 public:
  // `host` is verified and, when it is a name, sent as SNI. Null when OpenSSL has no memory or the host can be no name.
  static std::unique_ptr<tls_session> create(const tls_context& context, const std::string& host, int fd);
  ~tls_session();
  tls_session(const tls_session&) = delete;
  tls_session& operator=(const tls_session&) = delete;

  handshake_step handshake() noexcept;
  // After handshake() failed: errc::tls_failed, or errc::connect_failed when the peer vanished; words for a person,
  // none of them the peer's.
  std::error_code handshake_error(std::string& words) const;

  // After the handshake.
  certificate_ends certificates() const noexcept;
  certificate_digest endpoint_digest() const;
  bool agreed_on_postgresql() const noexcept;  // by ALPN

  // Where the next receive may put ciphertext, and what it brought. Only one receive at a time.
  asio::mutable_buffer receive_buffer() noexcept;
  void received(std::error_code ec, std::size_t n) noexcept;

  io_result read(asio::mutable_buffer room) noexcept;
  io_result write(std::string_view bytes) noexcept;
  void close_notify() noexcept;

 private:
  enum class peer_state { open, ended, broken };  // of the byte stream below TLS
  friend struct bio_glue;

  tls_session() = default;
  bool prepare(const tls_context& context, const std::string& host);
  std::ptrdiff_t take_ciphertext(char* to, std::size_t size) noexcept;
  std::ptrdiff_t take_from_socket(char* to, std::size_t size) noexcept;
  std::ptrdiff_t put_ciphertext(const char* from, std::size_t size) noexcept;
  bool flush_held() noexcept;
  bool nothing_to_read() const noexcept;
  std::error_code end_of_reading(int ret) const noexcept;
  std::error_code broken() const noexcept;

  // An idle connection has a receive pending into this, so it is what TLS costs when nothing happens: small. Bulk goes
  // around it.
  static constexpr std::size_t buffer_size = 4096;
  // Bytes taken from the socket by one received(): a fast server does not keep an io thread for itself.
  static constexpr std::size_t direct_budget = 256U << 10;
  // Answers to KeyUpdate that do not fit into the socket while we only read.
  static constexpr std::size_t held_limit = 4096;

  int fd_ = -1;
  ssl_st* ssl_ = nullptr;
  peer_state peer_ = peer_state::open;
  int errno_ = 0;                // why broken
  std::error_code read_end_;     // nothing can be read any more, and why
  bool receiving_ = false;       // a receive owns the free part of the buffer
  bool reading_ = false;         // inside SSL_read: what it sends must not make it fail
  std::size_t direct_left_ = 0;  // > 0: the last receive was full, there is more in the socket
  std::size_t begin_ = 0;        // ciphertext not yet taken
  std::size_t end_ = 0;
  std::string held_;
  std::array<char, buffer_size> buffer_;
};

}  // namespace lido::transport
