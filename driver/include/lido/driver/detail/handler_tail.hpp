// What a completion handler sets off for others, run as soon as it has returned. The way through the io_context's queue
// costs an operation of Asio's for each and, when nothing else is ready, one more call of epoll_wait().
#pragma once

#include <asio/execution_context.hpp>

#include <array>
#include <cstddef>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// The first thing of such a handler, which calls run() last, when it holds no lock. Few are taken, those included that
// the first set off: whatever else is ready on the io_context must not wait for a chain of them.
class handler_tail {
 public:
  static constexpr std::size_t most = 4;

  explicit handler_tail(const asio::execution_context& where) noexcept
      : where_(where), outer_(std::exchange(current, this)) {}
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
  // enough.
  template <class T>
  static bool add(const asio::execution_context& where, T& what) noexcept {
    handler_tail* const tail = current;
    if (tail == nullptr || &tail->where_ != &where || tail->count_ == most) return false;
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
  struct entry {
    void* what;
    void (*run)(void*);
    void (*post)(void*);
  };
  static inline constinit thread_local handler_tail* current = nullptr;

  const asio::execution_context& where_;
  handler_tail* const outer_;
  std::array<entry, most> entries_;  // the first count_; not cleared: it would be, for each handler
  std::size_t count_ = 0;
  std::size_t next_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
