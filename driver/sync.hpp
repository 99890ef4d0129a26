// The lock of connections and pools, with clang's thread-safety attributes, so that the compiler checks who may touch
// what (design decision 9: Debian's absl::Mutex is not instrumented for ThreadSanitizer).
#pragma once

#include <atomic>
#include <mutex>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define LIDO_DETAIL_KNOWS_SINGLE_THREAD 1
#endif

#if defined(__clang__)
#define LIDO_THREAD_ATTRIBUTE(x) __attribute__((x))
#if __has_feature(thread_sanitizer)
#define LIDO_DETAIL_PLAIN_MUTEX 1
#endif
#else
#define LIDO_THREAD_ATTRIBUTE(x)
#endif
#if defined(__SANITIZE_THREAD__)
#define LIDO_DETAIL_PLAIN_MUTEX 1
#endif
#define LIDO_GUARDED_BY(m) LIDO_THREAD_ATTRIBUTE(guarded_by(m))
#define LIDO_REQUIRES(...) LIDO_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define LIDO_EXCLUDES(...) LIDO_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace lido::inline v0::detail {

// Whether the process has one thread for certain, so that nothing need be atomic: the C library's own locks and
// std::shared_ptr ask the same.
inline bool is_single_threaded() noexcept {
#if defined(LIDO_DETAIL_KNOWS_SINGLE_THREAD)
  return __libc_single_threaded != 0;
#else
  return false;
#endif
}

// For sections of tens of nanoseconds, taken seven times a query and nearly always free: one word, no call unless
// somebody else is inside (std::mutex: 55 instructions a pair, this: 18), no locked instruction before the process has
// a second thread. Not recursive, not fair.
class word_mutex {
 public:
  void lock() noexcept {
    state expected = state::free;
    if (is_single_threaded() && word_.load(std::memory_order_relaxed) == state::free) {
      word_.store(state::taken, std::memory_order_relaxed);
    } else if (!word_.compare_exchange_strong(expected, state::taken, std::memory_order_acquire,
                                              std::memory_order_relaxed)) [[unlikely]] {
      wait();
    }
  }
  bool try_lock() noexcept {
    if (is_single_threaded()) {
      if (word_.load(std::memory_order_relaxed) != state::free) return false;
      word_.store(state::taken, std::memory_order_relaxed);
      return true;
    }
    state expected = state::free;
    return word_.compare_exchange_strong(expected, state::taken, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    if (is_single_threaded()) {
      word_.store(state::free, std::memory_order_release);
    } else if (word_.exchange(state::free, std::memory_order_release) == state::wanted) [[unlikely]] {
      word_.notify_one();
    }
  }

 private:
  enum class state : int { free, taken, wanted };  // wanted: taken, and somebody may sleep

  // Whoever slept leaves `wanted` behind: there may be more of them. At worst one wake-up finds nobody.
  [[gnu::noinline, gnu::cold]] void wait() noexcept {
    while (word_.exchange(state::wanted, std::memory_order_acquire) != state::free)
      word_.wait(state::wanted, std::memory_order_relaxed);
  }

  std::atomic<state> word_{state::free};
};

class LIDO_THREAD_ATTRIBUTE(capability("mutex")) mutex {
 public:
  void lock() LIDO_THREAD_ATTRIBUTE(acquire_capability()) { m_.lock(); }
  bool try_lock() LIDO_THREAD_ATTRIBUTE(try_acquire_capability(true)) { return m_.try_lock(); }
  void unlock() LIDO_THREAD_ATTRIBUTE(release_capability()) { m_.unlock(); }

 private:
#if defined(LIDO_DETAIL_PLAIN_MUTEX)
  std::mutex m_;  // ThreadSanitizer finds cycles of locks only among those that it knows
#else
  word_mutex m_;
#endif
};

class LIDO_THREAD_ATTRIBUTE(scoped_lockable) lock {
 public:
  explicit lock(mutex& m) LIDO_THREAD_ATTRIBUTE(acquire_capability(m)) : m_(m) { m_.lock(); }
  ~lock() LIDO_THREAD_ATTRIBUTE(release_capability()) { m_.unlock(); }
  lock(const lock&) = delete;
  lock& operator=(const lock&) = delete;

 private:
  mutex& m_;
};

}  // namespace lido::inline v0::detail
