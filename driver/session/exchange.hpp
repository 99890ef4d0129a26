// A stream of rows or a COPY: several operations of a user's within one segment. Sans-io: what the user asks and what
// the server says comes in, what is to be written and when the waiting operation ends goes out.
//
//   opening ──first rows, CopyResponse──► running ⇄ suspended (rows: the portal waits to be asked for more)
//   each of them ──Sync, CopyDone or CopyFail is written; an error; the command's end──► ending ──ReadyForQuery──► over
//
// One user step waits at most. What comes while nobody waits is kept up to `chunk_bytes`; then full() holds the
// reading, and the server's own writing (back-pressure).
#pragma once

#include "driver/wire/backend.hpp"

#include <lido/driver/detail/exchange_part.hpp>
#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace lido::session {

using detail::exchange_ask;
using detail::exchange_kind;

inline constexpr std::size_t chunk_bytes = 64U << 10;

// What the owner writes now, and whether the step that waits is to be completed (take(), error(), diag()).
struct exchange_move {
  enum class message : std::uint8_t { none, execute, sync, copy_done, copy_fail };
  message send = message::none;
  bool complete = false;
};

class exchange {
 public:
  exchange(exchange_kind kind, std::uint64_t id, std::uint32_t most_rows) noexcept;

  // ---- the user ----
  bool may(exchange_ask what) const noexcept;  // false: not on this kind
  exchange_move ask(exchange_ask what);        // a step begins to wait
  exchange_move leave();                       // nobody wants any more; a step that waits gets nothing but the end
  bool takes_bytes() const noexcept { return kind_ == exchange_kind::copy_in && stage_ == stage::running; }

  // ---- the server ----
  void described(std::shared_ptr<const detail::row_description> columns) noexcept;
  // Rows and data may throw std::bad_alloc.
  void row(std::string_view body) {
    if (!left_) keep(body).ends.push_back(batch_->bytes.size());
  }
  void data(std::string_view bytes) {
    if (!left_) keep(bytes);
  }
  exchange_move arrived();  // no more rows or data for now
  exchange_move suspended();
  exchange_move copy_opened(bool in, const wire::copy_format& format);
  exchange_move command_over(std::string_view tag);
  exchange_move failed(std::error_code ec, diagnostics diag);
  exchange_move ready(bool copied_out_unasked);
  exchange_move flushed() noexcept;  // all that was written has gone out

  // ---- for the step that completes ----
  detail::recycled_ptr<detail::raw_result> take();
  std::error_code error() const noexcept { return error_; }
  diagnostics& diag() noexcept { return diag_; }

  std::uint64_t id() const noexcept { return id_; }
  exchange_kind kind() const noexcept { return kind_; }
  std::uint32_t most_rows() const noexcept { return most_rows_; }
  bool left() const noexcept { return left_; }
  bool full() const noexcept { return waiting_ == waits::nothing && !left_ && batch_ && size() >= chunk_bytes; }
  // What leave() wrote, or the server's last word, brings ReadyForQuery soon: no cancel is needed for it.
  bool ends_by_itself() const noexcept { return soon_; }

 private:
  enum class stage : std::uint8_t { opening, running, suspended, ending, over };
  enum class waits : std::uint8_t { nothing, open, data, flush, end };

  detail::raw_result& keep(std::string_view bytes);
  std::size_t size() const noexcept { return batch_->bytes.size(); }
  bool has_data() const noexcept { return batch_ && (size() > 0 || !batch_->ends.empty()); }
  bool wants_data() const noexcept {
    return waiting_ == waits::data || (waiting_ == waits::open && kind_ == exchange_kind::rows);
  }
  exchange_move complete() noexcept;
  exchange_move wait(waits for_what) noexcept;
  exchange_move ask_for_more();
  exchange_move refuse_copy(const char* what_to_do);
  void stop(std::error_code ec, std::string context);

  const exchange_kind kind_;
  const std::uint32_t most_rows_;
  const std::uint64_t id_;
  stage stage_ = stage::opening;
  waits waiting_ = waits::open;
  bool left_ = false;
  bool soon_ = false;
  bool failing_ = false;  // CopyFail was asked for: the server's 57014 is our own (B98, M4)
  std::shared_ptr<const detail::row_description> columns_;
  detail::recycled_ptr<detail::raw_result> batch_;
  std::string tag_;
  std::error_code error_;
  diagnostics diag_;
};

// Whole messages stay whole: cuts `out` behind the one that its byte `sent` is in, or keeps more, up to `least` bytes
// behind `sent` (TLS offers again what it has begun to write). Everything in `out` must be CopyData.
void drop_unsent_copy_data(std::string& out, std::size_t sent, std::size_t least);

}  // namespace lido::session
