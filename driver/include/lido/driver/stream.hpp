// Many rows, a batch at a time, with back-pressure: the server sends a batch when it is asked for, and no more.
//
//   auto users = co_await db->async_stream<user>("select id, name from users");
//   while (std::optional<user> u = co_await users.async_next()) use(*u);
//
//   while (true) {                                                      // faster: a batch at a time
//     const auto batch = co_await users.async_next_batch();
//     if (batch.empty()) break;
//     for (const user& u : batch) use(u);
//   }
//
// One round trip opens the stream and brings the first batch; each further batch is one. While it is open, the
// connection can do nothing else: other operations complete with errc::connection_busy. It is over, and the connection
// free, when the last batch has come, after an error, after async_close(), or when it is destroyed: the destructor does
// not wait, what must be said to the server goes out behind its back and before anybody's next statement. Outside a
// transaction all batches see one snapshot, and the statement's own transaction ends with the stream.
//
// Each step obeys the cancellation table of connection.hpp: terminal and deadlines revoke the lease, partial ends the
// stream and keeps the lease. Between two steps nothing can be cancelled but by lido::canceller and the lease's end.
#pragma once

#include <lido/driver/connection.hpp>
#include <lido/driver/detail/exchange.hpp>
#include <lido/driver/transaction.hpp>

#include <asio/associated_executor.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

request streamed(request statement, std::uint64_t id, std::uint32_t most_rows);
diagnostics changed_under_way();
// What of `batch` begins with row `from`.
recycled_ptr<raw_result> rest_of(const raw_result& batch, std::size_t from);

}  // namespace detail

/// Move-only. Views (lido::row, std::string_view fields) live until the next step.
template <row_type Row = row>
class row_stream {
 public:
  row_stream() = default;  ///< empty: steps complete with errc::lease_revoked
  row_stream(row_stream&&) noexcept = default;
  row_stream& operator=(row_stream&&) noexcept = default;
  ~row_stream() = default;  ///< ends the stream; does not wait, never throws

  /// The next row; nothing behind the last one. Waits only when the batch is used up. Throws lido::error: the server's
  /// SQLSTATE, unexpected_null, value_out_of_range, timeout, operation_aborted, lease_revoked, and stream_closed after
  /// one of those or after async_close().
  [[nodiscard]] asio::awaitable<std::optional<Row>> async_next(op_options options = {}) {
    while (batch_ == nullptr || at_ == batch_->row_count()) {
      if (batch_ != nullptr && batch_->last) co_return std::nullopt;
      detail::request ask = next();
      const detail::op_plan plan = detail::step_plan(options);
      detail::run_in<std::optional<Row>> step(handle_.on(), plan, ask);
      co_await step.run();
      take(step.out);
    }
    const std::size_t at = at_++;
    co_return plan_.read(*batch_->columns, batch_->row(at));
  }

  /// The next batch, of which async_next() has not had rows; an empty one behind the last. At most
  /// stream_options::batch_rows rows, and fewer when they are large. Errors as async_next's.
  [[nodiscard]] asio::awaitable<result<Row>> async_next_batch(op_options options = {}) {
    while (batch_ == nullptr || at_ == batch_->row_count()) {
      if (batch_ != nullptr && batch_->last) co_return ended();
      detail::request ask = next();
      const detail::op_plan plan = detail::step_plan(options);
      detail::run_in<result<Row>> step(handle_.on(), plan, ask);
      co_await step.run();
      take(step.out);
    }
    co_return buffered();
  }

  /// Handler: void(std::error_code, result<Row>). The stream must stay where it is meanwhile.
  template <asio::completion_token_for<void(std::error_code, result<Row>)> Token>
  auto async_next_batch_with(Token&& token, op_options options = {}) {
    return asio::async_initiate<Token, void(std::error_code, result<Row>)>(
        [this](auto handler, const detail::op_plan& plan) {
          if (batch_ == nullptr || (at_ == batch_->row_count() && !batch_->last)) {
            return detail::start_operation<finish_batch>{{this}}(std::move(handler), handle_.on(), plan, next());
          }
          const auto executor = asio::get_associated_executor(handler, handle_.on().executor());
          asio::post(executor,
                     [h = std::move(handler), rows = at_ < batch_->row_count() ? buffered() : ended()]() mutable {
                       std::move(h)(std::error_code{}, std::move(rows));
                     });
        },
        token, detail::step_plan(options));
  }

  /// Ends the stream and waits until the connection is free. What the server still had to send is not sent, or
  /// cancelled.
  [[nodiscard]] asio::awaitable<void> async_close(op_options options = {}) {
    if (handle_.id() == 0 || (batch_ != nullptr && batch_->last)) co_return;
    detail::request ask = detail::exchange_step(handle_.id(), detail::exchange_kind::rows, detail::exchange_ask::close);
    const detail::op_plan plan = detail::step_plan(options);
    detail::run_in<void> step(handle_.on(), plan, ask);
    batch_ = nullptr;
    co_await step.run();
    handle_.leave();
    if (step.out.error) detail::throw_outcome(step.out);
  }

  /// The columns, from the first batch on.
  std::span<const column> columns() const noexcept {
    return batch_ && batch_->columns ? std::span<const column>(*batch_->columns) : std::span<const column>();
  }
  /// "SELECT 3", once the last batch has come.
  std::string_view command_tag() const noexcept { return batch_ ? std::string_view(batch_->tag) : std::string_view(); }

  /// For the driver.
  explicit row_stream(detail::exchange_handle handle) noexcept : handle_(std::move(handle)) {}
  std::shared_ptr<const detail::row_description> description() const noexcept {
    return batch_ ? batch_->columns : nullptr;
  }
  const detail::row_plan<Row>& plan() const noexcept { return plan_; }
  bool has_all() const noexcept { return batch_ && batch_->last; }
  std::error_code accept(detail::op_outcome& out, detail::lazy_diagnostics& mismatch) {
    std::error_code ec = out.error;
    const bool known = batch_ && batch_->columns;
    if (!ec) {
      batch_ = detail::first_result(out);
      at_ = 0;
      if (!known && batch_->columns) ec = plan_.bind(*batch_->columns, mismatch);
    }
    if (!ec) return {};
    batch_ = nullptr;
    handle_.leave();
    return ec;
  }
  void take(detail::op_outcome& out) {
    detail::lazy_diagnostics mismatch;
    const std::error_code ec = accept(out, mismatch);
    if (out.error) detail::throw_outcome(out);
    if (ec) throw error(ec, detail::said_in(mismatch));
  }

 private:
  struct finish_batch {
    row_stream* on;
    template <class Handler>
    void operator()(Handler&& handler, detail::op_outcome& out, diagnostics* diag) const {
      detail::report(out, diag);
      detail::lazy_diagnostics mismatch;
      const std::error_code ec = on->accept(out, mismatch);
      if (mismatch && diag != nullptr) *diag = detail::said_in(mismatch);
      std::forward<Handler>(handler)(ec, ec                                  ? result<Row>()
                                         : on->at_ < on->batch_->row_count() ? on->buffered()
                                                                             : on->ended());
    }
  };

  detail::request next() const {
    return detail::exchange_step(handle_.id(), detail::exchange_kind::rows, detail::exchange_ask::next);
  }
  // Rows that are there and nobody had; keeps what tells where the stream stands.
  result<Row> buffered() {
    auto rows = at_ == 0 ? std::exchange(batch_, nullptr) : detail::rest_of(*batch_, at_);
    batch_ = detail::make_recycled<detail::raw_result>();
    batch_->columns = rows->columns;
    batch_->last = rows->last;
    batch_->tag = rows->tag;
    at_ = 0;
    return bound(std::move(rows));
  }
  result<Row> ended() const {
    auto none = detail::make_recycled<detail::raw_result>();
    none->columns = batch_->columns;
    none->tag = batch_->tag;
    return bound(std::move(none));
  }
  static result<Row> bound(detail::recycled_ptr<detail::raw_result> rows) {
    result<Row> made(std::move(rows));
    detail::lazy_diagnostics never;  // the same columns were bound before
    made.bind(never);
    return made;
  }

  detail::exchange_handle handle_;
  detail::recycled_ptr<detail::raw_result> batch_;
  std::size_t at_ = 0;
  [[no_unique_address]] detail::row_plan<Row> plan_;
};

namespace detail {

template <row_type Row>
asio::awaitable<row_stream<Row>> co_stream(session_handle on, stream_options options, request statement) {
  const std::uint64_t id = next_exchange_id();
  const op_plan plan{op_kind::exchange, true, options.open};
  request opening = streamed(std::move(statement), id, options.batch_rows);
  run_in<row_stream<Row>> open(on, plan, opening);
  exchange_handle handle(on, id);
  co_await open.run();
  if (open.out.error) throw_outcome(open.out);
  row_stream<Row> made(std::move(handle));
  made.take(open.out);
  co_return made;
}

// With names: a stream whose columns are of other types is ended before the server is asked what they are.
template <row_type Row>
asio::awaitable<row_stream<Row>> co_checked_stream(session_handle on, stream_options options, request statement) {
  row_stream<Row> made = co_await co_stream<Row>(on, options, std::move(statement));
  if constexpr (reads_names<Row>) {
    const auto columns = made.description();
    std::vector<claimed_column> claims;
    if (columns) claims = claims_on<Row>(*columns, made.plan());
    if (!claims.empty() && !are_as_claimed(on, *columns, claims)) {
      if (!made.has_all()) made = row_stream<Row>();
      co_await check_claims(on, options.open, columns, std::move(claims));
      // they are what they should be, by other numbers
      if (made.description() == nullptr) throw error(errc::stream_closed, changed_under_way());
    }
  }
  co_return made;
}

template <row_type Row>
asio::awaitable<row_stream<Row>> co_named_stream(session_handle on, stream_options options, request statement) {
  const auto attempt = [&on, &options](request numbered) {
    return co_checked_stream<Row>(on, options, std::move(numbered));
  };
  co_return co_await co_with_numbers<row_stream<Row>>(on, options.open, row_plan<Row>::claims, std::move(statement),
                                                      attempt);
}

template <row_type Row>
struct finish_stream {
  std::shared_ptr<exchange_handle> handle;
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    row_stream<Row> made(std::move(*handle));
    lazy_diagnostics mismatch;
    const std::error_code ec = made.accept(out, mismatch);
    if (mismatch && diag != nullptr) *diag = said_in(mismatch);
    std::forward<Handler>(handler)(ec, ec ? row_stream<Row>() : std::move(made));
  }
};

template <row_type Row, bool ByName>
struct start_stream {
  template <class Handler>
  void operator()(Handler&& handler, const session_handle& on, const stream_options& options,
                  request&& statement) const {
    if constexpr (ByName) {
      for_handler<row_stream<Row>>(std::forward<Handler>(handler), on, options.open,
                                   co_named_stream<Row>(on, options, std::move(statement)));
    } else {
      const std::uint64_t id = next_exchange_id();
      start_operation<finish_stream<Row>>{{shared_exchange(on, id)}}(
          std::forward<Handler>(handler), on, op_plan{op_kind::exchange, true, options.open},
          streamed(std::move(statement), id, options.batch_rows));
    }
  }
};

}  // namespace detail

template <class Scope>
template <row_type Row, class... Args>
asio::awaitable<row_stream<Row>> statements<Scope>::async_stream(stream_options options, std::string_view sql,
                                                                 Args&&... args) {
  detail::check_awaited<Args&&...>();
  detail::request statement = scope_.guard(detail::make_request(sql, args...));
  if constexpr (detail::by_name<Row, Args...>) {
    return detail::co_named_stream<Row>(handle_, options, std::move(statement));
  } else {
    return detail::co_stream<Row>(handle_, options, std::move(statement));
  }
}

template <class Scope>
template <row_type Row, class Token, class... Args>
auto statements<Scope>::async_stream_with(Token&& token, stream_options options, std::string_view sql,
                                          const Args&... args) {
  return asio::async_initiate<Token, void(std::error_code, row_stream<Row>)>(
      detail::start_stream<Row, detail::by_name<Row, Args...>>{}, token, handle_, options,
      scope_.guard(detail::make_request(sql, args...)));
}

}  // namespace v0
}  // namespace lido
