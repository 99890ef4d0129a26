#include "metrics/http/server.hpp"

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <pthread.h>
#include <signal.h>

#include <array>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace lido::inline v0::metrics::http {

namespace {

using asio::ip::tcp;

constexpr std::size_t max_linger_bytes = 64U << 10U;
constexpr auto pause_after_accept_error = std::chrono::milliseconds(100);  // no descriptors left: they come back

answer plain(status code) {
  answer a;
  a.code = code;
  a.body = std::to_string(static_cast<unsigned>(code)) + "\n";
  if (code == status::method_not_allowed) a.headers.emplace_back("Allow: GET, HEAD");
  return a;
}

}  // namespace

class server::parts {
 public:
  parts(const server_settings& settings, handler answers)
      : settings_{settings}, answers_{std::move(answers)}, acceptor_{io_}, pause_{io_} {
    const tcp::endpoint at{asio::ip::make_address(settings.address), settings.port};
    acceptor_.open(at.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    if (at.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(true));
    acceptor_.bind(at);
    acceptor_.listen(static_cast<int>(settings.max_connections));
    accept();
    thread_ = std::thread([this] { run(); });
  }

  ~parts() {
    io_.stop();
    thread_.join();
    accepting_ = true;  // what still hangs in the io_context ends with it and asks for no successor
  }

  parts(const parts&) = delete;
  parts& operator=(const parts&) = delete;

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  class exchange;

  void run() {
    pthread_setname_np(pthread_self(), "lido-exposer");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // the process's signals are for the application's threads
    for (;;) {
      try {
        io_.run();
        return;
      } catch (...) {  // no memory for one exchange, which is gone; the next may find some
      }
    }
  }

  void accept();
  void ended() {
    --open_;
    if (!accepting_) accept();
  }

  const server_settings settings_;
  const handler answers_;
  std::size_t open_ = 0;
  bool accepting_ = false;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::thread thread_;
};

// One connection: request, answer, end. Whatever happens, the deadline ends it.
class server::parts::exchange : public std::enable_shared_from_this<exchange> {
 public:
  exchange(parts& of, tcp::socket socket)
      : of_{of}, socket_{std::move(socket)}, deadline_{socket_.get_executor()}, in_(max_head_bytes, '\0') {
    ++of_.open_;
  }
  ~exchange() { of_.ended(); }
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;

  void start() {
    arm();
    read();
  }

 private:
  void arm() {
    deadline_.expires_after(of_.settings_.deadline);
    deadline_.async_wait([weak = weak_from_this()](std::error_code ec) {
      if (ec) return;
      if (const auto self = weak.lock()) self->cut();
    });
  }

  void cut() {
    std::error_code ignored;
    socket_.close(ignored);
  }

  void read() {
    socket_.async_read_some(asio::buffer(in_.data() + have_, in_.size() - have_),
                            [self = shared_from_this()](std::error_code ec, std::size_t n) {
                              if (!ec) self->on_bytes(n);
                            });
  }

  void on_bytes(std::size_t n) {
    have_ += n;
    const std::string_view head{in_.data(), have_};
    if (end_of_head(head) == std::string_view::npos && have_ < in_.size()) return read();
    const request r = parse(head);
    out_ = serialise(answer_to(r), r.head_only);
    arm();
    asio::async_write(socket_, asio::buffer(out_), [self = shared_from_this()](std::error_code ec, std::size_t) {
      if (!ec) self->linger();
    });
  }

  answer answer_to(const request& r) const {
    if (r.verdict != status::ok) return plain(r.verdict);
    try {
      return of_.answers_(r);
    } catch (...) {  // foreign code: statistics of a pool that threw
      return plain(status::internal_error);
    }
  }

  // A close with unread bytes is a reset, which may overtake the answer: let the peer close first, within bounds.
  void linger() {
    std::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    have_ = 0;
    discard();
  }

  void discard() {
    socket_.async_read_some(asio::buffer(in_), [self = shared_from_this()](std::error_code ec, std::size_t n) {
      self->have_ += n;
      if (!ec && self->have_ < max_linger_bytes) self->discard();
    });
  }

  parts& of_;
  tcp::socket socket_;
  asio::steady_timer deadline_;
  std::string in_;
  std::size_t have_ = 0;
  std::string out_;
};

void server::parts::accept() {
  accepting_ = open_ < settings_.max_connections;
  if (!accepting_) return;
  acceptor_.async_accept([this](std::error_code ec, tcp::socket socket) {
    if (!ec) {
      accept();
      return std::make_shared<exchange>(*this, std::move(socket))->start();
    }
    pause_.expires_after(pause_after_accept_error);
    pause_.async_wait([this](std::error_code stopped) {
      if (!stopped) accept();
    });
  });
}

server::server(const server_settings& settings, handler answers)
    : parts_{std::make_unique<parts>(settings, std::move(answers))} {}

server::~server() = default;

std::uint16_t server::port() const noexcept { return parts_->port(); }

}  // namespace lido::inline v0::metrics::http
