#include "pool/recovery/control_session.hpp"

#include "pool/recovery/control_statement.hpp"

#include <lido/driver/options.hpp>

#include <asio/post.hpp>

#include <algorithm>
#include <utility>

namespace lido::inline v0::recovery {

using detail::control_outcome;
using detail::lock;

namespace {

constexpr std::chrono::milliseconds longest_opening{250};

control_channel::time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

std::int64_t wall_now() noexcept {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
}

control_outcome in_session_terms(control_channel::outcome o) noexcept {
  switch (o) {
    case control_channel::outcome::signalled: return control_outcome::signalled;
    case control_channel::outcome::missed: return control_outcome::missed;
    case control_channel::outcome::unknown: break;
  }
  return control_outcome::unknown;
}

bool is_refusal(control_channel::state s) noexcept {
  return s == control_channel::state::refused || s == control_channel::state::untrusted;
}

backend backend_of(const detail::managed_session& session) {
  detail::socket_name end = session.local_end();
  return {session.process_id(), {std::move(end.address), end.port}, wall_now(), std::nullopt};
}

}  // namespace

control_channel::limits channel_limits(const pool_config& config) {
  control_channel::limits l;
  l.batch = config.cancel.batch;
  l.answer_timeout = config.cancel.timeout;
  l.patience = l.open_patience = config.cancel.timeout;
  if (config.cancel.channel == cancel_channel_choice::session) return l;
  // What is left of cancel.timeout is for the CancelRequest. A pooler that is full may let the session wait for long.
  l.patience = config.cancel.timeout / 4;
  l.open_patience = std::min<control_channel::duration>(l.patience, longest_opening);
  return l;
}

control_session::control_session(control_surroundings around, const control_channel::limits& bounds)
    : around_(std::move(around)), channel_(bounds) {}

void control_session::start() { deadline_entry_.attach(around_.deadlines, weak_from_this()); }

// Moves the channel under the lock; what follows from it is done later, on our executor.
template <class Event>
void control_session::tell(Event event) {
  const lock guard(mutex_);
  const auto before = channel_.now_in();
  event(channel_);
  count_refusals(before);
  kick();
}

void control_session::count_refusals(control_channel::state before) noexcept {
  if (!is_refusal(channel_.now_in()) || is_refusal(before)) return;
  if (const auto keep = around_.keeps.lock()) around_.counters->control_refused();
}

void control_session::report(const std::string& what) {
  if (const auto keep = around_.keeps.lock()) around_.log(what);
}

// ---- connections ----

control_channel::admission control_session::admits(std::int32_t pid, std::function<void(bool)> later) {
  const lock guard(mutex_);
  const std::uint64_t asked = ++last_name_;
  const auto verdict = channel_.admits(pid, asked);
  if (verdict == control_channel::admission::wait) waiting_.emplace(asked, std::move(later));
  return verdict;
}

control_session::name control_session::enrol(const detail::managed_session& session) {
  backend what = backend_of(session);
  const lock guard(mutex_);
  if (what.pid == 0 || what.end.port == 0 || abandoned_) return 0;
  const name who = ++last_name_;
  channel_.enrol(who, std::move(what), steady_now());
  kick();
  return who;
}

void control_session::leave(name who) noexcept {
  if (who == 0) return;
  const lock guard(mutex_);
  channel_.leave(who);
  if (channel_.is_useless()) kick();
}

bool control_session::is_needed() const noexcept {
  const lock guard(mutex_);
  return channel_.member_count() > 0 || channel_.remembers() || !waiting_.empty() || session_ != nullptr ||
         channel_.now_in() == control_channel::state::opening;
}

// ---- cancels ----

bool control_session::available(name who) noexcept {
  const lock guard(mutex_);
  return !abandoned_ && channel_.available(who, steady_now());
}

std::uint64_t control_session::submit(name who, std::weak_ptr<detail::control_client> client) noexcept {
  const lock guard(mutex_);
  if (abandoned_) return 0;
  const auto ticket = channel_.submit(who, steady_now());
  if (ticket == 0) return 0;
  clients_.emplace(ticket, std::move(client));
  kick();
  return ticket;
}

void control_session::withdraw(std::uint64_t ticket) noexcept {
  const lock guard(mutex_);
  (void)channel_.withdraw(ticket);
  clients_.erase(ticket);
}

// ---- what follows ----

void control_session::kick() {
  if (pumping_) return;
  pumping_ = true;
  asio::post(around_.executor, [self = shared_from_this()] { self->pump(); });
}

// With nothing to wait for it leaves the queue: arming alone is lazy, and run() would wait for an idle timeout of a
// session that is closed.
void control_session::rearm() noexcept {
  const auto next = channel_.next_deadline();
  next == control_channel::time_point::max() ? deadline_entry_.detach() : deadline_entry_.arm(next);
}

void control_session::pump() noexcept {
  while (one_round()) {
  }
}

bool control_session::one_round() {
  control_channel::work work;
  std::vector<call> calls;
  std::vector<std::pair<std::function<void(bool)>, bool>> admitted;
  {
    const lock guard(mutex_);
    channel_.tick(steady_now());
    work = channel_.take_work();
    if (work.empty()) {
      pumping_ = false;
      rearm();
      return false;
    }
    for (const auto& [which, what] : work.answers) {
      const auto found = clients_.find(which);
      if (found == clients_.end()) continue;
      if (auto who = found->second.lock()) calls.push_back({std::move(who), in_session_terms(what)});
      clients_.erase(found);
    }
    for (const auto& [which, use] : work.admitted) {
      const auto found = waiting_.find(which);
      if (found == waiting_.end()) continue;
      admitted.emplace_back(std::move(found->second), use);
      waiting_.erase(found);
    }
    if (work.close) close_session();
  }
  for (const call& each : calls) each.who->ended(each.how);
  for (const auto& [later, use] : admitted) later(use);
  if (work.open) open();
  if (work.write) write();
  return true;
}

void control_session::on_deadline(time_point) noexcept {
  tell([](control_channel& c) { c.tick(steady_now()); });
}

// ---- the session ----

void control_session::open() {
  std::uint64_t generation = 0;
  {
    const lock guard(mutex_);
    if (abandoned_) return;
    generation = ++generation_;
  }
  around_.credentials_now(
      [self = shared_from_this(), generation](credentials as) { self->connect(generation, std::move(as)); });
}

void control_session::connect(std::uint64_t generation, credentials as) {
  {
    const lock guard(mutex_);
    if (generation != generation_) return;  // given up meanwhile
  }
  if (!as.settings) return on_opened({as.error, std::move(as.diag), nullptr});
  auto attempt = detail::connect_session(
      around_.executor, std::move(as.settings), around_.deadlines, weak_from_this(),
      // weak: we hold the attempt, and an io_context that is destroyed first calls nobody
      [weak = weak_from_this(), generation](detail::connect_result made) {
        const auto self = weak.lock();
        if (!self) {
          if (made.session) made.session->close_now();
          return;
        }
        {
          const lock guard(self->mutex_);
          if (generation != self->generation_) {
            if (made.session) made.session->close_now();
            return;
          }
          self->attempt_.reset();
        }
        self->on_opened(std::move(made));
      },
      {}, around_.peer);
  {
    const lock guard(mutex_);
    if (generation == generation_ && !session_) {
      attempt_ = std::move(attempt);
      return;
    }
  }
  attempt->cancel();  // its end came first, or it was given up meanwhile
}

void control_session::on_opened(detail::connect_result made) {
  if (!made.session) {
    report("no control session to " + describe(*around_.peer) +
           ", cancels are CancelRequests for now: " + error(made.error, std::move(made.diag)).what());
    return tell([](control_channel& c) { c.open_failed(steady_now()); });
  }
  if (const auto keep = around_.keeps.lock()) around_.counters->control_opened();
  const backend self = backend_of(*made.session);
  tell([&](control_channel& c) LIDO_REQUIRES(mutex_) {
    session_ = made.session;
    db_.renew(session_, session_->begin_tenure());
    c.opened(self, steady_now());
  });
}

// Our end closes; a statement that is under way goes on, and the channel remembers it.
void control_session::close_session() {
  ++generation_;
  if (const auto attempt = std::exchange(attempt_, nullptr)) {
    asio::post(around_.executor, [attempt] { attempt->cancel(); });
  }
  (void)db_.release_handle();
  const auto session = std::exchange(session_, nullptr);
  if (!session) return;
  ++closing_;
  asio::post(around_.executor, [self = shared_from_this(), session] {
    session->close(within(self->around_.close_timeout).deadline, [self](bool) {
      std::vector<std::function<void()>> closers;
      {
        const lock guard(self->mutex_);
        if (--self->closing_ == 0) closers.swap(self->closers_);
      }
      for (const auto& done : closers) done();
    });
  });
}

void control_session::on_disconnected(std::error_code, bool) noexcept {
  std::shared_ptr<detail::managed_session> gone;  // destroyed without the lock
  tell([&](control_channel& c) LIDO_REQUIRES(mutex_) {
    // An earlier session's farewell must not end this one.
    if (!session_ || session_->condition() != detail::session_condition::dead) return;
    gone = session_;
    c.lost(steady_now());
  });
}

// ---- statements ----

void control_session::write() {
  std::vector<control_channel::ticket> taken;
  std::vector<std::pair<control_channel::ticket, std::shared_ptr<detail::control_client>>> asked;
  {
    const lock guard(mutex_);
    taken = channel_.take(steady_now());
    for (const auto t : taken) {
      const auto found = clients_.find(t);
      if (found == clients_.end()) continue;
      if (auto who = found->second.lock()) asked.emplace_back(t, std::move(who));
    }
  }
  std::vector<control_channel::ticket> wanted;
  for (const auto& [ticket, who] : asked) {
    if (who->may_write()) wanted.push_back(ticket);  // from here on it is `written` for its session
  }
  rows what;
  std::uint64_t generation = 0;
  {
    const lock guard(mutex_);
    for (const auto t : taken) {
      if (std::find(wanted.begin(), wanted.end(), t) == wanted.end()) clients_.erase(t);
    }
    what = channel_.write(wanted, steady_now());
    if (channel_.statements() != batches_) {
      batches_ = channel_.statements();
      if (const auto keep = around_.keeps.lock()) around_.counters->control_batch();
    }
    generation = generation_;
  }
  if (!what.empty()) send(what, generation);
}

void control_session::send(const rows& what, std::uint64_t generation) {
  const control_arguments with = arguments_of(what);
  const auto said = std::make_shared<diagnostics>();
  auto answered = [self = shared_from_this(), said, generation, asked = what.size()](
                      std::error_code ec, const result<control_row>& answer) {
    std::string words;
    self->tell([&](control_channel& c) LIDO_REQUIRES(self->mutex_) {
      if (generation != self->generation_) return;  // given up; the channel knows what that means
      const auto now = steady_now();
      if (!ec) {
        c.replied(reply_of(answer, asked), now);
        if (c.now_in() == control_channel::state::untrusted)
          words =
              "something stands between this pool and its server (a pooler, a proxy, address translation): cancels "
              "are CancelRequests";
      } else if (ec.category() == sqlstate_category() && !is_disconnect(ec)) {
        c.server_refused(ec != condition::query_canceled, now);
        words = "the control session's statement failed, cancels are CancelRequests for now: " + said->summary();
      } else if (said->outcome_known && ec != errc::connection_lost) {
        c.not_sent(now);
      } else {
        c.lost(now);
      }
    });
    if (!words.empty()) self->report(words);
  };
  connection db;
  {
    const lock guard(mutex_);
    if (generation != generation_ || !session_) return;  // given up meanwhile: everybody was told
    db.renew(session_, db_.handle().tenure);
  }
  op_options options;
  options.diag = said.get();
  db.async_query_with<control_row>(std::move(answered), options, control_statement, with.pids, with.started,
                                   with.addresses, with.ports, with.kills);
}

// ---- the end ----

void control_session::adjust(const control_channel::limits& bounds) noexcept {
  tell([&](control_channel& c) { c.adjust(bounds); });
}

void control_session::retire() noexcept {
  tell([](control_channel& c) { c.retire(); });
}

void control_session::close(std::function<void()> done) {
  {
    const lock guard(mutex_);
    channel_.give_up_all(steady_now());
    kick();
    if (session_ || closing_ > 0) {
      closers_.push_back(std::move(done));
      return;
    }
  }
  done();
}

void control_session::abandon() noexcept {
  std::shared_ptr<detail::managed_session> session;
  std::shared_ptr<detail::connect_attempt> attempt;
  std::vector<std::function<void()>> closers;
  {
    const lock guard(mutex_);
    abandoned_ = true;
    ++generation_;
    session = std::move(session_);
    attempt = std::move(attempt_);
    (void)db_.release_handle();
    closers.swap(closers_);
    channel_.give_up_all(steady_now());
    pumping_ = true;  // nobody else pumps any more
  }
  if (attempt) attempt->cancel();
  if (session) session->close_now();
  pump();
  for (const auto& each : closers) each();
}

control_state control_session::state() const noexcept {
  using state = control_channel::state;
  const lock guard(mutex_);
  switch (channel_.now_in()) {
    case state::absent: return control_state::absent;
    case state::opening: return control_state::opening;
    case state::ready: return control_state::ready;
    case state::asking:
    case state::busy: return control_state::busy;
    case state::refused: return control_state::refused;
    case state::untrusted: return control_state::untrusted;
  }
  return control_state::absent;
}

}  // namespace lido::inline v0::recovery
