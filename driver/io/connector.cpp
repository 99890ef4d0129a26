#include "driver/io/connector.hpp"

#include "driver/io/engine.hpp"

#include <asio/post.hpp>

#include <utility>

namespace lido::io {
namespace {

using transport::negotiation;

// In the order in which libpq would try them; the last element is the first to go.
std::vector<negotiation> attempts_for(const connect_config& config) {
  if (config.host.starts_with('/')) return {negotiation::plain};  // libpq, too, ignores sslmode on Unix sockets
  switch (config.sslmode) {
    case sslmode::disable: return {negotiation::plain};
    case sslmode::allow: return {negotiation::tls, negotiation::plain};
    case sslmode::prefer: return {negotiation::plain, negotiation::tls_if_offered};
    case sslmode::require:
    case sslmode::verify_ca:
    case sslmode::verify_full: return {negotiation::tls};
  }
  return {negotiation::tls};
}

session::channel_security security_of(const transport::peer& peer) {
  using session::channel_security;
  if (peer.unix_socket) return channel_security::unix_socket;
  if (!peer.secure) return channel_security::plain;
  return peer.tls && peer.tls->verifies_name() ? channel_security::tls_verified : channel_security::tls_unverified;
}

diagnostics in_words(std::string context) {
  diagnostics diag;
  diag.context = std::move(context);
  return diag;
}

}  // namespace

connector::connector(asio::any_io_executor executor, std::shared_ptr<const detail::session_settings> settings,
                     std::shared_ptr<detail::deadline_queue> deadlines,
                     std::weak_ptr<detail::session_observer> observer, handler done,
                     std::shared_ptr<const detail::session_peer> beside)
    : executor_(std::move(executor)),
      settings_(std::move(settings)),
      deadlines_(std::move(deadlines)),
      observer_(std::move(observer)),
      beside_(std::move(beside)),
      done_(std::move(done)),
      attempts_(beside_ ? std::vector{beside_->value.secure ? negotiation::tls : negotiation::plain}
                        : attempts_for(settings_->config)),
      deadline_(within(settings_->config.connect_timeout).deadline) {}

connector::~connector() = default;

void connector::start() {
  deadline_entry_.attach(deadlines_, weak_from_this());
  deadline_entry_.arm(deadline_);
  const detail::lock guard(mutex_);
  dial();
}

void connector::cancel() noexcept {
  std::shared_ptr<transport::dialler> dialler;
  handler done;  // destroyed without the lock
  {
    const detail::lock guard(mutex_);
    state_ = state::over;
    dialler = std::move(dialler_);
    done.swap(done_);
    if (key_task_) key_task_->cancel();
    stream_.close();
  }
  if (dialler) dialler->cancel();
}

void connector::on_deadline(time_point now) noexcept {
  if (now < deadline_) {
    deadline_entry_.arm(deadline_);
    return;
  }
  std::shared_ptr<transport::dialler> dialler;
  {
    const detail::lock guard(mutex_);
    if (state_ == state::over) return;
    dialler = std::move(dialler_);
    detail::connect_result result;
    result.error = errc::timeout;
    result.diag = in_words("connecting to " + where() + " did not end within connect_timeout");
    finish(std::move(result));
  }
  if (dialler) dialler->cancel();
}

std::string connector::where() const {
  const connect_config& config = settings_->config;
  if (config.host.starts_with('/')) return config.host + "/.s.PGSQL." + std::to_string(config.port);
  return config.host + ":" + std::to_string(config.port);
}

void connector::dial() {
  current_ = attempts_.back();
  attempts_.pop_back();
  state_ = state::dialling;
  transport::dial_target target{settings_->config.host, settings_->config.port, current_,
                                current_ == negotiation::plain ? nullptr : settings_->tls, std::nullopt};
  if (beside_) target.same_peer = beside_->value;
  dialler_ = transport::dialler::start(
      executor_, std::move(target),
      [self = shared_from_this()](transport::dial_result result) { self->on_dialled(std::move(result)); });
}

void connector::on_dialled(transport::dial_result result) {
  const detail::lock guard(mutex_);
  if (state_ != state::dialling) return;
  dialler_.reset();
  if (result.error) {
    attempt_failed(result.error, in_words(std::move(result.context)));
  } else {
    begin_startup(std::move(result));
  }
}

void connector::begin_startup(transport::dial_result result) {
  state_ = state::starting_up;
  stream_ = std::move(result.stream);
  peer_ = std::move(result.peer);
  in_ = input_buffer{};
  out_.wipe();
  out_sent_ = 0;
  startup_.emplace(settings_->config, security_of(peer_));
  perform(startup_->begin());
}

void connector::perform(session::startup::action action) {
  using action_kind = session::startup::action;
  switch (action) {
    case action_kind::write:
      out_.append(startup_->output());
      flush();
      if (state_ == state::starting_up) in_.empty() ? receive() : process();
      return;
    case action_kind::read: receive(); return;
    case action_kind::derive_key: derive_key(); return;
    case action_kind::done: succeed(); return;
    case action_kind::fail: attempt_failed(startup_->error(), startup_->diag()); return;
  }
}

// What start-up writes is small: a socket that does not take it at once is waited for, under the one deadline.
void connector::flush() {
  while (out_sent_ < out_.reveal().size()) {
    const transport::io_result r = stream_.write_some(out_.reveal().substr(out_sent_));
    out_sent_ += r.bytes;
    if (r.error) return attempt_failed(r.error, in_words("sending the start-up to " + where()));
    if (!r.would_block) continue;
    stream_.async_wait_writable([self = shared_from_this()](const std::error_code& ec) {
      const detail::lock guard(self->mutex_);
      if (!ec && self->state_ == state::starting_up) self->flush();
    });
    return;
  }
  out_.wipe();
  out_sent_ = 0;
}

void connector::receive() {
  in_.make_room();
  stream_.async_receive(
      in_.room(), [self = shared_from_this()](const std::error_code& ec, std::size_t n) { self->on_received(ec, n); });
}

void connector::on_received(std::error_code ec, std::size_t n) {
  const detail::lock guard(mutex_);
  if (state_ != state::starting_up) return;
  transport::io_result r = stream_.accept(in_.room(), ec, n);
  for (;;) {
    in_.commit(r.bytes);
    if (r.error || r.would_block) break;
    in_.make_room();
    r = stream_.more(in_.room());
  }
  if (!r.error || !in_.empty()) process();  // an ErrorResponse may stand before the end
  if (r.error && state_ == state::starting_up)
    attempt_failed(errc::connection_lost, in_words(where() + " closed the connection during start-up"));
}

void connector::process() {
  const auto phase_now = [this]() LIDO_REQUIRES(mutex_) { return startup_->phase(); };
  for (;;) {
    const wire::frame_result next = wire::next_frame(in_.data(), phase_now(), settings_->bounds);
    if (next.status == wire::frame_status::violation)
      return attempt_failed(next.error, in_words(where() + " does not speak PostgreSQL's protocol"));
    if (next.status == wire::frame_status::incomplete) return receive();
    const auto action = startup_->on_frame(next.value);
    in_.consume(next.size);
    if (action == session::startup::action::read && !in_.empty()) continue;
    return perform(action);
  }
}

void connector::derive_key() {
  state_ = state::deriving_key;
  auto job = std::make_shared<session::key_derivation>(startup_->key_job());
  key_task_ = std::make_shared<transport::helper_task<secret>>(executor_);
  const bool accepted = key_task_->start([job] { return session::derive_salted_password(*job); },
                                         [self = shared_from_this()](const secret& key) { self->on_key(key); });
  if (!accepted)
    attempt_failed(errc::connect_failed, in_words("too many logins are waiting for SCRAM's key derivation"));
}

void connector::on_key(const secret& key) {
  const detail::lock guard(mutex_);
  if (state_ != state::deriving_key) return;
  state_ = state::starting_up;
  perform(startup_->key_derived(key));
}

// libpq's rules: `prefer` tries plain text when TLS or the login over TLS fails; `allow` tries TLS when the login in
// plain text fails.
bool connector::may_fall_back(std::error_code ec) const {
  if (attempts_.empty()) return false;
  if (current_ == negotiation::plain) return ec.category() == sqlstate_category();
  return ec == condition::tls || ec.category() == sqlstate_category();
}

void connector::attempt_failed(std::error_code ec, diagnostics diag) {
  stream_.close();
  if (may_fall_back(ec)) return dial();
  if (diag.context.empty()) diag.context = "connecting to " + where();
  detail::connect_result result;
  result.error = ec;
  result.diag = std::move(diag);
  finish(std::move(result));
}

void connector::succeed() {
  detail::connect_result result;
  result.session =
      engine::adopt(executor_, settings_, deadlines_, observer_,
                    link{std::move(stream_), std::move(peer_), std::move(in_), std::move(startup_->identity())});
  finish(std::move(result));
}

void connector::finish(detail::connect_result result) {
  state_ = state::over;
  if (key_task_) key_task_->cancel();
  stream_.close();
  if (!done_) return;
  asio::post(executor_, [done = std::move(done_), result = std::move(result)]() mutable { done(std::move(result)); });
  done_ = nullptr;
}

}  // namespace lido::io

namespace lido {
inline namespace v0 {
namespace detail {

std::shared_ptr<connect_attempt> connect_session(asio::any_io_executor executor,
                                                 std::shared_ptr<const session_settings> settings,
                                                 std::shared_ptr<deadline_queue> deadlines,
                                                 std::weak_ptr<session_observer> observer,
                                                 std::function<void(connect_result)> done,
                                                 std::shared_ptr<const session_peer> beside) {
  auto attempt = std::make_shared<io::connector>(std::move(executor), std::move(settings), std::move(deadlines),
                                                 std::move(observer), std::move(done), std::move(beside));
  attempt->start();
  return attempt;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
