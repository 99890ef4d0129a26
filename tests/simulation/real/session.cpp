#include "tests/simulation/real/session.hpp"

#include "pool/recovery/control_statement.hpp"

#include <lido/driver/oid.hpp>

#include <asio/error.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <utility>

namespace simulation {

using namespace std::chrono_literals;
using detail::op_latch;
using detail::op_outcome;
using detail::op_ptr;
using detail::session_condition;

namespace {

// What was sent comes back: whoever gets another one's answer, sees it.
void echo(detail::operation& op) {
  detail::raw_result& out = op.outcome.results.emplace_back();
  const std::size_t n = op.statement.count();
  out.tag = "SELECT 1";
  if (n == 0) return;
  auto columns = std::make_shared<detail::row_description>(n);
  for (lido::column& c : *columns) c.type_oid = 20;
  out.columns = std::move(columns);
  out.bytes = {static_cast<char>(n >> 8U), static_cast<char>(n & 0xffU)};
  out.bytes += op.statement.values();
  out.ends.push_back(out.bytes.size());
}

}  // namespace

simulated_session::simulated_session(server& s, postmaster& at, asio::any_io_executor executor,
                                     std::weak_ptr<detail::session_observer> observer, birth born)
    : server_(s),
      postmaster_(at),
      executor_(std::move(executor)),
      observer_(std::move(observer)),
      born_(std::move(born)),
      role_(server_.hosts[born_.host].role) {}

// An event of this session, if it lives to see it. Like everything of a driver's it runs on the executor.
void simulated_session::soon(std::chrono::nanoseconds most, std::function<void(simulated_session&)> what) {
  server_.time().after(server_.some(most), [weak = weak_from_this(), what = std::move(what)] {
    const auto me = weak.lock();
    if (me) asio::post(me->executor_, [me, what] { what(*me); });
  });
}

std::shared_ptr<const detail::session_peer> simulated_session::peer() const {
  auto where = std::make_shared<detail::session_peer>();
  where->host = born_.host;
  return where;
}

// ---- operations ----

void simulated_session::start(op_ptr op) noexcept {
  std::error_code refusal;
  if (op->tenure != tenure_) {
    refusal = lido::errc::lease_revoked;
  } else if (link_ != link::open) {
    refusal = lido::errc::connection_closed;
  } else if (current_ || queued_) {
    refusal = lido::errc::connection_busy;
  }
  if (refusal) {
    if (!op->win(op_latch::completed)) return;
    op->outcome = op_outcome::failed(refusal);
    return op->post();
  }
  if (op->deadline != lido::time_point::max()) {
    server_.time().at(op->deadline, [op] {
      if (op->is_pending()) op->time_out();
    });
  }
  queued_ = std::move(op);
  // Sometimes the socket takes its time.
  if (server_.chance(80)) return launch_next();
  soon(2ms, [](simulated_session& me) { me.launch_next(); });
}

void simulated_session::launch_next() {
  if (link_ != link::open || traffic_ != traffic::none || settle_.active()) return;
  if (rollback_wanted_) return roll_back();
  if (queued_) launch(std::exchange(queued_, {}));
}

void simulated_session::launch(op_ptr op) {
  if (!op->mark_sent()) return;
  require_unthreatened();
  current_ = std::move(op);
  traffic_ = traffic::user;
  ++turn_;
  flushed_ = !server_.chance(10);
  if (flushed_) return execute();
  soon(3ms, [turn = turn_](simulated_session& me) {
    if (me.turn_ != turn || me.flushed_ || me.link_ != link::open) return;
    me.flushed_ = true;
    me.execute();
    if (me.settle_.active()) me.perform(me.settle_.flushed(me.server_.time().now()));
  });
}

// From here the server runs it, and a signal stops it.
void simulated_session::execute() {
  executing_ = true;
  if (current_->statement.sql() == lido::recovery::control_statement) return ask_control();
  if (born_.what == purpose::watch) return ask_role();
  leave_something();
  const auto longest = server_.chance(server_.today.drags) ? 20'000ms : 5ms;
  soon(longest, [turn = turn_](simulated_session& me) {
    if (me.turn_ == turn && me.executing_) me.answer();
  });
}

// Some statements leave something behind, whether they end well or not.
void simulated_session::leave_something() {
  if (!server_.chance(15)) return;
  const auto what = server_.chance(5)    ? detail::session_reset::impossible
                    : server_.chance(30) ? detail::session_reset::discard_all
                                         : detail::session_reset::exact;
  left_ = std::max(left_, what);
}

void simulated_session::effects_of(std::string_view sql) {
  if (sql.starts_with("BEGIN")) in_transaction_ = true;
  if (sql.starts_with("COMMIT") || sql.starts_with("ROLLBACK") || sql.starts_with("DISCARD")) in_transaction_ = false;
}

void simulated_session::answer() {
  if (server_.chance(server_.today.dies)) return vanish(lido::errc::connection_lost, false);
  effects_of(current_->statement.sql());
  if (current_->statement.sql().starts_with("insert") && server_.hosts[born_.host].role != server_role::primary) {
    if (role_ == server_role::standby) note_role(role_);
    if (const auto o = observer_.lock()) o->on_read_only_refusal();
    return ready(lido::make_sqlstate("25006"));
  }
  // any error that leaves the connection whole
  ready(server_.chance(server_.today.errs) ? std::make_error_code(std::errc::invalid_argument) : std::error_code());
}

// A cancel stops who was cancelled, and nobody else.
void simulated_session::interrupt() {
  if (!executing_ || link_ != link::open) return;  // a backend that waits for its client does not mind
  server_.require(traffic_ != traffic::internal, "I3: a cancel hit the pool's own statement");
  // What looks at hosts is a stranger to the fence; whose question is hit, asks again.
  server_.require(born_.what == purpose::watch || !current_ || soft_ || !current_->is_pending(),
                  "I3: a cancel hit a statement that nobody had cancelled");
  executing_ = false;
  soon(1ms, [turn = turn_](simulated_session& me) {
    if (me.turn_ == turn && me.link_ == link::open) me.ready(lido::make_sqlstate("57014"));
  });
}

// ReadyForQuery is here.
void simulated_session::ready(std::error_code ec) {
  executing_ = false;
  traffic_ = traffic::none;
  ++turn_;
  op_ptr ended;
  if (!soft_ && current_) ended = std::exchange(current_, {});
  if (settle_.active()) perform(settle_.ready(server_.time().now()));
  launch_next();
  if (!ended || !ended->win(op_latch::completed)) return;
  fill(*ended, ec);
  ended->dispatch();
}

void simulated_session::fill(detail::operation& op, std::error_code ec) {
  if (ec) {
    op.outcome = op_outcome::failed(ec);
  } else if (op.outcome.results.empty()) {
    echo(op);
  }
}

void simulated_session::abandon(detail::operation& op) noexcept {
  if (queued_.get() == &op) queued_ = {};
  if (!op.was_sent() || op.tenure != tenure_) return;
  ++tenure_;
  abandoned_ = true;
  const auto o = observer_.lock();
  if (!o) return die(lido::errc::connection_closed, false);  // a session of nobody's
  if (!server_.chance(20)) return o->on_revoked(op.tenure);
  // The thread was held up: by the time that it tells, the lease may be back, and another's.
  server_.time().after(server_.some(std::chrono::milliseconds(3)), [who = observer_, of = op.tenure] {
    if (const auto still = who.lock()) still->on_revoked(of);
  });
}

void simulated_session::soft_cancel(detail::operation& op) noexcept {
  const bool running = current_.get() == &op && op.is_pending() && op.kind != detail::op_kind::commit;
  if (!running || soft_ || settle_.active()) return;
  soft_ = true;
  op.outcome = op_outcome::failed(asio::error::operation_aborted, false);
  begin_settle(budgets_);
}

void simulated_session::cancel_running(std::uint64_t tenure) noexcept {
  const op_ptr running = current_ && current_->tenure == tenure ? current_ : op_ptr{};
  const op_ptr waiting = queued_ && queued_->tenure == tenure ? queued_ : op_ptr{};
  if (waiting) waiting->cancel(asio::cancellation_type::terminal);
  if (running) running->cancel(asio::cancellation_type::terminal);
}

void simulated_session::roll_back_later(std::uint64_t tenure) noexcept {
  if (tenure != tenure_ || link_ != link::open || !in_transaction_) return;
  rollback_wanted_ = true;
  launch_next();
}

// ---- owners ----

session_condition simulated_session::condition() const noexcept {
  if (link_ != link::open) return session_condition::dead;
  if (traffic_ != traffic::none || queued_ || settle_.active() || rollback_wanted_) return session_condition::in_use;
  if (in_transaction_) return session_condition::dirty;
  return left_ == detail::session_reset::none ? session_condition::clean : session_condition::soiled;
}

std::uint64_t simulated_session::begin_tenure() noexcept {
  const session_condition now = condition();
  server_.require(now == session_condition::clean || now == session_condition::dead,
                  "I14: a connection with something left on it was handed out");
  if (born_.what == purpose::pool && now == session_condition::clean) {
    server_.require(born_.epoch == server_.epoch, "a connection of an earlier configuration was handed out");
    require_unthreatened();
    server_.lent(*this);
  }
  return ++tenure_;
}

detail::tenure_end simulated_session::end_tenure(std::uint64_t tenure) noexcept {
  if (condition() == session_condition::in_use) cancel_running(tenure);
  const bool was_current = tenure == tenure_;
  if (was_current) ++tenure_;
  return {condition(), false, was_current};
}

// A cancel that names this connection and was not answered may still be on its way.
void simulated_session::require_unthreatened() {
  if (born_.what != purpose::pool) return;
  server_.require(!settle_.active(), "I3: a user's operation was written before the connection was quiet");
  server_.require(!is_named(), "I4: a connection is used whose cancel was written and not answered");
  server_.require(!born_.backend->alive || !postmaster_.threatens(*born_.backend, born_.lane),
                  "I3: a new connection is used whose pid is in a cancel that was not answered");
}

bool simulated_session::is_named() const {
  return std::ranges::any_of(calls_, [](const control_ptr& c) { return !c->answered; });
}

detail::session_reset simulated_session::reset(bool all, lido::time_point deadline,
                                               std::function<void(std::error_code, bool)> done) {
  using detail::session_reset;
  const session_reset how = all ? std::max(left_, session_reset::discard_all) : left_;
  if (how == session_reset::none || how == session_reset::impossible) return how;
  server_.require(!in_transaction_, "a reset inside a transaction");
  run_internal(how == session_reset::exact ? "RESET ALL" : "DISCARD ALL", deadline,
               [me = shared_from_this(), done = std::move(done)](std::error_code ec, bool idle) {
                 if (!ec && idle) me->left_ = session_reset::none;
                 done(ec, idle);
               });
  return how;
}

void simulated_session::ping(lido::time_point deadline, std::function<void(std::error_code)> done) {
  server_.require(condition() == session_condition::clean || condition() == session_condition::dead,
                  "a connection in use was pinged");
  internal("", deadline, std::move(done));
}

void simulated_session::run_internal(std::string_view sql, lido::time_point deadline,
                                     std::function<void(std::error_code, bool)> done) {
  server_.require(traffic_ == traffic::none && !queued_, "the pool's own statement was written between a user's");
  internal(std::string(sql), deadline, [me = shared_from_this(), done = std::move(done)](std::error_code ec) {
    done(ec, !ec && !me->in_transaction_);
  });
}

void simulated_session::internal(std::string text, lido::time_point deadline,
                                 std::function<void(std::error_code)> done) {
  if (link_ == link::open) {
    traffic_ = traffic::internal;
    executing_ = true;
    ++turn_;
  }
  const bool swallowed = server_.chance(server_.today.swallows);
  const auto answered = swallowed ? deadline : std::min<instant>(deadline, server_.time().now() + server_.some(4ms));
  server_.time().at(answered, [me = shared_from_this(), swallowed, text = std::move(text), done = std::move(done)] {
    asio::post(me->executor_, [me, swallowed, text, done] {
      if (me->link_ != link::open) return done(lido::errc::connection_lost);
      if (swallowed) return done(lido::errc::timeout);
      me->effects_of(text);
      me->ready({});
      done({});
    });
  });
}

void simulated_session::roll_back() {
  rollback_wanted_ = false;
  traffic_ = traffic::internal;
  executing_ = true;
  soon(5ms, [turn = ++turn_](simulated_session& me) {
    if (me.turn_ != turn || me.link_ != link::open) return;
    me.in_transaction_ = false;
    me.ready({});
  });
}

// ---- the end ----

void simulated_session::fail_operations(std::error_code ec) noexcept {
  traffic_ = traffic::none;
  rollback_wanted_ = executing_ = soft_ = false;
  ++turn_;
  const op_ptr waiting = std::exchange(queued_, {});
  const op_ptr running = std::exchange(current_, {});
  if (waiting && waiting->win(op_latch::completed)) {
    waiting->outcome = op_outcome::failed(ec);
    waiting->post();
  }
  if (running && running->win(op_latch::completed)) {
    running->outcome = op_outcome::failed(ec, false);
    running->post();
  }
}

// Where the network is lost, the process does not know and stays a while.
void simulated_session::leave_server(bool network_lost) noexcept {
  if (born_.what == purpose::pool) server_.backend_gone(born_.lane);
  if (born_.what == purpose::control) --server_.hosts[born_.host].controls[born_.lane];
  if (born_.what == purpose::watch) --server_.watches;
  born_.backend->ours.reset();
  if (!network_lost) return postmaster_.end(born_.backend);
  server_.time().after(server_.some(500ms), [&at = postmaster_, who = born_.backend] { at.end(who); });
}

void simulated_session::die(std::error_code ec, bool endpoint) noexcept {
  if (link_ != link::open) return;
  const auto keep = shared_from_this();
  link_ = link::lost;
  leave_server(server_.chance(30));
  if (settle_.active()) perform(settle_.lost(server_.time().now()));
  fail_operations(lido::errc::connection_lost);
  if (const auto o = observer_.lock()) o->on_disconnected(ec, endpoint);
}

void simulated_session::vanish(std::error_code ec, bool endpoint) {
  executing_ = false;
  postmaster_.kill(born_.backend);
  soon(5ms, [ec, endpoint](simulated_session& me) { me.die(ec, endpoint); });
}

void simulated_session::close(lido::time_point deadline, std::function<void(bool)> done) {
  if (link_ == link::closed) return asio::post(executor_, [done = std::move(done)] { done(false); });
  closers_.push_back(std::move(done));
  if (link_ == link::closing) return;
  if (link_ == link::lost) return (void)server_.time().after(0ns, [me = shared_from_this()] { me->closed(false); });
  link_ = link::closing;
  if (settle_.active()) perform(settle_.lost(server_.time().now()));
  fail_operations(lido::errc::connection_closed);
  const bool swallowed = server_.chance(server_.today.swallows);
  const auto end = swallowed ? deadline : std::min<instant>(deadline, server_.time().now() + server_.some(20ms));
  server_.time().at(end, [me = shared_from_this(), swallowed] {
    if (me->link_ != link::closing) return;
    me->leave_server(swallowed);
    me->closed(swallowed);
  });
}

void simulated_session::closed(bool orphaned) {
  link_ = link::closed;
  for (const auto& done : std::exchange(closers_, {})) {
    asio::post(executor_, [done, orphaned, me = shared_from_this()] { done(orphaned); });
  }
}

void simulated_session::close_now() noexcept {
  const auto keep = shared_from_this();
  die(lido::errc::connection_closed, false);
  if (link_ == link::closing) leave_server(false);
  closed(false);
}

}  // namespace simulation
