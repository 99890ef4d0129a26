// A handler of any type behind one pointer, for the paths that are not hot: connect, close. Posts exactly once, or is
// destroyed uncalled.
#pragma once

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <memory>
#include <tuple>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

template <class... Args>
class any_completion {
 public:
  any_completion() = default;
  template <class Handler, class Executor>
  any_completion(Handler handler, const Executor& fallback)
      : impl_(std::make_unique<holder<Handler, Executor>>(std::move(handler), fallback)) {}

  explicit operator bool() const noexcept { return impl_ != nullptr; }
  // Hands the arguments to the handler on its executor, not from inside this call.
  void post(Args... args) { impl_.release()->post(std::move(args)...); }

 private:
  struct base {
    virtual ~base() = default;
    virtual void post(Args... args) = 0;
  };

  template <class Handler, class Executor>
  struct holder final : base {
    holder(Handler h, const Executor& fallback)
        : handler(std::move(h)), work(asio::get_associated_executor(handler, fallback)) {}

    void post(Args... args) override {
      const auto executor = work.get_executor();
      asio::post(executor,
                 [self = std::unique_ptr<holder>(this), arguments = std::make_tuple(std::move(args)...)]() mutable {
                   auto slot = asio::get_associated_cancellation_slot(self->handler);
                   if (slot.is_connected()) slot.clear();
                   Handler h = std::move(self->handler);
                   self.reset();
                   std::apply([&h](Args&... a) { std::move(h)(std::move(a)...); }, arguments);
                 });
    }

    Handler handler;
    asio::executor_work_guard<typename asio::associated_executor<Handler, Executor>::type> work;
  };

  std::unique_ptr<base> impl_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
