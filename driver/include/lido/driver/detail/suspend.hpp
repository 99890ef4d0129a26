// A coroutine that waits, in somebody's hands. asio::use_awaitable gives each operation that a coroutine waits for a
// frame, a handler and an allocation of its own; on the way of every acquire and every query that is 600 instructions
// and 600 bytes. Here the coroutine suspends itself, keeps what the operation needs in its own frame, and is resumed.
//
//   asio::awaitable<int> f() {
//     some_operation op;                   // lives in f's frame
//     co_await suspend<int>(op);           // calls op(thread); op keeps a suspended<int> made from that
//     co_return op.value();                // op called std::move(kept).resume()
//   }
//
// Touches Asio's internals (namespace asio::detail), as only pool/lease.hpp does besides:
// awaitable_handler_base, from which asio's own handlers of coroutines derive. It and the members used here were the
// same in Asio 1.22 and in 1.28.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/use_awaitable.hpp>

#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// Owns a suspended asio::awaitable<T> and all the coroutines that wait for it. Move-only; one pointer. Destroyed
// without resume(), it destroys them on their executor. Has the associated executor and cancellation slot of the
// coroutine, as a handler would.
template <class T>
class suspended : private asio::detail::awaitable_handler_base<asio::any_io_executor, T> {
  using base = asio::detail::awaitable_handler_base<asio::any_io_executor, T>;

 public:
  using executor_type = asio::any_io_executor;
  using cancellation_slot_type = asio::cancellation_slot;
  using thread = asio::detail::awaitable_thread<asio::any_io_executor>;

  explicit suspended(thread* running) : base(running) {}

  using base::get_cancellation_slot;
  using base::get_executor;

  // On its executor, once. Clears the cancellation slot. The coroutine may have ended when this returns.
  void resume() && {
    auto* const frame = this->frame();
    frame->attach_thread(this);
    frame->clear_cancellation_slot();
    this->pump();
  }
};

// For `co_await`, in a coroutine of type asio::awaitable<T>: calls start(suspended<T>::thread*), of which a
// suspended<T> is to be made, once the coroutine is suspended: it may be resumed at any moment, by any thread of its
// executor. `start` must not throw; it is referred to.
template <class T, class Start>
auto suspend(Start& start) noexcept {
  return [&start](asio::detail::awaitable_frame_base<asio::any_io_executor>* frame) -> typename suspended<T>::thread* {
    start(frame->detach_thread());
    return nullptr;
  };
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
