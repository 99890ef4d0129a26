// The public pipeline: what goes in, and what is read out of its results.
#include "driver/session/sql_lexer.hpp"
#include "driver/session/statement_class.hpp"

#include <lido/driver/pipeline.hpp>

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

// COPY FROM STDIN and TO STDOUT change the protocol until they end; nothing may stand behind them.
bool copies_through_the_connection(std::string_view sql) noexcept {
  session::sql_lexer words(sql);
  session::token at = words.next();
  while (at.kind == session::token_kind::punctuation && (at.text == ";" || at.text == "(")) at = words.next();
  if (at.kind != session::token_kind::word || !session::same_word(at.text, "copy")) return false;
  for (; at.kind != session::token_kind::end; at = words.next()) {
    if (at.kind != session::token_kind::word) continue;
    if (session::same_word(at.text, "stdin") || session::same_word(at.text, "stdout")) return true;
  }
  return false;
}

// "statement 3 of 10 in the pipeline"
std::string place_among(const pipeline_content& all, std::size_t index) {
  return "statement " + std::to_string(index + 1) + " of " + std::to_string(all.items.size()) + " in the pipeline";
}

}  // namespace

std::uint32_t pipeline_content::add_statement(request text, const void* signature) {
  if (!text.error() && copies_through_the_connection(text.sql())) text.fail(errc::copy_unexpected);
  if (session::classify(text.sql()) == session::statement_class::commit) commits = true;
  text_size += text.sql().size();
  statements.push_back({std::move(text), signature});
  return static_cast<std::uint32_t>(statements.size() - 1);
}

bool append_null_parameter(std::string& values) {
  value_writer writer(values);
  writer.put(std::int32_t{-1});
  return writer.ok();
}

std::error_code failure_of(const pipeline_content& all, diagnostics* diag) {
  if (all.first_failure == pipeline_answer::none) return {};
  const pipeline_failure& first = all.failures[all.first_failure];
  if (diag != nullptr) *diag = first.diag;
  return first.error;
}

}  // namespace detail

// ---- questions ----

// One message, and all that a statement's own needs besides, stays below what the wire can carry.
pipeline::pipeline(pipeline_mode mode, std::size_t max_bytes)
    : max_bytes_(std::min(max_bytes, detail::max_request_bytes / 2)), mode_(mode) {}

void pipeline::begin() {
  content_ = std::make_shared<detail::pipeline_content>();
  content_->sync_each = mode_ == pipeline_mode::each_on_its_own;
  content_->max_bytes = max_bytes_;
}

pipeline& pipeline::refuse(std::size_t values_before) {
  content_->values.resize(values_before);
  std::erase_if(content_->uses, [values_before](const detail::type_use& use) { return use.where >= values_before; });
  if (!error_) error_ = errc::not_encodable;
  return *this;
}

detail::request pipeline::take() {
  detail::request all;
  detail::pipeline_content& taken = content();
  for (const detail::pipeline_statement& each : taken.statements) {
    if (each.text.error()) all.fail(each.text.error());
  }
  if (error_) all.fail(error_);
  if (taken.items.empty()) taken.sync_each = false;  // its one Sync is the round trip
  taken.answers.reserve(taken.items.size());
  all.carry(std::exchange(content_, nullptr));
  error_.clear();
  return all;
}

// ---- answers ----

std::error_code pipeline_results::error(std::size_t index) const {
  if (index >= size()) refuse(index);
  const std::uint32_t failure = content_->answers[index].failure;
  return failure == detail::pipeline_answer::none ? std::error_code{} : content_->failures[failure].error;
}

const diagnostics& pipeline_results::diag(std::size_t index) const {
  static const diagnostics nothing;
  if (index >= size()) refuse(index);
  const std::uint32_t failure = content_->answers[index].failure;
  return failure == detail::pipeline_answer::none ? nothing : content_->failures[failure].diag;
}

void pipeline_results::throw_if_failed() const {
  if (ok()) return;
  diagnostics why;
  const std::error_code ec = detail::failure_of(*content_, &why);
  throw lido::error(ec, std::move(why));
}

void pipeline_results::refuse(std::size_t index) const {
  if (index >= size()) {
    detail::throw_error(errc::no_row, "a pipeline of " + std::to_string(size()) + " statements has no number " +
                                          std::to_string(index + 1));
  }
  const detail::pipeline_failure& why = content_->failures[content_->answers[index].failure];
  diagnostics diag = why.diag;
  if (diag.context.empty()) diag.context = detail::place_among(*content_, index);
  throw lido::error(why.error, std::move(diag));
}

void pipeline_results::throw_count(std::size_t rows) { detail::throw_error(errc::no_row, detail::count_problem(rows)); }

std::string_view pipeline_results::command_tag(std::size_t index) const {
  const detail::pipeline_answer& answer = answer_at(index);
  std::size_t at = answer.begin;
  for (std::uint32_t i = 0; i < answer.rows; ++i) at = detail::message_at(content_->answered, at).end;
  const detail::pipeline_message last = detail::message_at(content_->answered, at);
  return last.type == 'C' ? last.body.substr(0, last.body.size() - 1) : std::string_view();
}

std::uint64_t pipeline_results::affected_rows(std::size_t index) const {
  return detail::affected_rows(command_tag(index));
}

std::uint64_t pipeline_results::affected_rows() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    if (content_->answers[i].failure == detail::pipeline_answer::none) sum += affected_rows(i);
  }
  return sum;
}

detail::recycled_ptr<detail::raw_result> pipeline_results::copy_of(std::size_t index) const {
  const detail::pipeline_answer& answer = answer_at(index);
  auto made = detail::make_recycled<detail::raw_result>();
  if (answer.description != detail::pipeline_answer::none) made->columns = content_->descriptions[answer.description];
  std::size_t at = answer.begin;
  for (std::uint32_t i = 0; i < answer.rows; ++i) {
    const detail::pipeline_message row = detail::message_at(content_->answered, at);
    made->bytes.append(row.body);
    made->ends.push_back(made->bytes.size());
    at = row.end;
  }
  made->tag = command_tag(index);
  return made;
}

// ---- runs ----

namespace detail {

op_plan run_plan(const request& work, const op_options& options) noexcept {
  return {work.pipeline()->commits ? op_kind::commit : op_kind::query, false, options};
}

asio::awaitable<pipeline_results> co_run(session_handle on, op_options options, request work) {
  const std::shared_ptr<pipeline_content> content = work.pipeline();
  const op_plan plan = run_plan(work, options);
  if (content->waits_for_numbers()) co_await find_numbers(on, options, work);
  run_in<pipeline_results> run(on, plan, work);
  co_await run.run();
  if (run.out.error) throw_outcome(run.out);
  if (content->waits_for_numbers()) forget_changed_numbers(on, *content);
  pipeline_results results(content);
  if (!content->sync_each) results.throw_if_failed();
  co_return results;
}

asio::awaitable<std::uint64_t> co_count(asio::awaitable<pipeline_results> run) {
  const pipeline_results done = co_await std::move(run);
  co_return done.affected_rows();
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
