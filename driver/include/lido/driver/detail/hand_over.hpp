// Where a handler runs, and the way there.
#pragma once

#include <lido/driver/detail/suspend.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/associated_executor.hpp>
#include <asio/dispatch.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include <optional>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// The io_context's own executor in there, if that is what it is. Through any_io_executor a function is wrapped twice;
// nearly always it is an io_context's (600 instructions less).
template <class IoExecutor>
const IoExecutor* inside(const asio::any_io_executor& executor) noexcept {
  // target() of Asio 1.22 casts without looking: a strand must not be taken for its io_context
  return executor.target_type() == typeid(IoExecutor) ? executor.template target<IoExecutor>() : nullptr;
}

template <class IoExecutor, class Executor, class Function>
void post_to(const Executor& executor, Function f) {
  if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
    if (const auto* io = inside<IoExecutor>(executor)) return asio::post(*io, std::move(f));
  }
  asio::post(executor, std::move(f));
}

template <class IoExecutor, class Executor, class Function>
void dispatch_to(const Executor& executor, Function f) {
  if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
    if (const auto* io = inside<IoExecutor>(executor); io != nullptr && io->running_in_this_thread()) return f();
  }
  asio::dispatch(executor, std::move(f));
}

// Handlers that have a coroutine in their hands say so by `using coroutine = ...`.
template <class Handler>
concept is_coroutine = requires { typename Handler::coroutine; };

// The context of a handler; kept at work, as Asio asks, until the handler has been handed over.
template <class Handler, class Fallback>
class handler_context {
 public:
  using executor_type = typename asio::associated_executor<Handler, Fallback>::type;

  handler_context(const Handler& handler, const Fallback& fallback)
      : work_(asio::prefer(asio::get_associated_executor(handler, fallback),
                           asio::execution::outstanding_work.tracked)) {}

  template <class Function>
  void post(const Handler& /*handler*/, Function f) const {
    post_to<io_executor>(*work_, std::move(f));
  }
  template <class Function>
  void dispatch(const Handler& /*handler*/, Function f) const {
    dispatch_to<io_executor>(*work_, std::move(f));
  }
  void reset() noexcept { work_.reset(); }

 private:
  using tracked = std::decay_t<
      typename asio::prefer_result<const executor_type&, asio::execution::outstanding_work_t::tracked_t>::type>;
  using io_executor = std::decay_t<typename asio::require_result<asio::io_context::executor_type,
                                                                 asio::execution::outstanding_work_t::tracked_t>::type>;

  std::optional<tracked> work_;
};

// co_spawn keeps the context at work as long as the coroutine lives, and the coroutine knows its executor: nothing is
// kept here.
template <is_coroutine Handler, class Fallback>
class handler_context<Handler, Fallback> {
 public:
  using executor_type = asio::any_io_executor;

  handler_context(const Handler& /*handler*/, const Fallback& /*fallback*/) noexcept {}

  template <class Function>
  void post(const Handler& handler, Function f) const {
    post_to<asio::io_context::executor_type>(handler.get_executor(), std::move(f));
  }
  template <class Function>
  void dispatch(const Handler& handler, Function f) const {
    dispatch_to<asio::io_context::executor_type>(handler.get_executor(), std::move(f));
  }
  void reset() noexcept {}
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
