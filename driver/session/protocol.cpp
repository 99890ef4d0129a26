#include "driver/session/protocol.hpp"

#include "driver/wire/limits.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace lido::session {
namespace {

bool is_fatal(const diagnostics& diag) noexcept { return diag.severity == "FATAL" || diag.severity == "PANIC"; }

// The last words of a server that stops at once or lost another backend come as a WARNING (M6). A user's own RAISE
// NOTICE with such a code is no death.
bool is_goodbye(const diagnostics& notice) noexcept {
  if (notice.sqlstate != "57P01" && notice.sqlstate != "57P02") return false;
  return notice.severity == "WARNING" || is_fatal(notice);
}

}  // namespace

protocol::protocol(std::map<std::string, std::string, std::less<>> parameters) : parameters_(std::move(parameters)) {
  for (const auto& [name, value] : parameters_) parameter_bytes_ += name.size() + value.size();
  text_is_safe_ = judge_text();
}

void protocol::begin(segment kind, std::shared_ptr<const detail::row_description> columns) {
  if (state_ == state::dead || state_ == state::broken) return;
  assert(outstanding_ == 0 && state_ == state::idle);
  segment_ = kind;
  outstanding_ = 1;
  parsed_ = in_doubt_ = copied_out_ = owes_sync_ = row_limit_ = wants_data_ = bound_ = false;
  copy_wanted_ = '\0';
  bound_count_ = wanted_count_ = unknown_count;
  columns_ = std::move(columns);
  column_count_ = columns_ ? columns_->size() : 0;
  tag_ = {};
  error_.clear();
  switch (kind) {
    case segment::simple: state_ = state::query; break;
    case segment::prepare:
    case segment::prepare_and_run: state_ = state::parse; break;
    case segment::describe: state_ = state::parameters; break;
    case segment::run: state_ = state::bind; break;
    case segment::sync: state_ = state::sync; break;
    case segment::pipeline: break;  // begin_pipeline()
  }
}

void protocol::begin_pipeline(bool sync_each) {
  if (state_ == state::dead || state_ == state::broken) return;
  begin(segment::pipeline);
  outstanding_ = sync_each ? 0 : 1;
  runs_ = std::make_unique<owed_runs>(sync_each);
  state_ = state::unsent;
}

void protocol::expect_runs(const owed_runs::run& written) {
  if (state_ == state::dead || state_ == state::broken) return;
  if (runs_->sync_each()) outstanding_ += written.count;
  // what stands behind an error in a pipeline of one Sync is skipped
  if (state_ == state::skip && !runs_->sync_each()) return;
  runs_->expect(written);
  if (state_ == state::unsent) state_ = next_run();
}

void protocol::know_columns(std::uint32_t which, std::shared_ptr<const detail::row_description> columns) {
  if (runs_) runs_->statement(which).columns = std::move(columns);
}

void protocol::end_pipeline() noexcept {
  if (state_ == state::dead || state_ == state::broken) return;
  runs_->close();
  if (state_ == state::unsent) state_ = state::sync;
}

// What the run in front is owed first; none there: the Sync, or nothing until more is written.
protocol::state protocol::next_run() noexcept {
  if (!runs_->any()) return runs_->closed() ? state::sync : state::unsent;
  const owed_runs::run& next = runs_->front();
  bound_count_ = next.parameters;
  wanted_count_ = unknown_count;
  if (next.prepare) return state::parse;
  const auto& columns = runs_->statement(next.statement).columns;
  if (columns != columns_) {
    columns_ = columns;
    column_count_ = columns_ ? columns_->size() : 0;
  }
  return state::bind;
}

void protocol::expect_close_complete(unsigned count) noexcept { closes_owed_ += count; }

void protocol::expect_prologue() noexcept {
  if (state_ == state::dead || state_ == state::broken) return;
  behind_ = std::exchange(state_, state::prologue);
  ++outstanding_;
  prologue_error_.clear();
}

void protocol::hold_open(std::uint32_t most_rows) noexcept {
  owes_sync_ = true;
  row_limit_ = most_rows > 0;
}

void protocol::resumed() noexcept {
  if (state_ == state::suspended) state_ = state::execute;
}

void protocol::sync_sent() noexcept {
  owes_sync_ = false;
  if (state_ == state::suspended) state_ = state::sync;
}

void protocol::expect_copy(char response) noexcept { copy_wanted_ = response; }

void protocol::copy_done_sent() noexcept {
  if (state_ == state::copy_in) state_ = state::copy_ended;
}

// Each state knows what is owed; all else goes to on_other().
event_kind protocol::on_frame(const wire::frame& frame) {
  if (closes_owed_ > 0) return on_close_complete(frame);
  switch (state_) {
    case state::rows: return on_row(frame);
    case state::bind: return on_bind_complete(frame);
    case state::execute: return on_execute_reply(frame);
    case state::sync:
    case state::skip: return on_ready(frame);
    case state::idle:
    case state::unsent: return on_other(frame, "message without a request");  // B93
    case state::prologue:
    case state::prologue_over: return on_prologue(frame);
    case state::query:
    case state::between: return on_query_reply(frame);
    case state::parse: return on_parse_complete(frame);
    case state::parameters: return on_parameter_description(frame);
    case state::describe: return on_description(frame);
    case state::suspended: return on_other(frame, "message of a portal that was not asked");
    case state::copy_in: return on_other(frame, "answer to COPY data before its end");
    case state::copy_out: return on_copy_out(frame);
    case state::copy_ended: return on_command_end(frame);
    case state::dead: return event_kind::none;  // B87
    case state::broken: break;
  }
  return event_kind::violation;
}

// What may come at any moment; anything else was not owed (B62, B74, B82, B86).
event_kind protocol::on_other(const wire::frame& frame, const char* owed) {
  switch (frame.type) {
    case 'E': return on_error(frame.body);
    case 'N': return on_notice(frame.body);
    case 'A': return on_notification(frame.body);
    case 'S': return on_parameter(frame.body);
    default: return violation(owed);
  }
}

event_kind protocol::on_prologue(const wire::frame& frame) {
  if (frame.type == 'E') return on_prologue_error(frame.body);
  const bool answered = state_ == state::prologue_over;
  if (frame.type == 'C' && !answered) {
    state_ = state::prologue_over;
    return event_kind::none;
  }
  if (frame.type != 'Z' || !answered) return on_other(frame, "answer to a setting was owed");
  const auto status = wire::parse_ready_for_query(frame.body);
  if (!status) return violation("malformed ReadyForQuery");
  status_ = *status;
  --outstanding_;
  state_ = behind_;
  return event_kind::prologue;
}

event_kind protocol::on_prologue_error(std::string_view body) {
  auto diag = wire::parse_diagnostics(body);
  if (!diag) return violation("malformed ErrorResponse");
  if (is_fatal(*diag)) return on_error(body);
  if (prologue_error_) return violation("second ErrorResponse");
  prologue_error_ = make_sqlstate(diag->sqlstate);
  state_ = state::prologue_over;
  return event_kind::none;
}

event_kind protocol::on_close_complete(const wire::frame& frame) {
  if (state_ == state::prologue || state_ == state::prologue_over) return on_prologue(frame);
  if (state_ == state::skip) return on_ready(frame);
  if (state_ == state::dead) return event_kind::none;
  if (state_ == state::broken) return event_kind::violation;
  if (frame.type != '3') return on_other(frame, "CloseComplete was owed");
  if (!frame.body.empty()) return violation("malformed CloseComplete");
  --closes_owed_;
  return event_kind::none;
}

event_kind protocol::on_query_reply(const wire::frame& frame) {
  switch (frame.type) {
    case 'T': return on_row_description(frame.body, state::rows);
    case 'C': columns_.reset(); return on_command_complete(frame.body);
    case 'I': return on_empty_query(frame.body);
    case 'G':
    case 'H': return on_copy_response(frame);
    case 'Z': return state_ == state::between ? on_ready(frame) : violation("ReadyForQuery before any answer");  // B72
    default: return on_other(frame, "answer to a query was owed");
  }
}

event_kind protocol::on_execute_reply(const wire::frame& frame) {
  switch (frame.type) {
    case 'D': return columns_ ? on_row(frame) : violation("row of a statement without rows");  // B62
    case 'C': return on_command_complete(frame.body);
    case 'I': return on_empty_query(frame.body);  // B77
    case 'G':
    case 'H': return on_copy_response(frame);
    default:
      return on_other(frame, "answer to Execute was owed");  // a second RowDescription (B69), PortalSuspended (B76)
  }
}

event_kind protocol::on_row(const wire::frame& frame) {
  if (frame.type != 'D') return on_command_end(frame);
  if (!wire::is_data_row(frame.body, column_count_))
    return violation("row that does not fit its description");  // B63-B65
  state_ = state::rows;
  return event_kind::row;
}

event_kind protocol::on_command_end(const wire::frame& frame) {
  return frame.type == 'C' ? on_command_complete(frame.body) : on_portal_suspended(frame);
}

// Behind a row at least, and only where Execute had a limit (B76).
event_kind protocol::on_portal_suspended(const wire::frame& frame) {
  if (frame.type != 's' || !row_limit_ || state_ != state::rows) return on_other(frame, "CommandComplete was owed");
  if (!frame.body.empty()) return violation("malformed PortalSuspended");
  state_ = owes_sync_ ? state::suspended : state::sync;
  return event_kind::suspended;
}

event_kind protocol::on_parse_complete(const wire::frame& frame) {
  if (frame.type != '1') return on_other(frame, "ParseComplete was owed");
  if (!frame.body.empty()) return violation("malformed ParseComplete");
  parsed_ = true;
  if (segment_ == segment::pipeline) runs_->statement(runs_->front().statement).parsed = true;
  state_ = state::parameters;
  return event_kind::none;
}

event_kind protocol::on_parameter_description(const wire::frame& frame) {
  if (frame.type != 't') return on_other(frame, "ParameterDescription was owed");
  auto types = wire::parse_parameter_description(frame.body);
  if (!types) return violation("malformed ParameterDescription");
  wanted_count_ = types->size();
  if (describes()) described_ = std::move(*types);
  state_ = state::describe;
  return event_kind::none;
}

event_kind protocol::on_description(const wire::frame& frame) {
  const state next = describes() ? state::sync : state::bind;
  if (frame.type == 'T') return on_row_description(frame.body, next);
  if (frame.type != 'n') return on_other(frame, "RowDescription or NoData was owed");
  if (!frame.body.empty()) return violation("malformed NoData");
  columns_.reset();
  state_ = next;
  if (segment_ == segment::pipeline) note_description();
  return event_kind::none;
}

event_kind protocol::on_row_description(std::string_view body, state next) {
  auto columns = wire::parse_row_description(body);
  if (!columns) return violation("malformed RowDescription");
  // Described before Bind, a statement's columns have no format yet; our Bind asks for binary ones.
  if (segment_ == segment::prepare_and_run || segment_ == segment::pipeline || describes()) {
    for (column& each : *columns) each.binary = true;
  }
  column_count_ = columns->size();
  columns_ = std::make_shared<const detail::row_description>(std::move(*columns));
  state_ = next;
  if (segment_ == segment::pipeline) note_description();
  return event_kind::columns;
}

void protocol::note_description() {
  owed_runs::known& statement = runs_->statement(runs_->front().statement);
  statement.columns = columns_;
  statement.described = true;
}

event_kind protocol::on_bind_complete(const wire::frame& frame) {
  if (frame.type != '2') return on_other(frame, "BindComplete was owed");
  if (!frame.body.empty()) return violation("malformed BindComplete");
  const bool counts_known = bound_count_ != unknown_count && wanted_count_ != unknown_count;
  // A real server refuses such a Bind with 08P01, which is the user's error and comes as an ErrorResponse.
  if (counts_known && bound_count_ != wanted_count_)
    return violation("BindComplete for a wrong number of values");  // B75
  bound_ = true;
  state_ = state::execute;
  return event_kind::none;
}

event_kind protocol::on_command_complete(std::string_view body) {
  const auto tag = wire::parse_command_complete(body);
  if (!tag) return violation("malformed CommandComplete");  // B70
  tag_ = *tag;
  state_ = after_command();
  return event_kind::complete;
}

event_kind protocol::on_empty_query(std::string_view body) {
  if (!body.empty()) return violation("malformed EmptyQueryResponse");
  columns_.reset();
  tag_ = {};
  state_ = after_command();
  return event_kind::complete;
}

event_kind protocol::on_copy_response(const wire::frame& frame) {
  const auto format = wire::parse_copy_response(frame.body);
  if (!format) return violation("malformed CopyInResponse or CopyOutResponse");  // B83
  if (segment_ == segment::pipeline) return violation("COPY in a pipeline");
  columns_.reset();
  copy_ = *format;
  const bool asked_for = std::exchange(copy_wanted_, '\0') == frame.type;
  if (frame.type == 'G') {
    in_doubt_ = segment_ != segment::simple && !owes_sync_;
    state_ = state::copy_in;
    return event_kind::copy_in;
  }
  state_ = state::copy_out;
  copied_out_ = copied_out_ || !asked_for;
  wants_data_ = asked_for;
  return asked_for ? event_kind::copy_out : event_kind::none;
}

event_kind protocol::on_copy_out(const wire::frame& frame) {
  if (frame.type == 'd') return wants_data_ ? event_kind::copy_data : event_kind::none;  // B85: empty ones too
  if (frame.type != 'c') return on_other(frame, "CopyData or CopyDone was owed");
  if (!frame.body.empty()) return violation("malformed CopyDone");
  state_ = state::copy_ended;
  return event_kind::none;
}

event_kind protocol::on_ready(const wire::frame& frame) {
  if (frame.type != 'Z') return on_other(frame, "ReadyForQuery was owed");
  if (owes_sync_) return violation("ReadyForQuery before Sync");
  const auto status = wire::parse_ready_for_query(frame.body);
  if (!status) return violation("malformed ReadyForQuery");  // B45, B46
  status_ = *status;
  closes_owed_ = 0;  // those behind an error were skipped
  if (segment_ == segment::pipeline) return on_pipeline_ready();
  outstanding_ = 0;
  state_ = state::idle;
  return event_kind::ready;
}

event_kind protocol::on_pipeline_ready() {
  const bool failed = state_ == state::skip;
  if (failed && !runs_->sync_each()) runs_->clear();
  if (failed && runs_->sync_each() && !error_at_sync_) runs_->ended();
  if (!runs_->any() && !runs_->closed()) return violation("ReadyForQuery before its Sync");
  --outstanding_;
  if (runs_->any()) {
    state_ = next_run();
    return event_kind::synced;
  }
  state_ = state::idle;
  return event_kind::ready;
}

event_kind protocol::on_error(std::string_view body) {
  auto diag = wire::parse_diagnostics(body);
  if (!diag) return violation("malformed ErrorResponse");
  diag_ = std::move(*diag);
  error_ = make_sqlstate(diag_.sqlstate);
  diag_.sqlstate = sqlstate_of(error_);  // I25: 00000 is no error's code, whatever the severity says
  if (is_fatal(diag_)) {
    state_ = state::dead;
    return event_kind::fatal;
  }
  if (state_ == state::idle || state_ == state::unsent) return violation("ErrorResponse without a request");
  if (state_ == state::skip) return violation("second ErrorResponse");
  error_at_sync_ = state_ == state::sync;
  error_at_bind_ = state_ == state::bind;
  state_ = state::skip;
  return event_kind::server_error;
}

event_kind protocol::on_notice(std::string_view body) {
  auto diag = wire::parse_diagnostics(body);
  if (!diag) return violation("malformed NoticeResponse");
  diag_ = std::move(*diag);
  if (!is_goodbye(diag_)) return event_kind::notice;
  error_ = make_sqlstate(diag_.sqlstate);
  state_ = state::dead;
  return event_kind::fatal;
}

event_kind protocol::on_notification(std::string_view body) {
  const auto note = wire::parse_notification(body);
  if (!note) return violation("malformed NotificationResponse");  // B88
  note_ = *note;
  return event_kind::notification;
}

event_kind protocol::on_parameter(std::string_view body) {
  const auto changed = wire::parse_parameter_status(body);
  if (!changed) return violation("malformed ParameterStatus");  // B47
  if (!store_parameter(*changed)) return violation("more parameters than a server has");
  changed_ = changed->name;
  return event_kind::parameter;
}

bool protocol::store_parameter(const wire::parameter_status& changed) {
  const auto known = parameters_.find(changed.name);
  const std::size_t before = known == parameters_.end() ? 0 : known->first.size() + known->second.size();
  const std::size_t bytes = parameter_bytes_ - before + changed.name.size() + changed.value.size();
  if (bytes > wire::max_server_parameter_bytes) return false;
  if (known == parameters_.end() && parameters_.size() >= wire::max_server_parameters) return false;
  note_move(changed, known == parameters_.end() ? nullptr : &known->second);
  if (known != parameters_.end()) {
    known->second = changed.value;
  } else {
    parameters_.emplace(changed.name, changed.value);
  }
  parameter_bytes_ = bytes;
  text_is_safe_ = judge_text();
  return true;
}

void protocol::note_move(const wire::parameter_status& changed, const std::string* before) {
  const auto noted =
      std::find_if(moved_.begin(), moved_.end(), [&](const moved_parameter& m) { return m.name == changed.name; });
  if (noted == moved_.end()) {
    if (before != nullptr && *before == changed.value) return;
    moved_.push_back({std::string(changed.name), before == nullptr ? std::nullopt : std::optional(*before)});
  } else if (noted->from == changed.value) {
    moved_.erase(noted);  // back where it was: a SET LOCAL
  }
}

bool protocol::has_moved(std::string_view name) const noexcept {
  return std::any_of(moved_.begin(), moved_.end(), [name](const moved_parameter& m) { return m.name == name; });
}

// `rule` is one of ours, never the peer's words.
event_kind protocol::violation(const char* rule) {
  state_ = state::broken;
  error_ = errc::protocol_error;
  diag_ = {};
  diag_.context = rule;
  return event_kind::violation;
}

protocol::state protocol::after_command() noexcept {
  if (segment_ == segment::pipeline) {
    runs_->ended();
    return runs_->sync_each() ? state::sync : next_run();
  }
  return segment_ == segment::simple ? state::between : state::sync;
}

const std::string* protocol::parameter(std::string_view name) const {
  const auto found = parameters_.find(name);
  return found == parameters_.end() ? nullptr : &found->second;
}

bool protocol::judge_text() const {
  const std::string* const encoding = parameter("client_encoding");
  const std::string* const conforming = parameter("standard_conforming_strings");
  return encoding != nullptr && *encoding == "UTF8" && conforming != nullptr && *conforming == "on";
}

}  // namespace lido::session
