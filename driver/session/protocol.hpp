// The session after start-up, sans-io: what the server owes us, in what order, and what its messages mean. One segment
// (up to its Sync or the end of a simple query) is under way at a time. Contract I12: `quiet` is judged here, by what
// was written and read, never by a count of calls.
#pragma once

#include "driver/session/owed_runs.hpp"
#include "driver/wire/backend.hpp"
#include "driver/wire/frame.hpp"

#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/error.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace lido::session {

enum class segment {
  simple,           // Query
  prepare_and_run,  // Parse, Describe(statement), Bind, Execute, Sync
  run,              // Bind, Execute, Sync; columns are known from the cache
  prepare,          // Parse, Describe(statement), Sync
  describe,         // Describe(statement), Sync
  sync,             // Sync alone: the ping
  pipeline,         // any number of Parse, Describe(statement), Bind, Execute, with a Sync behind each or behind all
};

// What one frame meant to the operation under way.
enum class event_kind {
  none,          // taken note of; nothing for the operation
  columns,       // columns() is set for the rows that follow
  row,           // the frame's body is a checked DataRow
  complete,      // a command ended: tag()
  server_error,  // diag(): the operation failed; ReadyForQuery follows
  prologue,      // what stood in front of the segment is answered: prologue_failed()
  synced,        // of a pipeline: a ReadyForQuery with more behind it: status() is fresh
  ready,         // the segment is over: status() is fresh, outstanding() == 0
  suspended,     // the portal has given as many rows as its Execute asked for, and may have more
  copy_in,       // server waits for COPY data: copy(). Not asked for: send CopyFail, and Sync when copy_needs_sync();
                 // the error follows (B79)
  copy_out,      // a COPY that was asked for sends its data from here on: copy()
  copy_data,     // the frame's body is some of it
  notice,        // diag()
  notification,  // note()
  parameter,     // parameter(name) changed
  fatal,         // diag(): ERROR of severity FATAL or PANIC, or NOTICE 57P01/57P02: the connection is dead (M6, B87)
  violation,     // error(): close the socket
};

class protocol {
 public:
  explicit protocol(std::map<std::string, std::string, std::less<>> parameters = {});

  // A segment of this kind was handed to the writer. For `run`, the columns that the statement was described with
  // (null: no rows). Precondition: outstanding() == 0. A request whose text is empty may answer EmptyQueryResponse.
  [[gnu::hot]] void begin(segment kind, std::shared_ptr<const detail::row_description> columns = nullptr);
  // Statements of the cache are closed in front of the segment: so many CloseComplete are owed. Before or after
  // begin(), before its first frame.
  void expect_close_complete(unsigned count) noexcept;
  // How many values the segment's Bind carries; after begin(). A BindComplete for another number is a lie (B75).
  // Unknown: not checked.
  void expect_parameters(std::size_t count) noexcept { bound_count_ = count; }

  // A setting, as a simple query, was handed to the writer in front of the segment: it has a ReadyForQuery of its own,
  // and its failure is nobody's. After begin(), before its first frame.
  void expect_prologue() noexcept;

  // A segment of several operations. After begin(), before its first frame.
  // Flush stands where Sync would: it goes out with sync_sent(). Execute asks for so many rows at most; 0: for all.
  void hold_open(std::uint32_t most_rows) noexcept;
  void resumed() noexcept;    // the suspended portal was asked for more
  void sync_sent() noexcept;  // at any time: ReadyForQuery is owed
  bool owes_sync() const noexcept { return owes_sync_; }
  // The segment, a simple query, is to be COPY FROM STDIN ('G') or COPY TO STDOUT ('H'). Once: what a second one asks
  // for is refused as any.
  void expect_copy(char response) noexcept;
  void copy_done_sent() noexcept;
  const wire::copy_format& copy() const noexcept { return copy_; }
  // A pipeline is handed to the writer, bit by bit: so many runs of its statement `which` each time. `columns`: as the
  // statement was described before (null: no rows), if it is not prepared with them. Precondition as begin()'s.
  void begin_pipeline(bool sync_each);
  void expect_runs(const owed_runs::run& written);
  void know_columns(std::uint32_t which, std::shared_ptr<const detail::row_description> columns);
  // Nothing more will be written; the last Sync has been.
  void end_pipeline() noexcept;
  // What became of a statement in this pipeline.
  const owed_runs::known& pipelined(std::uint32_t which) { return runs_->statement(which); }
  // Which statement is being answered; of an error, which one failed. Only while one is owed.
  std::uint32_t pipelined_now() const noexcept { return runs_->front().statement; }
  // The last server_error came behind the answer to a statement: at its Sync, which commits.
  bool error_at_sync() const noexcept { return error_at_sync_; }

  // It came in place of a BindComplete: nothing of the statement has run.
  bool error_at_bind() const noexcept { return error_at_bind_; }

  [[gnu::hot]] event_kind on_frame(const wire::frame& frame);
  // A faster way over the answers of a pipeline, as take_rows() is over rows. Sink: row(offset), ended(offset), where
  // in `bytes` the row or the message that ends the statement begins.
  template <typename Sink>
  std::size_t take_answers(std::string_view bytes, const wire::limits& bounds, Sink& sink);
  // A faster way over many rows: hands the body of each DataRow in front of `bytes` to `sink`, as long as one is whole
  // and legal here, and answers how many bytes that took. What stops it is left to next_frame() and on_frame().
  template <typename Sink>
  std::size_t take_rows(std::string_view bytes, const wire::limits& bounds, Sink&& sink);

  // The same for the bodies of CopyData.
  template <typename Sink>
  std::size_t take_copy_data(std::string_view bytes, const wire::limits& bounds, Sink&& sink);

  // ReadyForQuery owed: 0, 1, one more with a prologue; of a pipeline as many as Syncs were or will be written
  unsigned outstanding() const noexcept { return outstanding_; }
  wire::transaction_status status() const noexcept { return status_; }  // of the last ReadyForQuery
  bool parsed() const noexcept {
    return parsed_;
  }  // ParseComplete came in this segment: the statement exists on the server
  bool bound() const noexcept { return bound_; }  // BindComplete came: what failed behind it had begun to run
  bool prologue_failed() const noexcept { return static_cast<bool>(prologue_error_); }
  std::error_code prologue_error() const noexcept { return prologue_error_; }
  bool copy_needs_sync() const noexcept { return in_doubt_; }
  // COPY FROM STDIN in an extended segment: our first Sync may have been swallowed by the copy or not, so the number of
  // ReadyForQuery owed cannot be known any more. The result stands; the connection is to be discarded (contract, the
  // fence). Valid until the next begin().
  bool in_doubt() const noexcept { return in_doubt_; }
  bool copied_out() const noexcept {
    return copied_out_;
  }  // the segment was a COPY TO STDOUT, its data drained unseen (B80)
  const std::shared_ptr<const detail::row_description>& columns() const noexcept { return columns_; }
  // Of a segment that describes a statement: the types of its parameters.
  const std::vector<std::uint32_t>& described() const noexcept { return described_; }
  std::string_view tag() const noexcept { return tag_; }  // valid until the next frame
  diagnostics& diag() noexcept { return diag_; }
  const wire::notification& note() const noexcept { return note_; }         // valid until the next frame
  std::string_view changed_parameter() const noexcept { return changed_; }  // valid until the next frame
  // Of the last server_error, fatal or violation; for the last, diag().context says which rule was broken.
  std::error_code error() const noexcept { return error_; }
  const std::string* parameter(std::string_view name) const;
  // Which of the reported parameters are not what they were at the start, or when accept_parameters() was called last.
  bool parameters_moved() const noexcept { return !moved_.empty(); }
  bool has_moved(std::string_view name) const noexcept;
  void accept_parameters() noexcept { moved_.clear(); }
  std::map<std::string, std::string, std::less<>> take_parameters() { return std::move(parameters_); }  // at the end
  bool text_is_safe() const noexcept {
    return text_is_safe_;
  }  // client_encoding UTF8 and standard_conforming_strings on (B48)

 private:
  // Where the segment stands: named after what the server owes next.
  enum class state : std::uint8_t {
    idle,           // nothing is owed
    unsent,         // pipeline: nothing is owed yet
    prologue,       // the answer to a setting in front of the segment
    prologue_over,  // its ReadyForQuery
    query,          // simple: the first answer
    between,        // simple: a statement ended; the next answer or ReadyForQuery
    parse,          // ParseComplete
    parameters,     // ParameterDescription
    describe,       // RowDescription or NoData
    bind,           // BindComplete
    execute,        // the first answer of Execute
    rows,           // DataRow or CommandComplete
    suspended,      // nothing, until the portal is asked for more or Sync goes out
    copy_in,        // an error, until CopyDone goes out
    copy_out,       // CopyData or CopyDone
    copy_ended,     // CommandComplete
    sync,           // ReadyForQuery
    skip,           // an error came: ReadyForQuery, whatever else was sent
    dead,           // the server said goodbye: what follows is ignored
    broken,         // a violation: nothing is believed any more
  };

  event_kind on_prologue(const wire::frame& frame);
  event_kind on_prologue_error(std::string_view body);
  event_kind on_close_complete(const wire::frame& frame);
  event_kind on_query_reply(const wire::frame& frame);
  event_kind on_execute_reply(const wire::frame& frame);
  [[gnu::hot]] event_kind on_row(const wire::frame& frame);
  [[gnu::hot]] event_kind on_command_end(const wire::frame& frame);
  event_kind on_portal_suspended(const wire::frame& frame);
  event_kind on_parse_complete(const wire::frame& frame);
  event_kind on_parameter_description(const wire::frame& frame);
  event_kind on_description(const wire::frame& frame);
  event_kind on_row_description(std::string_view body, state next);
  [[gnu::hot]] event_kind on_bind_complete(const wire::frame& frame);
  [[gnu::hot]] event_kind on_command_complete(std::string_view body);
  event_kind on_empty_query(std::string_view body);
  event_kind on_copy_response(const wire::frame& frame);
  event_kind on_copy_out(const wire::frame& frame);
  [[gnu::hot]] event_kind on_ready(const wire::frame& frame);
  event_kind on_other(const wire::frame& frame, const char* owed);
  event_kind on_error(std::string_view body);
  event_kind on_notice(std::string_view body);
  event_kind on_notification(std::string_view body);
  event_kind on_parameter(std::string_view body);
  event_kind violation(const char* rule);
  [[gnu::hot]] state after_command() noexcept;
  bool describes() const noexcept { return segment_ == segment::prepare || segment_ == segment::describe; }
  state next_run() noexcept;
  event_kind on_pipeline_ready();
  void note_description();
  bool store_parameter(const wire::parameter_status& changed);
  void note_move(const wire::parameter_status& changed, const std::string* before);
  bool judge_text() const;

  static constexpr std::size_t unknown_count = SIZE_MAX;

  state state_ = state::idle;
  state behind_ = state::idle;  // a prologue
  segment segment_ = segment::sync;
  std::vector<std::uint32_t> described_;
  std::unique_ptr<owed_runs> runs_;  // of a pipeline
  bool error_at_sync_ = false;
  bool error_at_bind_ = false;
  bool bound_ = false;
  wire::transaction_status status_ = wire::transaction_status::idle;
  unsigned outstanding_ = 0;
  unsigned closes_owed_ = 0;
  bool parsed_ = false;
  bool in_doubt_ = false;
  bool copied_out_ = false;
  bool owes_sync_ = false;   // we do
  bool row_limit_ = false;   // the portal may be suspended
  bool wants_data_ = false;  // a COPY out's data is somebody's
  char copy_wanted_ = '\0';
  wire::copy_format copy_;
  std::size_t column_count_ = 0;              // of columns_, for rows
  std::size_t bound_count_ = unknown_count;   // values in our Bind
  std::size_t wanted_count_ = unknown_count;  // ParameterDescription
  std::shared_ptr<const detail::row_description> columns_;
  std::string_view tag_;
  std::string_view changed_;
  wire::notification note_{};
  std::error_code error_;
  std::error_code prologue_error_;
  diagnostics diag_;
  std::map<std::string, std::string, std::less<>> parameters_;
  std::size_t parameter_bytes_ = 0;
  struct moved_parameter {
    std::string name;
    std::optional<std::string> from;  // none: it was not reported
  };
  std::vector<moved_parameter> moved_;
  bool text_is_safe_ = false;  // asked at every ReadyForQuery, changes with a parameter
};

template <typename Sink>
std::size_t protocol::take_rows(std::string_view bytes, const wire::limits& bounds, Sink&& sink) {
  const std::size_t before = bytes.size();
  if (state_ != state::rows && (state_ != state::execute || !columns_)) return 0;
  const std::size_t columns = column_count_;
  const std::size_t most = wire::most_body(bounds);
  while (const std::size_t size = wire::data_row_frame(bytes, most)) {
    const std::string_view body = wire::body_of(bytes, size);
    if (!wire::is_data_row(body, columns)) break;
    sink(body);
    bytes.remove_prefix(size);
  }
  if (bytes.size() != before) state_ = state::rows;
  return before - bytes.size();
}

template <typename Sink>
std::size_t protocol::take_copy_data(std::string_view bytes, const wire::limits& bounds, Sink&& sink) {
  const std::size_t before = bytes.size();
  if (state_ != state::copy_out) return 0;
  const std::size_t most = wire::most_body(bounds);
  while (const std::size_t size = wire::large_frame('d', bytes, most)) {
    sink(wire::body_of(bytes, size));
    bytes.remove_prefix(size);
  }
  return before - bytes.size();
}

template <typename Sink>
std::size_t protocol::take_answers(std::string_view bytes, const wire::limits& bounds, Sink& sink) {
  constexpr std::string_view bind_complete{"2\0\0\0\4", 5};
  if (segment_ != segment::pipeline || closes_owed_ > 0) return 0;
  const std::size_t all = bytes.size();
  const std::size_t most = wire::most_body(bounds);
  for (;;) {
    const std::size_t at = all - bytes.size();
    if (state_ == state::bind) {
      if (wanted_count_ != unknown_count || !bytes.starts_with(bind_complete)) return at;
      bytes.remove_prefix(bind_complete.size());
      state_ = state::execute;
      continue;
    }
    if (bytes.empty() || (state_ != state::execute && state_ != state::rows)) return at;
    if (bytes.front() == 'D') {
      const std::size_t size = columns_ ? wire::data_row_frame(bytes, most) : 0;
      if (size == 0 || !wire::is_data_row(wire::body_of(bytes, size), column_count_)) return at;
      sink.row(at);
      bytes.remove_prefix(size);
      state_ = state::rows;
      continue;
    }
    if (bytes.front() != 'C') return at;
    const wire::frame_result end = wire::next_frame(bytes, wire::phase::ready, bounds);
    if (end.status != wire::frame_status::complete) return at;
    const auto tag = wire::parse_command_complete(end.value.body);
    if (!tag) return at;
    sink.ended(at);
    bytes.remove_prefix(end.size);
    // one more of the same statement owes what this one did
    state_ = !runs_->sync_each() && runs_->ended_in_a_row() ? state::bind : after_command();
  }
}

}  // namespace lido::session
