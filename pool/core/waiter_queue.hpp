// The queue of waiters: first come, first served; nobody overtakes (I10). Most have the same patience, so they arrive
// in the order of their deadlines too: for those the queue itself is the index, and the first of them is the earliest.
// The others are in a heap beside it. Leaving from the middle is O(1), out of the heap O(log n).
#pragma once

#include "pool/core/waiter.hpp"

#include <cstddef>
#include <vector>

namespace lido::inline v0::core {

// Waiters by deadline: a binary heap whose nodes know their place in it.
class deadline_heap {
 public:
  void insert(waiter& w);
  void remove(waiter& w);
  [[nodiscard]] bool empty() const noexcept { return nodes_.empty(); }
  [[nodiscard]] waiter& top() const { return *nodes_.front(); }

 private:
  void place(waiter& w, std::size_t at);
  void sift_up(waiter& w, std::size_t at);
  void sift_down(waiter& w, std::size_t at);

  std::vector<waiter*> nodes_;
};

class waiter_queue {
 public:
  waiter_queue() = default;
  waiter_queue(const waiter_queue&) = delete;
  waiter_queue& operator=(const waiter_queue&) = delete;

  // Draws the ticket that decides who came first, for one who may be served at once, too: his connection may die.
  void arrive(waiter& w) noexcept { w.ticket_ = ++tickets_; }
  void push_back(waiter& w);
  // A waiter that was granted a connection which died: back before everybody who came later, and after those (put
  // back likewise) who came earlier.
  void put_back(waiter& w);
  void remove(waiter& w);

  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] waiter& front() const { return *head_; }
  [[nodiscard]] waiter& back() const { return *tail_; }
  // The earliest deadline of all; `never` without one.
  [[nodiscard]] time_point next_deadline() const noexcept;
  // Somebody whose deadline has come, or null.
  [[nodiscard]] waiter* first_expired(time_point now) const noexcept;
  // The next in order of arrival, or null.
  [[nodiscard]] static const waiter* after(const waiter& w) noexcept { return w.next_; }
  [[nodiscard]] static waiter* after(waiter& w) noexcept { return w.next_; }

 private:
  [[nodiscard]] waiter* most_pressing() const noexcept;
  void join(waiter& w, waiter* successor);
  void keep_deadline(waiter& w, bool at_the_end);
  void forget_deadline(waiter& w) noexcept;

  waiter* head_ = nullptr;
  waiter* tail_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t tickets_ = 0;
  waiter* first_in_order_ = nullptr;  // of those whose deadlines do not fall from one to the next
  time_point last_in_order_{};        // the latest deadline of those, or later
  deadline_heap others_;
};

}  // namespace lido::inline v0::core
