#include "driver/session/pipeline.hpp"

#include "driver/session/statement_class.hpp"
#include "driver/wire/byte_order.hpp"
#include "driver/wire/frontend.hpp"

#include <lido/driver/error.hpp>

#include <cstring>
#include <utility>

namespace lido::session {

using detail::pipeline_answer;
using detail::pipeline_content;

namespace {

// Behind the values of each Bind: one format code, binary, for all columns; then Execute, all rows; then, if so, Sync.
constexpr std::string_view tail{"\0\1\0\1E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04", 19};
constexpr std::size_t sync_size = 5;
constexpr std::size_t format_codes = 4;

}  // namespace

pipeline::pipeline(std::shared_ptr<pipeline_content> content, statement_cache& cache, protocol& wire)
    : content_(std::move(content)), cache_(cache), wire_(wire) {}

dirt pipeline::begin() {
  wire_.begin_pipeline(content_->sync_each);
  const std::size_t count = content_->statements.size();
  statements_.resize(count);
  dirt all = dirt::none;
  for (std::size_t i = 0; i < count; ++i) {
    const detail::request& text = content_->statements[i].text;
    const statement_cache::entry* const entry = cache_.find(text);
    all |= entry != nullptr ? entry->leaves : dirt_of(text.sql());
    if (entry == nullptr) continue;
    statements_[i].name = entry->name;
    statements_[i].known = entry->prepared;
    wire_.know_columns(static_cast<std::uint32_t>(i), entry->columns);
  }
  // DEALLOCATE and DISCARD ALL among them: no name is safe to use
  const bool named = !any(all & dirt::forgets);
  if (!named) cache_.evict_all();
  tags_matter_ = !named || content_->commits;
  for (std::size_t i = 0; i < count; ++i) {
    const detail::request& text = content_->statements[i].text;
    if (!named) statements_[i] = {};
    if (named && statements_[i].name.empty()) admit(text, statements_[i]);
    statements_[i].front = wire::bind_front(statements_[i].name, text);
  }
  return all;
}

// One that is evicted again by those behind it keeps its name as long as this pipeline runs: names are closed in front
// of the next operation.
void pipeline::admit(const detail::request& text, prepared& made) {
  statement_cache::entry* const entry = cache_.insert(text);
  if (entry == nullptr) return;
  entry->leaves = dirt_of(text.sql());
  entry->commits = classify(text.sql()) == statement_class::commit;
  made.name = entry->name;
}

// The unnamed statement is parsed anew behind each Sync, where a pooler may hand us to another server.
bool pipeline::wants_parse(std::uint32_t which) const noexcept {
  const prepared& statement = statements_[which];
  if (statement.name.empty()) return unnamed_ != which || content_->sync_each;
  return !statement.known && !statement.written;
}

std::uint32_t pipeline::run_length(std::uint32_t which) const noexcept {
  const auto& items = content_->items;
  std::size_t end = next_ + 1;
  if (statements_[which].name.empty() && content_->sync_each) return 1;
  while (end < items.size() && items[end].statement == which && end - next_ < UINT32_MAX) ++end;
  return static_cast<std::uint32_t>(end - next_);
}

void pipeline::feed(std::string& out, std::size_t enough) {
  const std::size_t stop = out.size() + enough;
  const auto& items = content_->items;
  while (!closed_ && next_ < items.size() && out.size() < stop) {
    const std::uint32_t which = items[next_].statement;
    const detail::request& text = content_->statements[which].text;
    prepared& statement = statements_[which];
    owed_runs::run owed{which, 0, text.count(), wants_parse(which)};
    if (owed.prepare) {
      wire::append_parse(out, statement.name, text);
      wire::append_describe_statement(out, statement.name);
      statement.written = true;
      if (statement.name.empty()) unnamed_ = which;
    }
    // as many as fit, one at least
    const std::uint32_t most = run_length(which);
    const std::size_t first = next_;
    const std::size_t fixed = 5 + statement.front.size() + tail.size();
    const std::size_t begin = first == 0 ? 0 : items[first - 1].values_end;
    const std::size_t room = stop > out.size() ? stop - out.size() : 0;
    while (owed.count < most) {
      ++owed.count;
      if (owed.count * fixed + items[first + owed.count - 1].values_end - begin >= room) break;
    }
    write_runs(out, which, owed.count);
    wire_.expect_runs(owed);
  }
  if (!closed_ && next_ == items.size()) cut(out);
}

void pipeline::write_runs(std::string& out, std::uint32_t which, std::uint32_t count) {
  const prepared& statement = statements_[which];
  const auto* const items = content_->items.data();
  const std::size_t begin = next_ == 0 ? 0 : items[next_ - 1].values_end;
  const std::string_view behind = content_->sync_each ? tail : tail.substr(0, tail.size() - sync_size);
  const std::size_t fixed = 1 + 4 + statement.front.size() + behind.size();
  const std::size_t before = out.size();
  out.resize(before + count * fixed + items[next_ + count - 1].values_end - begin);
  char* at = out.data() + before;
  const char* value = content_->values.data() + begin;
  std::size_t from = begin;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t size = items[next_ + i].values_end - from;
    *at++ = 'B';
    at = wire::store_u32(at, static_cast<std::uint32_t>(4 + statement.front.size() + size + format_codes));
    at += statement.front.copy(at, statement.front.size());
    if (size > 0) std::memcpy(at, value, size);
    at += size;
    value += size;
    from += size;
    std::memcpy(at, behind.data(), behind.size());
    at += behind.size();
  }
  next_ += count;
}

bool pipeline::cut(std::string& out) {
  if (std::exchange(closed_, true)) return false;
  if (!content_->sync_each) wire::append_sync(out);
  wire_.end_pipeline();
  return !content_->sync_each;
}

// ---- answers ----

// Remembers where they are in what is about to be appended to the others.
struct pipeline::collector {
  pipeline& into;
  std::size_t base;
  bool keep;

  void row(std::size_t at) noexcept {
    if (into.rows_++ == 0) into.row_begin_ = base + at;
  }
  void ended(std::size_t at) {
    const std::uint32_t rows = std::exchange(into.rows_, 0);
    if (keep) into.answer(rows == 0 ? base + at : into.row_begin_, rows);
  }
};

std::size_t pipeline::take(std::string_view bytes, const wire::limits& bounds, bool keep) {
  if (tags_matter_) return 0;
  collector sink{*this, content_->answered.size(), keep};
  const std::size_t used = wire_.take_answers(bytes, bounds, sink);
  if (keep && used > 0) {
    content_->answered.append(bytes.substr(0, used));
    whole_ = content_->answers.size();
  }
  return used;
}

void pipeline::on_row(const wire::frame& frame) {
  if (rows_++ == 0) row_begin_ = content_->answered.size();
  content_->answered.append(frame.body.data() - wire::header_size, frame.body.size() + wire::header_size);
}

void pipeline::on_complete(const wire::frame& frame) {
  const std::uint32_t rows = std::exchange(rows_, 0);
  const std::size_t index = answered();
  answer(rows == 0 ? content_->answered.size() : row_begin_, rows);
  if (tags_matter_ && index < content_->items.size() && wire_.tag() == "ROLLBACK") {
    const auto& text = content_->statements[content_->items[index].statement].text;
    if (classify(text.sql()) == statement_class::commit) {  // M5: COMMIT of a failed transaction
      diagnostics diag;
      diag.context = place_of(index);
      note_failure(errc::rolled_back, std::move(diag));
      content_->answers.back().failure = static_cast<std::uint32_t>(content_->failures.size() - 1);
    }
  }
  content_->answered.append(frame.body.data() - wire::header_size, frame.body.size() + wire::header_size);
  whole_ = content_->answers.size();
}

void pipeline::note_description(const std::shared_ptr<const detail::row_description>& columns) {
  described_ = columns.get();
  description_ = pipeline_answer::none;
  if (!columns) return;
  content_->descriptions.push_back(columns);
  description_ = static_cast<std::uint32_t>(content_->descriptions.size() - 1);
}

void pipeline::answer(std::size_t begin, std::uint32_t rows) {
  if (content_->answers.size() == content_->items.size()) return;
  if (wire_.columns().get() != described_) [[unlikely]]
    note_description(wire_.columns());
  content_->answers.push_back({begin, rows, description_, pipeline_answer::none});
}

void pipeline::note_failure(std::error_code error, diagnostics diag) {
  auto& failures = content_->failures;
  failures.push_back({error, std::move(diag)});
  if (content_->first_failure == pipeline_answer::none)
    content_->first_failure = static_cast<std::uint32_t>(failures.size() - 1);
}

std::string pipeline::place_of(std::size_t index) const {
  return "statement " + std::to_string(index + 1) + " of " + std::to_string(content_->items.size()) +
         " in the pipeline";
}

void pipeline::on_error(std::error_code error, diagnostics diag) {
  auto& answers = content_->answers;
  auto& failures = content_->failures;
  rows_ = 0;
  const std::size_t index = answers.size() - (wire_.error_at_sync() ? 1 : 0);
  if (index >= content_->items.size()) return;  // the Sync of a pipeline without statements
  if (wire_.error_at_sync()) {
    diag.context = content_->sync_each ? place_of(index) : "at the end of the pipeline, where it commits";
    note_failure(error, std::move(diag));
    if (content_->sync_each) answers.back().failure = static_cast<std::uint32_t>(failures.size() - 1);
    return;
  }
  const std::uint32_t which = content_->items[index].statement;
  prepared& statement = statements_[which];
  const std::string state = sqlstate_of(error);
  auto failed = static_cast<std::uint32_t>(failures.size());
  if (state == "26000" && statement.failed != pipeline_answer::none) {
    // its Parse failed a moment ago, and this is only the echo
    failed = statement.failed;
  } else {
    if (!statement.known && !wire_.pipelined(which).parsed) statement.failed = failed;
    if (!statement.name.empty() && (state == "26000" || state == "42P05"))
      diag.context =
          "is a pooler in transaction mode in between? Then set statement_cache_size = 0; " + place_of(index);
    if (diag.context.empty()) diag.context = place_of(index);
    note_failure(error, std::move(diag));
  }
  if (statement.known && (state == "26000" || state == "0A000")) {
    stale_at_front_ = index == 0 && !content_->sync_each && wire_.error_at_bind();
    auto* const entry = cache_.find(content_->statements[which].text);
    if (entry != nullptr && entry->name == statement.name) state == "26000" ? cache_.erase(entry) : cache_.evict(entry);
  }
  answers.push_back({0, 0, pipeline_answer::none, failed});
  whole_ = answers.size();
}

void pipeline::finish(bool keep) {
  for (std::size_t i = 0; i < statements_.size(); ++i) {
    const prepared& statement = statements_[i];
    if (statement.name.empty() || statement.known) continue;
    auto* const entry = cache_.find(content_->statements[i].text);
    if (entry == nullptr || entry->name != statement.name) continue;  // evicted meanwhile
    const owed_runs::known& seen = wire_.pipelined(static_cast<std::uint32_t>(i));
    if (!seen.parsed) {
      cache_.erase(entry);
    } else if (!seen.described) {
      cache_.evict(entry);
    } else {
      entry->prepared = true;
      entry->columns = seen.columns;
    }
  }
  auto& answers = content_->answers;
  if (!keep || answers.size() == content_->items.size()) return;
  content_->failures.push_back({errc::pipeline_aborted, {}});
  const auto aborted = static_cast<std::uint32_t>(content_->failures.size() - 1);
  answers.resize(content_->items.size(), {0, 0, pipeline_answer::none, aborted});
}

// The statement that was being answered has none: its rows are whole or they are nothing.
void pipeline::lost(std::error_code error, const diagnostics& diag) {
  auto& answers = content_->answers;
  answers.resize(whole_);  // no memory: counted, and not kept
  const std::size_t first = answers.size();
  diagnostics where = diag;
  if (where.context.empty() && first < content_->items.size()) where.context = place_of(first);
  note_failure(error, std::move(where));
  const auto failed = static_cast<std::uint32_t>(content_->failures.size() - 1);
  answers.resize(content_->items.size(), {0, 0, pipeline_answer::none, failed});
  content_->closed = true;
}

}  // namespace lido::session
