// A thread that gives a lease back often takes the next one at once. So it keeps the connection for that, for a moment:
// neither then touches what the threads share, the pool's mutex and its books. For the books it is lent all the while.
//
// No waiter is overtaken and no rule evaded (contract I10): whatever else happens to the pool, a waiter that comes, a
// deadline, a connection that ends, a new configuration, first shuts the cache and has what was kept booked as idle.
// What was out with a user then is of an earlier era and comes back through the books. After a term it does so in any
// case: what only the books look at (lifetimes, a suspended machine, who holds what for too long) is looked at so
// often.
#pragma once

#include "driver/sync.hpp"
#include "pool/loan.hpp"

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// Threads are numbered as they come; 0: not yet.
extern constinit thread_local std::uint32_t thread_number;
std::uint32_t number_thread() noexcept;

class thread_cache {
 public:
  static constexpr std::chrono::milliseconds term{20};
  static constexpr std::chrono::milliseconds pause{1};  // between shutting it and opening it again

  thread_cache() = default;
  thread_cache(const thread_cache&) = delete;
  thread_cache& operator=(const thread_cache&) = delete;

  // ---- any thread ----

  // What this thread has kept, if it is wanted; or null. begin(loan&) under the cell's lock: whoever shuts the cache
  // finds it, or what it has begun.
  template <class Wanted, class Begin>
  [[gnu::always_inline]] loan* take(Wanted wanted, Begin begin) noexcept {
    cell& mine = here();
    if (!mine.m.try_lock()) [[unlikely]]
      return nullptr;  // somebody shuts it, or has the same cell
    loan* const kept = mine.kept != nullptr && wanted(*mine.kept) ? std::exchange(mine.kept, nullptr) : nullptr;
    if (kept != nullptr) begin(*kept);
    mine.m.unlock();
    return kept;
  }

  // True: it is kept, and nobody's but this cache's from here on, the cache itself included.
  // `may` is asked with the cell locked and of this era: what it looks at, the pool still has.
  template <class May>
  [[gnu::always_inline]] bool keep(loan& what, core::time_point now, May may) noexcept {
    cell& mine = here();
    if (!mine.m.try_lock()) [[unlikely]]
      return false;
    const bool fits = mine.kept == nullptr && mine.era == what.era && now < mine.until && may();
    if (fits) {
      what.rest(now);
      what.until = mine.until;
      mine.kept = &what;
    }
    mine.m.unlock();
    return fits;
  }

  // ---- under the pool's mutex ----

  [[nodiscard]] std::uint64_t era() const noexcept { return era_; }
  [[nodiscard]] bool is_open() const noexcept { return open_ != 0; }
  // For a term this thread may keep what is lent from now on.
  void open_here(core::time_point until) noexcept {
    const std::size_t at = index();
    if ((open_ & mask_of(at)) != 0) return;
    open_ |= mask_of(at);
    cell& mine = cells_.data()[at];
    const lock guard(mine.m);
    mine.era = era_;
    mine.until = until;
  }
  // What is out now will not be kept, open or not.
  void begin_era() noexcept { ++era_; }
  // Nobody keeps anything, until it is opened again: what was kept, one after the other, then null.
  loan* shut_next() noexcept {
    while (open_ != 0) {
      cell& c = cells_.data()[static_cast<std::size_t>(std::countr_zero(open_))];
      open_ &= open_ - 1;
      const lock guard(c.m);
      c.era = 0;
      if (c.kept != nullptr) return std::exchange(c.kept, nullptr);
    }
    return nullptr;
  }

 private:
  static constexpr std::size_t size = 32;  // more threads share

  // A cache line for each.
  struct alignas(64) cell {
    mutex m;
    std::uint64_t era LIDO_GUARDED_BY(m) = 0;  // what may be kept; 0: nothing
    core::time_point until LIDO_GUARDED_BY(m);
    loan* kept LIDO_GUARDED_BY(m) = nullptr;
  };

  static std::size_t index() noexcept {
    const std::uint32_t number = thread_number;
    return (number != 0 ? number : number_thread()) % size;
  }
  static std::uint64_t mask_of(std::size_t at) noexcept { return std::uint64_t{1} << at; }
  cell& here() noexcept { return cells_.data()[index()]; }

  std::array<cell, size> cells_{};
  std::uint64_t open_ = 0;  // which cells
  std::uint64_t era_ = 1;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
