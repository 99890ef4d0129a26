#include "driver/transport/helper_pool.hpp"

#include <openssl/crypto.h>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <utility>

namespace lido::transport {
namespace {

constexpr unsigned max_threads = 4;
constexpr unsigned max_unending = max_threads - 1;
constexpr std::size_t max_queued = 1024;
constexpr auto idle_life = std::chrono::seconds(10);
constexpr auto exit_patience = std::chrono::seconds(2);  // a job of the KDF takes 20 ms at its cap

class helper_pool {
 public:
  // Never destroyed: detached threads may still look at it when static destructors run.
  static helper_pool& instance() {
    static helper_pool* const pool = new helper_pool;
    return *pool;
  }

  bool submit(std::function<void()> job, helper_job kind) {
    const std::lock_guard lock(mutex_);
    if (exiting_ || finite_.size() + unending_.size() >= max_queued) return false;
    auto& queue = kind == helper_job::finite ? finite_ : unending_;
    queue.push_back(std::move(job));
    // An idle thread may have been woken for an earlier job and not have come yet, so they are counted against the
    // jobs.
    const bool wanted = finite_.size() + unending_.size() > idle_ && threads_ < max_threads;
    if (wanted && !start_thread() && threads_ == 0) {
      queue.pop_back();
      return false;
    }
    work_.notify_one();
    return true;
  }

 private:
  enum class task { none, finite, unending };

  // OpenSSL's own exit handler is registered by its first use, ours after it: handlers run in the opposite order.
  helper_pool() : process_(::getpid()) {
    OPENSSL_init_crypto(0, nullptr);
    std::atexit([] { instance().leave(); });
  }

  void leave() {
    if (::getpid() != process_) return;  // a forked child has the lock's state, but none of the threads
    std::unique_lock lock(mutex_);
    exiting_ = true;
    finite_done_.wait_for(lock, exit_patience, [this] { return running_finite_ == 0; });
  }

  bool start_thread() {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    sigset_t all;
    sigfillset(&all);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    // The application's signals go to the application's threads; ours start with all of them blocked and nobody else's
    // mask is touched (I28).
    pthread_attr_setsigmask_np(&attributes, &all);
    pthread_t thread{};
    const bool started = pthread_create(&thread, &attributes, &helper_pool::run, this) == 0;
    pthread_attr_destroy(&attributes);
    if (started) ++threads_;
    return started;
  }

  static void* run(void* self) {
    pthread_setname_np(pthread_self(), "lido-helper");
    sigset_t all;  // again: a thread that clang's AddressSanitizer starts has the mask of its creator instead
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    static_cast<helper_pool*>(self)->work();
    return nullptr;
  }

  task next() const noexcept {
    if (exiting_) return task::none;
    if (!finite_.empty()) return task::finite;
    return !unending_.empty() && running_unending_ < max_unending ? task::unending : task::none;
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      const bool more = work_.wait_for(lock, idle_life, [this] { return next() != task::none; });
      --idle_;
      if (!more) break;
      perform(lock, next());
    }
    --threads_;
  }

  void perform(std::unique_lock<std::mutex>& lock, task what) {
    auto& queue = what == task::finite ? finite_ : unending_;
    auto& running = what == task::finite ? running_finite_ : running_unending_;
    std::function<void()> job = std::move(queue.front());
    queue.pop_front();
    ++running;
    lock.unlock();
    call(job);
    job = nullptr;  // what it owns goes without the lock
    lock.lock();
    --running;
    if (running_finite_ == 0) finite_done_.notify_all();
    if (next() != task::none) work_.notify_one();
  }

  static void call(const std::function<void()>& job) noexcept {
    try {
      job();
      // NOLINTNEXTLINE(bugprone-empty-catch): there is nobody to tell
    } catch (...) {  // a job reports through its own state; one that could not has none left to report to
    }
  }

  const pid_t process_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable finite_done_;
  std::deque<std::function<void()>> finite_;
  std::deque<std::function<void()>> unending_;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  unsigned running_finite_ = 0;
  unsigned running_unending_ = 0;
  bool exiting_ = false;
};

}  // namespace

bool run_on_helper(std::function<void()> job, helper_job kind) noexcept {
  try {
    return helper_pool::instance().submit(std::move(job), kind);
  } catch (...) {  // no memory
    return false;
  }
}

}  // namespace lido::transport
