// Knows the live sessions of an io_context, so that destroying it with work pending destroys their handlers too
// (contract I28): otherwise the cycle session -> operation -> coroutine frame -> lease -> session would keep all of
// them. Also the gate through which helper threads reach the context.
#pragma once

#include "driver/sync.hpp"

#include <lido/driver/detail/handler_tail.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/execution_context.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace lido::io {

class engine;

class context_registry final : public asio::execution_context::service {
 public:
  using key_type = context_registry;
  static asio::execution_context::id id;

  explicit context_registry(asio::execution_context& context) : service(context), place(context) {}

  static context_registry& of(const asio::any_io_executor& executor);
  void add(const std::shared_ptr<engine>& session);
  // `on_shutdown` runs when the context goes, unless `owner` is gone by then.
  void add(std::weak_ptr<void> owner, std::function<void()> on_shutdown);

  detail::handler_place place;  // for the handlers of its sessions

 private:
  struct member {
    std::weak_ptr<void> owner;
    std::function<void()> on_shutdown;
  };
  void shutdown() noexcept override;

  detail::mutex mutex_;
  std::vector<member> members_ LIDO_GUARDED_BY(mutex_);
  std::size_t sweep_at_ LIDO_GUARDED_BY(mutex_) = 64;
};

}  // namespace lido::io
