#include "driver/io/deadline_queue.hpp"

#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

std::shared_ptr<deadline_queue> make_deadline_queue(asio::any_io_executor executor) {
  auto queue = std::make_shared<deadline_queue>(executor);
  on_context_shutdown(executor, queue, [weak = std::weak_ptr<deadline_queue>(queue)] {
    if (const auto one = weak.lock()) one->context_is_going();
  });
  return queue;
}

void deadline_entry::attach(std::shared_ptr<deadline_queue> queue, std::weak_ptr<deadline_target> target) noexcept {
  queue_ = std::move(queue);
  target_ = std::move(target);
}

void deadline_entry::arm(time_point when) noexcept {
  if (queue_) queue_->arm(*this, when);
}

void deadline_entry::detach() noexcept {
  if (queue_) queue_->remove(*this);
}

deadline_queue::deadline_queue(asio::any_io_executor executor) : timer_(std::in_place, std::move(executor)) {}

void deadline_queue::context_is_going() noexcept {
  const lock guard(mutex_);
  timer_.reset();
}

void deadline_queue::arm(deadline_entry& entry, time_point when) noexcept {
  if (when == time_point::max()) return;
  const lock guard(mutex_);
  if (entry.place_ != 0 && entry.when_ <= when) return;  // lazy: it will be asked earlier anyway
  if (entry.place_ != 0) erase(entry);
  entry.when_ = when;
  insert(entry);
  rearm();
}

void deadline_queue::remove(deadline_entry& entry) noexcept {
  const lock guard(mutex_);
  if (entry.place_ == 0) return;
  erase(entry);
  if (!heap_.empty()) return;
  if (timer_) timer_->cancel();  // nothing left to wait for: let run() return
  armed_ = time_point::max();
}

void deadline_queue::insert(deadline_entry& entry) {
  heap_.push_back(&entry);
  entry.place_ = heap_.size();
  sift_up(heap_.size() - 1);
}

void deadline_queue::erase(deadline_entry& entry) noexcept {
  const std::size_t i = entry.place_ - 1;
  swap_nodes(i, heap_.size() - 1);
  heap_.pop_back();
  entry.place_ = 0;
  if (i >= heap_.size()) return;
  sift_down(i);
  sift_up(i);
}

void deadline_queue::swap_nodes(std::size_t a, std::size_t b) noexcept {
  std::swap(heap_[a], heap_[b]);
  heap_[a]->place_ = a + 1;
  heap_[b]->place_ = b + 1;
}

void deadline_queue::sift_up(std::size_t i) noexcept {
  while (i > 0) {
    const std::size_t parent = (i - 1) / 2;
    if (heap_[parent]->when_ <= heap_[i]->when_) return;
    swap_nodes(i, parent);
    i = parent;
  }
}

void deadline_queue::sift_down(std::size_t i) noexcept {
  for (;;) {
    std::size_t least = i;
    for (const std::size_t child : {2 * i + 1, 2 * i + 2}) {
      if (child < heap_.size() && heap_[child]->when_ < heap_[least]->when_) least = child;
    }
    if (least == i) return;
    swap_nodes(i, least);
    i = least;
  }
}

void deadline_queue::rearm() {
  if (!timer_ || heap_.empty() || heap_.front()->when_ >= armed_) return;
  armed_ = heap_.front()->when_;
  timer_->expires_at(asio::steady_timer::time_point(armed_));
  timer_->async_wait([self = weak_from_this()](const std::error_code& ec) {
    if (ec) return;
    if (const auto queue = self.lock()) queue->fire();
  });
}

void deadline_queue::fire() noexcept {
  const time_point now = std::chrono::steady_clock::now();
  std::vector<std::shared_ptr<deadline_target>> due;
  {
    const lock guard(mutex_);
    armed_ = time_point::max();
    while (!heap_.empty() && heap_.front()->when_ <= now) {
      deadline_entry& entry = *heap_.front();
      if (auto target = entry.target_.lock()) due.push_back(std::move(target));
      erase(entry);
    }
    rearm();
  }
  for (const auto& target : due) target->on_deadline(now);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
