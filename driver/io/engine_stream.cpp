// Streams of rows and COPY: what session::exchange decides, performed. An exchange is one segment on the wire and
// several operations of the user's; between two of them nothing runs but the exchange itself.
#include "driver/io/engine.hpp"
#include "driver/wire/frontend.hpp"

#include <new>
#include <utility>

namespace lido::io {

using detail::exchange_ask;
using detail::exchange_kind;
using detail::lock;
using detail::op_latch;
using detail::op_outcome;
using detail::op_ptr;
using session::exchange_move;

namespace {

// TLS offers a record again as it was: what it may have begun to write is not cut off.
constexpr std::size_t largest_record = (16U << 10) + 512;

}  // namespace

// ---- operations ----

// The statement stands in out_, Bind included where there is one.
void engine::open_exchange(const detail::operation& op) {
  const detail::exchange_part& part = *op.statement.part();
  exchange_ = std::make_unique<session::exchange>(part.kind, part.id, part.most_rows);
  traffic_ = traffic::exchange;
  switch (part.kind) {
    case exchange_kind::rows:
      wire::append_execute_some(out_, part.most_rows);
      wire::append_flush(out_);
      protocol_.hold_open(part.most_rows);
      exchange_->described(protocol_.columns());
      break;
    case exchange_kind::copy_in: protocol_.expect_copy('G'); break;
    case exchange_kind::copy_out: protocol_.expect_copy('H'); break;
  }
}

std::error_code engine::step_refusal(detail::operation& op) const {
  if (op.tenure != tenure_.load(std::memory_order_acquire)) return errc::lease_revoked;
  if (link_ != link_state::open) return end_ ? end_ : make_error_code(errc::connection_closed);
  const detail::exchange_part* const part = op.statement.part();
  if (part == nullptr || !exchange_ || exchange_->id() != part->id || !exchange_->may(part->ask))
    return errc::stream_closed;
  if (current_) return errc::connection_busy;
  if (exchange_->left()) return errc::stream_closed;
  if (op.tenure == bounded_tenure_) return keep_to_bound(op);
  return {};
}

void engine::step(const op_ptr& op, aftermath& after) {
  if (const std::error_code ec = step_refusal(*op)) {
    if (!op->win(op_latch::completed)) return;
    op->outcome = op_outcome::failed(ec);
    return after.finish(op);
  }
  if (!op->mark_sent()) return;
  current_ = op;
  detail::exchange_part& part = *op->statement.part();
  try {
    const bool offered = offer(part);
    const exchange_move move = exchange_->ask(part.ask);
    put(move.send);
    if (offered || move.send != exchange_move::message::none) flush(after);
    if (move.complete) complete_step(after);
    if (in_exchange()) bytes_went_out(after);
    if (part.ask == exchange_ask::close && in_exchange() && !exchange_->ends_by_itself() && !settle_.active()) {
      soft_ = true;  // completes, without an error, when the server has been stopped
      begin_settle(budgets_, after);
    }
    resume_reading();
  } catch (const std::bad_alloc&) {
    return lost(std::make_error_code(std::errc::not_enough_memory), after);
  }
  if (current_ && op->deadline != time_point::max()) rearm();
}

// Whole CopyData messages, without a copy: the buffers change places.
bool engine::offer(detail::exchange_part& part) {
  if (part.ask == exchange_ask::fail || part.bytes.empty() || !exchange_->takes_bytes()) return false;
  if (out_.empty()) {
    out_.swap(part.bytes);
  } else {
    out_ += part.bytes;
  }
  return true;
}

void engine::perform(exchange_move move, aftermath& after) {
  if (move.send != exchange_move::message::none) {
    put(move.send);
    flush(after);
  }
  if (move.complete) complete_step(after);
}

void engine::put(exchange_move::message what) {
  switch (what) {
    case exchange_move::message::none: return;
    case exchange_move::message::execute:
      wire::append_execute_some(out_, exchange_->most_rows());
      wire::append_flush(out_);
      return protocol_.resumed();
    case exchange_move::message::sync:
      if (!protocol_.owes_sync()) return;
      wire::append_sync(out_);
      return protocol_.sync_sent();
    case exchange_move::message::copy_done: wire::append_copy_done(out_); return protocol_.copy_done_sent();
    case exchange_move::message::copy_fail: {
      const detail::exchange_part* const part = current_ ? current_->statement.part() : nullptr;
      const bool says_why = part != nullptr && part->ask == exchange_ask::fail;
      return wire::append_copy_fail(out_, says_why ? std::string_view{part->bytes} : "the client gave the COPY up");
    }
  }
}

// The step that waits has what it waited for, or the exchange is over.
void engine::complete_step(aftermath& after) {
  const op_ptr op = std::exchange(current_, {});
  if (!op) return;
  auto batch = exchange_->take();
  op_outcome& out = op->outcome;
  if (exchange_->error()) {
    out.error = exchange_->error();
    out.diag = std::make_unique<diagnostics>(exchange_->diag());
  } else {
    detail::exchange_part* const part = op->statement.part();
    if (part->kind == exchange_kind::copy_in)
      batch->bytes.swap(part->bytes);  // the buffer goes back to be filled again
    out.results.adopt(std::move(batch));
  }
  if (op->win(op_latch::completed)) after.finish(op);
}

// ---- bytes ----

void engine::take_stream_rows(aftermath& after) {
  session::exchange& rows = *exchange_;
  in_.consume(protocol_.take_rows(in_.data(), settings_->bounds, [&rows](std::string_view body) { rows.row(body); }));
  perform(exchange_->arrived(), after);
}

// `first` is the body of the frame in front, which process() consumes; whole frames behind it are taken at once.
void engine::take_copy_data(std::string_view first, aftermath& after) {
  session::exchange& data = *exchange_;
  data.data(first);
  const std::string_view behind = in_.data().substr(wire::header_size + first.size());
  in_.consume(
      protocol_.take_copy_data(behind, settings_->bounds, [&data](std::string_view bytes) { data.data(bytes); }));
  perform(exchange_->arrived(), after);
}

void engine::bytes_went_out(aftermath& after) {
  if (out_.empty()) perform(exchange_->flushed(), after);
}

// ---- the end ----

// ReadyForQuery. What was not taken yet stays for the steps to come.
void engine::exchange_over(aftermath& after) {
  const exchange_move move = exchange_->ready(protocol_.copied_out());
  const bool left = exchange_->left();
  if (!soft_ && (move.complete || left)) complete_step(after);
  if (left) exchange_.reset();
  if (out_.empty()) out_.shrink_to_fit();
}

// Nobody wants more of it, but the lease stays: the session is brought in step for the next operation.
void engine::end_exchange(aftermath& after) {
  if (!in_exchange() || exchange_->left() || link_ != link_state::open || settle_.active()) return;
  if (current_) {  // a step that waits ends as by a partial cancel
    if (!current_->is_pending()) return;
    current_->outcome = op_outcome::failed(asio::error::operation_aborted, false);
  } else {
    wind_up(after);
    if (link_ != link_state::open || exchange_->ends_by_itself()) return;
  }
  soft_ = true;
  begin_settle(budgets_, after);
}

void engine::leave_exchange(std::uint64_t id) noexcept {
  aftermath after;
  {
    const lock guard(mutex_);
    if (!exchange_ || exchange_->id() != id) return;
    if (in_exchange()) {
      end_exchange(after);
    } else {
      exchange_.reset();
    }
  }
  after.run_from_user();
}

// Whatever ends it early: after this the server owes a ReadyForQuery, and gets all that it needs to send one (the
// fence: every flushed segment is ended by its Sync, and there is no COPY).
void engine::wind_up(aftermath& after) {
  if (!in_exchange() || link_ != link_state::open) return;
  const bool writing = exchange_->takes_bytes();
  const exchange_move move = exchange_->leave();
  try {
    if (writing) session::drop_unsent_copy_data(out_, out_sent_, stream_.secure() ? largest_record : 0);
    put(move.send);
    flush(after);
    resume_reading();
  } catch (const std::bad_alloc&) {
    lost(std::make_error_code(std::errc::not_enough_memory), after);
  }
}

// The session is ending. While it waits for the server's own EOF it must read.
void engine::forget_exchange() {
  exchange_.reset();
  try {
    resume_reading();
  } catch (const std::bad_alloc&) {
    return;  // the close deadline remains
  }
}

}  // namespace lido::io
