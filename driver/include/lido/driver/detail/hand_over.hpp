// Where a handler runs, and the way there. Keeps its context at work until the handler has been handed over.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/dispatch.hpp>
#include <asio/execution/outstanding_work.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include <optional>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

template <class Executor>
class handler_executor {
 public:
  explicit handler_executor(const Executor& executor)
      : work_(asio::prefer(executor, asio::execution::outstanding_work.tracked)) {}

  template <class Function>
  void post(Function f) const {
    // Through any_io_executor a function is wrapped twice; nearly always it is an io_context's (600 instructions less).
    if (const auto* io = io_context_executor()) return asio::post(*io, std::move(f));
    asio::post(*work_, std::move(f));
  }
  template <class Function>
  void dispatch(Function f) const {
    if (const auto* io = io_context_executor(); io != nullptr && io->running_in_this_thread()) return f();
    asio::dispatch(*work_, std::move(f));
  }
  void reset() noexcept { work_.reset(); }

 private:
  using tracked =
      std::decay_t<typename asio::prefer_result<const Executor&, asio::execution::outstanding_work_t::tracked_t>::type>;
  using io_executor = std::decay_t<typename asio::require_result<asio::io_context::executor_type,
                                                                 asio::execution::outstanding_work_t::tracked_t>::type>;

  const io_executor* io_context_executor() const noexcept {
    if constexpr (std::is_same_v<tracked, asio::any_io_executor>) {
      // target() of Asio 1.22 casts without looking: a strand must not be taken for its io_context
      return work_->target_type() == typeid(io_executor) ? work_->template target<io_executor>() : nullptr;
    } else {
      return nullptr;
    }
  }

  std::optional<tracked> work_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
