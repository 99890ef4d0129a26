#include "pool/pool_hosts.hpp"
#include "pool/pool_impl.hpp"

#include <lido/pool/pool.hpp>

#include <asio/this_coro.hpp>

#include <atomic>

namespace lido {
inline namespace v0 {

pool::pool(asio::any_io_executor executor, pool_config config)
    : pool(std::vector{std::move(executor)}, std::move(config)) {}

pool::pool(std::vector<asio::any_io_executor> executors, pool_config config)
    : impl_(std::make_shared<detail::pool_impl>(executors, detail::primary_lane(config))) {
  const bool with_replicas = config.replica.max_size > 0;
  if (with_replicas)
    replicas_ = std::make_shared<detail::pool_impl>(std::move(executors), detail::replica_lane(std::move(config)),
                                                    detail::pool_impl::lane::replicas);
  impl_->start();
  if (replicas_) replicas_->start();
}

pool& pool::operator=(pool&& other) noexcept {
  if (this == &other) return *this;
  if (impl_) impl_->destroy();
  if (replicas_) replicas_->destroy();
  impl_ = std::move(other.impl_);
  replicas_ = std::move(other.replicas_);
  return *this;
}

pool::~pool() {
  if (impl_) impl_->destroy();
  if (replicas_) replicas_->destroy();
}

lease pool::try_acquire(std::source_location where) noexcept {
  time_point asked;
  return lease(impl_->try_acquire(impl_, where, asked));
}

namespace {

asio::awaitable<lease> co_ready(lease db) { co_return std::move(db); }

}  // namespace

asio::awaitable<lease> pool::async_acquire(op_options options, std::source_location where) {
  if (impl_->prefers_shards()) return co_lease_nearby(impl_, detail::terms_of(options, where));
  time_point asked{};
  if (impl_->may_have_idle()) {
    if (detail::lent* const ready = impl_->try_acquire(impl_, where, asked)) return co_ready(lease(ready));
  }
  return co_lease(impl_, detail::terms_of(options, where), asked);
}

asio::awaitable<lease> pool::async_acquire(const acquire_options& options) {
  return co_lease_nearby(impl_, detail::terms_of(*impl_, options));
}

// None was idle when it was asked for.
asio::awaitable<lease> pool::co_lease(std::shared_ptr<detail::pool_impl> impl, detail::acquire_terms terms,
                                      time_point asked) {
  detail::acquire_in<lease> acquire(std::move(impl), terms, nullptr, asked);
  co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

// Of several io_contexts: which one the caller is on shows only in the coroutine. The same way serves for all who say
// more than a deadline.
asio::awaitable<lease> pool::co_lease_nearby(std::shared_ptr<detail::pool_impl> impl, detail::acquire_terms terms) {
  const asio::execution_context* const context =
      &asio::query(co_await asio::this_coro::executor, asio::execution::context);
  detail::acquire_in<lease> acquire(std::move(impl), terms, context);
  if (!acquire.is_ready()) co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

asio::awaitable<void> pool::async_close(std::chrono::nanoseconds patience) {
  return async_close(patience, asio::use_awaitable);
}

// ---- replicas ----

asio::awaitable<lease> pool::async_acquire(role which, op_options options, std::source_location where) {
  return async_acquire(which, std::chrono::nanoseconds::max(), options, where);
}

asio::awaitable<lease> pool::async_acquire(role which, std::chrono::nanoseconds max_lag, op_options options,
                                           std::source_location where) {
  if (which == role::primary || !replicas_) return async_acquire(options, where);
  return co_replica(replicas_, impl_, max_lag, detail::terms_of(options, where));
}

namespace {

// The replicas' own trouble: the primary can help. Anything else is the caller's affair, or the pool's end.
bool is_for_the_primary(const std::error_code& ec) {
  return ec != asio::error::operation_aborted && ec != errc::pool_closed && ec != errc::acquire_timeout &&
         ec != errc::too_many_waiters && ec != errc::overloaded;
}

[[noreturn]] void throw_too_far_behind() {
  diagnostics diag;
  diag.context = "the replica is further behind than the max_lag that was asked for, and replica.fallback is none";
  throw error(errc::wrong_server_role, std::move(diag));
}

}  // namespace

asio::awaitable<lease> pool::co_replica(std::shared_ptr<detail::pool_impl> replicas,
                                        std::shared_ptr<detail::pool_impl> primary, std::chrono::nanoseconds max_lag,
                                        detail::acquire_terms terms) {
  const asio::execution_context* context = nullptr;
  if (replicas->prefers_shards()) context = &asio::query(co_await asio::this_coro::executor, asio::execution::context);
  const bool falls_back = replicas->config()->replica.fallback == replica_fallback::primary;
  if (!falls_back || replicas->may_serve()) {
    detail::acquire_in<lease> acquire(replicas, terms, context);
    if (!acquire.is_ready()) co_await acquire.wait();
    const std::error_code failure = acquire.failure();
    if (!failure) {
      lease db = std::move(acquire.lease_or_throw());
      if (max_lag == std::chrono::nanoseconds::max() || replicas->lag_of(db->handle()) <= max_lag) co_return db;
      if (!falls_back) throw_too_far_behind();
    } else if (!falls_back || !is_for_the_primary(failure)) {
      acquire.lease_or_throw();
    }
  }
  detail::acquire_in<lease> acquire(std::move(primary), terms, context);
  if (!acquire.is_ready()) co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

namespace {

// Both lanes have ended.
struct both_closed {
  std::atomic<int> open{2};
  detail::any_completion<> done;
  void one_has() {
    if (open.fetch_sub(1) == 1) done.post();
  }
};

}  // namespace

void pool::begin_close(const std::shared_ptr<detail::pool_impl>& impl,
                       const std::shared_ptr<detail::pool_impl>& replicas, std::chrono::nanoseconds patience,
                       detail::any_completion<> done) {
  if (!replicas) return impl->close(patience, std::move(done));
  auto both = std::make_shared<both_closed>();
  both->done = std::move(done);
  for (const auto& each : {impl, replicas})
    each->close(patience, detail::any_completion<>([both] { both->one_has(); }, each->executor()));
}

void pool::cancel_all() noexcept {
  impl_->cancel_all();
  if (replicas_) replicas_->cancel_all();
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

void pool::resume() noexcept {
  impl_->resume();
  if (replicas_) replicas_->resume();
}
pool_readiness pool::readiness() const { return impl_->readiness(); }
close_progress pool::close_progress() const { return impl_->progress(); }

pool_stats pool::stats() const { return impl_->stats(); }
std::vector<lease_holder> pool::holders() const { return impl_->holders(); }
const std::string& pool::name() const noexcept { return impl_->name(); }
asio::any_io_executor pool::get_executor() const { return impl_->executor(); }

pool_stats pool::replica_stats() const { return replicas_ ? replicas_->stats() : pool_stats{}; }

}  // namespace v0
}  // namespace lido
