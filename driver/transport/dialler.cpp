#include "driver/transport/dialler.hpp"

#include "driver/transport/address.hpp"
#include "driver/transport/call_gate.hpp"
#include "driver/transport/tls_session.hpp"
#include "driver/wire/frontend.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/socket_base.hpp>
#include <asio/steady_timer.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace lido::transport {
namespace {

using std::chrono::milliseconds;

// A Unix listener with a full backlog says "no buffer space" at once and offers nothing to wait for (Asio 1.22.1; Linux
// says EAGAIN).
constexpr milliseconds first_backlog_wait{1};
constexpr milliseconds longest_backlog_wait{50};
constexpr unsigned max_backlog_waits = 400;

// How long an address has been tried before the next one is tried beside it (RFC 8305, section 8).
constexpr milliseconds head_start{250};

constexpr std::size_t max_context = 1024;

void set_tcp_options(socket& s, const tcp_settings& how) {
  std::error_code ignored;  // none of them is needed to talk
  s.set_option(asio::ip::tcp::no_delay(true), ignored);
  s.set_option(asio::socket_base::keep_alive(how.keepalives), ignored);
  const auto set = [fd = s.native_handle()](int name, int value) {
    if (value > 0) ::setsockopt(fd, IPPROTO_TCP, name, &value, sizeof value);
  };
  set(TCP_USER_TIMEOUT, how.unacknowledged_ms);
  if (!how.keepalives) return;
  set(TCP_KEEPIDLE, how.keepalive_idle_s);
  set(TCP_KEEPINTVL, how.keepalive_interval_s);
  set(TCP_KEEPCNT, how.keepalive_probes);
}

// The families in turn, the first one's own order kept: a family that leads nowhere delays by one head start.
void alternate_families(std::vector<endpoint>& all) {
  if (all.empty()) return;
  const int first = all.front().protocol().family();
  std::vector<endpoint> of_first;
  std::vector<endpoint> others;
  for (endpoint& e : all) (e.protocol().family() == first ? of_first : others).push_back(e);
  all.clear();
  for (std::size_t i = 0; i < std::max(of_first.size(), others.size()); ++i) {
    if (i < of_first.size()) all.push_back(of_first[i]);
    if (i < others.size()) all.push_back(others[i]);
  }
}

bool is_unix(const endpoint& where) noexcept { return where.protocol().family() == AF_UNIX; }

class dial_operation final : public dialler {
 public:
  dial_operation(asio::any_io_executor executor, dial_target target, handler done)
      : executor_(executor), target_(std::move(target)), done_(std::move(done)), socket_(executor), timer_(executor) {}

  void begin();
  void cancel() noexcept override;
  dial_phase phase() const noexcept override { return phase_.load(std::memory_order_relaxed); }

 private:
  using lock = std::unique_lock<std::mutex>;

  // Every handler comes through here: it runs under the lock, and not at all once this is over. What has to be called
  // then is called without the lock.
  template <class Step>
  auto guarded(Step step) {
    return [self = std::static_pointer_cast<dial_operation>(shared_from_this()), step](auto&&... arguments) {
      lock guard(self->mutex_);
      if (self->over_) return;
      ((*self).*step)(std::forward<decltype(arguments)>(arguments)...);
      self->hand_over(guard);
    };
  }

  void first_step();
  bool choose_addresses();
  void on_looked_up(looked_up found);
  void connect_next();
  void connect_to(std::size_t index);
  void on_connected(std::size_t index, std::error_code ec);
  void on_backlog_timer(std::error_code ec);
  void on_slow(std::error_code ec);
  void send_ssl_request();
  void on_request_room(std::error_code ec);
  void on_answer(std::error_code ec, std::size_t n);
  void start_tls();
  void shake_hands();
  void on_ciphertext(std::error_code ec, std::size_t n);
  void on_room(std::error_code ec);

  std::string here() const { return at(at_); }
  std::string at(std::size_t index) const;
  void note(const std::string& what);
  void fail(std::error_code ec, const std::string& what = {});
  void succeed();
  void hand_over(lock& guard);
  transport::negotiation negotiation() const noexcept;
  const std::string& host() const noexcept { return target_.same_peer ? target_.same_peer->host : target_.host; }
  const tcp_settings& tcp() const noexcept { return target_.same_peer ? target_.same_peer->tcp : target_.tcp; }
  const std::shared_ptr<const tls_context>& tls() const noexcept {
    return target_.same_peer ? target_.same_peer->tls : target_.tls;
  }

  const asio::any_io_executor executor_;
  dial_target target_;
  std::mutex mutex_;
  call_gate gate_;
  handler done_;
  std::optional<dial_result> result_;  // set: over, to be handed to done_
  bool over_ = false;
  std::atomic<dial_phase> phase_{dial_phase::resolve};

  std::shared_ptr<look_up> look_up_;
  std::vector<endpoint> addresses_;
  std::size_t next_ = 0;                  // of addresses_: not yet tried
  std::size_t at_ = 0;                    // the one that is talked to
  std::map<std::size_t, socket> racing_;  // by address
  socket socket_;
  asio::steady_timer timer_;  // the next address's turn, or a full backlog's
  unsigned backlog_waits_ = 0;
  std::string request_;  // of the SSLRequest, what is not yet sent
  char answer_ = 0;
  std::unique_ptr<tls_session> session_;
  std::string context_;
};

void dial_operation::begin() { asio::post(executor_, guarded(&dial_operation::first_step)); }

void dial_operation::cancel() noexcept {
  handler dropped;
  {
    const std::lock_guard guard(mutex_);
    if (!over_) {
      over_ = true;
      dropped = std::move(done_);
      if (look_up_) look_up_->cancel();
      std::error_code ignored;
      socket_.close(ignored);
      racing_.clear();
      timer_.cancel();
    }
  }
  gate_.close();
}

// ---- where to ----

void dial_operation::first_step() {
  if (choose_addresses()) return connect_next();
  if (over_ || result_) return;
  look_up_ = std::make_shared<look_up>(executor_);
  look_up_->start(target_.resolve, target_.host, target_.port, guarded(&dial_operation::on_looked_up));
}

// False: a look-up is needed, or the target is no address at all (then this is over).
bool dial_operation::choose_addresses() {
  if (target_.same_peer) {
    addresses_ = {target_.same_peer->endpoint};
  } else if (!target_.hostaddr.empty()) {
    const auto where = numeric_endpoint(target_.hostaddr, target_.port);
    if (where)
      addresses_ = {*where};
    else
      fail(errc::resolve_failed, "hostaddr is not a numeric address");
  } else if (target_.host.empty() || target_.host.find('\0') != std::string::npos) {
    fail(errc::resolve_failed, "the host is empty or holds a zero byte");
  } else if (is_unix_host(target_.host)) {
    const std::string path = unix_path(target_.host, target_.port);
    const auto where = unix_endpoint(path);
    if (where)
      addresses_ = {*where};
    else
      fail(errc::connect_failed, path + ": longer than the 107 bytes that a Unix socket's path may have");
  } else if (const auto where = numeric_endpoint(target_.host, target_.port)) {
    addresses_ = {*where};
  }
  return !addresses_.empty();
}

void dial_operation::on_looked_up(looked_up found) {
  look_up_.reset();
  if (found.addresses.empty()) return fail(errc::resolve_failed, target_.host + ": " + found.failure);
  addresses_ = std::move(found.addresses);
  alternate_families(addresses_);
  connect_next();
}

// ---- connect ----

// Starts the next address, if there is one; each that fails or is slow makes room for one more.
void dial_operation::connect_next() {
  phase_ = dial_phase::connect;
  if (next_ == addresses_.size()) {
    if (racing_.empty()) fail(errc::connect_failed);
    return;
  }
  connect_to(next_++);
}

void dial_operation::connect_to(std::size_t index) {
  const endpoint& to = addresses_[index];
  socket& s = racing_.insert_or_assign(index, socket(executor_)).first->second;
  std::error_code ec;
  s.open(to.protocol(), ec);
  if (!ec) s.native_non_blocking(true, ec);
  if (ec) {
    at_ = index;
    note(at(index) + ": " + ec.message());
    racing_.erase(index);
    return asio::post(executor_, guarded(&dial_operation::connect_next));
  }
  if (!is_unix(to)) set_tcp_options(s, tcp());
  if (next_ < addresses_.size()) {
    timer_.expires_after(head_start);
    timer_.async_wait(guarded(&dial_operation::on_slow));
  }
  s.async_connect(to,
                  [self = std::static_pointer_cast<dial_operation>(shared_from_this()), index](std::error_code how) {
                    lock guard(self->mutex_);
                    if (self->over_) return;
                    self->on_connected(index, how);
                    self->hand_over(guard);
                  });
}

void dial_operation::on_slow(std::error_code ec) {
  // Also comes when it was already on its way as the connect ended: that moved the expiry.
  if (!ec && timer_.expiry() <= std::chrono::steady_clock::now()) connect_next();
}

void dial_operation::on_connected(std::size_t index, std::error_code ec) {
  const auto mine = racing_.find(index);
  if (mine == racing_.end()) return;  // another one was faster
  const bool full_backlog = ec == asio::error::no_buffer_space || ec == asio::error::try_again;
  if (full_backlog && is_unix(addresses_[index]) && backlog_waits_ < max_backlog_waits) {
    timer_.expires_after(std::min(longest_backlog_wait, first_backlog_wait * (1U << std::min(backlog_waits_, 6U))));
    ++backlog_waits_;
    return timer_.async_wait(guarded(&dial_operation::on_backlog_timer));
  }
  at_ = index;
  if (ec) {
    note(at(index) + ": " + ec.message());
    racing_.erase(mine);
    return connect_next();
  }
  timer_.expires_at(asio::steady_timer::time_point::max());
  socket_ = std::move(mine->second);
  racing_.clear();  // closes the slower ones
  if (negotiation() == negotiation::plain) return succeed();
  phase_ = dial_phase::tls;
  if (negotiation() == negotiation::tls_direct) return start_tls();
  wire::append_ssl_request(request_);
  send_ssl_request();
}

void dial_operation::on_backlog_timer(std::error_code /*ec*/) { connect_to(at_); }  // a Unix socket is the only address

transport::negotiation dial_operation::negotiation() const noexcept {
  if (is_unix(addresses_[at_])) return negotiation::plain;
  if (!target_.same_peer) return target_.negotiation;
  // A TLS peer is never asked in plain text, and what was plain is not asked for more (I6).
  if (!target_.same_peer->secure) return negotiation::plain;
  return target_.same_peer->direct ? negotiation::tls_direct : negotiation::tls;
}

// ---- SSLRequest ----

void dial_operation::send_ssl_request() {
  while (!request_.empty()) {
    const ssize_t n = ::send(socket_.native_handle(), request_.data(), request_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      request_.erase(0, static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return socket_.async_wait(socket::wait_write, guarded(&dial_operation::on_request_room));
    } else if (errno != EINTR) {
      return fail(errc::connect_failed, "the connection broke when TLS was asked for");
    }
  }
  // One byte and no more: what follows it belongs to TLS, or to an attacker (C1).
  socket_.async_read_some(asio::buffer(&answer_, 1), guarded(&dial_operation::on_answer));
}

void dial_operation::on_request_room(std::error_code ec) {
  if (ec) return fail(errc::connect_failed, "the connection broke when TLS was asked for");
  send_ssl_request();
}

void dial_operation::on_answer(std::error_code ec, std::size_t n) {
  if (ec || n != 1) return fail(errc::connect_failed, "the server closed the connection when it was asked for TLS");
  switch (answer_) {
    case 'S': return start_tls();
    case 'N':
      if (negotiation() == negotiation::tls_if_offered) return succeed();
      return fail(errc::tls_refused, "the server has no TLS");
    default:  // C2: whatever it says, nobody has proven who said it
      return fail(errc::connect_failed, "the server answered the request for TLS with something else");
  }
}

// ---- TLS ----

void dial_operation::start_tls() {
  char extra = 0;
  // A TLS server never speaks first: a byte here was sent before TLS and would be taken for a protected one later
  // (CVE-2021-23222).
  if (::recv(socket_.native_handle(), &extra, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
    return fail(errc::plaintext_before_tls, "bytes came between the answer to the request for TLS and TLS itself");
  }
  if (tls()) session_ = tls_session::create(*tls(), host(), socket_.native_handle());
  if (!session_) return fail(errc::tls_failed, "no TLS session can be made for this host");
  shake_hands();
}

void dial_operation::shake_hands() {
  switch (session_->handshake()) {
    case handshake_step::done:
      // Else this may be a server of another protocol that takes whoever comes.
      if (negotiation() == negotiation::tls_direct && !session_->agreed_on_postgresql())
        return fail(errc::tls_failed,
                    "the server did not agree on PostgreSQL by ALPN: sslnegotiation=direct needs "
                    "PostgreSQL 17");
      return succeed();
    case handshake_step::want_read:
      return socket_.async_read_some(session_->receive_buffer(), guarded(&dial_operation::on_ciphertext));
    case handshake_step::want_write: return socket_.async_wait(socket::wait_write, guarded(&dial_operation::on_room));
    case handshake_step::failed: break;
  }
  std::string words;
  const auto ec = session_->handshake_error(words);
  if (negotiation() == negotiation::tls_direct && ec == errc::connect_failed)
    words += "; sslnegotiation=direct needs PostgreSQL 17";
  fail(ec, words);
}

void dial_operation::on_ciphertext(std::error_code ec, std::size_t n) {
  session_->received(ec, n);
  shake_hands();
}

void dial_operation::on_room(std::error_code /*ec: the next send tells*/) { shake_hands(); }

// ---- the end ----

void dial_operation::note(const std::string& what) {
  if (what.empty() || context_.size() > max_context) return;
  if (!context_.empty()) context_ += "; ";
  context_ += what;
}

std::string dial_operation::at(std::size_t index) const {
  const endpoint& where = addresses_[index];
  const std::string address = describe(where);
  return is_unix(where) || is_numeric_address(host()) ? address : host() + " (" + address + ")";
}

void dial_operation::fail(std::error_code ec, const std::string& what) {
  note(what.empty() || addresses_.empty() ? what : here() + ": " + what);
  result_.emplace();
  result_->error = ec;
  result_->phase = phase();
  std::error_code ignored;
  socket_.close(ignored);
}

void dial_operation::succeed() {
  const endpoint& where = addresses_[at_];
  phase_ = dial_phase::done;
  result_.emplace();
  result_->phase = dial_phase::done;
  const bool direct = session_ && negotiation() == negotiation::tls_direct;
  result_->peer = {where, host(), is_unix(where), session_ != nullptr, session_ ? tls() : nullptr, direct, tcp()};
  result_->stream = stream(std::move(socket_), std::move(session_));
}

void dial_operation::hand_over(lock& guard) {
  if (!result_) return;
  over_ = true;
  result_->context = std::move(context_);
  guard.unlock();  // from here on nobody else looks at done_ and result_
  const call_gate::pass pass(gate_);
  const handler done = std::exchange(done_, nullptr);
  dial_result result = std::move(*result_);
  if (pass) done(std::move(result));
}

}  // namespace

std::shared_ptr<dialler> dialler::start(asio::any_io_executor executor, dial_target target, handler done) {
  auto operation = std::make_shared<dial_operation>(std::move(executor), std::move(target), std::move(done));
  operation->begin();
  return operation;
}

}  // namespace lido::transport
