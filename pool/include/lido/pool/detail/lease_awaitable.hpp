// asio::awaitable<lido::lease>: what pool::async_acquire() gives. It is Asio's own in all but one thing: it may hold a
// lease that is there already, which co_await then takes without a coroutine in between. Such a coroutine is a frame to
// allocate, resume and destroy, a third of what acquire and release cost together.
//
// Coroutines that return asio::awaitable<lido::lease> are written and awaited as ever. A specialisation, since Asio's
// coroutines await nothing else; it knows what the primary template knows of Asio's frames, which was the same in Asio
// 1.22 and in 1.28. Part of lease.hpp, so that nobody can see a lease and not this.
#pragma once

#include <lido/pool/lease.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <coroutine>
#include <utility>

namespace asio {

template <>
class [[nodiscard]] awaitable<lido::lease, any_io_executor> {
 public:
  using value_type = lido::lease;
  using executor_type = any_io_executor;

  constexpr awaitable() noexcept = default;
  explicit awaitable(lido::detail::lent* ready) noexcept : ready_(ready) {}
  awaitable(awaitable&& other) noexcept
      : frame_(std::exchange(other.frame_, nullptr)), ready_(std::exchange(other.ready_, nullptr)) {}
  awaitable& operator=(awaitable&& other) noexcept {
    std::swap(frame_, other.frame_);
    std::swap(ready_, other.ready_);
    return *this;
  }
  ~awaitable() {
    if (frame_ != nullptr || ready_ != nullptr) [[unlikely]]
      abandon();
  }

  [[nodiscard]] bool valid() const noexcept { return frame_ != nullptr || ready_ != nullptr; }

  [[nodiscard]] bool await_ready() const noexcept { return frame_ == nullptr; }
  template <class U>
  void await_suspend(std::coroutine_handle<detail::awaitable_frame<U, any_io_executor>> caller) {
    frame_->push_frame(&caller.promise());
  }
  lido::lease await_resume() {
    if (frame_ == nullptr) return lido::lease(std::exchange(ready_, nullptr));
    return awaitable(std::move(*this)).frame_->get();  // and destroys it
  }

 private:
  template <typename, typename>
  friend class detail::awaitable_frame;
  explicit awaitable(detail::awaitable_frame<lido::lease, any_io_executor>* made) noexcept : frame_(made) {}
  [[gnu::noinline]] void abandon() noexcept {
    if (frame_ != nullptr) frame_->destroy();
    if (ready_ != nullptr) lido::detail::give_back(ready_);
  }

  detail::awaitable_frame<lido::lease, any_io_executor>* frame_ = nullptr;
  lido::detail::lent* ready_ = nullptr;  // never both
};

}  // namespace asio
