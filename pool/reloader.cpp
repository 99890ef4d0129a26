#include "pool/registry_impl.hpp"

#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include <csignal>
#include <utility>

namespace lido {
inline namespace v0 {

class reloader::impl : public std::enable_shared_from_this<impl> {
 public:
  impl(const asio::any_io_executor& executor, std::weak_ptr<pool_registry::impl> pools, options how)
      : pools_(std::move(pools)), how_(std::move(how)), timer_(executor), signals_(executor) {}

  void start() {
    const std::lock_guard guard(mutex_);
    if (how_.interval > std::chrono::nanoseconds::zero()) wait();
    if (!how_.on_sighup) return;
    signals_.add(SIGHUP);
    wait_for_signal();
  }

  void stop() noexcept {
    const std::lock_guard guard(mutex_);
    stopped_ = true;
    asio::error_code ignored;
    signals_.cancel(ignored);
    try {
      timer_.cancel();
    } catch (const std::exception&) {  // only when the reactor is out of memory; its handler finds stopped_
      return;
    }
  }

  reload_result reload() {
    const auto pools = pools_.lock();
    if (!pools) {
      reload_result gone;
      gone.error = "the registry is gone";
      return gone;
    }
    reload_result result = pools->reload();
    tell(result, *pools);
    return result;
  }

 private:
  void wait() {
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(how_.interval));
    timer_.async_wait([weak = weak_from_this()](const asio::error_code& ec) {
      const auto self = weak.lock();
      if (ec || !self) return;
      const auto pools = self->pools_.lock();
      if (!pools) return;
      if (pools->files_changed()) self->reload();
      const std::lock_guard guard(self->mutex_);
      if (!self->stopped_) self->wait();
    });
  }

  void wait_for_signal() {
    signals_.async_wait([weak = weak_from_this()](const asio::error_code& ec, int) {
      const auto self = weak.lock();
      if (ec || !self) return;
      self->reload();
      const std::lock_guard guard(self->mutex_);
      if (!self->stopped_) self->wait_for_signal();
    });
  }

  // Foreign code: no lock is held, and what it throws ends here, counted (I27). Each call by itself: a log that throws
  // at one line loses that line, and nobody else's news.
  void tell(const reload_result& result, pool_registry::impl& whose) noexcept {
    if (!result.ok) say(whose, [&] { return "configuration not reloaded, nothing changed: " + result.error; });
    for (const auto& of : result.pools) {
      for (const knob_change& c : of.changes) say(whose, [&] { return "pool " + of.pool + ": " + to_text(c); });
    }
    if (how_.on_reload) contained(whose, [&] { how_.on_reload(result); });
  }

  template <class Line>
  void say(pool_registry::impl& whose, Line line) noexcept {
    if (how_.log) contained(whose, [&] { how_.log(line()); });
  }

  template <class Call>
  static void contained(pool_registry::impl& whose, Call call) noexcept {
    try {
      call();
    } catch (...) {
      whose.sink_failed();
    }
  }

  const std::weak_ptr<pool_registry::impl> pools_;
  const options how_;
  std::mutex mutex_;  // of timer and signals, which stop() may touch from another thread
  asio::steady_timer timer_;
  asio::signal_set signals_;
  bool stopped_ = false;
};

reloader::reloader(asio::any_io_executor executor, pool_registry& pools)
    : reloader(std::move(executor), pools, options{}) {}

reloader::reloader(asio::any_io_executor executor, pool_registry& pools, options how)
    : impl_(std::make_shared<impl>(executor, pools.impl_, std::move(how))) {
  impl_->start();
}

reloader::~reloader() { impl_->stop(); }

reload_result reloader::reload() { return impl_->reload(); }
void reloader::stop() noexcept { impl_->stop(); }

}  // namespace v0
}  // namespace lido
