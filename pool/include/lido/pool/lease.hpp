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

void give_back(lent* what) noexcept;
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

#include <lido/pool/detail/lease_awaitable.hpp>  // IWYU pragma: export
