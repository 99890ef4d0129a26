// Queries whose parameters have a type that is known by name (codec<T>::type_name): its number is looked up first, once
// a database, over the same session. Chosen when the query is compiled, so that others pay nothing.
#pragma once

#include <lido/driver/detail/initiate.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

template <class... Args>
inline constexpr bool queries_by_name = uses_names<std::remove_cvref_t<Args>...>;

// Fills the numbers in; asks the server for those that nobody has looked up yet. Throws what a query throws, and
// errc::not_encodable for a type that does not exist or is not what the C++ type is.
asio::awaitable<void> find_numbers(const session_handle& on, op_options options, request& statement);
// After an error: whether the numbers may be why, so that looking them up anew and trying once more is worth it. They
// are forgotten then. Never inside of a transaction, which has failed.
bool numbers_may_have_changed(const session_handle& on, const request& statement, const std::error_code& ec);
std::uint64_t print_of_numbers(const request& statement) noexcept;

template <row_type Row>
asio::awaitable<result<Row>> co_named_query(session_handle on, op_plan plan, request statement) {
  request numbered = statement.copy();
  co_await find_numbers(on, plan.options, numbered);
  const std::uint64_t print = print_of_numbers(numbered);
  op_outcome out;
  {
    run_in<result<Row>> query(on, plan, numbered);
    co_await query.run();
    out = std::move(query.out);
  }
  if (out.error && numbers_may_have_changed(on, statement, out.error)) {
    co_await find_numbers(on, plan.options, statement);
    if (print_of_numbers(statement) != print) {
      run_in<result<Row>> again(on, plan, statement);
      co_await again.run();
      co_return rows_or_throw<Row>(again.out);
    }
  }
  co_return rows_or_throw<Row>(out);
}

// The same for a handler; `then` runs on `executor`, with the numbers filled in or an error.
void with_numbers(const asio::any_io_executor& executor, asio::cancellation_slot slot, const session_handle& on,
                  op_options options, request statement, std::function<void(std::error_code, request&)> then);

template <row_type Row>
struct start_named_query {
  template <class Handler>
  void operator()(Handler&& handler, const session_handle& on, const op_plan& plan, request&& statement) const {
    const asio::any_io_executor executor(asio::get_associated_executor(handler, on.executor()));
    const auto slot = asio::get_associated_cancellation_slot(handler);
    auto kept = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
    with_numbers(executor, slot, on, plan.options, std::move(statement),
                 [kept, on, plan](std::error_code ec, request& numbered) {
                   if (ec) {
                     std::move (*kept)(ec, result<Row>());
                   } else {
                     start_operation<finish_query<Row>>{}(std::move(*kept), on, plan, std::move(numbered));
                   }
                 });
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
