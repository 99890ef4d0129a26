#include "pool/core/waiter_queue.hpp"

namespace lido::inline v0::core {

void deadline_heap::insert(waiter& w) {
  nodes_.push_back(&w);
  sift_up(w, nodes_.size() - 1);
}

void deadline_heap::remove(waiter& w) {
  const std::size_t hole = w.heap_index_;
  waiter& last = *nodes_.back();
  nodes_.pop_back();
  if (&last == &w) return;
  sift_up(last, hole);
  sift_down(last, last.heap_index_);
}

void deadline_heap::place(waiter& w, std::size_t at) {
  nodes_[at] = &w;
  w.heap_index_ = static_cast<std::uint32_t>(at);
}

void deadline_heap::sift_up(waiter& w, std::size_t at) {
  while (at > 0) {
    const std::size_t parent = (at - 1) / 2;
    if (nodes_[parent]->deadline_ <= w.deadline_) break;
    place(*nodes_[parent], at);
    at = parent;
  }
  place(w, at);
}

void deadline_heap::sift_down(waiter& w, std::size_t at) {
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= nodes_.size()) break;
    if (child + 1 < nodes_.size() && nodes_[child + 1]->deadline_ < nodes_[child]->deadline_) ++child;
    if (w.deadline_ <= nodes_[child]->deadline_) break;
    place(*nodes_[child], at);
    at = child;
  }
  place(w, at);
}

void waiter_queue::push_back(waiter& w) { join(w, nullptr); }

void waiter_queue::put_back(waiter& w) {
  waiter* successor = head_;
  while (successor != nullptr && successor->ticket_ < w.ticket_) successor = successor->next_;
  join(w, successor);
}

void waiter_queue::remove(waiter& w) {
  forget_deadline(w);
  (w.prev_ != nullptr ? w.prev_->next_ : head_) = w.next_;
  (w.next_ != nullptr ? w.next_->prev_ : tail_) = w.prev_;
  w.prev_ = w.next_ = nullptr;
  --size_;
}

waiter* waiter_queue::most_pressing() const noexcept {
  if (others_.empty()) return first_in_order_;
  waiter& other = others_.top();
  return first_in_order_ != nullptr && first_in_order_->deadline_ <= other.deadline_ ? first_in_order_ : &other;
}

time_point waiter_queue::next_deadline() const noexcept {
  const waiter* const w = most_pressing();
  return w != nullptr ? w->deadline_ : never;
}

waiter* waiter_queue::first_expired(time_point now) const noexcept {
  waiter* const w = most_pressing();
  return w != nullptr && w->deadline_ <= now ? w : nullptr;
}

// The deadline first: it may have to allocate, and then nothing has happened yet.
void waiter_queue::join(waiter& w, waiter* successor) {
  keep_deadline(w, successor == nullptr);
  w.next_ = successor;
  w.prev_ = successor != nullptr ? successor->prev_ : tail_;
  (w.prev_ != nullptr ? w.prev_->next_ : head_) = &w;
  (successor != nullptr ? successor->prev_ : tail_) = &w;
  w.state_ = waiter_state::queued;
  ++size_;
}

void waiter_queue::keep_deadline(waiter& w, bool at_the_end) {
  if (w.deadline_ == never) {
    w.deadline_kept_ = deadline_kept::nowhere;
  } else if (at_the_end && (first_in_order_ == nullptr || w.deadline_ >= last_in_order_)) {
    w.deadline_kept_ = deadline_kept::in_order;
    last_in_order_ = w.deadline_;
    if (first_in_order_ == nullptr) first_in_order_ = &w;
  } else {
    others_.insert(w);
    w.deadline_kept_ = deadline_kept::in_heap;
  }
}

// The next in order is sought from the leaving one on: each waiter is passed once.
void waiter_queue::forget_deadline(waiter& w) noexcept {
  if (w.deadline_kept_ == deadline_kept::in_heap) {
    others_.remove(w);
  } else if (first_in_order_ == &w) {
    waiter* next = w.next_;
    while (next != nullptr && next->deadline_kept_ != deadline_kept::in_order) next = next->next_;
    first_in_order_ = next;
  }
  w.deadline_kept_ = deadline_kept::nowhere;
}

}  // namespace lido::inline v0::core
