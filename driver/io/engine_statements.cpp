// Statements on their way out, the cache, and what the server knows of it: who came to exist, whose plan went stale,
// and the second run of the one that noticed.
#include "driver/io/engine.hpp"
#include "driver/session/statement_class.hpp"
#include "driver/wire/frontend.hpp"

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::io {

using detail::op_kind;
using detail::op_outcome;

namespace {

std::string in_base_36(std::uint64_t number, std::size_t least_digits = 1) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string out;
  for (; number > 0 || out.size() < least_digits; number /= digits.size())
    out.insert(out.begin(), digits[number % digits.size()]);
  return out;
}

bool commits(const detail::request& statement) noexcept {
  return session::classify(statement.sql()) == session::statement_class::commit;
}

}  // namespace

// ---- what is sent ----

void engine::encode(detail::operation& op) {
  if (!op.prepared) {
    if (op.statement.is_pipeline()) [[unlikely]]
      return encode_pipeline(op);
    if (op.kind == op_kind::query && commits(op.statement)) op.kind = op_kind::commit;
    if (op.kind == op_kind::query || op.kind == op_kind::simple || op.kind == op_kind::exchange) {
      const session::dirt left = session::dirt_of(op.statement.sql());
      note(left);
      if (any(left & session::dirt::forgets)) cache_.evict_all();
    }
    wire::append_query(out_, op.statement.sql());
    protocol_.begin(session::segment::simple);
    if (op.kind == op_kind::exchange) open_exchange(op);
    return;
  }
  if (op.kind == op_kind::describe) [[unlikely]]
    return encode_description(op);
  const bool streams = op.kind == op_kind::exchange;
  const std::string_view name = encode_statement(op);
  if (streams) {
    wire::append_bind(out_, name, op.statement);
    return open_exchange(op);
  }
  wire::append_run(out_, name, op.statement);
  if (entry_ != nullptr && entry_->prepared) op.outcome.results.emplace_back().columns = entry_->columns;
}

// What the cache has dropped is closed on the server, too, in front of the next statement.
unsigned engine::close_evicted() {
  const auto closable = cache_.take_closable();
  for (const std::string& name : closable) wire::append_close_statement(out_, name);
  return static_cast<unsigned>(closable.size());
}

// All that stands in front of Bind; answers the statement's name.
std::string_view engine::encode_statement(detail::operation& op) {
  entry_ = cache_.find(op.statement);
  const bool known = entry_ != nullptr && entry_->prepared;
  const unsigned closes = cache_.has_closable() ? close_evicted() : 0;
  if (entry_ == nullptr) entry_ = admit(op.statement);
  if (entry_ != nullptr ? entry_->commits : commits(op.statement)) op.kind = op_kind::commit;
  if (entry_ != nullptr) note(entry_->leaves);
  const std::string_view name = entry_ != nullptr ? std::string_view{entry_->name} : std::string_view{};
  if (known) {
    protocol_.begin(session::segment::run, entry_->columns);
  } else {
    wire::append_parse(out_, name, op.statement);
    wire::append_describe_statement(out_, name);
    protocol_.begin(session::segment::prepare_and_run);
  }
  if (closes > 0) protocol_.expect_close_complete(closes);
  protocol_.expect_parameters(op.statement.count());
  return name;
}

// A statement that is asked about, not run: what it would leave behind is not there. It is kept as any, but for one
// that makes the server forget the others.
void engine::encode_description(const detail::operation& op) {
  entry_ = cache_.find(op.statement);
  const bool known = entry_ != nullptr && entry_->prepared;
  const unsigned closes = cache_.has_closable() ? close_evicted() : 0;
  if (entry_ == nullptr) {
    const session::dirt left = session::dirt_of(op.statement.sql());
    if (!any(left & session::dirt::forgets)) entry_ = keep(op.statement, left);
  }
  const std::string_view name = entry_ != nullptr ? std::string_view{entry_->name} : std::string_view{};
  if (!known) wire::append_parse(out_, name, op.statement);
  wire::append_describe_statement(out_, name);
  wire::append_sync(out_);
  protocol_.begin(known ? session::segment::describe : session::segment::prepare);
  if (closes > 0) protocol_.expect_close_complete(closes);
}

// For detail::description_of().
void engine::take_description() noexcept {
  if (!collects() || current_->outcome.error) return;
  const std::vector<std::uint32_t>& types = protocol_.described();
  try {
    auto& results = current_->outcome.results;
    if (results.empty()) results.emplace_back();
    results.back().bytes.assign(reinterpret_cast<const char*>(types.data()), types.size() * sizeof(std::uint32_t));
  } catch (const std::bad_alloc&) {
    current_->outcome.error = std::make_error_code(std::errc::not_enough_memory);
  }
}

// A new text: what it may leave behind is judged here, once for all that run it from the cache.
session::statement_cache::entry* engine::admit(const detail::request& statement) {
  const session::dirt left = session::dirt_of(statement.sql());
  note(left);
  if (any(left & session::dirt::forgets)) {
    cache_.evict_all();  // itself, too, would be gone
    return nullptr;
  }
  return keep(statement, left);
}

session::statement_cache::entry* engine::keep(const detail::request& statement, session::dirt left) {
  auto* const added = cache_.insert(statement);
  if (added == nullptr) return nullptr;
  added->commits = commits(statement);
  added->leaves = left;
  return added;
}

// ---- names and answers ----

// "l4k7q2x1f_" of the statements "l4k7q2x1f_1", ...: of this process, by chance, and of this connection, by number.
// Two clients of one pooler do not meet on a name then.
std::string engine::next_statement_prefix() {
  static const std::uint32_t process = std::random_device{}();
  static std::atomic<std::uint64_t> connections{0};
  constexpr std::uint32_t six_digits = 36U * 36U * 36U * 36U * 36U * 36U;
  return "l" + in_base_36(process % six_digits, 6) +
         in_base_36(connections.fetch_add(1, std::memory_order_relaxed) + 1) + "_";
}

// What this segment says about the statement's existence on the server. True: it is to run once more.
bool engine::settle_statement() {
  if (entry_ == nullptr) return false;
  auto* const entry = std::exchange(entry_, nullptr);
  if (!entry->prepared) {
    if (!protocol_.parsed()) {
      cache_.erase(entry);
    } else {
      entry->prepared = true;
      entry->columns = protocol_.columns();
    }
    return false;
  }
  if (!in_exchange() && current_ && !current_->outcome.error) [[likely]]
    return false;
  const bool wanted = in_exchange() || (current_ && collects());
  const std::error_code failed = !wanted         ? std::error_code{}
                                 : in_exchange() ? exchange_->error()
                                                 : current_->outcome.error;
  if (!failed) [[likely]]
    return false;
  const std::string state = sqlstate_of(failed);
  const bool again = !in_exchange() && is_stale(state);
  if (state == "26000") cache_.erase(entry);
  if (state == "0A000") cache_.evict(entry);  // "cached plan must not change result type"
  return again;
}

// The server refused to bind it: nothing of it has run. Outside of a transaction nothing else is lost with it either,
// and behind a fresh Parse it will do; inside one, its user must know that the transaction has failed. A statement is
// new in its second run, which cannot end here again.
bool engine::is_stale(const std::string& state) const {
  if (state != "26000" && state != "0A000") return false;
  return !protocol_.bound() && protocol_.status() == wire::transaction_status::idle && !settle_.active();
}

void engine::run_again(aftermath& after) {
  current_->outcome = op_outcome();
  try {
    encode(*current_);
  } catch (const std::bad_alloc&) {
    return lost(std::make_error_code(std::errc::not_enough_memory), after);
  }
  flush(after);
}

}  // namespace lido::io
