// The queue of waiters: first come, first served; nobody overtakes (I10). Leaving it from the middle is O(1) for the
// queue itself and O(log n) for the deadline index beside it.
#pragma once

#include "pool/core/waiter.hpp"

#include <cstddef>
#include <vector>

namespace lido::inline v0::core {

// The waiters by deadline: a binary heap whose nodes know their place in it. Equal time-outs arrive in order of
// deadline, so an insertion is O(1) in the usual case.
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
  // The next in order of arrival, or null (for checks).
  [[nodiscard]] static const waiter* after(const waiter& w) noexcept { return w.next_; }

 private:
  void join(waiter& w, waiter* successor);

  waiter* head_ = nullptr;
  waiter* tail_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t tickets_ = 0;
  deadline_heap deadlines_;
};

}  // namespace lido::inline v0::core
