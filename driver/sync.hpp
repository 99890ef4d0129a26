// std::mutex with clang's thread-safety attributes, so that the compiler checks who may touch what (design decision 9:
// Debian's absl::Mutex is not instrumented for ThreadSanitizer).
#pragma once

#include <mutex>

#if defined(__clang__)
#define LIDO_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define LIDO_THREAD_ATTRIBUTE(x)
#endif
#define LIDO_GUARDED_BY(m) LIDO_THREAD_ATTRIBUTE(guarded_by(m))
#define LIDO_REQUIRES(...) LIDO_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define LIDO_EXCLUDES(...) LIDO_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace lido::inline v0::detail {

class LIDO_THREAD_ATTRIBUTE(capability("mutex")) mutex {
 public:
  void lock() LIDO_THREAD_ATTRIBUTE(acquire_capability()) { m_.lock(); }
  void unlock() LIDO_THREAD_ATTRIBUTE(release_capability()) { m_.unlock(); }

 private:
  std::mutex m_;
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
