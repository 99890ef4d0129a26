#include "driver/transport/tls_session.hpp"

#include "driver/transport/address.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>

namespace lido::transport {

// OpenSSL's C callbacks, with a name that the class can befriend.
struct bio_glue {
  static tls_session& self(BIO* bio) noexcept { return *static_cast<tls_session*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, int size) {
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    const auto n = self(bio).take_ciphertext(to, static_cast<std::size_t>(size));
    if (n < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    return static_cast<int>(n);
  }

  static int write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    const auto n = self(bio).put_ciphertext(from, static_cast<std::size_t>(size));
    if (n < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
    return static_cast<int>(n);
  }

  static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
  }

  // Made once and never freed: sessions may outlive static destructors.
  static const BIO_METHOD* method() noexcept {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lido socket");
      if (m != nullptr) {
        BIO_meth_set_read(m, &bio_glue::read);
        BIO_meth_set_write(m, &bio_glue::write);
        BIO_meth_set_ctrl(m, &bio_glue::control);
      }
      return m;
    }();
    return made;
  }
};

namespace {

// SSL_get_error looks at the thread's queue, which others may have left full. Looking first is 300 instructions cheaper
// than clearing an empty one.
void forget_old_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

std::unique_ptr<tls_session> tls_session::create(const tls_context& context, const std::string& host, int fd) {
  std::unique_ptr<tls_session> session{new tls_session};
  session->fd_ = fd;
  ERR_clear_error();
  if (!session->prepare(context, host)) return nullptr;
  return session;
}

bool tls_session::prepare(const tls_context& context, const std::string& host) {
  ssl_ = SSL_new(context.native());
  BIO* bio = bio_glue::method() != nullptr ? BIO_new(bio_glue::method()) : nullptr;
  if (ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_connect_state(ssl_);

  const std::string name = name_for_tls(host);
  if (name.empty() || name.find('\0') != std::string::npos || name.front() == '.') return !context.verifies_name();
  const bool is_address = is_numeric_address(name);
  // RFC 6066, section 3: literal addresses are not permitted in SNI.
  if (!is_address && context.names_host() && SSL_set_tlsext_host_name(ssl_, name.c_str()) != 1) return false;
  if (!context.verifies_name()) return true;
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl_);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return (is_address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str())
                     : X509_VERIFY_PARAM_set1_host(wanted, name.c_str(), name.size())) == 1;
}

tls_session::~tls_session() { SSL_free(ssl_); }

// ---- ciphertext ----

asio::mutable_buffer tls_session::receive_buffer() noexcept {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  receiving_ = true;
  return asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
}

void tls_session::received(std::error_code ec, std::size_t n) noexcept {
  receiving_ = false;
  end_ += n;
  direct_left_ = n > 0 && end_ == buffer_.size() ? direct_budget : 0;
  if (!ec) return;
  peer_ = ec == asio::error::eof ? peer_state::ended : peer_state::broken;
  errno_ = ec.category() == asio::error::get_system_category() ? ec.value() : ECONNRESET;
}

// 0 is the end of the stream; -1 with errno EAGAIN: later; -1 else: broken.
std::ptrdiff_t tls_session::take_ciphertext(char* to, std::size_t size) noexcept {
  if (begin_ < end_) {
    const std::size_t n = std::min(size, end_ - begin_);
    std::memcpy(to, buffer_.data() + begin_, n);
    begin_ += n;
    return static_cast<std::ptrdiff_t>(n);
  }
  if (peer_ == peer_state::open && direct_left_ > 0 && !receiving_) return take_from_socket(to, size);
  errno = peer_ == peer_state::broken ? errno_ : EAGAIN;
  return peer_ == peer_state::ended ? 0 : -1;
}

// A record's body straight into OpenSSL's buffer, the header of the next one into ours: one call for both.
std::ptrdiff_t tls_session::take_from_socket(char* to, std::size_t size) noexcept {
  std::array<iovec, 2> parts{{{to, size}, {buffer_.data(), buffer_.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t n = 0;
  do {
    n = ::recvmsg(fd_, &message, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  begin_ = 0;
  end_ = 0;
  if (n <= 0) {
    direct_left_ = 0;
    if (n == 0) {
      peer_ = peer_state::ended;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
      peer_ = peer_state::broken;
      errno_ = errno;
    }
    return n;
  }
  const auto got = static_cast<std::size_t>(n);
  if (got > size) end_ = got - size;
  // Less than asked: the socket is empty, and asking again would only cost a call that says so.
  const bool maybe_more = got == size + buffer_.size();
  direct_left_ = maybe_more ? direct_left_ - std::min(direct_left_, got) : 0;
  return static_cast<std::ptrdiff_t>(std::min(got, size));
}

bool tls_session::flush_held() noexcept {
  while (!held_.empty()) {
    const ssize_t n = ::send(fd_, held_.data(), held_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    held_.erase(0, static_cast<std::size_t>(n));
  }
  return true;
}

std::ptrdiff_t tls_session::put_ciphertext(const char* from, std::size_t size) noexcept {
  ssize_t n = -1;
  if (held_.empty() || flush_held()) {
    do {
      n = ::send(fd_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
  }
  if (n >= 0) return n;
  if (errno == EWOULDBLOCK) errno = EAGAIN;
  if (errno != EAGAIN) {
    peer_ = peer_state::broken;
    errno_ = errno;
    return -1;
  }
  // SSL_read sends too: the answer to a KeyUpdate. Its owner waits for bytes and not for room, so the few bytes wait
  // here for the next write.
  if (!reading_ || held_.size() + size > held_limit) return -1;
  held_.append(from, size);
  return static_cast<std::ptrdiff_t>(size);
}

// ---- plain text ----

handshake_step tls_session::handshake() noexcept {
  ERR_clear_error();
  const int ret = SSL_do_handshake(ssl_);
  if (ret == 1) return handshake_step::done;
  switch (SSL_get_error(ssl_, ret)) {
    case SSL_ERROR_WANT_READ: return handshake_step::want_read;
    case SSL_ERROR_WANT_WRITE: return handshake_step::want_write;
    default: return handshake_step::failed;
  }
}

// Whether SSL_read could only say WANT_READ: not asking saves a thousand instructions a query.
bool tls_session::nothing_to_read() const noexcept {
  return begin_ == end_ && peer_ == peer_state::open && direct_left_ == 0 && SSL_has_pending(ssl_) == 0;
}

// An end is told by a call of its own: what came before it is whole, and its reader need not look at both.
io_result tls_session::read(asio::mutable_buffer room) noexcept {
  auto* const to = static_cast<char*>(room.data());
  std::size_t got = 0;
  while (got < room.size() && !read_end_) {
    if (nothing_to_read()) return {got, {}, true};
    const std::size_t size = std::min<std::size_t>(room.size() - got, INT_MAX);
    forget_old_errors();
    reading_ = true;
    const int ret = SSL_read(ssl_, to + got, static_cast<int>(size));
    reading_ = false;
    if (ret > 0) {
      got += static_cast<std::size_t>(ret);
      continue;
    }
    read_end_ = end_of_reading(ret);
    if (!read_end_) return {got, {}, true};
  }
  if (got == 0 && read_end_) return {0, read_end_, false};
  return {got, {}, false};
}

std::error_code tls_session::end_of_reading(int ret) const noexcept {
  switch (SSL_get_error(ssl_, ret)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return {};
    case SSL_ERROR_ZERO_RETURN: return asio::error::eof;
    default: return broken();
  }
}

io_result tls_session::write(std::string_view bytes) noexcept {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const std::size_t size = std::min<std::size_t>(bytes.size() - sent, INT_MAX);
    forget_old_errors();
    const int ret = SSL_write(ssl_, bytes.data() + sent, static_cast<int>(size));
    if (ret > 0) {
      sent += static_cast<std::size_t>(ret);
      continue;
    }
    if (SSL_get_error(ssl_, ret) == SSL_ERROR_WANT_WRITE) return {sent, {}, true};
    return {sent, broken(), false};
  }
  return {sent, {}, false};
}

// B18: a stream that ends without close_notify is cut, whatever FIN says; a record that does not decrypt is no
// protocol.
std::error_code tls_session::broken() const noexcept {
  if (peer_ == peer_state::broken) return {errno_, asio::error::get_system_category()};
  return make_error_code(peer_ == peer_state::ended ? errc::connection_lost : errc::tls_failed);
}

void tls_session::close_notify() noexcept {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_) != 0) SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::error_code tls_session::handshake_error(std::string& words) const {
  const long verdict = SSL_get_verify_result(ssl_);
  if ((SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) != 0 && verdict != X509_V_OK) {
    words = std::string("the server's certificate is refused: ") + X509_verify_cert_error_string(verdict);
    return errc::tls_failed;
  }
  if (peer_ != peer_state::open) {
    words = "the server closed the connection during the TLS handshake";
    return errc::connect_failed;
  }
  // The library's own fixed words for a code (an alert's number included), never bytes of the server's.
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  words = std::string("TLS handshake failed: ") + (reason != nullptr ? reason : "unknown reason");
  return errc::tls_failed;
}

namespace {

std::int64_t end_of(X509* certificate) noexcept {
  std::tm when{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) return 0;
  return ::timegm(&when);
}

}  // namespace

// RFC 5929, section 4.1: by the digest of the certificate's own signature, and SHA-256 in the place of MD5 and SHA-1. A
// signature without one (Ed25519) has no binding defined (C22).
certificate_digest tls_session::endpoint_digest() const {
  certificate_digest out;
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) {
    out.why_not = "there is no certificate";
    return out;
  }
  int digest = NID_undef;
  X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr);
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  const EVP_MD* const algorithm = digest == NID_undef ? nullptr : EVP_get_digestbynid(digest);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (algorithm != nullptr && X509_digest(certificate, algorithm, bytes.data(), &size) == 1) {
    out.bytes.assign(reinterpret_cast<const char*>(bytes.data()), size);
    return out;
  }
  const char* const name = OBJ_nid2sn(X509_get_signature_nid(certificate));
  out.why_not = std::string("its signature is ") + (name != nullptr ? name : "of an unknown kind");
  ERR_clear_error();
  return out;
}

bool tls_session::agreed_on_postgresql() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return name != nullptr && std::string_view(reinterpret_cast<const char*>(name), size) == "postgresql";
}

certificate_ends tls_session::certificates() const noexcept {
  return {end_of(SSL_get0_peer_certificate(ssl_)), end_of(SSL_get_certificate(ssl_))};
}

}  // namespace lido::transport
