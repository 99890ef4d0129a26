// What lido::retrying() is made of: all but the user's body, apart from its type.
#pragma once

#include <lido/driver/transaction.hpp>
#include <lido/pool/pool.hpp>
#include <lido/pool/retry_options.hpp>

#include <asio/awaitable.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {

namespace core {
class retry_plan;
}

namespace detail {

// The attempts at one transaction.
class retry_course {
 public:
  retry_course(pool& from, const retry_options& options, const std::source_location& where);
  // On one connection, which nothing replaces: conflicts alone are tried again.
  explicit retry_course(const retry_options& options);
  retry_course(const retry_course&) = delete;
  retry_course& operator=(const retry_course&) = delete;
  ~retry_course();

  int attempt() const noexcept { return attempt_; }
  // One attempt, in this order.
  asio::awaitable<lease> acquire();
  asio::awaitable<transaction> begin(connection& db);
  asio::awaitable<void> commit(transaction& tx);

  // How it ended. True: committed. False: go_on(). Throws when it is over, and without waiting: in a cancelled
  // coroutine a co_await would hide why.
  bool ended(std::exception_ptr failure, bool db_lives);
  // True: it was committed all the same. False: another attempt, now. Throws.
  asio::awaitable<bool> go_on();
  // What a COMMIT in doubt has ended with is said, whatever stood in the way of asking.
  void rethrow_in_doubt() const;

 private:
  enum class phase : std::uint8_t { acquiring, beginning, in_body, committing };

  core::retry_plan& plan();
  void begins_anew();

  pool* const from_;  // null: on one connection
  const retry_options& options_;
  const std::source_location where_;
  std::unique_ptr<core::retry_plan> plan_;  // from the first failure on
  std::exception_ptr failure_;
  std::optional<transaction_id> id_;
  int attempt_ = 1;
  phase phase_ = phase::acquiring;
  bool in_doubt_ = false;
};

template <class Body>
auto call_body(Body& body, transaction& tx, int attempt) {
  if constexpr (std::is_invocable_v<Body&, transaction&, int>) {
    return body(tx, attempt);
  } else {
    return body(tx);
  }
}

template <class Awaitable>
struct awaited;
template <class T>
struct awaited<asio::awaitable<T>> {
  using type = T;
};
template <class Body>
using body_result = typename awaited<decltype(call_body(std::declval<Body&>(), std::declval<transaction&>(), 1))>::type;

template <class T>
using made_by = std::conditional_t<std::is_void_v<T>, std::optional<char>, std::optional<T>>;

template <class T, class Body>
asio::awaitable<void> co_attempt(retry_course& course, connection& db, Body& body, made_by<T>& made) {
  transaction tx = co_await course.begin(db);
  if constexpr (std::is_void_v<T>) {
    co_await call_body(body, tx, course.attempt());
  } else {
    made.emplace(co_await call_body(body, tx, course.attempt()));
  }
  co_await course.commit(tx);
}

// `Body` is a reference when the caller keeps it.
template <class T, class Body>
asio::awaitable<T> co_retry(pool& from, retry_options options, Body body, std::source_location where) {
  retry_course course(from, options, where);
  made_by<T> made;
  for (;;) {
    std::exception_ptr failure;
    bool over = false;
    {
      lease db;
      try {
        db = co_await course.acquire();
        co_await co_attempt<T>(course, *db, body, made);
      } catch (...) {
        failure = std::current_exception();
      }
      over = course.ended(std::move(failure), static_cast<bool>(db));
    }  // the lease goes back before anybody waits
    try {
      if (over || co_await course.go_on()) break;
    } catch (const error&) {
      throw;
    } catch (...) {
      course.rethrow_in_doubt();
      throw;
    }
  }
  if constexpr (!std::is_void_v<T>) co_return std::move(*made);
}

// The same on one connection: what a failed attempt has left is rolled back before the next one's BEGIN.
template <class T, class Body>
asio::awaitable<T> co_retry_on(connection& on, retry_options options, Body body) {
  retry_course course(options);
  made_by<T> made;
  for (;;) {
    std::exception_ptr failure;
    try {
      co_await co_attempt<T>(course, on, body, made);
    } catch (...) {
      failure = std::current_exception();
    }
    if (course.ended(std::move(failure), on.is_open())) break;
    co_await course.go_on();
  }
  if constexpr (!std::is_void_v<T>) co_return std::move(*made);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
