// Between a callback and the one who no longer wants it: after close() has returned, no call runs and none will. A
// close() from inside the call itself returns at once; from another thread it waits for a running call, so its caller
// holds no lock that the call takes.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace lido::transport {

class call_gate {
 public:
  // A call in progress; false when the gate was closed before.
  class pass {
   public:
    explicit pass(call_gate& gate) : gate_(gate), open_(gate.enter()) {}
    ~pass() {
      if (open_) gate_.leave();
    }
    pass(const pass&) = delete;
    pass& operator=(const pass&) = delete;
    explicit operator bool() const noexcept { return open_; }

   private:
    call_gate& gate_;
    const bool open_;
  };

  void close() noexcept {
    std::unique_lock lock(mutex_);
    closed_ = true;
    if (caller_ == std::this_thread::get_id()) return;
    left_.wait(lock, [this] { return caller_ == std::thread::id{}; });
  }

 private:
  bool enter() {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    caller_ = std::this_thread::get_id();
    return true;
  }

  void leave() {
    // Under the lock: whoever waits may destroy this gate as soon as it can take it.
    const std::lock_guard lock(mutex_);
    caller_ = {};
    left_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable left_;
  std::thread::id caller_;  // none: no call runs
  bool closed_ = false;
};

}  // namespace lido::transport
