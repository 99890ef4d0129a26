#include "driver/session/exchange.hpp"

#include "driver/wire/frame.hpp"

#include <algorithm>
#include <utility>

namespace lido::session {

using message = exchange_move::message;

exchange::exchange(exchange_kind kind, std::uint64_t id, std::uint32_t most_rows) noexcept
    : kind_(kind), most_rows_(most_rows), id_(id) {}

// ---- the user ----

bool exchange::may(exchange_ask what) const noexcept {
  switch (what) {
    case exchange_ask::next: return kind_ != exchange_kind::copy_in;
    case exchange_ask::write:
    case exchange_ask::finish:
    case exchange_ask::fail: return kind_ == exchange_kind::copy_in;
    case exchange_ask::open: return false;
    case exchange_ask::close: return true;
  }
  return false;
}

exchange_move exchange::ask(exchange_ask what) {
  const bool over = stage_ == stage::over;
  switch (what) {
    case exchange_ask::open: break;
    case exchange_ask::next:
      if (over || has_data()) return complete();
      return stage_ == stage::suspended ? ask_for_more() : wait(waits::data);
    case exchange_ask::write:
    case exchange_ask::finish: {
      if (over && !error_) stop(failing_ ? errc::copy_aborted : errc::stream_closed, {});
      if (over) return complete();
      if (stage_ != stage::running) return wait(waits::end);  // the server's error came meanwhile
      if (what == exchange_ask::write) return wait(waits::flush);
      stage_ = stage::ending;
      exchange_move move = wait(waits::end);
      move.send = message::copy_done;
      return move;
    }
    case exchange_ask::fail: {
      if (over) return complete();
      exchange_move move = wait(waits::end);
      if (stage_ != stage::running) return move;
      stage_ = stage::ending;
      soon_ = failing_ = true;
      move.send = message::copy_fail;
      return move;
    }
    case exchange_ask::close: {
      if (over) return complete();
      exchange_move move = leave();
      waiting_ = waits::end;
      return move;
    }
  }
  return {};
}

exchange_move exchange::leave() {
  left_ = true;
  waiting_ = waits::nothing;
  batch_.reset();
  exchange_move move;
  const bool was_quiet = stage_ == stage::suspended;
  if (stage_ == stage::ending || stage_ == stage::over) return move;
  switch (kind_) {
    case exchange_kind::rows:
      stage_ = stage::ending;
      soon_ = was_quiet;
      move.send = message::sync;
      break;
    case exchange_kind::copy_in:
      if (stage_ == stage::opening) break;  // CopyInResponse may still come
      stage_ = stage::ending;
      soon_ = failing_ = true;
      move.send = message::copy_fail;
      break;
    case exchange_kind::copy_out: break;  // nothing stops it but a cancel
  }
  return move;
}

exchange_move exchange::ask_for_more() {
  stage_ = stage::running;
  exchange_move move = wait(waits::data);
  move.send = message::execute;
  return move;
}

exchange_move exchange::wait(waits for_what) noexcept {
  waiting_ = for_what;
  return {};
}

exchange_move exchange::complete() noexcept {
  waiting_ = waits::nothing;
  return {message::none, true};
}

// ---- the server ----

void exchange::described(std::shared_ptr<const detail::row_description> columns) noexcept {
  if (!columns_) columns_ = std::move(columns);
}

detail::raw_result& exchange::keep(std::string_view bytes) {
  if (!batch_) batch_ = detail::make_recycled<detail::raw_result>();
  detail::append_rows(batch_->bytes, bytes.data(), bytes.size());
  return *batch_;
}

// A batch is as many rows as were asked for; of large ones, as many as fill a chunk.
exchange_move exchange::arrived() {
  if (!wants_data() || !has_data()) return {};
  if (kind_ == exchange_kind::rows && size() < chunk_bytes) return {};
  if (stage_ == stage::opening) stage_ = stage::running;
  return complete();
}

exchange_move exchange::suspended() {
  if (stage_ == stage::ending) return {};  // Sync is on its way
  stage_ = stage::suspended;
  if (!wants_data()) return {};
  return has_data() ? complete() : ask_for_more();
}

exchange_move exchange::copy_opened(bool in, const wire::copy_format& format) {
  if (left_) {
    if (!in) return {};
    stage_ = stage::ending;
    soon_ = failing_ = true;
    return {message::copy_fail, false};
  }
  if (kind_ == exchange_kind::rows) return refuse_copy("COPY FROM STDIN needs async_copy_in");
  if (in != (kind_ == exchange_kind::copy_in)) return refuse_copy("a COPY FROM STDIN: async_copy_in has data for it");
  if (stage_ != stage::opening) return in ? refuse_copy("one COPY at a time") : exchange_move{};
  detail::row_description columns(format.columns);
  for (column& each : columns) each.binary = format.binary;
  columns_ = std::make_shared<const detail::row_description>(std::move(columns));
  stage_ = stage::running;
  return complete();
}

exchange_move exchange::refuse_copy(const char* what_to_do) {
  stop(errc::copy_unexpected, what_to_do);
  stage_ = stage::ending;
  return {message::copy_fail, false};
}

void exchange::stop(std::error_code ec, std::string context) {
  if (error_) return;
  error_ = ec;
  diag_ = {};
  diag_.context = std::move(context);
}

exchange_move exchange::command_over(std::string_view tag) {
  tag_ = tag;
  if (kind_ != exchange_kind::rows) return {};
  stage_ = stage::ending;
  soon_ = true;
  return {message::sync, false};
}

exchange_move exchange::failed(std::error_code ec, diagnostics diag) {
  const bool ours = failing_ && ec == condition::query_canceled;
  if (!ours && !error_) {
    error_ = ec;
    diag_ = std::move(diag);
  }
  stage_ = stage::ending;
  soon_ = true;
  return {message::sync, false};
}

exchange_move exchange::ready(bool copied_out_unasked) {
  if (copied_out_unasked && kind_ != exchange_kind::copy_out) {
    stop(errc::copy_unexpected, "COPY TO STDOUT needs async_copy_out");
  } else if (stage_ == stage::opening && !left_) {  // of rows: over before, with the command
    stop(errc::copy_unexpected, kind_ == exchange_kind::copy_in ? "the statement is no COPY FROM STDIN"
                                                                : "the statement is no COPY TO STDOUT");
  }
  stage_ = stage::over;
  return waiting_ == waits::nothing ? exchange_move{} : complete();
}

exchange_move exchange::flushed() noexcept {
  return waiting_ == waits::flush && stage_ == stage::running ? complete() : exchange_move{};
}

detail::recycled_ptr<detail::raw_result> exchange::take() {
  auto out = batch_ ? std::move(batch_) : detail::make_recycled<detail::raw_result>();
  out->columns = columns_;
  out->last = stage_ == stage::over;
  if (out->last) out->tag = tag_;
  return out;
}

void drop_unsent_copy_data(std::string& out, std::size_t sent, std::size_t least) {
  std::size_t at = 0;
  while (at < out.size() && at < sent + least) at += 1 + wire::load_u32(out.data() + at + 1);
  out.resize(std::min(at, out.size()));
}

}  // namespace lido::session
