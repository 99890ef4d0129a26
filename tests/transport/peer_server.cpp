#include "tests/transport/peer_server.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace lido::testing {
namespace {

constexpr timeval patience{10, 0};

descriptor listen_on_loopback(std::uint16_t& port, int backlog) {
  descriptor socket(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  socklen_t size = sizeof address;
  checked(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  checked(::listen(socket.get(), backlog), "listen");
  port = ntohs(address.sin_port);
  return socket;
}

descriptor listen_on_path(const std::string& path, int backlog) {
  descriptor socket(checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("path too long for a test");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  checked(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  checked(::listen(socket.get(), backlog), "listen");
  return socket;
}

}  // namespace

server_context make_server_context(const identity& who, int highest) {
  server_context context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), highest);
  const auto bio_of = [](const std::string& text) {
    return std::unique_ptr<BIO, decltype(&BIO_free_all)>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                         &BIO_free_all);
  };
  const auto certificate_text = bio_of(who.certificate);
  const auto key_text = bio_of(who.key);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr), &X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    throw std::runtime_error("the server's identity does not load");
  }
  return context;
}

peer_link::peer_link(descriptor socket) : socket_(std::move(socket)) {
  ::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

std::string peer_link::read(std::size_t exactly) {
  std::string bytes(exactly, '\0');
  std::size_t got = 0;
  while (got < exactly) {
    const auto size = exactly - got;
    const ssize_t n =
        ssl_ ? SSL_read(ssl(), bytes.data() + got, static_cast<int>(size)) : ::recv(fd(), bytes.data() + got, size, 0);
    if (n <= 0) throw std::runtime_error("the client ended after " + std::to_string(got) + " bytes");
    got += static_cast<std::size_t>(n);
  }
  return bytes;
}

std::string peer_link::read_to_end(bool* clean) {
  std::string bytes;
  std::array<char, 4096> part{};
  for (;;) {
    ssize_t n = 0;
    if (ssl_) {
      n = SSL_read(ssl(), part.data(), static_cast<int>(part.size()));
      if (n <= 0 && clean != nullptr) *clean = SSL_get_error(ssl(), static_cast<int>(n)) == SSL_ERROR_ZERO_RETURN;
    } else {
      n = ::recv(fd(), part.data(), part.size(), 0);
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        throw std::runtime_error("the client neither sends nor ends");
      if (n <= 0 && clean != nullptr) *clean = n == 0;
    }
    if (n <= 0) return bytes;
    bytes.append(part.data(), static_cast<std::size_t>(n));
  }
}

void peer_link::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ssl_ ? SSL_write(ssl(), bytes.data(), static_cast<int>(bytes.size()))
                           : ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("the client does not take our bytes");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void peer_link::expect_ssl_request() {
  if (read(8) != std::string_view("\0\0\0\x08\x04\xd2\x16\x2f", 8)) throw std::runtime_error("not an SSLRequest");
}

bool peer_link::accept_tls(const server_context& context) {
  expect_ssl_request();
  write("S");
  return handshake(context);
}

bool peer_link::handshake(const server_context& context) {
  ssl_.reset(SSL_new(context.get()));
  SSL_set_fd(ssl(), fd());
  ERR_clear_error();
  return SSL_accept(ssl()) == 1;
}

void peer_link::close_notify() { SSL_shutdown(ssl()); }

void peer_link::finish() { ::shutdown(fd(), SHUT_WR); }

void peer_link::reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.reset();
}

peer_server::peer_server(script what, std::string path, int backlog) : script_(std::move(what)) {
  listener_ = path.empty() ? listen_on_loopback(port_, backlog) : listen_on_path(path, backlog);
  thread_ = std::thread([this] { run(); });
}

peer_server::~peer_server() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    if (current_ >= 0) ::shutdown(current_, SHUT_RDWR);
  }
  thread_.join();
}

std::string peer_server::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void peer_server::run() {
  // The client is tested with SIGPIPE at its default; OpenSSL's own socket BIO, which we use here, raises it.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  for (;;) {
    descriptor accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const bool got = accepted.valid();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || !got) return;
      current_ = accepted.get();
    }
    serve(std::move(accepted));
  }
}

void peer_server::serve(descriptor socket) {
  std::string problem;
  // A duplicate stays ours, so that the number in current_ is not another's when the script closes its own.
  const descriptor kept(::dup(socket.get()));
  {
    const std::lock_guard lock(mutex_);
    current_ = kept.get();
    if (stopping_) ::shutdown(current_, SHUT_RDWR);
  }
  peer_link link(std::move(socket));
  try {
    script_(link);
  } catch (const std::exception& e) {
    problem = e.what();
  }
  ERR_clear_error();
  const std::lock_guard lock(mutex_);
  current_ = -1;
  if (!problem.empty() && !stopping_) problem_ = problem;
  ++served_;
}

}  // namespace lido::testing
