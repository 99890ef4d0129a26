// A connection on loan from a pool. Gives itself back when it is destroyed, whatever happened; what is left to clean up
// is the pool's business (contract I13).
#pragma once

#include <lido/driver/connection.hpp>
#include <lido/driver/transaction.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {

namespace detail {

class pool_impl;

// Which connection's which lease; the pool knows the rest.
struct lease_ticket {
  std::uint32_t slot = 0;
  std::uint32_t tenure = 0;
};

// What is lent. Each connection of a pool keeps one for its next lease; a lease that was revoked keeps its own.
struct lent {
  connection db;
  pool_impl* pool = nullptr;  // which lives at least as long as it is lent
  lease_ticket ticket;
};

[[gnu::hot]] void give_back(lent* what) noexcept;
connection& no_connection() noexcept;

}  // namespace detail

class lease {
 public:
  lease() = default;  ///< empty: operations complete with errc::lease_revoked
  lease(lease&& other) noexcept : lent_(std::exchange(other.lent_, nullptr)) {}
  lease& operator=(lease&& other) noexcept {
    if (this == &other) return *this;
    release();
    lent_ = std::exchange(other.lent_, nullptr);
    return *this;
  }
  ~lease() {
    if (lent_ != nullptr) detail::give_back(lent_);
  }

  /// Never null: operations on an empty or revoked lease complete with errc::lease_revoked.
  connection* operator->() noexcept { return &**this; }
  connection& operator*() noexcept { return lent_ != nullptr ? lent_->db : detail::no_connection(); }
  /// Whether it holds a live connection. False once it was revoked by a cancellation or a deadline.
  explicit operator bool() const noexcept { return lent_ != nullptr && lent_->db.is_open(); }

  /// Gives the connection back now. An operation still running is cancelled (terminal); an open transaction is rolled
  /// back by the pool. Any thread, does not block, noexcept, idempotent.
  void release() noexcept {
    if (lent_ != nullptr) detail::give_back(std::exchange(lent_, nullptr));
  }

  /// For the pool.
  explicit lease(detail::lent* what) noexcept : lent_(what) {}

 private:
  detail::lent* lent_ = nullptr;
};

}  // namespace v0
}  // namespace lido

// asio::awaitable<lido::lease>: what pool::async_acquire() gives. It is Asio's own in all but one thing: it may hold a
// lease that is there already, which co_await then takes without a coroutine in between. Such a coroutine is a frame to
// allocate, resume and destroy, a third of what acquire and release cost together.
//
// Coroutines that return asio::awaitable<lido::lease> are written and awaited as ever. A specialisation, since Asio's
// coroutines await nothing else; it knows what the primary template knows of Asio's frames, which was the same in Asio
// 1.22 and in 1.28.
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
