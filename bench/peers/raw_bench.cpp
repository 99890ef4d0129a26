// Floor 1: no libpq, no Asio. One epoll loop, one write and one read a query; OpenSSL directly on the socket. W2, W3,
// W8.
#include "bench/peers/wire.hpp"

#include <openssl/ssl.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>

using namespace lido::bench;

namespace {

constexpr std::string_view peer = "raw-epoll";

struct session {
  int fd = -1;
  SSL* ssl = nullptr;
  wire::input in;
  wire::output out;
  std::int32_t asked = 0;
  std::uint64_t since = 0;
};

SSL_CTX* make_context(const options& opt) {
  if (!opt.tls) return nullptr;
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_locations(context, opt.ca_file.c_str(), nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

// Bytes, 0 at the end of the stream, -1 with nothing to read now.
ssize_t receive(session& s) {
  char* const room = s.in.room();
  const std::size_t size = s.in.room_size();
  if (s.ssl == nullptr) return ::recv(s.fd, room, size, 0);
  const int n = SSL_read(s.ssl, room, static_cast<int>(size));
  if (n > 0) return n;
  return SSL_get_error(s.ssl, n) == SSL_ERROR_WANT_READ ? -1 : 0;
}

void flush(session& s) {
  const std::string& bytes = s.out.bytes;
  const ssize_t n = s.ssl != nullptr ? SSL_write(s.ssl, bytes.data(), static_cast<int>(bytes.size()))
                                     : ::send(s.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n != static_cast<ssize_t>(bytes.size())) fail("short write");
  s.out.bytes.clear();
}

void until_ready(session& s) {
  for (;;) {
    const char* body = nullptr;
    while (const char type = s.in.next(body)) {
      if (type == 'Z') return;
    }
    const ssize_t n = receive(s);
    if (n <= 0) fail("the server closed the connection");
    s.in.commit(static_cast<std::size_t>(n));
  }
}

void start_tls(session& s, SSL_CTX* context) {
  wire::output request;
  request.ssl_request();
  char answer = 0;
  if (::send(s.fd, request.bytes.data(), 8, MSG_NOSIGNAL) != 8 || ::recv(s.fd, &answer, 1, 0) != 1 || answer != 'S') {
    fail("no TLS");
  }
  s.ssl = SSL_new(context);
  SSL_set_fd(s.ssl, s.fd);
  if (SSL_connect(s.ssl) != 1) fail("TLS handshake");
}

void dial(session& s, const options& opt, SSL_CTX* context) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(opt.port);
  ::inet_pton(AF_INET, opt.host.c_str(), &address.sin_addr);
  s.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(s.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
  const int on = 1;
  ::setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (context != nullptr) start_tls(s, context);
  s.out.startup(opt);
  flush(s);
  until_ready(s);
  s.out.parse("q", "SELECT $1::int", 23);
  s.out.sync();
  flush(s);
  until_ready(s);
}

class query_loop {
 public:
  query_loop(const options& opt, SSL_CTX* context)
      : clock_(opt.count, opt.warmup), sessions_(opt.connections), left_(opt.count + opt.warmup) {
    for (std::size_t i = 0; i < sessions_.size(); ++i) {
      dial(sessions_[i], opt, context);
      ::fcntl(sessions_[i].fd, F_SETFL, O_NONBLOCK);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, sessions_[i].fd, &event);
    }
    for (std::size_t i = 0; i < opt.tasks; ++i) waiting_.push_back(now_ns());
  }

  const progress& run() {
    for (session& s : sessions_) start(s);
    std::array<epoll_event, 64> events{};
    while (left_ > 0) {
      const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < n; ++i) on_readable(sessions_[events[static_cast<std::size_t>(i)].data.u64]);
    }
    clock_.end();
    return clock_;
  }

 private:
  void start(session& s) {
    if (waiting_.empty() || !clock_.take()) return;
    s.since = waiting_.front();
    waiting_.pop_front();
    s.asked = static_cast<std::int32_t>(clock_.started());
    s.out.run(s.asked);
    flush(s);
  }

  void on_readable(session& s) {
    const ssize_t n = receive(s);
    if (n < 0) return;
    if (n == 0) fail("the server closed the connection");
    s.in.commit(static_cast<std::size_t>(n));
    const char* body = nullptr;
    while (const char type = s.in.next(body)) {
      if (type == 'D' && wire::value_of_row(body) != s.asked) fail("wrong value");
      if (type != 'Z') continue;
      const std::uint64_t now = now_ns();
      clock_.finished(now - s.since);
      --left_;
      waiting_.push_back(now);
      start(s);
    }
  }

  progress clock_;
  std::vector<session> sessions_;
  std::size_t left_;
  std::deque<std::uint64_t> waiting_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
};

void memory(const options& opt, SSL_CTX* context) {
  session first;
  dial(first, opt, context);
  const std::int64_t before = status_kib("VmRSS");
  progress p(opt.count, 0);
  std::vector<session> all(opt.count);
  for (session& s : all) {
    dial(s, opt, context);
    s.out.run(1);
    flush(s);
    until_ready(s);
  }
  p.end();
  const auto grown = static_cast<double>(status_kib("VmRSS") - before);
  report(peer, opt, opt.count, p, {{"kb_conn", grown / static_cast<double>(opt.count)}});
}

}  // namespace

int main(int argc, char** argv) {
  const options opt = options::read(argc, argv);
  SSL_CTX* const context = make_context(opt);
  if (opt.workload.starts_with("W8")) {
    memory(opt, context);
  } else if (opt.workload == "W2" || opt.workload == "W3") {
    query_loop loop(opt, context);
    report(peer, opt, opt.count, loop.run());
  } else {
    return 3;
  }
}
