// What a completion handler sets off for others, run as soon as it has returned. The way through the io_context's queue
// costs an operation of Asio's for each and, when nothing else is ready, one more call of epoll_wait().
//
// Only where one thread runs the io_context: of several another may be idle, and take at once what would wait here for
// a handler that goes on working.
#pragma once

#include <asio/execution_context.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

class handler_tail;

// An io_context, and whether one thread alone was ever seen to run handlers of ours there.
class handler_place {
 public:
  explicit handler_place(const asio::execution_context& context) noexcept : context_(context) {}
  const asio::execution_context& context() const noexcept { return context_; }
  // Called in a handler. False for ever, once it was called by two threads.
  inline bool is_one_threads() noexcept;

 private:
  const asio::execution_context& context_;
  std::atomic<const void*> thread_{nullptr};  // the mark of the first; several_ when there was another
  char several_ = 0;
};

// The first thing of such a handler, which calls run() last, when it holds no lock. Few are taken, those included that
// the first set off: whatever else is ready on the io_context must not wait for a chain of them.
class handler_tail {
 public:
  static constexpr std::size_t most = 4;

  explicit handler_tail(handler_place& place) noexcept
      : context_(place.context()), outer_(std::exchange(current, place.is_one_threads() ? this : nullptr)) {}
  handler_tail(const handler_tail&) = delete;
  handler_tail& operator=(const handler_tail&) = delete;
  ~handler_tail() {  // a handler threw: what it left behind goes the long way
    current = outer_;
    while (next_ < count_) {
      const entry& left = entries_[next_++];
      left.post(left.what);
    }
  }

  // `what` has run_now() and post_later(). False: this thread is in no handler of that context, or in one that has
  // enough, or shares the context with other threads.
  template <class T>
  static bool add(const asio::execution_context& where, T& what) noexcept {
    handler_tail* const tail = current;
    if (tail == nullptr || &tail->context_ != &where || tail->count_ == most) return false;
    tail->entries_[tail->count_++] = {&what, [](void* of) { static_cast<T*>(of)->run_now(); },
                                      [](void* of) { static_cast<T*>(of)->post_later(); }};
    return true;
  }

  void run() {
    while (next_ < count_) {
      const entry& one = entries_[next_++];
      one.run(one.what);
    }
  }

 private:
  friend class handler_place;
  struct entry {
    void* what;
    void (*run)(void*);
    void (*post)(void*);
  };
  static inline constinit thread_local handler_tail* current = nullptr;

  const asio::execution_context& context_;
  handler_tail* const outer_;
  std::array<entry, most> entries_;  // the first count_; not cleared: it would be, for each handler
  std::size_t count_ = 0;
  std::size_t next_ = 0;
};

inline bool handler_place::is_one_threads() noexcept {
  const void* const mark = static_cast<const void*>(&handler_tail::current);
  const void* seen = thread_.load(std::memory_order_relaxed);
  if (seen == mark) [[likely]]
    return true;
  if (seen == nullptr && thread_.compare_exchange_strong(seen, mark, std::memory_order_relaxed)) return true;
  thread_.store(&several_, std::memory_order_relaxed);
  return false;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
