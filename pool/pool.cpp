#include "pool/pool_impl.hpp"

#include <lido/pool/pool.hpp>

#include <asio/this_coro.hpp>

namespace lido {
inline namespace v0 {

pool::pool(asio::any_io_executor executor, pool_config config)
    : pool(std::vector{std::move(executor)}, std::move(config)) {}

pool::pool(std::vector<asio::any_io_executor> executors, pool_config config)
    : impl_(std::make_shared<detail::pool_impl>(std::move(executors), std::move(config))) {
  impl_->start();
}

pool& pool::operator=(pool&& other) noexcept {
  if (this == &other) return *this;
  if (impl_) impl_->destroy();
  impl_ = std::move(other.impl_);
  return *this;
}

pool::~pool() {
  if (impl_) impl_->destroy();
}

lease pool::try_acquire() noexcept {
  time_point asked;
  return lease(impl_->try_acquire(impl_, asked));
}

namespace {

asio::awaitable<lease> co_ready(lease db) { co_return std::move(db); }

}  // namespace

asio::awaitable<lease> pool::async_acquire(op_options options) {
  if (impl_->prefers_shards()) return co_lease_nearby(impl_, options.deadline);
  time_point asked{};
  if (impl_->may_have_idle()) {
    if (detail::lent* const ready = impl_->try_acquire(impl_, asked)) return co_ready(lease(ready));
  }
  return co_lease(impl_, options.deadline, asked);
}

// None was idle when it was asked for.
asio::awaitable<lease> pool::co_lease(std::shared_ptr<detail::pool_impl> impl, time_point deadline, time_point asked) {
  detail::acquire_in<lease> acquire(std::move(impl), deadline, nullptr, asked);
  co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

// Of several io_contexts: which one the caller is on shows only in the coroutine.
asio::awaitable<lease> pool::co_lease_nearby(std::shared_ptr<detail::pool_impl> impl, time_point deadline) {
  const asio::execution_context* const context =
      &asio::query(co_await asio::this_coro::executor, asio::execution::context);
  detail::acquire_in<lease> acquire(std::move(impl), deadline, context);
  if (!acquire.is_ready()) co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

asio::awaitable<void> pool::async_close(std::chrono::nanoseconds patience) {
  return async_close(patience, asio::use_awaitable);
}

void pool::begin_close(const std::shared_ptr<detail::pool_impl>& impl, std::chrono::nanoseconds patience,
                       detail::any_completion<> done) {
  impl->close(patience, std::move(done));
}

void pool::begin_warm_up(const std::shared_ptr<detail::pool_impl>& impl, std::size_t connections,
                         const op_options& options, warm_up_mode mode, admin_completion done) {
  impl->warm_up(connections, options, mode, std::move(done));
}

void pool::begin_pause(const std::shared_ptr<detail::pool_impl>& impl, const op_options& options,
                       admin_completion done) {
  impl->pause(options, std::move(done));
}

namespace {

// Asio's own exception becomes Lido's, with the words.
[[noreturn]] void rethrow(const std::system_error& e, const diagnostics& diag) { throw error(e.code(), diag); }

}  // namespace

asio::awaitable<std::size_t> pool::async_warm_up(std::size_t connections, op_options options, warm_up_mode mode) {
  diagnostics diag;
  options.diag = &diag;
  try {
    co_return co_await async_warm_up(connections, options, mode, asio::use_awaitable);
  } catch (const std::system_error& e) {
    rethrow(e, diag);
  }
}

asio::awaitable<void> pool::async_pause(op_options options) {
  diagnostics diag;
  options.diag = &diag;
  try {
    co_await async_pause(options, asio::use_awaitable);
  } catch (const std::system_error& e) {
    rethrow(e, diag);
  }
}

void pool::resume() noexcept { impl_->resume(); }
pool_readiness pool::readiness() const { return impl_->readiness(); }
close_progress pool::close_progress() const { return impl_->progress(); }

void pool::cancel_all() noexcept { impl_->cancel_all(); }
pool_stats pool::stats() const { return impl_->stats(); }
const std::string& pool::name() const noexcept { return impl_->name(); }
asio::any_io_executor pool::get_executor() const { return impl_->executor(); }

std::function<std::optional<pool_stats>()> pool::stats_source() const {
  return [weak = std::weak_ptr<detail::pool_impl>(impl_)]() -> std::optional<pool_stats> {
    const auto impl = weak.lock();
    if (!impl) return std::nullopt;
    return impl->stats();
  };
}

}  // namespace v0
}  // namespace lido
