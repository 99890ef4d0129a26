// The queue of waiters, by class: first come, first served within one, nobody overtakes there (I10). Of several classes
// the one with the smallest number is served first - but a class that has been passed over `patience` times is served
// before it, so that nobody starves. Most have the same patience, so they arrive in the order of their deadlines too:
// for those the queue itself is the index, and the first of them is the earliest. The others are in a heap beside it.
// Leaving from the middle is O(1), out of the heap O(log n).
#pragma once

#include "pool/core/waiter.hpp"

#include <array>
#include <bit>
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

// One bit for each class.
using class_set = std::uint32_t;
inline constexpr class_set every_class = (class_set{1} << waiter_class_count) - 1;
[[nodiscard]] constexpr class_set only(waiter_class c) noexcept { return class_set{1} << c; }
// That class and all that are served before it.
[[nodiscard]] constexpr class_set up_to(waiter_class c) noexcept { return (only(c) << 1) - 1; }

class waiter_queue {
 public:
  // So many connections go past somebody who waits in a later class, then it is his turn.
  static constexpr std::uint32_t patience = 8;

  waiter_queue() = default;
  waiter_queue(const waiter_queue&) = delete;
  waiter_queue& operator=(const waiter_queue&) = delete;

  // Draws the ticket that decides who came first, for one who may be served at once, too: his connection may die.
  void arrive(waiter& w) noexcept { w.ticket_ = ++tickets_; }
  [[gnu::hot]] void push_back(waiter& w);
  // A waiter that was granted a connection which died: back before everybody of his class who came later, and after
  // those (put back likewise) who came earlier.
  void put_back(waiter& w);
  [[gnu::hot]] void remove(waiter& w);

  // Whose turn it is, of those classes; null when none of them waits. Asking changes nothing.
  [[nodiscard]] waiter* next(class_set of) const noexcept {
    class_set waiting = waiting_ & of;
    if (waiting == 0) return nullptr;
    if (const class_set due = waiting & due_; due != 0) waiting = due;
    return lanes_[static_cast<std::size_t>(std::countr_zero(waiting))].head;
  }
  // He is served, of those classes: gone, and the later ones of them were passed over.
  [[gnu::hot]] void serve(waiter& w, class_set of);

  [[nodiscard]] bool empty() const noexcept { return waiting_ == 0; }
  [[nodiscard]] bool any(class_set of) const noexcept { return (waiting_ & of) != 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t size(class_set of) const noexcept;
  // The earliest deadline of all; `never` without one.
  [[nodiscard]] time_point next_deadline() const noexcept;
  // Somebody whose deadline has come, or null.
  [[nodiscard]] waiter* first_expired(time_point now) const noexcept;

  // Everybody, class by class, in order of arrival within one; null at the end.
  [[nodiscard]] waiter* first() const noexcept { return head_from(0); }
  [[nodiscard]] waiter* after(const waiter& w) const noexcept {
    return w.next_ != nullptr ? w.next_ : head_from(w.class_ + std::size_t{1});
  }
  // The one who came last, of the last of those classes in which somebody waits, or null.
  [[nodiscard]] const waiter* last(class_set of) const noexcept;
  // How often connections went past this class since it was served last.
  [[nodiscard]] std::uint32_t passed_over(waiter_class c) const noexcept { return lanes_[c].passed_over; }

 private:
  struct lane {
    waiter* head = nullptr;
    waiter* tail = nullptr;
    std::size_t size = 0;
    waiter* first_in_order = nullptr;  // of those whose deadlines do not fall from one to the next
    time_point last_in_order{};        // the latest deadline of those, or later
    std::uint32_t passed_over = 0;
  };

  [[nodiscard]] waiter* head_from(std::size_t c) const noexcept;
  [[nodiscard]] waiter* most_pressing() const noexcept;
  [[gnu::hot]] void join(waiter& w, waiter* successor);
  [[gnu::hot]] void keep_deadline(waiter& w, bool at_the_end);
  [[gnu::hot]] void forget_deadline(waiter& w) noexcept;
  void pass_over(waiter_class served, class_set of) noexcept;
  void satisfy(waiter_class c) noexcept;

  std::array<lane, waiter_class_count> lanes_;
  class_set waiting_ = 0;  // classes in which somebody waits
  class_set due_ = 0;      // of them, those that were passed over too often
  std::size_t size_ = 0;
  std::uint32_t tickets_ = 0;
  deadline_heap others_;
};

}  // namespace lido::inline v0::core
