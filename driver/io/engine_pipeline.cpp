// A pipeline: what session::pipeline decides, performed. Written as fast as the socket takes it, read meanwhile.
#include "driver/io/engine.hpp"
#include "driver/wire/frontend.hpp"

#include <utility>

namespace lido::io {

using detail::op_outcome;
using session::event_kind;

namespace {

constexpr std::size_t written_at_once = 64U << 10;  // encoded ahead of the socket
constexpr unsigned most_fed_in_a_row = 16;

}  // namespace

void engine::encode_pipeline(detail::operation& op) {
  const unsigned closes = close_evicted();
  pipeline_ = std::make_unique<session::pipeline>(op.statement.pipeline(), cache_, protocol_);
  note(pipeline_->begin());
  if (closes > 0) protocol_.expect_close_complete(closes);
  fed_in_a_row_ = 0;
  pipeline_->feed(out_, written_at_once);
}

// All that was encoded is written. False: there is no more, or not now.
bool engine::feed_pipeline() {
  if (pipeline_->fed()) return false;
  out_.clear();
  out_sent_ = 0;
  if (++fed_in_a_row_ > most_fed_in_a_row) {  // others want the lock, and answers may wait to be read
    await_writable();
    return false;
  }
  try {
    if (collects()) {
      pipeline_->feed(out_, written_at_once);
    } else {
      pipeline_->cut(out_);
    }
  } catch (const std::bad_alloc&) {  // half a message may stand in the buffer
    out_.clear();
    write_failed_ = steady_now();
    rearm();
    return false;
  }
  return !out_.empty();
}

void engine::cut_pipeline(aftermath& after) {
  if (pipeline_->cut(out_)) flush(after);
}

// C37: every statement has an end of its own, also when the session has none.
void engine::pipeline_lost(const op_outcome& whole) noexcept {
  try {
    pipeline_->lost(whole.error, *whole.diag);
  } catch (const std::bad_alloc&) {
    return;  // the error of the whole is what there is to say
  }
}

void engine::take_answers(aftermath& after) {
  try {
    in_.consume(pipeline_->take(in_.data(), settings_->bounds, collects()));
  } catch (const std::bad_alloc&) {
    // they were counted as answered, and are not kept
    return lost(std::make_error_code(std::errc::not_enough_memory), after);
  }
  if (collects() && pipeline_->result_bytes() > most_result_bytes()) stop_collecting(errc::result_too_large, after);
}

void engine::on_pipeline_event(event_kind kind, const wire::frame& frame, aftermath& after) {
  switch (kind) {
    case event_kind::columns: return;
    case event_kind::row:
      if (collects()) pipeline_->on_row(frame);
      return;
    case event_kind::complete:
      leftovers_.ended(protocol_.tag());
      if (collects()) pipeline_->on_complete(frame);
      return;
    case event_kind::server_error: return on_pipeline_error(after);
    case event_kind::synced:
      if (server_timeout_.enabled()) server_timeout_.ready(protocol_.status());
      if (settle_.active()) perform(settle_.segment_over(steady_now()), after);
      return;
    case event_kind::ready: {
      pipeline_->finish(collects());
      const auto done = std::exchange(pipeline_, nullptr);
      const bool alone = protocol_.status() == wire::transaction_status::idle && !settle_.active();
      return done->may_run_again() && collects() && alone ? run_pipeline_again(after) : on_ready(after);
    }
    default: return on_other_event(kind, frame, after);
  }
}

// As engine::run_again(). Its statement is new this time, which cannot end here again.
void engine::run_pipeline_again(aftermath& after) {
  current_->statement.pipeline()->forget_answers();
  try {
    encode_pipeline(*current_);
  } catch (const std::bad_alloc&) {
    return lost(std::make_error_code(std::errc::not_enough_memory), after);
  }
  flush(after);
}

void engine::on_pipeline_error(aftermath& after) {
  diagnostics& diag = protocol_.diag();
  const std::error_code ec = make_sqlstate(diag.sqlstate);
  if (ec == condition::read_only_transaction)
    tell(after, [](detail::session_observer& o) { o.on_read_only_refusal(); });
  if (collects()) pipeline_->on_error(was_our_deadline(ec) ? make_error_code(errc::timeout) : ec, std::move(diag));
  if (!pipeline_->sync_each()) cut_pipeline(after);  // what is behind it would be skipped
}

}  // namespace lido::io
