// Acquires by role: a replica that may serve, or the primary in its place.
#include "pool/pool_impl.hpp"

#include <lido/pool/pool.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/dispatch.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>
#include <exception>
#include <iterator>
#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {

asio::awaitable<lease> pool::async_acquire(role which, op_options options, std::source_location where) {
  return async_acquire(which, std::chrono::nanoseconds::max(), options, where);
}

asio::awaitable<lease> pool::async_acquire(role which, std::chrono::nanoseconds max_lag, op_options options,
                                           std::source_location where) {
  if (which == role::primary || !replicas_) return async_acquire(options, where);
  const detail::acquire_terms terms = detail::terms_of(options, where);
  return co_replica(replicas_, impl_, max_lag, terms, terms);
}

asio::awaitable<lease> pool::async_acquire(role which, const acquire_options& options) {
  return async_acquire(which, std::chrono::nanoseconds::max(), options);
}

asio::awaitable<lease> pool::async_acquire(role which, std::chrono::nanoseconds max_lag,
                                           const acquire_options& options) {
  if (which == role::primary || !replicas_) return async_acquire(options);
  return co_replica(replicas_, impl_, max_lag, detail::terms_of(*replicas_, options),
                    detail::terms_of(*impl_, options));
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
                                        detail::acquire_terms terms, detail::acquire_terms on_primary) {
  const asio::execution_context* context = nullptr;
  if (replicas->prefers_shards()) context = &asio::query(co_await asio::this_coro::executor, asio::execution::context);
  const auto how = replicas->config();
  const bool falls_back = how->replica.fallback == replica_fallback::primary;
  // One wait, however many lanes it takes (I5).
  if (terms.deadline == time_point::max()) terms.deadline = on_primary.deadline = within(how->acquire_timeout).deadline;
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
  detail::acquire_in<lease> acquire(std::move(primary), on_primary, context);
  if (!acquire.is_ready()) co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

namespace {

// With a handler: the coroutine's end is the handler's.
struct role_acquire {
  detail::any_completion<std::error_code, lease> done;
  diagnostics* diag;
  asio::cancellation_signal stop;

  void end(const std::exception_ptr& failure, lease db) {
    std::error_code ec;
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const error& e) {
      ec = e.code();
      if (diag != nullptr) *diag = e.diag();
    } catch (const std::system_error& e) {
      ec = e.code();
    } catch (const std::exception&) {
      ec = std::make_error_code(std::errc::not_enough_memory);
    }
    done.post(ec, std::move(db));
  }
};

}  // namespace

std::function<void()> pool::begin_replica(std::shared_ptr<detail::pool_impl> replicas,
                                          std::shared_ptr<detail::pool_impl> primary, std::chrono::nanoseconds max_lag,
                                          const acquire_options& options, const asio::any_io_executor& executor,
                                          role_completion done) {
  auto state = std::make_shared<role_acquire>(std::move(done), options.plain().diag);
  const auto terms = detail::terms_of(*replicas, options);
  const auto on_primary = detail::terms_of(*primary, options);
  asio::co_spawn(executor, co_replica(std::move(replicas), std::move(primary), max_lag, terms, on_primary),
                 asio::bind_cancellation_slot(state->stop.slot(), [state](const std::exception_ptr& failure, lease db) {
                   state->end(failure, std::move(db));
                 }));
  return [executor, weak = std::weak_ptr<role_acquire>(state)] {
    asio::dispatch(executor, [weak] {
      if (const auto self = weak.lock()) self->stop.emit(asio::cancellation_type::terminal);
    });
  };
}

std::vector<lease_holder> pool::holders() const {
  auto all = impl_->holders();
  if (!replicas_) return all;
  auto more = replicas_->holders();
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  std::ranges::sort(all, [](const lease_holder& a, const lease_holder& b) { return a.held > b.held; });
  return all;
}

}  // namespace v0
}  // namespace lido
