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

namespace {

// Tickets wrap round; two that are compared are never that far apart.
bool came_before(std::uint32_t a, std::uint32_t b) noexcept { return static_cast<std::int32_t>(a - b) < 0; }

}  // namespace

void waiter_queue::push_back(waiter& w) { join(w, nullptr); }

void waiter_queue::put_back(waiter& w) {
  waiter* successor = lanes_[w.class_].head;
  while (successor != nullptr && came_before(successor->ticket_, w.ticket_)) successor = successor->next_;
  join(w, successor);
}

void waiter_queue::remove(waiter& w) {
  forget_deadline(w);
  lane& its = lanes_[w.class_];
  (w.prev_ != nullptr ? w.prev_->next_ : its.head) = w.next_;
  (w.next_ != nullptr ? w.next_->prev_ : its.tail) = w.prev_;
  w.prev_ = w.next_ = nullptr;
  --size_;
  if (--its.size != 0) return;
  waiting_ &= ~only(w.class_);
  satisfy(w.class_);
}

void waiter_queue::serve(waiter& w, class_set of) {
  const class_set later = waiting_ & of & ~up_to(w.class_);
  if (later != 0) [[unlikely]]
    pass_over(w.class_, later);
  satisfy(w.class_);
  remove(w);
}

void waiter_queue::pass_over(waiter_class served, class_set of) noexcept {
  for (std::size_t c = served + std::size_t{1}; c < lanes_.size(); ++c) {
    const class_set bit = only(static_cast<waiter_class>(c));
    if ((of & bit) != 0 && ++lanes_[c].passed_over >= patience) due_ |= bit;
  }
}

void waiter_queue::satisfy(waiter_class c) noexcept {
  lanes_[c].passed_over = 0;
  due_ &= ~only(c);
}

std::size_t waiter_queue::size(class_set of) const noexcept {
  std::size_t sum = 0;
  for (std::size_t c = 0; c < lanes_.size(); ++c) {
    if ((of & only(static_cast<waiter_class>(c))) != 0) sum += lanes_[c].size;
  }
  return sum;
}

waiter* waiter_queue::head_from(std::size_t c) const noexcept {
  while (c < lanes_.size() && lanes_[c].head == nullptr) ++c;
  return c < lanes_.size() ? lanes_[c].head : nullptr;
}

const waiter* waiter_queue::last(class_set of) const noexcept {
  const class_set waiting = waiting_ & of;
  return waiting != 0 ? lanes_[static_cast<std::size_t>(std::bit_width(waiting)) - 1].tail : nullptr;
}

waiter* waiter_queue::most_pressing() const noexcept {
  waiter* found = others_.empty() ? nullptr : &others_.top();
  for (const lane& l : lanes_) {
    waiter* const w = l.first_in_order;
    if (w != nullptr && (found == nullptr || w->deadline_ <= found->deadline_)) found = w;
  }
  return found;
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
  lane& its = lanes_[w.class_];
  w.next_ = successor;
  w.prev_ = successor != nullptr ? successor->prev_ : its.tail;
  (w.prev_ != nullptr ? w.prev_->next_ : its.head) = &w;
  (successor != nullptr ? successor->prev_ : its.tail) = &w;
  w.state_ = waiter_state::queued;
  waiting_ |= only(w.class_);
  ++its.size;
  ++size_;
}

void waiter_queue::keep_deadline(waiter& w, bool at_the_end) {
  lane& its = lanes_[w.class_];
  if (w.deadline_ == never) {
    w.deadline_kept_ = deadline_kept::nowhere;
  } else if (at_the_end && (its.first_in_order == nullptr || w.deadline_ >= its.last_in_order)) {
    w.deadline_kept_ = deadline_kept::in_order;
    its.last_in_order = w.deadline_;
    if (its.first_in_order == nullptr) its.first_in_order = &w;
  } else {
    others_.insert(w);
    w.deadline_kept_ = deadline_kept::in_heap;
  }
}

// The next in order is sought from the leaving one on: each waiter is passed once.
void waiter_queue::forget_deadline(waiter& w) noexcept {
  lane& its = lanes_[w.class_];
  if (w.deadline_kept_ == deadline_kept::in_heap) {
    others_.remove(w);
  } else if (its.first_in_order == &w) {
    waiter* next = w.next_;
    while (next != nullptr && next->deadline_kept_ != deadline_kept::in_order) next = next->next_;
    its.first_in_order = next;
  }
  w.deadline_kept_ = deadline_kept::nowhere;
}

}  // namespace lido::inline v0::core
