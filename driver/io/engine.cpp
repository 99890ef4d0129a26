#include "driver/io/engine.hpp"

#include "driver/io/context_registry.hpp"
#include "driver/transport/address.hpp"
#include "driver/wire/frontend.hpp"

#include <lido/driver/transaction.hpp>

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace lido::io {

using detail::lock;
using detail::op_kind;
using detail::op_latch;
using detail::op_outcome;
using detail::op_ptr;
using session::event_kind;

namespace {

constexpr std::size_t max_warnings = 16;                 // kept of one operation
constexpr std::size_t kept_output_capacity = 64U << 10;  // a larger write buffer is given back
constexpr auto patience_after_write_error = std::chrono::seconds(1);

}  // namespace

std::shared_ptr<engine> engine::adopt(asio::any_io_executor executor,
                                      std::shared_ptr<const detail::session_settings> settings,
                                      std::shared_ptr<detail::deadline_queue> deadlines,
                                      std::weak_ptr<detail::session_observer> observer, link l) {
  auto made = std::make_shared<engine>(executor, std::move(settings), std::move(observer), std::move(l));
  made->deadline_entry_.attach(std::move(deadlines), made);
  context_registry::of(executor).add(made);
  aftermath after;
  {
    const lock guard(made->mutex_);
    made->process(after);  // what came behind the last message of start-up
    if (made->link_ == link_state::open) made->receive();
  }
  after.run();
  return made;
}

engine::engine(asio::any_io_executor executor, std::shared_ptr<const detail::session_settings> settings,
               std::weak_ptr<detail::session_observer> observer, link l)
    : executor_(std::move(executor)),
      place_(context_registry::of(executor_).place),
      settings_(std::move(settings)),
      peer_(std::move(l.peer)),
      certificates_{l.stream.certificates().server, l.stream.certificates().client},
      host_(l.host),
      process_id_(l.identity.process_id),
      owner_process_(::getpid()),
      role_(session::role_of(l.standing)),
      observer_(std::move(observer)),
      cancel_key_(std::move(l.identity.cancel_key)),
      protocol_(std::move(l.identity.parameters)),
      cache_(settings_->config.statement_cache_size, settings_->config.statement_cache_bytes, next_statement_prefix()),
      in_(std::move(l.in)),
      stream_(std::move(l.stream)) {}

engine::~engine() {
  const lock guard(mutex_);
  if (link_ == link_state::open) say_goodbye();
  stream_.close();
}

void engine::aftermath::run() {
  for (const auto& call : calls) call();
  if (timed_out) timed_out->time_out();
  if (ended_too) ended_too->post();
  if (ended) ended->dispatch();
}

void engine::aftermath::run_from_user() {
  for (const auto& call : calls) call();
  if (ended_too) ended_too->post();
  if (ended) ended->post();
}

// ---- operations ----

std::error_code engine::refusal(detail::operation& op) const {
  if (op.tenure != tenure_.load(std::memory_order_acquire)) return errc::lease_revoked;
  if (link_ != link_state::open) return end_ ? end_ : make_error_code(errc::connection_closed);
  if (op.statement.error()) return op.statement.error();
  if (op.statement.sql().size() + op.statement.values().size() + 8 * op.statement.count() >
      wire::max_outgoing_message - 1024) {
    return errc::not_encodable;
  }
  if (current_ || queued_) return errc::connection_busy;
  if (op.tenure == bounded_tenure_) [[unlikely]]
    return keep_to_bound(op);
  return {};
}

void engine::start(op_ptr op) noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    if (op->kind == op_kind::step) [[unlikely]] {
      step(op, after);
    } else if (const std::error_code ec = refusal(*op)) {
      if (op->win(op_latch::completed)) {
        op->outcome = op_outcome::failed(ec);
        after.finish(std::move(op));
      }
    } else if (in_exchange() && !exchange_->left()) {
      if (op->win(op_latch::completed)) {
        op->outcome = op_outcome::failed(errc::connection_busy);
        op->outcome.diag->context = "a stream or COPY is open: finish or close it first";
        after.finish(std::move(op));
      }
    } else if (traffic_ != traffic::none || undo_ != nothing_to_undo || settle_.active()) {
      queued_ = std::move(op);
      publish();
      rearm();
    } else {
      launch(op, after);
    }
  }
  after.run_from_user();
}

void engine::launch(const op_ptr& op, aftermath& after) {
  if (op->deadline != time_point::max() && op->deadline <= steady_now()) [[unlikely]] {
    if (!op->win(op_latch::completed)) return;
    op->outcome = op_outcome::failed(errc::timeout);  // nobody could wait for its answer: it is not asked
    return after.finish(op);
  }
  if (!op->mark_sent()) return;  // cancelled a moment ago: its handler has gone (I19)
  current_ = op;
  traffic_ = traffic::user;
  statements_.add(1);
  publish();
  try {
    const bool told = server_timeout_.enabled() && tell_server(*op);
    encode(*op);
    if (told) protocol_.expect_prologue();
  } catch (const std::bad_alloc&) {
    return lost(std::make_error_code(std::errc::not_enough_memory), after);  // half a message may stand in the buffer
  }
  flush(after);
  if (op->deadline != time_point::max()) rearm();
}

void engine::launch_internal(aftermath& after) {
  traffic_ = traffic::internal;
  publish();
  if (job_->sql.empty()) {
    wire::append_sync(out_);
    protocol_.begin(session::segment::sync);
  } else {
    const bool told = server_timeout_.enabled() && tell_server_of_none();
    wire::append_query(out_, job_->sql);
    protocol_.begin(session::segment::simple);
    if (told) protocol_.expect_prologue();
  }
  flush(after);
  rearm();
}

// The wire is quiet: a wanted rollback goes first, then who waited for it.
void engine::launch_next(aftermath& after) {
  if (link_ != link_state::open || traffic_ != traffic::none || settle_.active()) return;
  if (undo_ != nothing_to_undo && launch_undo(after)) return;
  if (queued_) {
    const op_ptr op = std::exchange(queued_, {});
    launch(op, after);
    if (!current_) publish();  // it was too late, or has left
  }
}

bool engine::launch_undo(aftermath& after) {
  const std::uint32_t savepoint = std::exchange(undo_, nothing_to_undo);
  if (protocol_.status() == wire::transaction_status::idle) return false;
  const bool inside = savepoint != 0;
  job_ = internal_job{inside ? detail::roll_back_to_text(savepoint) : "ROLLBACK",
                      within(settings_->config.connect_timeout).deadline,
                      nullptr,
                      {}};
  job_->inside = inside;
  if (inside) note(session::dirt::rewinds);
  launch_internal(after);
  return true;
}

// ---- bytes out ----

void engine::flush(aftermath& after) {
  if (writer_ == writer::waiting || write_failed_ != time_point::max() || settle_.is_doomed()) return;
  while (out_sent_ < out_.size() || (pipeline_ && feed_pipeline())) {
    const transport::io_result r = stream_.write_some(std::string_view{out_}.substr(out_sent_));
    out_sent_ += r.bytes;
    bytes_sent_.add(r.bytes);
    if (r.error) {
      // the reader still has the server's last words, if any; it gets a moment to find them
      write_failed_ = steady_now() + patience_after_write_error;
      ask_again();
      rearm();
      return;
    }
    if (!r.would_block) continue;
    await_writable();
    return;
  }
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() > kept_output_capacity) out_.shrink_to_fit();
  if (settle_.active()) perform(settle_.flushed(steady_now()), after);
}

void engine::await_writable() {
  writer_ = writer::waiting;
  stream_.async_wait_writable([self = weak_from_this()](const std::error_code&) {
    if (const auto me = self.lock()) me->on_writable();
  });
}

void engine::on_writable() {
  aftermath after;
  {
    const lock guard(mutex_);
    writer_ = writer::idle;
    fed_in_a_row_ = 0;
    if (link_ == link_state::open) flush(after);  // also when the wait was only stopped: see ask_again()
    if (in_exchange()) bytes_went_out(after);
  }
  after.run();
}

// ---- bytes in ----

void engine::process(aftermath& after) {
  if (link_ == link_state::closing) in_.consume(in_.data().size());  // nobody listens any more
  while (link_ == link_state::open) {
    if (pipeline_) [[unlikely]] {
      take_answers(after);
      if (link_ == link_state::closed) return;
    } else if (in_.empty()) {
      return;
    } else if (in_.data().front() == 'D') {
      take_rows(after);
    }
    const wire::frame_result next = wire::next_frame(in_.data(), wire::phase::ready, settings_->bounds);
    if (next.status == wire::frame_status::incomplete) return;
    if (next.status == wire::frame_status::violation) return lost(next.error, after);
    on_event(protocol_.on_frame(next.value), next.value, after);
    if (link_ == link_state::closed) return;
    in_.consume(next.size);
  }
}

// What every answer consists of, besides its rows, is told apart here; the rest is a call away.
inline void engine::on_event(event_kind kind, const wire::frame& frame, aftermath& after) {
  if (pipeline_) [[unlikely]]
    return on_pipeline_event(kind, frame, after);
  switch (kind) {
    case event_kind::none: return;
    case event_kind::complete: return on_complete(after);
    case event_kind::ready: return on_ready(after);
    default: on_other_event(kind, frame, after);
  }
}

void engine::on_complete(aftermath& after) {
  if (collects()) {
    auto& results = current_->outcome.results;
    if (results.empty() || !results.back().tag.empty()) results.emplace_back();
    results.back().tag.append(protocol_.tag());
  } else if (in_exchange()) {
    perform(exchange_->command_over(protocol_.tag()), after);
  }
  leftovers_.ended(protocol_.tag());
}

void engine::on_other_event(event_kind kind, const wire::frame& frame, aftermath& after) {
  switch (kind) {
    case event_kind::none: return;
    case event_kind::columns:
      if (collects()) {
        current_->outcome.results.emplace_back().columns = protocol_.columns();
      } else if (in_exchange()) {
        exchange_->described(protocol_.columns());
      }
      return;
    case event_kind::row: return on_row(frame.body, after);
    case event_kind::complete: return on_complete(after);
    case event_kind::server_error: return on_server_error(after);
    case event_kind::prologue: return on_prologue(after);
    case event_kind::synced: return;
    case event_kind::ready: return on_ready(after);
    case event_kind::suspended: return perform(exchange_->suspended(), after);
    case event_kind::copy_in:
      return in_exchange() ? perform(exchange_->copy_opened(true, protocol_.copy()), after) : refuse_copy(after);
    case event_kind::copy_out: return perform(exchange_->copy_opened(false, protocol_.copy()), after);
    case event_kind::copy_data: return take_copy_data(frame.body, after);
    case event_kind::notice: return on_notice(after);
    case event_kind::notification: return on_notification(after);
    case event_kind::parameter: return on_parameter(after);
    case event_kind::fatal: return on_fatal(after);
    case event_kind::violation: return lost(protocol_.error(), after);
  }
}

bool engine::collects() const { return traffic_ == traffic::user && current_ && current_->is_pending() && !soft_; }

// The many rows of a result, without a call for each frame and kept in one piece.
void engine::take_rows(aftermath& after) {
  if (in_exchange()) [[unlikely]]
    return take_stream_rows(after);
  const bool wanted = collects() && !current_->outcome.results.empty();
  detail::raw_result* const result = wanted ? &current_->outcome.results.back() : nullptr;
  const std::string_view came = in_.data();
  std::size_t used = 0;
  try {
    if (result == nullptr) {
      used = protocol_.take_rows(came, settings_->bounds, [](std::string_view) {});
    } else {
      const std::size_t before = result->bytes.size();
      used = protocol_.take_rows(came, settings_->bounds, [result, before, start = came.data()](std::string_view body) {
        result->ends.push_back(before + static_cast<std::size_t>(body.data() + body.size() - start));
      });
      detail::append_rows(result->bytes, came.data(), used);
      result->lead = wire::header_size;
    }
  } catch (const std::bad_alloc&) {  // nothing was consumed: the same rows are taken again, by nobody
    return stop_collecting(std::make_error_code(std::errc::not_enough_memory), after);
  }
  in_.consume(used);
  if (used > 0 && wanted) check_size(after);
}

void engine::on_row(std::string_view body, aftermath& after) {
  if (!collects()) {
    if (in_exchange()) exchange_->row(body);
    return;
  }
  detail::raw_result& result = current_->outcome.results.back();
  try {
    detail::append_rows(result.bytes, body.data() - wire::header_size, body.size() + wire::header_size);
    result.ends.push_back(result.bytes.size());
    result.lead = wire::header_size;
  } catch (const std::bad_alloc&) {
    return stop_collecting(std::make_error_code(std::errc::not_enough_memory), after);
  }
  check_size(after);
}

// Of the operation under way: its own, or the session's.
std::size_t engine::most_result_bytes() const {
  const std::size_t own = current_->max_result_bytes;
  return own != 0 ? own : settings_->config.max_result_bytes;
}

void engine::check_size(aftermath& after) {
  if (current_->outcome.results.back().bytes.size() > most_result_bytes())
    stop_collecting(errc::result_too_large, after);
}

// B94, I27: too much for us. Only the operation ends: cancel, drain, and say so at ReadyForQuery; the lease stays.
void engine::stop_collecting(std::error_code why, aftermath& after) {
  current_->outcome = op_outcome::failed(why, false);
  soft_ = true;
  begin_settle(budgets_, after);
}

// B91: a server that was promoted or demoted says so, also to a session that asked for nothing.
void engine::on_parameter(aftermath& after) {
  // statements are read for what they leave in this syntax alone
  if (!protocol_.text_is_safe()) leftovers_.sent(session::dirt::unknown);
  if (!session::tells_standing(protocol_.changed_parameter())) return;
  const session::standing now =
      session::standing_of(protocol_.parameter("in_hot_standby"), protocol_.parameter("default_transaction_read_only"));
  const detail::server_role role = session::role_of(now);
  if (role != detail::server_role::unknown) role_.store(role, std::memory_order_relaxed);
  tell(after,
       [role, read_only = now.read_only.value_or(false)](detail::session_observer& o) { o.on_role(role, read_only); });
}

void engine::on_server_error(aftermath& after) {
  diagnostics& diag = protocol_.diag();
  const std::error_code ec = make_sqlstate(diag.sqlstate);
  if (ec == condition::read_only_transaction)
    tell(after, [](detail::session_observer& o) { o.on_read_only_refusal(); });
  if (traffic_ == traffic::internal) {
    if (!job_->error) job_->error = ec;
    return;
  }
  if (in_exchange()) return perform(exchange_->failed(ec, std::move(diag)), after);
  if (!collects() || current_->outcome.error) return;
  current_->outcome.error = was_our_deadline(ec) ? make_error_code(errc::timeout) : ec;
  // A statement that we prepared and the server does not know, or knows already: another session answers than the one
  // that was asked before.
  if (entry_ != nullptr && (diag.sqlstate == "26000" || diag.sqlstate == "42P05")) {
    diag.context = "is a pooler in transaction mode in between? Then set statement_cache_size = 0";
  }
  current_->outcome.diag = std::make_unique<diagnostics>(std::move(diag));
}

void engine::on_notice(aftermath& after) {
  diagnostics& diag = protocol_.diag();
  if (notice_limit_.admit(steady_now())) {
    hand_on_notice(diag, after);
  } else {
    notices_dropped_.add(1);
  }
  if (!collects()) return;
  auto& warnings = current_->outcome.warnings;
  if (!warnings) warnings = std::make_unique<std::vector<diagnostics>>();
  if (warnings->size() < max_warnings) warnings->push_back(std::move(diag));
}

void engine::hand_on_notice(const diagnostics& diag, aftermath& after) {
  tell(after, [note = diag](detail::session_observer& o) { o.on_notice(note); });
  if (!settings_->config.on_notice) return;
  after.calls.emplace_back([settings = settings_, note = diag, self = weak_from_this()] {
    try {
      settings->config.on_notice(note);
    } catch (...) {  // I27: a user's callback is contained, and counted
      if (const auto me = self.lock()) me->callback_errors_.fetch_add(1, std::memory_order_relaxed);
    }
  });
}

void engine::on_notification(aftermath& after) {
  const wire::notification& note = protocol_.note();
  tell(after, [channel = std::string(note.channel), payload = std::string(note.payload),
               process = static_cast<int>(note.process_id)](detail::session_observer& o) {
    o.on_notification(channel, payload, process);
  });
}

// B87, M6: the server's last word. Whatever SQLSTATE it has, the session is gone, and the code must say so (I25).
void engine::on_fatal(aftermath& after) {
  farewell_ = std::move(protocol_.diag());
  const std::error_code ec = make_sqlstate(farewell_.sqlstate);
  lost(is_disconnect(ec) ? ec : make_error_code(errc::server_shutdown), after);
}

// B79: nobody offered data for this COPY. CopyFail ends it; the server's error is replaced by one that says what to do.
void engine::refuse_copy(aftermath& after) {
  wire::append_copy_fail(out_, "no data was offered for this COPY");
  if (protocol_.copy_needs_sync()) wire::append_sync(out_);
  if (collects() && !current_->outcome.error) {
    current_->outcome.error = errc::copy_unexpected;
    current_->outcome.diag = std::make_unique<diagnostics>();
    current_->outcome.diag->context = "COPY FROM STDIN needs the COPY interface";
  }
  flush(after);
}

// ---- the end of a segment ----

void engine::on_ready(aftermath& after) {
  if (settle_statement()) return run_again(after);
  if (current_ && current_->kind == detail::op_kind::describe) [[unlikely]]
    take_description();
  if (protocol_.copied_out() && collects() && !current_->outcome.error) {
    current_->outcome = op_outcome::failed(errc::copy_unexpected, true);
    current_->outcome.diag->context = "COPY TO STDOUT needs the COPY interface";
  }
  if (server_timeout_.enabled()) [[unlikely]] {
    server_timeout_.ready(protocol_.status());
    if (protocol_.status() == wire::transaction_status::idle) leftovers_.transaction_over();
  }
  switch (std::exchange(traffic_, traffic::none)) {
    case traffic::internal: internal_segment_over(after); break;
    case traffic::exchange: exchange_over(after); break;
    default: user_segment_over(after);
  }
  if (settle_.active()) perform(settle_.ready(steady_now()), after);
  if (protocol_.in_doubt())
    return lost(errc::connection_closed, after);  // how many ReadyForQuery are owed cannot be known: discard
  publish();
  launch_next(after);
}

void engine::user_segment_over(aftermath& after) {
  if (!current_ || soft_) return;  // soft: completes when the fence is quiet
  const op_ptr op = std::exchange(current_, {});
  if (op->kind == op_kind::commit && !op->outcome.error && op->is_pending() && !op->outcome.results.empty() &&
      op->outcome.results.back().tag == "ROLLBACK") {
    op->outcome.error = errc::rolled_back;  // M5: COMMIT of a failed transaction
    op->outcome.diag = std::make_unique<diagnostics>();
  }
  if (!op->win(op_latch::completed)) return;
  end_may_hide_.store(owner_looks_, std::memory_order_relaxed);
  after.finish(op);
}

void engine::internal_segment_over(aftermath& after) {
  internal_job job = std::move(*job_);
  job_.reset();
  const bool idle = protocol_.status() == wire::transaction_status::idle;
  if (!job.error && idle) was_reset(job.resets);
  if (!job.done) {
    if (!idle && !job.inside && !settle_.active())
      lost(errc::protocol_error, after);  // a ROLLBACK that does not end the transaction: give the session up
    return;
  }
  if (job.error == condition::query_canceled) tell(after, [](detail::session_observer& o) { o.on_stray_cancel(); });
  after.calls.emplace_back([done = std::move(job.done), ec = job.error, idle] { done(ec, idle); });
}

// ---- state for others ----

void engine::publish() noexcept {
  using detail::session_condition;
  session_condition now = session_condition::clean;
  if (link_ != link_state::open || !farewell_.empty()) {
    now = session_condition::dead;
  } else if (traffic_ != traffic::none || queued_ || settle_.active() || undo_ != nothing_to_undo) {
    now = session_condition::in_use;
  } else if (protocol_.status() != wire::transaction_status::idle) {
    now = session_condition::dirty;
  } else if (!protocol_.text_is_safe()) {
    now = session_condition::unfit;
  } else if (leftovers_.dirty() || protocol_.parameters_moved()) {
    now = session_condition::soiled;
  }
  condition_.store(now, std::memory_order_release);
}

void engine::rearm() noexcept {
  time_point next = std::min(close_deadline_, write_failed_);
  if (current_ && current_->is_pending()) next = std::min(next, current_->deadline);
  if (queued_) next = std::min(next, queued_->deadline);
  if (job_) next = std::min(next, job_->deadline);
  if (settle_.active()) next = std::min(next, settle_.next_deadline());
  deadline_entry_.arm(next);
}

void engine::on_deadline(time_point now) noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    if (link_ == link_state::closed) return;
    if (current_ && current_->is_pending() && current_->deadline <= now) after.timed_out = current_;
    if (queued_ && queued_->deadline <= now) after.timed_out = queued_;
    if (settle_.active() && settle_.next_deadline() <= now) perform(settle_.tick(now), after);
    if (link_ == link_state::closing && close_deadline_ <= now) finish_close(true, after);
    if (write_failed_ <= now) lost(errc::connection_lost, after);
    if (job_ && job_->deadline <= now)
      lost(errc::timeout, after);  // a pool-owned statement that hangs: the session is not worth more
    if (link_ != link_state::closed) rearm();
  }
  after.run();
}

bool engine::holds(std::uint64_t tenure) const noexcept {
  return tenure_.load(std::memory_order_acquire) == tenure && condition() != detail::session_condition::dead;
}

// The last tenure is over, so nobody else moves it now: those who would compare it with theirs, which has passed.
std::uint64_t engine::begin_tenure() noexcept {
  const std::uint64_t next = tenure_.load(std::memory_order_relaxed) + 1;
  tenure_.store(next, std::memory_order_release);
  return next;
}

void engine::set_budgets(const detail::recovery_budgets& budgets) noexcept {
  const lock guard(mutex_);
  budgets_ = budgets;
}

std::shared_ptr<const detail::session_peer> engine::peer() const {
  return std::make_shared<const detail::session_peer>(detail::session_peer{peer_, host_});
}

detail::socket_name engine::local_end() const {
  const lock guard(mutex_);
  if (link_ != link_state::open) return {};
  std::error_code ec;
  const auto end = stream_.native().local_endpoint(ec);
  if (ec) return {};
  auto name = transport::name_of(end);
  return {std::move(name.address), name.port};
}

const std::string* engine::parameter_copy(std::string_view name, std::string& into) const {
  const lock guard(mutex_);
  const std::string* value = protocol_.parameter(name);
  if (value == nullptr) return nullptr;
  into = *value;
  return &into;
}

}  // namespace lido::io
