// Statements with a type that is known by name (codec<T>::type_name), as a parameter or as a column: its number is
// looked up first, once a database, over the same session. Chosen when the statement is compiled, so that others pay
// nothing.
#pragma once

#include <lido/driver/detail/initiate.hpp>
#include <lido/driver/detail/row_plan.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

template <class Row, class... Args>
inline constexpr bool by_name = reads_names<Row> || uses_names<std::remove_cvref_t<Args>...>;

// Fills the numbers in; asks the server for those that nobody has looked up yet, those of `read`, which may not exist,
// among them. Throws what a query throws, and errc::not_encodable for a type that does not exist or is not what the C++
// type is.
asio::awaitable<void> find_numbers(const session_handle& on, op_options options, request& statement,
                                   std::span<const column_claim> read = {});
// The same for names alone.
asio::awaitable<void> find_names(const session_handle& on, op_options options, std::vector<std::string> names);
asio::awaitable<request> co_numbered(session_handle on, op_options options, request statement);
// After an error: whether the numbers may be why, so that looking them up anew and trying once more is worth it. They
// are forgotten then. Never inside of a transaction, which has failed.
bool numbers_may_have_changed(const session_handle& on, const request& statement, const std::error_code& ec);
std::uint64_t fingerprint_of_numbers(const request& statement) noexcept;

// What a named type of a row is read from.
struct claimed_column {
  std::size_t index;
  column_claim claim;
};
bool are_as_claimed(const session_handle& on, const row_description& columns, std::span<const claimed_column> claims);
// Where they are not as far as is known: looks again, and throws errc::type_mismatch that names the types. The
// statement has run.
asio::awaitable<void> check_claims(session_handle on, op_options options,
                                   std::shared_ptr<const row_description> columns, std::vector<claimed_column> claims);

template <row_type Row>
std::vector<claimed_column> claims_on(const row_description& columns, const row_plan<Row>& plan) {
  std::vector<claimed_column> made;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const column_claim& each = plan.claim(i);
    if (each.type.named() && columns[i].type_oid >= oid::first_user_defined) made.push_back({i, each});
  }
  return made;
}

// `attempt` runs the statement with its numbers in it, and throws; once more when they have changed.
template <class T, class Attempt>
asio::awaitable<T> co_with_numbers(session_handle on, op_options options, std::span<const column_claim> read,
                                   request statement, Attempt attempt) {
  request numbered = statement.copy();
  co_await find_numbers(on, options, numbered, read);
  const std::uint64_t print = fingerprint_of_numbers(numbered);
  std::optional<error> failed;
  try {
    co_return co_await attempt(std::move(numbered));
  } catch (const error& e) {
    failed.emplace(e);
  }
  if (numbers_may_have_changed(on, statement, failed->code())) {
    co_await find_numbers(on, options, statement);
    if (fingerprint_of_numbers(statement) != print) co_return co_await attempt(std::move(statement));
  }
  throw error(*failed);
}

template <row_type Row>
asio::awaitable<result<Row>> co_checked_query(session_handle on, op_plan plan, request statement) {
  result<Row> rows = co_await co_query<Row>(on, plan, std::move(statement));
  if constexpr (reads_names<Row>) {
    const auto& columns = rows.raw()->columns;
    std::vector<claimed_column> claims;
    if (columns) claims = claims_on<Row>(*columns, rows.plan());
    if (!claims.empty() && !are_as_claimed(on, *columns, claims))
      co_await check_claims(on, plan.options, columns, std::move(claims));
  }
  co_return rows;
}

template <row_type Row>
asio::awaitable<result<Row>> co_named_query(session_handle on, op_plan plan, request statement) {
  const auto attempt = [&on, &plan](request numbered) { return co_checked_query<Row>(on, plan, std::move(numbered)); };
  co_return co_await co_with_numbers<result<Row>>(on, plan.options, row_plan<Row>::claims, std::move(statement),
                                                  attempt);
}

template <row_type Row, bool ByName>
asio::awaitable<result<Row>> co_ask(const session_handle& on, const op_plan& plan, request statement) {
  if constexpr (ByName) {
    return co_named_query<Row>(on, plan, std::move(statement));
  } else {
    return co_query<Row>(on, plan, std::move(statement));
  }
}

// ---- for handlers ----

// Runs `work` on `executor`; `then` gets what it threw, whose words go to `diag`.
void run_for_handler(const asio::any_io_executor& executor, asio::cancellation_slot slot, asio::awaitable<void> work,
                     diagnostics* diag, std::function<void(std::error_code)> then);

template <class T>
asio::awaitable<void> co_into(asio::awaitable<T> work, std::shared_ptr<std::optional<T>> into) {
  into->emplace(co_await std::move(work));
}

// Finish: void(Handler&&, std::error_code, T).
template <class T, class Handler, class Finish>
void for_handler(Handler&& handler, const session_handle& on, const op_options& options, asio::awaitable<T> work,
                 Finish finish) {
  const asio::any_io_executor executor(asio::get_associated_executor(handler, on.executor()));
  const auto slot = asio::get_associated_cancellation_slot(handler);
  auto kept = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
  auto made = std::make_shared<std::optional<T>>();
  run_for_handler(executor, slot, co_into(std::move(work), made), options.diag,
                  [kept, made, finish = std::move(finish)](std::error_code ec) {
                    finish(std::move(*kept), ec, *made ? std::move(**made) : T());
                  });
}
// The handler takes the same.
template <class T, class Handler>
void for_handler(Handler&& handler, const session_handle& on, const op_options& options, asio::awaitable<T> work) {
  for_handler<T>(std::forward<Handler>(handler), on, options, std::move(work),
                 [](auto then, std::error_code ec, T made) { std::move(then)(ec, std::move(made)); });
}

template <row_type Row>
struct start_named_query {
  template <class Handler>
  void operator()(Handler&& handler, const session_handle& on, const op_plan& plan, request&& statement) const {
    for_handler<result<Row>>(std::forward<Handler>(handler), on, plan.options,
                             co_named_query<Row>(on, plan, std::move(statement)));
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
