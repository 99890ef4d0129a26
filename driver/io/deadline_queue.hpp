// One timer for many deadlines (design decision 8): a heap of targets, one steady_timer armed for the earliest. A
// target that moves its deadline later does not touch it: it is woken at the old time, looks, and arms itself anew.
#pragma once

#include "driver/sync.hpp"

#include <lido/driver/detail/session.hpp>

#include <asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

class deadline_queue : public std::enable_shared_from_this<deadline_queue> {
 public:
  explicit deadline_queue(asio::any_io_executor executor);

  void arm(deadline_entry& entry, time_point when) noexcept;
  void remove(deadline_entry& entry) noexcept;
  void context_is_going() noexcept;  // the timer must not outlive its io_context; the queue may

 private:
  void insert(deadline_entry& entry) LIDO_REQUIRES(mutex_);
  void erase(deadline_entry& entry) noexcept LIDO_REQUIRES(mutex_);
  void sift_up(std::size_t i) noexcept LIDO_REQUIRES(mutex_);
  void sift_down(std::size_t i) noexcept LIDO_REQUIRES(mutex_);
  void swap_nodes(std::size_t a, std::size_t b) noexcept LIDO_REQUIRES(mutex_);
  void rearm() LIDO_REQUIRES(mutex_);
  void fire() noexcept;

  mutex mutex_;
  std::vector<deadline_entry*> heap_ LIDO_GUARDED_BY(mutex_);
  std::optional<asio::steady_timer> timer_ LIDO_GUARDED_BY(mutex_);
  time_point armed_ LIDO_GUARDED_BY(mutex_) = time_point::max();
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
