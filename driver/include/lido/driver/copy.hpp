// COPY: the fast way for many rows, in and out. Bytes in any of the server's formats (text, csv, binary):
//
//   lido::copy_in in = co_await db->async_copy_in("copy users (id, name) from stdin (format csv)");
//   co_await in.async_write("1,Ann\n2,Bob\n");                            // cut where you like
//   std::uint64_t rows = co_await in.async_finish();
//
//   lido::copy_out out = co_await db->async_copy_out("copy users to stdout (format csv)");
//   for (std::string_view chunk; !(chunk = co_await out.async_read()).empty();) save(chunk);
//
// or rows, tuples or plain structs, in the binary format; see copy_writer and copy_reader below.
//
// A COPY in is taken whole or not at all: left without async_finish() - a destructor, an exception, a cancellation - it
// is failed, and the server keeps nothing. An error of the server's in the middle ends the next write.
//
// Back-pressure: what is written is gathered in one buffer of 64 KiB, which is written when it is full; the write waits
// until the socket has taken it. Of what is read, one chunk of about that size is kept ahead, then the server waits.
//
// While a COPY is open the connection can do nothing else (errc::connection_busy). One is over after its last chunk,
// async_finish(), async_fail(), an error, or when it is destroyed, which does not wait: what must be said to the server
// goes out behind its back. Each step obeys the cancellation table of connection.hpp: terminal and deadlines revoke the
// lease, partial fails the COPY and keeps the lease. A COPY that waits for data ends without a cancel (contract I17).
#pragma once

#include <lido/driver/connection.hpp>
#include <lido/driver/detail/copy_rows.hpp>
#include <lido/driver/detail/exchange.hpp>
#include <lido/driver/transaction.hpp>

#include <asio/associated_executor.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// Called with the number of bytes so far, from inside a step of yours whenever a buffer was written or read.
using copy_progress = std::function<void(std::uint64_t bytes)>;

/// COPY ... FROM STDIN. Move-only; must stay where it is during a step.
class copy_in {
 public:
  copy_in() = default;  ///< empty: steps complete with errc::lease_revoked
  copy_in(copy_in&&) noexcept = default;
  copy_in& operator=(copy_in&&) noexcept = default;
  ~copy_in() = default;  ///< fails the COPY, unless it was finished; does not wait, never throws

  bool is_binary() const noexcept { return format_.binary; }
  std::size_t columns() const noexcept { return format_.columns; }
  std::uint64_t bytes() const noexcept { return buffer_.total(); }  ///< that were given to it so far
  void on_progress(copy_progress call) { progress_ = std::move(call); }

  /// Gathers bytes, and writes them when there are enough. Throws lido::error: the server's SQLSTATE for what was
  /// written before, timeout, operation_aborted, connection_lost, lease_revoked; stream_closed or copy_aborted when it
  /// is over. After an error it is over.
  [[nodiscard]] asio::awaitable<void> async_write(std::string_view bytes, op_options options = {});
  [[nodiscard]] asio::awaitable<void> async_write(std::span<const std::byte> bytes, op_options options = {}) {
    return async_write(detail::chars_of(bytes), options);
  }
  [[nodiscard]] asio::awaitable<void> async_write(const char* text, op_options options = {}) {
    return async_write(std::string_view(text), options);
  }
  /// Handler: void(std::error_code). The bytes are taken before this returns, however many.
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_write_with(Token&& token, std::string_view bytes, op_options options = {}) {
    buffer_.append(bytes);
    return asio::async_initiate<Token, void(std::error_code)>(
        [this](auto handler, const detail::op_plan& plan) {
          if (buffer_.full()) {
            return detail::start_operation<finish_write>{{this}}(std::move(handler), handle_.on(), plan,
                                                                 step(detail::exchange_ask::write, buffer_.take()));
          }
          const auto executor = asio::get_associated_executor(handler, handle_.on().executor());
          asio::post(executor, [h = std::move(handler)]() mutable { std::move(h)(std::error_code{}); });
        },
        token, detail::step_plan(options));
  }

  /// Gathers bytes without waiting: true when the buffer is full, then async_flush() is due. It grows if that is not
  /// done.
  bool append(std::string_view bytes) {
    buffer_.append(bytes);
    return buffer_.full();
  }
  /// Writes what was gathered. Errors as async_write's.
  [[nodiscard]] asio::awaitable<void> async_flush(op_options options = {});

  /// The end of the data. The number of rows that the server took. Errors as async_write's.
  [[nodiscard]] asio::awaitable<std::uint64_t> async_finish(op_options options = {});
  /// Handler: void(std::error_code, std::uint64_t).
  template <asio::completion_token_for<void(std::error_code, std::uint64_t)> Token>
  auto async_finish_with(Token&& token, op_options options = {}) {
    return asio::async_initiate<Token, void(std::error_code, std::uint64_t)>(
        detail::start_operation<finish_end>{{this}}, token, handle_.on(), detail::step_plan(options),
        step(detail::exchange_ask::finish, buffer_.take()));
  }

  /// Fails the COPY: the server keeps nothing, and names the reason in its log. Returns when the connection is free.
  [[nodiscard]] asio::awaitable<void> async_fail(std::string_view reason, op_options options = {});
  /// Handler: void(std::error_code).
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_fail_with(Token&& token, std::string_view reason, op_options options = {}) {
    return asio::async_initiate<Token, void(std::error_code)>(
        detail::start_operation<finish_write>{{this}}, token, handle_.on(), detail::step_plan(options),
        step(detail::exchange_ask::fail, detail::copy_fail_reason(reason)));
  }

  /// For the driver.
  copy_in(detail::exchange_handle handle, detail::op_outcome& opened);
  detail::copy_buffer& buffer() noexcept { return buffer_; }
  const detail::session_handle& session() const noexcept { return handle_.on(); }

 private:
  struct finish_write {
    copy_in* on;
    template <class Handler>
    void operator()(Handler&& handler, detail::op_outcome& out, diagnostics* diag) const {
      detail::report(out, diag);
      on->took(out);
      std::forward<Handler>(handler)(out.error);
    }
  };
  struct finish_end {
    copy_in* on;
    template <class Handler>
    void operator()(Handler&& handler, detail::op_outcome& out, diagnostics* diag) const {
      detail::report(out, diag);
      const std::uint64_t rows = on->over(out);
      std::forward<Handler>(handler)(out.error, rows);
    }
  };

  detail::request step(detail::exchange_ask ask, std::string bytes) const {
    return detail::exchange_step(handle_.id(), detail::exchange_kind::copy_in, ask, std::move(bytes));
  }
  void took(detail::op_outcome& out);
  std::uint64_t over(detail::op_outcome& out) noexcept;

  detail::exchange_handle handle_;
  detail::copy_format format_;
  detail::copy_buffer buffer_;
  copy_progress progress_;
};

/// COPY ... TO STDOUT. Move-only; must stay where it is during a step.
class copy_out {
 public:
  copy_out() = default;  ///< empty: steps complete with errc::lease_revoked
  copy_out(copy_out&&) noexcept = default;
  copy_out& operator=(copy_out&&) noexcept = default;
  ~copy_out() = default;  ///< ends the COPY, by a cancel if it must; does not wait, never throws

  bool is_binary() const noexcept { return format_.binary; }
  std::size_t columns() const noexcept { return format_.columns; }
  std::uint64_t bytes() const noexcept { return total_; }  ///< that were read so far
  void on_progress(copy_progress call) { progress_ = std::move(call); }

  /// The next bytes: what has come, whole rows as a rule; empty behind the last. The view lives until the next step.
  /// Throws lido::error: the server's SQLSTATE, timeout, operation_aborted, connection_lost, lease_revoked;
  /// stream_closed after one of them.
  [[nodiscard]] asio::awaitable<std::string_view> async_read(op_options options = {});
  /// Handler: void(std::error_code, std::string), the same bytes.
  template <asio::completion_token_for<void(std::error_code, std::string)> Token>
  auto async_read_with(Token&& token, op_options options = {}) {
    return asio::async_initiate<Token, void(std::error_code, std::string)>(
        detail::start_operation<finish_read>{{this}}, token, handle_.on(), detail::step_plan(options),
        step(detail::exchange_ask::next));
  }
  /// Ends it and waits until the connection is free.
  [[nodiscard]] asio::awaitable<void> async_close(op_options options = {});

  /// The number of rows, once the last bytes have been read.
  std::uint64_t rows() const noexcept { return rows_; }

  /// For the driver.
  copy_out(detail::exchange_handle handle, detail::op_outcome& opened);
  asio::awaitable<bool> async_fill(std::string& into, op_options options);  // appends; false: the end
  const detail::session_handle& session() const noexcept { return handle_.on(); }

 private:
  struct finish_read {
    copy_out* on;
    template <class Handler>
    void operator()(Handler&& handler, detail::op_outcome& out, diagnostics* diag) const {
      detail::report(out, diag);
      on->take(out);
      std::forward<Handler>(handler)(out.error, out.error ? std::string() : std::exchange(on->chunk_, {}));
    }
  };

  detail::request step(detail::exchange_ask ask) const {
    return detail::exchange_step(handle_.id(), detail::exchange_kind::copy_out, ask);
  }
  void take(detail::op_outcome& out);

  detail::exchange_handle handle_;
  detail::copy_format format_;
  std::string chunk_;
  std::uint64_t total_ = 0;
  std::uint64_t rows_ = 0;
  copy_progress progress_;
};

/// Rows into a COPY ... FROM STDIN (FORMAT binary). `Row`: a tuple or a plain struct whose parts are, in order, the
/// columns of the COPY; a part's type must be exactly the column's (std::int32_t for int4), texts for any that is text.
/// Types that are known by name have been looked up when it comes from async_copy_in<Row>().
///
///   auto users = co_await db->async_copy_in<user>("copy users (id, name) from stdin (format binary)");
///   for (const user& u : all) co_await users.async_write(u);
///   co_await users.async_finish();
template <detail::copyable_row Row>
class copy_writer {
 public:
  /// Throws errc::copy_unexpected when the COPY is not binary, errc::column_mismatch when it has another number of
  /// columns than Row.
  explicit copy_writer(copy_in into) : into_(std::move(into)), numbers_(into_.session()) {
    detail::check_copy({into_.is_binary(), into_.columns()}, detail::copy_shape<Row>::count);
    into_.buffer().append(detail::copy_signature());
  }

  /// Gathers a row without waiting: true when the buffer is full, then async_flush() is due. Throws
  /// errc::not_encodable for a value that cannot be sent; the row is not in then, the COPY goes on.
  bool append(const Row& row) {
    detail::append_copy_row(into_.buffer(), row, numbers_);
    return into_.buffer().full();
  }
  /// Gathers a row, and writes when there are enough. Errors as append()'s and copy_in::async_write()'s.
  template <class R>
    requires std::same_as<std::remove_cvref_t<R>, Row>
  [[nodiscard]] asio::awaitable<void> async_write(R&& row, op_options options = {}) {
    static_assert(detail::await_safe<R&&>,
                  "lido: name the row first, g++ 12 destroys such a temporary twice inside co_await");
    append(row);
    return flush_if_full(options);
  }
  /// Every row of a range, which must live until this completes.
  template <std::ranges::input_range Rows>
  [[nodiscard]] asio::awaitable<void> async_write_all(const Rows& rows, op_options options = {}) {
    for (const auto& row : rows) {
      if (append(row)) co_await into_.async_flush(options);
    }
  }
  [[nodiscard]] asio::awaitable<void> async_flush(op_options options = {}) { return into_.async_flush(options); }
  /// The number of rows that the server took.
  [[nodiscard]] asio::awaitable<std::uint64_t> async_finish(op_options options = {}) {
    into_.buffer().append(detail::copy_trailer());
    return into_.async_finish(options);
  }
  [[nodiscard]] asio::awaitable<void> async_fail(std::string_view reason, op_options options = {}) {
    return into_.async_fail(reason, options);
  }
  void on_progress(copy_progress call) { into_.on_progress(std::move(call)); }

 private:
  asio::awaitable<void> flush_if_full(op_options options) {
    if (into_.buffer().full()) co_await into_.async_flush(options);
  }

  copy_in into_;
  [[no_unique_address]] std::conditional_t<detail::writes_names<Row>, detail::copy_numbers, detail::no_numbers>
      numbers_;
};

/// Rows out of a COPY ... TO STDOUT (FORMAT binary); `Row` as for copy_writer, std::optional where NULL may come.
///
///   auto users = co_await db->async_copy_out<user>("copy users (id, name) to stdout (format binary)");
///   while (std::optional<user> u = co_await users.async_next()) use(*u);
template <detail::copyable_row Row>
class copy_reader {
 public:
  /// Throws as copy_writer's.
  explicit copy_reader(copy_out from) : from_(std::move(from)), columns_(detail::copy_shape<Row>::columns()) {
    if constexpr (detail::writes_names<Row>)
      detail::number_columns(from_.session(), columns_, detail::row_plan<Row>::claims);
    detail::check_copy({from_.is_binary(), from_.columns()}, detail::copy_shape<Row>::count);
    detail::lazy_diagnostics never;
    plan_.bind(columns_, never);
  }

  /// The next row if it is there already; waits for nothing.
  std::optional<Row> next_buffered() {
    const std::string_view body = tuples_.next(columns_.size());
    if (body.empty()) return std::nullopt;
    return plan_.read(columns_, body);
  }
  /// The next row; nothing behind the last. Views in it live until the next step. Errors: copy_out::async_read()'s,
  /// unexpected_null, and value_out_of_range for bytes that are not the type's.
  [[nodiscard]] asio::awaitable<std::optional<Row>> async_next(op_options options = {}) {
    while (true) {
      if (auto row = next_buffered()) co_return row;
      if (!co_await from_.async_fill(tuples_.refill(), options)) {
        tuples_.end();
        co_return std::nullopt;
      }
    }
  }
  /// All rows that have come; none behind the last. Errors as async_next()'s.
  [[nodiscard]] asio::awaitable<std::vector<Row>> async_next_batch(op_options options = {}) {
    std::vector<Row> rows;
    if (auto first = co_await async_next(options)) {
      do rows.push_back(std::move(*first));
      while ((first = next_buffered()));
    }
    co_return rows;
  }
  [[nodiscard]] asio::awaitable<void> async_close(op_options options = {}) { return from_.async_close(options); }
  void on_progress(copy_progress call) { from_.on_progress(std::move(call)); }

 private:
  copy_out from_;
  detail::row_description columns_;
  detail::row_plan<Row> plan_;
  detail::tuple_source tuples_;
};

namespace detail {

template <class Copy>
struct finish_copy_open {
  std::shared_ptr<exchange_handle> handle;
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    std::forward<Handler>(handler)(out.error, out.error ? Copy() : Copy(std::move(*handle), out));
  }
};

}  // namespace detail

namespace detail {

op_plan copy_plan(const op_options& options) noexcept;
asio::awaitable<copy_in> co_copy_in(session_handle on, op_options options, request statement);
asio::awaitable<copy_out> co_copy_out(session_handle on, op_options options, request statement);

template <class Row>
asio::awaitable<copy_writer<Row>> co_write_rows(session_handle on, op_options options, request statement) {
  if constexpr (writes_names<Row>) {
    if (!statement.error()) co_await find_names(on, options, names_in<Row>());
  }
  co_return copy_writer<Row>(co_await co_copy_in(on, options, std::move(statement)));
}
template <class Row>
asio::awaitable<copy_reader<Row>> co_read_rows(session_handle on, op_options options, request statement) {
  co_return copy_reader<Row>(co_await co_copy_out(on, options, std::move(statement)));
}

template <class Copy>
struct start_copy {
  exchange_kind kind;
  template <class Handler>
  void operator()(Handler&& handler, const session_handle& on, const op_plan& plan, request&& statement) const {
    const std::uint64_t id = next_exchange_id();
    start_operation<finish_copy_open<Copy>>{{shared_exchange(on, id)}}(std::forward<Handler>(handler), on, plan,
                                                                       copying(std::move(statement), id, kind));
  }
};

}  // namespace detail

template <class Scope>
asio::awaitable<copy_in> statements<Scope>::async_copy_in(std::string_view sql, op_options options) {
  return detail::co_copy_in(handle_, options, scope_.guard(detail::begin_request(sql)));
}

template <class Scope>
asio::awaitable<copy_out> statements<Scope>::async_copy_out(std::string_view sql, op_options options) {
  return detail::co_copy_out(handle_, options, scope_.guard(detail::begin_request(sql)));
}

template <class Scope>
template <detail::copyable_row Row>
asio::awaitable<copy_writer<Row>> statements<Scope>::async_copy_in(std::string_view sql, op_options options) {
  return detail::co_write_rows<Row>(handle_, options, scope_.guard(detail::begin_request(sql)));
}

template <class Scope>
template <detail::copyable_row Row>
asio::awaitable<copy_reader<Row>> statements<Scope>::async_copy_out(std::string_view sql, op_options options) {
  return detail::co_read_rows<Row>(handle_, options, scope_.guard(detail::begin_request(sql)));
}

template <class Scope>
template <class Token>
auto statements<Scope>::async_copy_in_with(Token&& token, std::string_view sql, op_options options) {
  return asio::async_initiate<Token, void(std::error_code, copy_in)>(
      detail::start_copy<copy_in>{detail::exchange_kind::copy_in}, token, handle_, detail::copy_plan(options),
      scope_.guard(detail::begin_request(sql)));
}

template <class Scope>
template <class Token>
auto statements<Scope>::async_copy_out_with(Token&& token, std::string_view sql, op_options options) {
  return asio::async_initiate<Token, void(std::error_code, copy_out)>(
      detail::start_copy<copy_out>{detail::exchange_kind::copy_out}, token, handle_, detail::copy_plan(options),
      scope_.guard(detail::begin_request(sql)));
}

}  // namespace v0
}  // namespace lido
