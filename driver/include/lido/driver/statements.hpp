// What a session can be asked, the same on a connection or lease, in a transaction and in a savepoint:
// lido::connection, lido::transaction and lido::savepoint have all of these. In the latter two they are part of it, and
// while a savepoint inside is open they complete with errc::wrong_scope, and nothing is sent.
//
// Every async_ function has two forms. The plain one gives an asio::awaitable that throws lido::error. The `_with` one
// takes any completion token first and completes with a std::error_code; `op_options::diag` then receives what the
// server said. Cancellation and threads: <lido/driver/connection.hpp>.
#pragma once

#include <lido/driver/description.hpp>
#include <lido/driver/detail/copy_rows.hpp>
#include <lido/driver/detail/initiate.hpp>
#include <lido/driver/detail/named_query.hpp>
#include <lido/driver/detail/scope.hpp>
#include <lido/driver/encode.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/options.hpp>
#include <lido/driver/result.hpp>

#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>

#include <cstdint>
#include <ranges>
#include <string_view>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {

class pipeline;
class pipeline_results;
template <row_type Row>
class row_stream;
class copy_in;
class copy_out;
template <detail::copyable_row Row>
class copy_writer;
template <detail::copyable_row Row>
class copy_reader;

/// Base class of what can be asked; not to be used by itself. `Scope`: where its statements stand.
template <class Scope>
class statements {
 public:
  /// Runs one statement with parameters $1, $2, ... by the extended protocol, prepared once and cached. `Row` says how
  /// rows are read: lido::row, a scalar, a std::tuple, or a struct by column names (see <lido/driver/result.hpp>).
  /// Arguments are encoded before this returns: nothing of the caller's is kept. Throws lido::error: the server's
  /// SQLSTATE, type_mismatch or column_mismatch, timeout, operation_aborted, connection_lost, lease_revoked,
  /// connection_busy, wrong_scope.
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(std::string_view sql, Args&&... args) {
    return async_query<Row>(op_options{}, sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<result<Row>> async_query(op_options options, std::string_view sql, Args&&... args) {
    detail::check_awaited<Args&&...>();
    return detail::co_ask<Row, detail::by_name<Row, Args...>>(handle_, {detail::op_kind::query, true, options},
                                                              scope_.guard(detail::make_request(sql, args...)));
  }
  /// Handler: void(std::error_code, result<Row>).
  template <row_type Row = row, asio::completion_token_for<void(std::error_code, result<Row>)> Token, class... Args>
  auto async_query_with(Token&& token, op_options options, std::string_view sql, const Args&... args) {
    using start = std::conditional_t<detail::by_name<Row, Args...>, detail::start_named_query<Row>,
                                     detail::start_operation<detail::finish_query<Row>>>;
    return asio::async_initiate<Token, void(std::error_code, result<Row>)>(
        start{}, token, handle_, detail::op_plan{detail::op_kind::query, true, options},
        scope_.guard(detail::make_request(sql, args...)));
  }

  /// What the server makes of a statement, which is not run: the types of its parameters, as it infers them from the
  /// text alone, and its columns. One round trip; the statement is prepared, and cached as any. Errors are those that
  /// preparing it has (a syntax error, a table that is not there, 42P18 for a parameter whose type nothing says), in a
  /// failed transaction the server's 25P02; else async_query's. A cancel is one of a query: nothing has happened.
  [[nodiscard]] asio::awaitable<statement_description> async_describe(std::string_view sql, op_options options = {}) {
    return detail::co_describe(handle_, {detail::op_kind::describe, true, options},
                               scope_.guard(detail::begin_request(sql)));
  }
  /// Handler: void(std::error_code, statement_description).
  template <asio::completion_token_for<void(std::error_code, statement_description)> Token>
  auto async_describe_with(Token&& token, std::string_view sql, op_options options = {}) {
    return asio::async_initiate<Token, void(std::error_code, statement_description)>(
        detail::start_operation<detail::finish_describe>{}, token, handle_,
        detail::op_plan{detail::op_kind::describe, true, options}, scope_.guard(detail::begin_request(sql)));
  }

  /// The rows a batch at a time, with back-pressure; defined in <lido/driver/stream.hpp>, which tells all about it. Of
  /// a transaction or savepoint: end it or leave it before that ends.
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<row_stream<Row>> async_stream(std::string_view sql, Args&&... args) {
    return async_stream<Row>(stream_options{}, sql, std::forward<Args>(args)...);
  }
  template <row_type Row = row, class... Args>
  [[nodiscard]] asio::awaitable<row_stream<Row>> async_stream(stream_options options, std::string_view sql,
                                                              Args&&... args);
  /// Handler: void(std::error_code, row_stream<Row>).
  template <row_type Row = row, class Token, class... Args>
  auto async_stream_with(Token&& token, stream_options options, std::string_view sql, const Args&... args);

  /// COPY ... FROM STDIN and COPY ... TO STDOUT; defined in <lido/driver/copy.hpp>, which tells all about them.
  [[nodiscard]] asio::awaitable<copy_in> async_copy_in(std::string_view sql, op_options options = {});
  [[nodiscard]] asio::awaitable<copy_out> async_copy_out(std::string_view sql, op_options options = {});
  /// The same for rows: a COPY (FORMAT binary), with its writer or reader. Types that are known by name are looked up
  /// before it begins.
  template <detail::copyable_row Row>
  [[nodiscard]] asio::awaitable<copy_writer<Row>> async_copy_in(std::string_view sql, op_options options = {});
  template <detail::copyable_row Row>
  [[nodiscard]] asio::awaitable<copy_reader<Row>> async_copy_out(std::string_view sql, op_options options = {});
  /// Handlers: void(std::error_code, copy_in), void(std::error_code, copy_out).
  template <class Token>
  auto async_copy_in_with(Token&& token, std::string_view sql, op_options options = {});
  template <class Token>
  auto async_copy_out_with(Token&& token, std::string_view sql, op_options options = {});

  /// Runs the statements of a pipeline in one round trip: <lido/driver/pipeline.hpp>. With
  /// pipeline_mode::all_or_nothing it throws the first statement's error; with each_on_its_own every statement's error
  /// is in the results. Else the errors of async_query, and not_encodable before anything is sent; a pipeline with a
  /// COMMIT in it is cancelled as COMMIT is (errc::outcome_unknown). In a transaction or savepoint: after an error that
  /// can only be rolled back.
  [[nodiscard]] asio::awaitable<pipeline_results> async_run(pipeline work, op_options options = {});
  /// Handler: void(std::error_code, pipeline_results). With an error of a statement of all_or_nothing, and when the
  /// connection was lost, the results are there, too: statements without an answer then have the error of the loss.
  template <class Token>
  auto async_run_with(Token&& token, pipeline work, op_options options = {});
  /// One statement for each of `rows` (tuples of its arguments, or its only argument), all or none: how many rows were
  /// affected in all. Errors as async_run's. `rows` is read before this returns.
  template <std::ranges::input_range Rows>
  [[nodiscard]] asio::awaitable<std::uint64_t> async_execute_many(std::string_view sql, Rows&& rows,
                                                                  op_options options = {});

 protected:
  statements() = default;
  explicit statements(detail::session_handle handle, Scope where = {}) noexcept
      : handle_(std::move(handle)), scope_(std::move(where)) {}
  statements(statements&&) noexcept = default;
  statements& operator=(statements&&) noexcept = default;
  ~statements() = default;

  detail::session_handle handle_;
  [[no_unique_address]] Scope scope_;
};

}  // namespace v0
}  // namespace lido
