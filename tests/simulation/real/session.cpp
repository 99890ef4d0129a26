#include "tests/simulation/real/session.hpp"

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
using detail::recovery_failure;
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

simulated_session::simulated_session(server& s, asio::any_io_executor executor,
                                     std::weak_ptr<detail::session_observer> observer, unsigned epoch)
    : server_(s), executor_(std::move(executor)), observer_(std::move(observer)), epoch_(epoch) {}

// An event of this session, if it lives to see it. Like everything of a driver's it runs on the executor.
void simulated_session::soon(std::chrono::nanoseconds most, std::function<void(simulated_session&)> what) {
  server_.time().after(server_.some(most), [weak = weak_from_this(), what = std::move(what)] {
    const auto me = weak.lock();
    if (me) asio::post(me->executor_, [me, what] { what(*me); });
  });
}

// ---- operations ----

void simulated_session::start(op_ptr op) noexcept {
  std::error_code refusal;
  if (op->tenure != tenure_) {
    refusal = lido::errc::lease_revoked;
  } else if (link_ != link::open) {
    refusal = lido::errc::connection_closed;
  } else if ((current_ && !rolling_back_) || queued_) {
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
  if (server_.chance(80) && !rolling_back_) return launch_next();
  soon(2ms, [](simulated_session& me) { me.launch_next(); });
}

void simulated_session::launch_next() {
  if (link_ != link::open || current_ || rolling_back_ || recovering_ || !queued_) return;
  launch(std::exchange(queued_, {}));
}

void simulated_session::launch(op_ptr op) {
  if (!op->mark_sent()) return;
  server_.require(!recovering_, "I3: a user's operation was written while the pool was at work on its connection");
  current_ = std::move(op);
  leave_something();
  const auto longest = server_.chance(server_.today.drags) ? 20'000ms : 5ms;
  soon(longest, [turn = ++turn_](simulated_session& me) {
    if (me.turn_ == turn && me.current_) me.answer();
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

void simulated_session::effects_of(const std::string& sql) {
  if (sql.starts_with("BEGIN")) in_transaction_ = true;
  if (sql.starts_with("COMMIT") || sql.starts_with("ROLLBACK") || sql.starts_with("DISCARD")) in_transaction_ = false;
}

void simulated_session::answer() {
  if (server_.chance(server_.today.dies)) return die(lido::errc::connection_lost, false);
  effects_of(current_->statement.sql());
  if (recovering_) return settled(recovery_failure::none);
  if (soft_) {
    soft_ = false;
    end_current(asio::error::operation_aborted);
  } else if (server_.chance(server_.today.errs)) {
    end_current(std::make_error_code(std::errc::invalid_argument));  // any error that leaves the connection whole
  } else {
    end_current({});
  }
  launch_next();
}

void simulated_session::end_current(std::error_code ec) {
  const op_ptr op = std::exchange(current_, {});
  if (!op || !op->win(op_latch::completed)) return;
  if (ec) {
    op->outcome = op_outcome::failed(ec);
  } else {
    echo(*op);
  }
  op->dispatch();
}

void simulated_session::abandon(detail::operation& op) noexcept {
  if (queued_.get() == &op) queued_ = {};
  if (!op.was_sent() || op.tenure != tenure_) return;
  ++tenure_;
  if (const auto o = observer_.lock()) {
    o->on_cancel(detail::cancel_event::requested, detail::cancel_via::request);
    o->on_revoked();
  }
}

void simulated_session::soft_cancel(detail::operation& op) noexcept {
  if (current_.get() == &op && op.is_pending() && op.kind != detail::op_kind::commit) soft_ = true;
}

void simulated_session::cancel_running(std::uint64_t tenure) noexcept {
  const op_ptr running = current_ && current_->tenure == tenure ? current_ : op_ptr{};
  const op_ptr waiting = queued_ && queued_->tenure == tenure ? queued_ : op_ptr{};
  if (waiting) waiting->cancel(asio::cancellation_type::terminal);
  if (running) running->cancel(asio::cancellation_type::terminal);
}

void simulated_session::roll_back_later(std::uint64_t tenure) noexcept {
  if (tenure != tenure_ || link_ != link::open || !in_transaction_) return;
  rolling_back_ = true;
  soon(5ms, [](simulated_session& me) {
    me.rolling_back_ = false;
    me.in_transaction_ = false;
    if (me.recovering_) return me.settled(recovery_failure::none);
    me.launch_next();
  });
}

// ---- owners ----

session_condition simulated_session::condition() const noexcept {
  if (link_ != link::open) return session_condition::dead;
  if (current_ || queued_ || rolling_back_ || recovering_) return session_condition::in_use;
  if (in_transaction_) return session_condition::dirty;
  return left_ == detail::session_reset::none ? session_condition::clean : session_condition::soiled;
}

std::uint64_t simulated_session::begin_tenure() noexcept {
  const session_condition now = condition();
  server_.require(now == session_condition::clean || now == session_condition::dead,
                  "I14: a connection with something left on it was handed out");
  server_.require(now == session_condition::dead || epoch_ == server_.epoch,
                  "a connection of an earlier configuration was handed out");
  return ++tenure_;
}

session_condition simulated_session::end_tenure(std::uint64_t tenure) noexcept {
  if (current_ || queued_) cancel_running(tenure);
  if (tenure == tenure_) ++tenure_;
  return condition();
}

void simulated_session::ping(lido::time_point deadline, std::function<void(std::error_code)> done) {
  server_.require(condition() == session_condition::clean || condition() == session_condition::dead,
                  "a connection in use was pinged");
  const bool swallowed = server_.chance(server_.today.swallows);
  const auto answered = swallowed ? deadline : std::min<instant>(deadline, server_.time().now() + server_.some(4ms));
  server_.time().at(answered, [me = shared_from_this(), swallowed, done = std::move(done)] {
    asio::post(me->executor_, [me, swallowed, done] {
      if (me->link_ != link::open) return done(lido::errc::connection_lost);
      done(swallowed ? make_error_code(lido::errc::timeout) : std::error_code{});
    });
  });
}

void simulated_session::recover(const detail::recovery_budgets& budgets, std::function<void(recovery_failure)> done) {
  server_.require(!recovering_, "a connection is recovered twice at once");
  recovering_ = true;
  recovered_ = std::move(done);
  if (link_ != link::open) return settled(recovery_failure::lost);
  if (!current_ && !rolling_back_) return settled(recovery_failure::none);
  const auto observer = observer_.lock();
  admitted_ = current_ && observer && observer->admit_cancel();
  if (server_.chance(server_.today.keeps)) {
    soon(budgets.cancel_timeout, [](simulated_session& me) { me.settled(recovery_failure::cancel_unknown); });
  } else if (admitted_) {
    soon(30ms, [turn = turn_](simulated_session& me) {
      if (me.turn_ == turn && me.current_) me.answer();
    });
  }
  server_.time().after(budgets.drain_timeout, [weak = weak_from_this()] {
    if (const auto me = weak.lock()) me->settled(recovery_failure::drain_timeout);
  });
}

void simulated_session::settled(recovery_failure how) {
  if (!std::exchange(recovering_, false)) return;
  if (const auto observer = observer_.lock(); observer && std::exchange(admitted_, false)) observer->cancel_ended();
  if (how == recovery_failure::none) {
    current_ = {};
    rolling_back_ = false;
  }
  asio::post(executor_, [done = std::exchange(recovered_, nullptr), how] { done(how); });
}

void simulated_session::run_internal(std::string_view sql, lido::time_point deadline,
                                     std::function<void(std::error_code, bool)> done) {
  server_.require(!current_ && !queued_, "the pool's own statement was written between a user's");
  const bool swallowed = server_.chance(server_.today.swallows);
  const auto answered = swallowed ? deadline : std::min<instant>(deadline, server_.time().now() + server_.some(4ms));
  server_.time().at(answered, [me = shared_from_this(), swallowed, text = std::string(sql), done = std::move(done)] {
    asio::post(me->executor_, [me, swallowed, text, done] {
      if (me->link_ != link::open) return done(lido::errc::connection_lost, false);
      if (swallowed) return done(lido::errc::timeout, false);
      me->effects_of(text);
      done({}, !me->in_transaction_);
    });
  });
}

// ---- the end ----

void simulated_session::die(std::error_code ec, bool endpoint) noexcept {
  if (link_ != link::open) return;
  link_ = link::lost;
  server_.backend_gone();
  const op_ptr waiting = std::exchange(queued_, {});
  if (waiting && waiting->win(op_latch::completed)) {
    waiting->outcome = op_outcome::failed(lido::errc::connection_lost);
    waiting->post();
  }
  end_current(lido::errc::connection_lost);
  settled(recovery_failure::lost);
  if (const auto o = observer_.lock()) o->on_disconnected(ec, endpoint);
}

void simulated_session::close(lido::time_point deadline, std::function<void(bool)> done) {
  if (link_ == link::closed) return asio::post(executor_, [done = std::move(done)] { done(false); });
  closers_.push_back(std::move(done));
  if (link_ == link::closing) return;
  if (link_ == link::open) {
    link_ = link::closing;
    const op_ptr waiting = std::exchange(queued_, {});
    if (waiting && waiting->win(op_latch::completed)) {
      waiting->outcome = op_outcome::failed(lido::errc::connection_closed);
      waiting->post();
    }
    end_current(lido::errc::connection_closed);
    settled(recovery_failure::lost);
  } else {
    server_.time().after(0ns, [me = shared_from_this()] { me->closed(false); });
    return;
  }
  const bool swallowed = server_.chance(server_.today.swallows);
  const auto end = swallowed ? deadline : std::min<instant>(deadline, server_.time().now() + server_.some(20ms));
  server_.time().at(end, [me = shared_from_this(), swallowed] {
    if (me->link_ != link::closing) return;
    me->server_.backend_gone();
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
  die(lido::errc::connection_closed, false);
  closed(false);
}

}  // namespace simulation
