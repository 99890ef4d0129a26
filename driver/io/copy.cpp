// The public faces of streams and COPY, as far as they are no templates.
#include <lido/driver/copy.hpp>
#include <lido/driver/stream.hpp>

#include <algorithm>
#include <atomic>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

std::uint64_t next_exchange_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

request exchange_step(std::uint64_t id, exchange_kind kind, exchange_ask ask, std::string bytes) {
  request made;
  made.set_part({id, kind, ask, 0, std::move(bytes)});
  return made;
}

request streamed(request statement, std::uint64_t id, std::uint32_t most_rows) {
  const std::uint32_t most = std::min<std::uint32_t>(most_rows, INT32_MAX);
  statement.set_part({id, exchange_kind::rows, exchange_ask::open, most, {}});
  return statement;
}

request copying(request statement, std::uint64_t id, exchange_kind kind) {
  statement.set_part({id, kind, exchange_ask::open, 0, {}});
  return statement;
}

diagnostics changed_under_way() {
  diagnostics diag;
  diag.context = "a type of its columns has another number than when it was looked up last: open it again";
  return diag;
}

recycled_ptr<raw_result> rest_of(const raw_result& batch, std::size_t from) {
  auto rest = make_recycled<raw_result>();
  rest->columns = batch.columns;
  rest->tag = batch.tag;
  rest->last = batch.last;
  const std::size_t begin = from == 0 ? 0 : batch.ends[from - 1];
  rest->bytes.assign(batch.bytes, begin);
  for (std::size_t i = from; i < batch.row_count(); ++i) rest->ends.push_back(batch.ends[i] - begin);
  return rest;
}

namespace {

copy_format format_of(const op_outcome& opened, const raw_result& first) {
  copy_format format;
  if (opened.error || !first.columns) return format;
  format.columns = first.columns->size();
  format.binary = std::all_of(first.columns->begin(), first.columns->end(), [](const column& c) { return c.binary; });
  return format;
}

template <class Copy>
asio::awaitable<Copy> co_open(session_handle on, op_options options, request statement, exchange_kind kind) {
  const std::uint64_t id = next_exchange_id();
  const op_plan plan = copy_plan(options);
  request opening = copying(std::move(statement), id, kind);
  run_in<Copy> open(on, plan, opening);
  exchange_handle handle(on, id);
  co_await open.run();
  if (open.out.error) throw_outcome(open.out);
  co_return Copy(std::move(handle), open.out);
}

}  // namespace

op_plan copy_plan(const op_options& options) noexcept { return {op_kind::exchange, false, options}; }

asio::awaitable<copy_in> co_copy_in(session_handle on, op_options options, request statement) {
  return co_open<copy_in>(std::move(on), options, std::move(statement), exchange_kind::copy_in);
}

asio::awaitable<copy_out> co_copy_out(session_handle on, op_options options, request statement) {
  return co_open<copy_out>(std::move(on), options, std::move(statement), exchange_kind::copy_out);
}

}  // namespace detail

// ---- in ----

copy_in::copy_in(detail::exchange_handle handle, detail::op_outcome& opened)
    : handle_(std::move(handle)), format_(detail::format_of(opened, *detail::first_result(opened))) {}

asio::awaitable<void> copy_in::async_write(std::string_view bytes, op_options options) {
  do {
    const std::size_t some = std::min(bytes.size(), buffer_.free());
    buffer_.append(bytes.substr(0, some));
    bytes.remove_prefix(some);
    if (buffer_.full()) co_await async_flush(options);
  } while (!bytes.empty());
}

asio::awaitable<void> copy_in::async_flush(op_options options) {
  detail::request ask = step(detail::exchange_ask::write, buffer_.take());
  const detail::op_plan plan = detail::step_plan(options);
  detail::run_in<void> write(handle_.on(), plan, ask);
  co_await write.run();
  took(write.out);
  if (write.out.error) detail::throw_outcome(write.out);
}

void copy_in::took(detail::op_outcome& out) {
  if (out.error) return;
  if (!out.results.empty()) buffer_.give_back(std::move(detail::first_result(out)->bytes));
  if (progress_) progress_(buffer_.total());
}

asio::awaitable<std::uint64_t> copy_in::async_finish(op_options options) {
  detail::request ask = step(detail::exchange_ask::finish, buffer_.take());
  const detail::op_plan plan = detail::step_plan(options);
  detail::run_in<std::uint64_t> finish(handle_.on(), plan, ask);
  co_await finish.run();
  const std::uint64_t rows = over(finish.out);
  if (finish.out.error) detail::throw_outcome(finish.out);
  if (progress_) progress_(buffer_.total());
  co_return rows;
}

std::uint64_t copy_in::over(detail::op_outcome& out) noexcept {
  if (out.error || out.results.empty()) return 0;
  return detail::affected_rows(detail::first_result(out)->tag);
}

asio::awaitable<void> copy_in::async_fail(std::string_view reason, op_options options) {
  detail::request ask = step(detail::exchange_ask::fail, detail::copy_fail_reason(reason));
  const detail::op_plan plan = detail::step_plan(options);
  detail::run_in<void> fail(handle_.on(), plan, ask);
  co_await fail.run();
  if (fail.out.error) detail::throw_outcome(fail.out);
}

// ---- out ----

copy_out::copy_out(detail::exchange_handle handle, detail::op_outcome& opened)
    : handle_(std::move(handle)), format_(detail::format_of(opened, *detail::first_result(opened))) {}

void copy_out::take(detail::op_outcome& out) {
  chunk_.clear();
  if (out.error) return handle_.leave();
  const auto batch = detail::first_result(out);
  chunk_ = std::move(batch->bytes);
  total_ += chunk_.size();
  if (batch->last) rows_ = detail::affected_rows(batch->tag);
  if (progress_ && !chunk_.empty()) progress_(total_);
}

asio::awaitable<std::string_view> copy_out::async_read(op_options options) {
  detail::request ask = step(detail::exchange_ask::next);
  const detail::op_plan plan = detail::step_plan(options);
  detail::run_in<std::string_view> read(handle_.on(), plan, ask);
  co_await read.run();
  take(read.out);
  if (read.out.error) detail::throw_outcome(read.out);
  co_return chunk_;
}

asio::awaitable<bool> copy_out::async_fill(std::string& into, op_options options) {
  const std::string_view more = co_await async_read(options);
  if (into.empty()) {
    into.swap(chunk_);
    co_return !into.empty();
  }
  into += more;
  co_return !more.empty();
}

asio::awaitable<void> copy_out::async_close(op_options options) {
  detail::request ask = step(detail::exchange_ask::close);
  const detail::op_plan plan = detail::step_plan(options);
  detail::run_in<void> close(handle_.on(), plan, ask);
  co_await close.run();
  handle_.leave();
  if (close.out.error && close.out.error != errc::stream_closed) detail::throw_outcome(close.out);
}

}  // namespace v0
}  // namespace lido
