// LISTEN, on a connection of its own that comes back by itself:
//
//   lido::listener news(io.get_executor(), config.connect);
//   co_await news.async_listen("orders");
//   for (;;) {
//     const lido::listener_event e = co_await news.async_next();
//     if (e.what == lido::listener_event::kind::notification) use(e.channel, e.payload);
//     if (e.what != lido::listener_event::kind::notification) read_everything_again();   // some may be missing
//   }
//
// PostgreSQL keeps no notification for who is not connected. So a listener that had to connect again says so (gap), and
// so does one whose queue was full (overflow): what it tells about is then to be looked up.
#pragma once

#include <lido/driver/config.hpp>
#include <lido/driver/connection.hpp>
#include <lido/driver/detail/any_completion.hpp>
#include <lido/driver/options.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace lido {
inline namespace v0 {

struct listener_event {
  enum class kind : std::uint8_t {
    notification,  ///< channel, payload, process_id
    gap,           ///< the connection was lost and is there again: what was notified in between is lost
    overflow,      ///< the queue was full: `dropped` of the oldest are lost
  };

  kind what = kind::notification;
  std::string channel;
  std::string payload;
  int process_id = 0;         ///< of the server process that notified
  std::uint64_t dropped = 0;  ///< of an overflow

  listener_event() = default;
  listener_event(kind k, std::string c, std::string p, int process, std::uint64_t lost)
      : what(k), channel(std::move(c)), payload(std::move(p)), process_id(process), dropped(lost) {}
};

struct listener_options {
  std::size_t max_events = 1024;      ///< that wait to be taken; beyond, the oldest are dropped
  std::size_t max_bytes = 16U << 20;  ///< of those
  std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(100);  ///< before it connects again, with jitter,
  std::chrono::nanoseconds backoff_max = std::chrono::seconds(10);        ///< doubled up to this
  std::chrono::nanoseconds keepalive = std::chrono::seconds(30);          ///< how often a silent connection is pinged
};

namespace detail {
class listener_impl;
}

/// Any thread. Connects when the first channel is asked for, and again as long as it is not closed.
class listener {
 public:
  /// Throws lido::error (errc::invalid_config, errc::tls_failed) that names the knob. Of a pool's server: give its
  /// pool_config::connect. The connection is not one of the pool's.
  listener(asio::any_io_executor executor, connect_config config, listener_options options = {});
  listener(listener&& other) noexcept = default;
  listener& operator=(listener&& other) noexcept;
  ~listener() { close(); }

  /// Completes when the server has confirmed; from there on no notification is missed but as events say. The name is
  /// quoted: case counts, as in pg_notify(). Without a deadline: connect_timeout. Errors: not_encodable (longer than 63
  /// bytes, or with a NUL), what connecting ended with if that is permanent, a SQLSTATE, timeout, operation_aborted,
  /// connection_closed; then it is not listened to.
  [[nodiscard]] asio::awaitable<void> async_listen(std::string channel, op_options options = {});
  /// Handler: void(std::error_code).
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_listen_with(Token&& token, std::string channel, op_options options = {}) {
    return initiate<void(std::error_code)>(std::forward<Token>(token), &begin_listen, std::move(channel), options);
  }
  /// Notifications that wait to be taken stay.
  [[nodiscard]] asio::awaitable<void> async_unlisten(std::string channel, op_options options = {});
  /// Handler: void(std::error_code).
  template <asio::completion_token_for<void(std::error_code)> Token>
  auto async_unlisten_with(Token&& token, std::string channel, op_options options = {}) {
    return initiate<void(std::error_code)>(std::forward<Token>(token), &begin_unlisten, std::move(channel), options);
  }
  /// The next event, in order. One at a time (connection_busy). Errors: timeout, operation_aborted, connection_closed;
  /// no event is lost by any of them. Cancellation: total, partial and terminal alike.
  [[nodiscard]] asio::awaitable<listener_event> async_next(op_options options = {});
  /// Handler: void(std::error_code, listener_event).
  template <asio::completion_token_for<void(std::error_code, listener_event)> Token>
  auto async_next_with(Token&& token, op_options options = {}) {
    return initiate<void(std::error_code, listener_event)>(std::forward<Token>(token), &begin_next, std::string(),
                                                           options);
  }

  /// Closes the connection; whoever waits gets connection_closed. Does not block, idempotent.
  void close() noexcept;

 private:
  using impl_ptr = std::shared_ptr<detail::listener_impl>;
  using ended = detail::any_completion<std::error_code>;
  using taken = detail::any_completion<std::error_code, listener_event>;

  // Each gives back what cancels it.
  static std::function<void()> begin_listen(const impl_ptr& on, std::string channel, op_options options, ended done);
  static std::function<void()> begin_unlisten(const impl_ptr& on, std::string channel, op_options options, ended done);
  static std::function<void()> begin_next(const impl_ptr& on, std::string none, op_options options, taken done);
  static asio::any_io_executor executor_of(const impl_ptr& on);

  template <class Signature, class Token, class Done>
  auto initiate(Token&& token, std::function<void()> (*begin)(const impl_ptr&, std::string, op_options, Done),
                std::string channel, op_options options) {
    return asio::async_initiate<Token, Signature>(
        [begin](auto handler, const impl_ptr& on, std::string name, op_options opts) {
          auto slot = asio::get_associated_cancellation_slot(handler);
          auto cancel = begin(on, std::move(name), opts, Done(std::move(handler), executor_of(on)));
          if (slot.is_connected()) slot.assign([cancel = std::move(cancel)](asio::cancellation_type) { cancel(); });
        },
        token, impl_, std::move(channel), options);
  }

  impl_ptr impl_;
};

/// pg_notify(channel, payload): with a name and a text as they are, unlike NOTIFY. In a transaction it is sent by the
/// COMMIT. `on` is anything with async_query: a connection, a transaction, a pool.
template <class Asker>
[[nodiscard]] asio::awaitable<void> async_notify(Asker& on, std::string_view channel, std::string_view payload) {
  auto run = on.async_query("select pg_catalog.pg_notify($1, $2)", channel, payload);
  return [](decltype(run) query) -> asio::awaitable<void> { co_await std::move(query); }(std::move(run));
}

}  // namespace v0
}  // namespace lido
