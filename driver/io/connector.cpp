#include "driver/io/connector.hpp"

#include "driver/io/engine.hpp"
#include "driver/transport/address.hpp"

#include <lido/driver/detail/knobs.hpp>
#include <lido/driver/detail/libpq_files.hpp>

#include <asio/post.hpp>

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <utility>

namespace lido::io {
namespace {

using transport::negotiation;

// In the order in which libpq would try them; the last element is the first to go.
std::vector<negotiation> attempts_for(const connect_config& config, const host_entry& to) {
  if (detail::is_unix_socket(to)) return {negotiation::plain};  // libpq, too, ignores sslmode on Unix sockets
  if (config.sslnegotiation == sslnegotiation::direct && config.sslmode != sslmode::disable)
    return {negotiation::tls_direct};
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

constexpr std::size_t most_words = 4096;      // about all hosts together
constexpr std::size_t most_words_each = 512;  // about one

std::uint64_t seed(const void* who) noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  return static_cast<std::uint64_t>(now) ^ reinterpret_cast<std::uintptr_t>(who) >> 4U;
}

// The host of that index, if the list still has it.
detail::host_choice only(std::size_t host, std::size_t hosts) noexcept {
  detail::host_choice choice;
  choice.has_first = true;
  choice.first = host < hosts ? host : 0;
  choice.barred = ~(1U << choice.first);
  return choice;
}

diagnostics in_words(std::string context) {
  diagnostics diag;
  diag.context = std::move(context);
  return diag;
}

}  // namespace

connector::connector(asio::any_io_executor executor, std::shared_ptr<const detail::session_settings> settings,
                     std::shared_ptr<detail::deadline_queue> deadlines,
                     std::weak_ptr<detail::session_observer> observer, handler done, const detail::host_choice& choice,
                     std::shared_ptr<const detail::session_peer> beside)
    : executor_(std::move(executor)),
      settings_(std::move(settings)),
      deadlines_(std::move(deadlines)),
      observer_(std::move(observer)),
      beside_(std::move(beside)),
      done_(std::move(done)),
      plan_(settings_->hosts.size(), beside_ ? target_session_attrs::any : settings_->config.target_session_attrs,
            settings_->config.load_balance_hosts, seed(this),
            beside_ ? only(beside_->host, settings_->hosts.size()) : choice),
      deadline_(within(settings_->config.connect_timeout).deadline),
      host_deadline_(deadline_) {}

connector::~connector() = default;

void connector::start() {
  deadline_entry_.attach(deadlines_, weak_from_this());
  const detail::lock guard(mutex_);
  begin_host();
}

// ---- one host after the other ----

void connector::begin_host() {
  const auto now = std::chrono::steady_clock::now();
  host_deadline_ = plan_.is_last() ? deadline_ : now + (deadline_ - now) / static_cast<long>(plan_.left());
  deadline_entry_.arm(host_deadline_);
  earlier_.clear();
  const auto same_way = [](const transport::peer& as) {
    return !as.secure ? negotiation::plain : as.direct ? negotiation::tls_direct : negotiation::tls;
  };
  attempts_ =
      beside_ ? std::vector{same_way(beside_->value)} : attempts_for(settings_->config, settings_->hosts[plan_.host()]);
  dial();
}

void connector::next_host() {
  startup_.reset();
  role_query_.reset();
  begin_host();
}

void connector::host_failed(std::error_code ec, diagnostics diag) {
  stream_.close();
  const bool only_one = settings_->hosts.size() == 1;
  if (!only_one && met_.size() < most_words) {
    std::string said = diag.summary().substr(0, most_words_each);
    if (said.empty()) said = ec.message();
    met_ += (met_.empty() ? "" : " | ") + where() + ": " + said;
  }
  const bool stopped = !session::host_plan::goes_on(ec);
  const bool telling = !is_retryable(failure_) && failure_ != condition::timeout;
  if (stopped || !failure_ || ec == errc::wrong_server_role || (telling && is_retryable(ec))) failure_ = ec;
  if (!stopped && plan_.advance()) return next_host();
  detail::connect_result result;
  result.error = failure_;
  result.diag = std::move(diag);
  if (!only_one) {
    if (!stopped) result.diag = {};  // the last host's words alone would mislead
    result.diag.context = "no host could be used: " + met_;
  }
  finish(std::move(result));
}

void connector::cancel() noexcept {
  std::shared_ptr<transport::dialler> dialler;
  handler done;  // destroyed without the lock
  {
    const detail::lock guard(mutex_);
    state_ = state::over;
    dialler = dialler_.lock();
    done.swap(done_);
    stop_helpers();
    stream_.close();
  }
  if (dialler) dialler->cancel();
}

void connector::stop_helpers() noexcept {
  if (key_task_) key_task_->cancel();
  if (password_task_) password_task_->cancel();
}

void connector::on_deadline(time_point now) noexcept {
  std::shared_ptr<transport::dialler> dialler;
  {
    const detail::lock guard(mutex_);
    if (state_ == state::over) return;
    if (now < host_deadline_) return deadline_entry_.arm(host_deadline_);
    dialler = dialler_.lock();
    stop_helpers();
    const bool whole = now >= deadline_;
    host_failed(errc::timeout, in_words("connecting to " + where() + " did not end within " +
                                        (whole ? "connect_timeout" : "its share of connect_timeout")));
  }
  if (dialler) dialler->cancel();
}

std::string connector::where() const {
  const host_entry& to = settings_->hosts[plan_.host()];
  if (detail::is_unix_socket(to)) return transport::unix_path(to.host, to.port);
  return to.host + (to.hostaddr.empty() || to.hostaddr == to.host ? "" : " (" + to.hostaddr + ")") + ":" +
         std::to_string(to.port);
}

// ---- one try of one host ----

void connector::dial() {
  current_ = attempts_.back();
  attempts_.pop_back();
  state_ = state::dialling;
  ++try_;
  const host_entry& to = settings_->hosts[plan_.host()];
  transport::dial_target target{to.host, to.port, current_, current_ == negotiation::plain ? nullptr : settings_->tls,
                                std::nullopt};
  target.hostaddr = to.hostaddr;
  target.tcp = settings_->tcp;
  if (beside_) target.same_peer = beside_->value;
  dialler_ = transport::dialler::start(executor_, std::move(target), of_this_try(&connector::on_dialled));
}

void connector::on_dialled(transport::dial_result result) {
  dialler_.reset();
  if (result.error) {
    attempt_failed(result.error, in_words(std::move(result.context)));
  } else {
    find_password(std::move(result));
  }
}

// Asked for each connect, so that a password that rotates is never an old one; on a helper, because both may block.
void connector::find_password(transport::dial_result result) {
  stream_ = std::move(result.stream);
  peer_ = std::move(result.peer);
  passed_over_.clear();
  if (!peer_is_required_one()) return;
  const connect_config& config = settings_->config;
  const bool elsewhere = config.password_provider != nullptr || !config.passfile.empty();
  if (!config.password.empty() || !elsewhere) return begin_startup(config.password);
  state_ = state::finding_password;
  password_task_ = std::make_shared<transport::helper_task<password_found>>(executor_);
  auto ask = [settings = settings_, host = plan_.host()] {
    const connect_config& c = settings->config;
    const host_entry& to = settings->hosts[host];
    const password_request whom{to.host, to.port, c.user, c.database.empty() ? c.user : c.database};
    password_found found;
    try {
      if (c.password_provider) found.password = c.password_provider(whom);
    } catch (...) {  // the words of foreign code may hold anything
      found.failed = true;
      return found;
    }
    if (found.password.empty() && !c.passfile.empty()) {
      auto in_file = detail::password_from_file(c.passfile, whom);
      found.password = std::move(in_file.password);
      found.passed_over = std::move(in_file.passed_over);
    }
    return found;
  };
  if (!password_task_->start(std::move(ask), of_this_try(&connector::on_password), transport::helper_job::unending))
    attempt_failed(errc::connect_failed, in_words("too many connects are waiting for their passwords"));
}

void connector::on_password(const password_found& found) {
  if (state_ != state::finding_password) return;
  if (found.failed) return attempt_failed(errc::auth_failed, in_words("password_provider failed for " + where()));
  passed_over_ = found.passed_over;
  begin_startup(found.password);
}

void connector::begin_startup(const secret& password) {
  state_ = state::starting_up;
  in_ = input_buffer{};
  out_.wipe();
  out_sent_ = 0;
  session::login with{password, {}, {}};
  if (peer_.secure && settings_->config.channel_binding != channel_binding::disable) {
    auto digest = stream_.endpoint_digest();
    with.endpoint_digest = std::move(digest.bytes);
    with.no_digest_why = std::move(digest.why_not);
  }
  startup_.emplace(settings_->config, security_of(peer_), std::move(with));
  perform(startup_->begin());
}

// libpq's requirepeer: who may make a socket in that folder is not always who ought to.
bool connector::peer_is_required_one() {
  if (!settings_->required_peer || !peer_.unix_socket) return true;
  ucred who{};
  socklen_t size = sizeof who;
  const int fd = stream_.native().native_handle();
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == *settings_->required_peer) return true;
  attempt_failed(errc::auth_refused, in_words("the server behind " + where() + " does not run as requirepeer says"));
  return false;
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
    case action_kind::done: judge_role(); return;
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
    stream_.async_wait_writable(of_this_try(&connector::on_writable));
    return;
  }
  out_.wipe();
  out_sent_ = 0;
}

void connector::on_writable(const std::error_code& ec) {
  if (!ec && (state_ == state::starting_up || state_ == state::asking_role)) flush();
}

void connector::receive() {
  in_.make_room();
  stream_.async_receive(in_.room(), of_this_try(&connector::on_received));
}

void connector::on_received(const std::error_code& ec, std::size_t n) {
  if (state_ != state::starting_up && state_ != state::asking_role) return;
  const unsigned number = try_;
  transport::io_result r = stream_.accept(in_.room(), ec, n);
  for (;;) {
    in_.commit(r.bytes);
    if (r.error || r.would_block) break;
    in_.make_room();
    r = stream_.more(in_.room());
  }
  if (!r.error || !in_.empty()) process();  // an ErrorResponse may stand before the end
  if (r.error && try_ == number && (state_ == state::starting_up || state_ == state::asking_role))
    attempt_failed(errc::connection_lost, in_words(where() + " closed the connection during start-up"));
}

void connector::process() {
  for (;;) {
    const wire::phase phase = role_query_ ? wire::phase::ready : startup_->phase();
    const wire::frame_result next = wire::next_frame(in_.data(), phase, settings_->bounds);
    if (next.status == wire::frame_status::violation)
      return attempt_failed(next.error, in_words(where() + " does not speak PostgreSQL's protocol"));
    if (next.status == wire::frame_status::incomplete) return receive();
    if (role_query_) {
      const auto step = role_query_->on_frame(next.value);
      in_.consume(next.size);
      if (step == session::role_query::step::read) continue;
      return on_role_answer(step);
    }
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
  const bool accepted =
      key_task_->start([job] { return session::derive_salted_password(*job); }, of_this_try(&connector::on_key));
  if (!accepted)
    attempt_failed(errc::connect_failed, in_words("too many logins are waiting for SCRAM's key derivation"));
}

void connector::on_key(const secret& key) {
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
  if (may_fall_back(ec)) {
    std::string said = diag.summary().substr(0, most_words_each);
    if (said.empty()) said = ec.message();
    earlier_ = (current_ == negotiation::plain ? "without TLS: " : "over TLS: ") + said;
    return dial();
  }
  if (!passed_over_.empty() && ec == condition::authentication) {
    diag.context += (diag.context.empty() ? "" : "; ") + passed_over_;
  }
  if (diag.context.empty()) diag.context = "connecting to " + where();
  if (!earlier_.empty()) diag.context += "; before that, " + earlier_;
  host_failed(ec, std::move(diag));
}

// ---- is it what is wanted? ----

void connector::judge_role() {
  standing_ = session::standing_of(startup_->identity().parameters);
  switch (session::judge(plan_.wanted(), standing_)) {
    case session::fitness::fits: return succeed();
    case session::fitness::ask:
      state_ = state::asking_role;
      role_query_.emplace(plan_.wanted(), std::move(startup_->identity().parameters));
      out_.append(role_query_->request());
      flush();
      if (state_ == state::asking_role) in_.empty() ? receive() : process();
      return;
    case session::fitness::does_not: break;
  }
  host_failed(errc::wrong_server_role, in_words("wanted " + std::string(session::in_words(plan_.wanted())) + ", but " +
                                                session::describe(standing_)));
}

void connector::on_role_answer(session::role_query::step step) {
  if (step == session::role_query::step::fail) return host_failed(role_query_->error(), role_query_->diag());
  standing_ = role_query_->answer();
  startup_->identity().parameters = role_query_->take_parameters();
  role_query_.reset();
  if (session::judge(plan_.wanted(), standing_) == session::fitness::fits) return succeed();
  host_failed(errc::wrong_server_role, in_words("wanted " + std::string(session::in_words(plan_.wanted())) + ", but " +
                                                session::describe(standing_)));
}

void connector::succeed() {
  detail::connect_result result;
  result.session = engine::adopt(executor_, settings_, deadlines_, observer_,
                                 link{std::move(stream_), std::move(peer_), std::move(in_),
                                      std::move(startup_->identity()), plan_.host(), standing_});
  finish(std::move(result));
}

void connector::finish(detail::connect_result result) {
  state_ = state::over;
  stop_helpers();
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
                                                 std::function<void(connect_result)> done, const host_choice& choice,
                                                 std::shared_ptr<const session_peer> beside) {
  auto attempt = std::make_shared<io::connector>(std::move(executor), std::move(settings), std::move(deadlines),
                                                 std::move(observer), std::move(done), choice, std::move(beside));
  attempt->start();
  return attempt;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
