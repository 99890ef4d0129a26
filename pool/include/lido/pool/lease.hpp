// A connection on loan from a pool. Gives itself back when it is destroyed, whatever happened; what is left to clean up
// is the pool's business (contract I13).
#pragma once

#include <lido/driver/connection.hpp>
#include <lido/driver/transaction.hpp>

#include <cstdint>
#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {

class lease;

namespace detail {

class pool_impl;

// Which connection's which lease; the pool knows the rest.
struct lease_ticket {
  std::uint32_t slot = 0;
  std::uint32_t tenure = 0;
};

void give_back(pool_impl& pool, const lease_ticket& ticket, const session_handle& handle) noexcept;

}  // namespace detail

class lease {
 public:
  lease() = default;  ///< empty: operations complete with errc::lease_revoked
  lease(lease&& other) noexcept : db_(std::move(other.db_)), pool_(std::move(other.pool_)), ticket_(other.ticket_) {}
  lease& operator=(lease&& other) noexcept {
    if (this == &other) return *this;
    release();
    db_ = std::move(other.db_);
    pool_ = std::move(other.pool_);
    ticket_ = other.ticket_;
    return *this;
  }
  ~lease() {
    if (pool_) release();
  }

  /// Never null: operations on an empty or revoked lease complete with errc::lease_revoked.
  connection* operator->() noexcept { return &db_; }
  connection& operator*() noexcept { return db_; }
  /// Whether it holds a live connection. False once it was revoked by a cancellation or a deadline.
  explicit operator bool() const noexcept { return pool_ != nullptr && db_.is_open(); }

  /// Gives the connection back now. An operation still running is cancelled (terminal); an open transaction is rolled
  /// back by the pool. Any thread, does not block, noexcept, idempotent.
  void release() noexcept {
    if (!pool_) return;
    const std::shared_ptr<detail::pool_impl> pool = std::move(pool_);
    const detail::session_handle handle = db_.release_handle();
    detail::give_back(*pool, ticket_, handle);
  }

  /// For the pool.
  lease(detail::session_handle handle, std::shared_ptr<detail::pool_impl> pool,
        const detail::lease_ticket& ticket) noexcept
      : db_(std::move(handle)), pool_(std::move(pool)), ticket_(ticket) {}

 private:
  connection db_;
  std::shared_ptr<detail::pool_impl> pool_;
  detail::lease_ticket ticket_;
};

}  // namespace v0
}  // namespace lido
