#include "pool/pool_hosts.hpp"
#include "pool/pool_impl.hpp"

#include <lido/pool/pool.hpp>

#include <asio/this_coro.hpp>

#include <algorithm>
#include <array>
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

asio::awaitable<lease> pool::async_acquire(const acquire_options& options) {
  return co_lease_nearby({impl_, detail::terms_of(*impl_, options)});
}

// None was idle when it was asked for.
asio::awaitable<lease> pool::co_lease(detail::acquire_in<lease> acquire) {
  co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

// Of several io_contexts: which one the caller is on shows only in the coroutine. The same way serves for all who say
// more than a deadline.
asio::awaitable<lease> pool::co_lease_nearby(detail::acquire_in<lease> acquire) {
  acquire.prefer(&asio::query(co_await asio::this_coro::executor, asio::execution::context));
  if (!acquire.is_ready()) co_await acquire.wait();
  co_return std::move(acquire.lease_or_throw());
}

asio::awaitable<void> pool::async_close(std::chrono::nanoseconds patience) {
  return async_close(patience, asio::use_awaitable);
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

namespace {

// Both lanes are at rest, or one has failed: told once both have ended, so that a lease of either counts.
struct both_paused {
  struct lane_end {
    std::error_code error;
    std::size_t connections = 0;
    diagnostics words;
  };
  std::array<lane_end, 2> lanes;
  std::atomic<int> open{2};
  diagnostics* diag = nullptr;
  detail::any_completion<std::error_code, std::size_t> done;

  void one_has() {
    if (open.fetch_sub(1) != 1) return;
    const auto& [primary, replicas] = lanes;
    if (diag != nullptr && (primary.error || replicas.error)) {
      *diag = primary.error ? primary.words : replicas.words;
      if (primary.error && replicas.error && !replicas.words.context.empty())
        diag->context += (diag->context.empty() ? "" : "; ") + replicas.words.context;
    }
    done.post(primary.error ? primary.error : replicas.error, primary.connections + replicas.connections);
  }
};

}  // namespace

void pool::begin_pause(const std::shared_ptr<detail::pool_impl>& impl,
                       const std::shared_ptr<detail::pool_impl>& replicas, op_options options, admin_completion done) {
  if (!replicas) return impl->pause(options, std::move(done));
  // One wait for both.
  if (options.deadline == time_point::max()) options.deadline = within(impl->config()->acquire_timeout).deadline;
  auto both = std::make_shared<both_paused>();
  both->diag = options.diag;
  both->done = std::move(done);
  const std::array lanes{impl, replicas};
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    options.diag = &both->lanes[i].words;
    lanes[i]->pause(options, admin_completion(
                                 [both, i](std::error_code ec, std::size_t connections) {
                                   both->lanes[i].error = ec;
                                   both->lanes[i].connections = connections;
                                   both->one_has();
                                 },
                                 lanes[i]->executor()));
  }
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
void pool::retire_connections() noexcept {
  impl_->retire_connections();
  if (replicas_) replicas_->retire_connections();
}
pool_readiness pool::readiness() const { return impl_->readiness(); }
close_progress pool::close_progress() const {
  auto all = impl_->progress();
  if (!replicas_) return all;
  const auto more = replicas_->progress();
  all.phase = std::min(all.phase, more.phase);
  all.leased += more.leased;
  all.recovering += more.recovering;
  all.closing += more.closing;
  all.until_forced = std::max(all.until_forced, more.until_forced);
  return all;
}

pool_stats pool::stats() const { return impl_->stats(); }
const std::string& pool::name() const noexcept { return impl_->name(); }
asio::any_io_executor pool::get_executor() const { return impl_->executor(); }

pool_stats pool::replica_stats() const { return replicas_ ? replicas_->stats() : pool_stats{}; }

}  // namespace v0
}  // namespace lido
