#include "driver/io/context_registry.hpp"

#include "driver/io/engine.hpp"

#include <asio/execution/context.hpp>

#include <algorithm>

namespace lido::io {

asio::execution_context::id context_registry::id;

context_registry& context_registry::of(const asio::any_io_executor& executor) {
  return asio::use_service<context_registry>(asio::query(executor, asio::execution::context));
}

void context_registry::add(const std::shared_ptr<engine>& session) {
  add(session, [weak = std::weak_ptr<engine>(session)] {
    if (const auto one = weak.lock()) one->context_is_going();
  });
}

void context_registry::add(std::weak_ptr<void> owner, std::function<void()> on_shutdown) {
  const detail::lock guard(mutex_);
  if (members_.size() >= sweep_at_) {
    std::erase_if(members_, [](const member& m) { return m.owner.expired(); });
    sweep_at_ = std::max<std::size_t>(64, members_.size() * 2);
  }
  members_.push_back({std::move(owner), std::move(on_shutdown)});
}

void context_registry::shutdown() noexcept {
  std::vector<member> all;
  {
    const detail::lock guard(mutex_);
    all.swap(members_);
  }
  for (const member& m : all) {
    if (!m.owner.expired()) m.on_shutdown();
  }
}

}  // namespace lido::io

namespace lido {
inline namespace v0 {
namespace detail {

void on_context_shutdown(const asio::any_io_executor& executor, std::weak_ptr<void> owner,
                         std::function<void()> action) {
  io::context_registry::of(executor).add(std::move(owner), std::move(action));
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
