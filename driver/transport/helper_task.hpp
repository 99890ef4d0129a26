// A piece of work for a helper thread whose answer is wanted on an executor. The thread holds a mailbox only: an answer
// that comes after cancel(), or after the io_context's end, touches nothing (contract I28). Waits on a timer that never
// expires: that keeps run() busy, and a destroyed io_context destroys its handler.
#pragma once

#include "driver/transport/helper_pool.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace lido::transport {

template <class Answer>
class helper_task : public std::enable_shared_from_this<helper_task<Answer>> {
 public:
  using handler = std::function<void(Answer)>;

  explicit helper_task(asio::any_io_executor executor)
      : wake_(executor, asio::steady_timer::time_point::max()), mailbox_(std::make_shared<mailbox>()) {}

  // Once. Calls `done` once on the executor, unless cancelled. False: the helpers' queue is full, and `done` will not
  // be called.
  bool start(std::function<Answer()> work, handler done, helper_job kind = helper_job::finite) {
    mailbox_->wake = &wake_;
    if (!run_on_helper([box = mailbox_, work = std::move(work)] { box->put(work()); }, kind)) return false;
    const std::lock_guard lock(mailbox_->mutex);
    wake_.async_wait(waiting(this->shared_from_this(), std::move(done)));
    if (mailbox_->answer) wake_.cancel();  // it was faster than we
    return true;
  }

  void cancel() noexcept {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->wanted = false;
    if (mailbox_->wake != nullptr) std::exchange(mailbox_->wake, nullptr)->cancel();
  }

 private:
  struct mailbox {
    std::mutex mutex;
    asio::steady_timer* wake = nullptr;  // null from the moment on that it may be gone
    bool wanted = true;
    std::optional<Answer> answer;

    void put(Answer found) {
      const std::lock_guard lock(mutex);
      if (wake == nullptr) return;
      answer = std::move(found);
      std::exchange(wake, nullptr)->cancel();
    }
    std::optional<Answer> take() {
      const std::lock_guard lock(mutex);
      wake = nullptr;
      return wanted ? std::exchange(answer, std::nullopt) : std::nullopt;
    }
  };

  // The pending handler. Destroyed with its io_context while that context's parts still live: the mailbox closes in
  // time.
  struct waiting {
    std::shared_ptr<helper_task> self;
    handler done;

    waiting(std::shared_ptr<helper_task> s, handler d) noexcept : self(std::move(s)), done(std::move(d)) {}
    waiting(waiting&&) noexcept = default;
    ~waiting() {
      if (self) self->mailbox_->take();
    }
    void operator()(std::error_code /*cancelled, always*/) {
      if (auto answer = self->mailbox_->take()) done(std::move(*answer));
    }
  };

  asio::steady_timer wake_;
  std::shared_ptr<mailbox> mailbox_;
};

}  // namespace lido::transport
