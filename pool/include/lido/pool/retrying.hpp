// A transaction that is tried again when that may help:
//
//   const auto left = co_await lido::retrying(pool, [&](lido::transaction& tx) -> asio::awaitable<std::int64_t> {
//     const auto rows = co_await tx.async_query<std::int64_t>(
//         "update accounts set balance = balance - $1 where id = $2 returning balance", amount, id);
//     co_return rows.one();
//   });
#pragma once

#include <lido/pool/detail/retry.hpp>
#include <lido/pool/retry_options.hpp>

#include <asio/awaitable.hpp>

#include <source_location>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {

template <class Body>
concept retryable_body = std::is_invocable_v<std::remove_reference_t<Body>&, transaction&> ||
                         std::is_invocable_v<std::remove_reference_t<Body>&, transaction&, int>;

/// Acquires, begins, runs `body(transaction&)` or `body(transaction&, int attempt)`, a coroutine of type
/// asio::awaitable<T>, and commits; returns what the body returned. All of it again, with a new lease, behind a pause
/// with full jitter,
///   - after 40001 and 40P01, from the body or from COMMIT;
///   - after the connection was lost, or none was to be had, before COMMIT was sent;
///   - after COMMIT was sent and its answer lost, only when the server then says that it was aborted.
/// Everything else the body or Lido throws goes through untouched, as does the last attempt's error. A body that has
/// committed or rolled back by itself is not committed. `body` runs once an attempt: what it does besides the
/// transaction is done again. Cancellation (terminal, as any coroutine's) ends it at once, the pauses too.
/// `from` must outlive the call.
template <retryable_body Body>
[[nodiscard]] auto retrying(pool& from, const retry_options& options, Body&& body,
                            std::source_location where = std::source_location::current()) {
  static_assert(std::is_lvalue_reference_v<Body> || std::is_trivially_destructible_v<Body>,
                "lido: name the body first, g++ 12 destroys such a temporary twice inside co_await");
  using result_type = detail::body_result<std::remove_reference_t<Body>>;
  return detail::co_retry<result_type, Body>(from, options, std::forward<Body>(body), where);
}
template <retryable_body Body>
[[nodiscard]] auto retrying(pool& from, Body&& body, std::source_location where = std::source_location::current()) {
  return retrying(from, retry_options{}, std::forward<Body>(body), where);
}

/// The same on a connection or a lease that one has already. Nothing replaces it: after 40001 and 40P01 alone it is
/// tried again; a lost connection, and a COMMIT whose answer was lost (errc::outcome_unknown, whatever
/// `mode.resolvable` says: no other connection can be asked), end it. Of the options `deadline` bounds BEGIN, COMMIT
/// and the pauses, the body's statements by connection::set_deadline() or their own; `tag` and `priority` mean nothing.
/// The connection must be idle, and stay where it is.
template <retryable_body Body>
[[nodiscard]] auto retrying(connection& on, const retry_options& options, Body&& body) {
  static_assert(std::is_lvalue_reference_v<Body> || std::is_trivially_destructible_v<Body>,
                "lido: name the body first, g++ 12 destroys such a temporary twice inside co_await");
  using result_type = detail::body_result<std::remove_reference_t<Body>>;
  return detail::co_retry_on<result_type, Body>(on, options, std::forward<Body>(body));
}
template <retryable_body Body>
[[nodiscard]] auto retrying(connection& on, Body&& body) {
  return retrying(on, retry_options{}, std::forward<Body>(body));
}
template <retryable_body Body>
[[nodiscard]] auto retrying(lease& on, const retry_options& options, Body&& body) {
  return retrying(*on, options, std::forward<Body>(body));
}
template <retryable_body Body>
[[nodiscard]] auto retrying(lease& on, Body&& body) {
  return retrying(*on, retry_options{}, std::forward<Body>(body));
}

}  // namespace v0
}  // namespace lido
