// The shell around session::subscriptions: connects, says LISTEN, and connects again. Everything happens on a strand.
//
//   idle ──first channel──► connecting ──► subscribing ──► listening ──lost──► pausing ──► connecting      any ──►
//   closed
#include "driver/session/subscriptions.hpp"

#include <lido/driver/detail/session.hpp>
#include <lido/driver/listener.hpp>

#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <list>
#include <optional>
#include <random>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::size_t longest_name = 63;  // of an identifier; the server would cut it, and notify under that name

listener_event in_user_terms(session::subscriptions::event e) {
  using kind = session::subscriptions::kind;
  const auto what = e.what == kind::notification ? listener_event::kind::notification
                    : e.what == kind::gap        ? listener_event::kind::gap
                                                 : listener_event::kind::overflow;
  return {what, std::move(e.channel), std::move(e.payload), e.process_id, e.dropped};
}

}  // namespace

class listener_impl final : public session_observer, public std::enable_shared_from_this<listener_impl> {
 public:
  using ended = any_completion<std::error_code>;
  using taken = any_completion<std::error_code, listener_event>;

  listener_impl(const asio::any_io_executor& executor, std::shared_ptr<const session_settings> settings,
                const connect_config& config, listener_options options)
      : strand_(asio::make_strand(executor)),
        settings_(std::move(settings)),
        options_(options),
        connect_timeout_(config.connect_timeout),
        subscriptions_(std::max<std::size_t>(options.max_events, 1), options.max_bytes),
        pause_(options.backoff_min),
        timer_(std::in_place, strand_),
        random_(static_cast<std::uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count())) {}

  void watch_context() {
    on_context_shutdown(strand_, weak_from_this(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->context_is_going();
    });
  }

  const asio::any_io_executor& executor() const noexcept { return strand_; }

  // ---- from users, any thread ----
  std::function<void()> listen(bool wanted, std::string channel, op_options options, ended done) {
    const std::uint64_t id = ++last_id_;
    if (options.deadline == time_point::max()) options.deadline = within(connect_timeout_).deadline;
    on_strand([id, wanted, channel = std::move(channel), deadline = options.deadline,
               done = std::make_shared<ended>(std::move(done))](listener_impl& self) mutable {
      self.begin({id, wanted, std::move(channel), std::move(*done), nullptr}, deadline);
    });
    return canceller_of(id);
  }
  std::function<void()> next(op_options options, taken done) {
    const std::uint64_t id = ++last_id_;
    on_strand([id, deadline = options.deadline, done = std::make_shared<taken>(std::move(done))](
                  listener_impl& self) mutable { self.begin_next(id, deadline, std::move(*done)); });
    return canceller_of(id);
  }
  void close() {
    if (gone_) return;
    asio::post(strand_, [self = shared_from_this()] { self->end(); });
  }

  // ---- from the session ----
  void on_revoked(std::uint64_t /*tenure*/) noexcept override {}
  void on_disconnected(std::error_code, bool) noexcept override {
    on_strand([](listener_impl& self) { self.lost(); });
  }
  void on_cancel(cancel_event, cancel_via) noexcept override {}
  void on_stray_cancel() noexcept override {}
  void on_notice(const diagnostics&) noexcept override {}
  void on_notification(std::string_view channel, std::string_view payload, int process) noexcept override {
    on_strand([channel = std::string(channel), payload = std::string(payload), process](listener_impl& self) {
      self.subscriptions_.received(channel, payload, process);
      self.hand_over();
    });
  }
  bool admit_cancel() noexcept override { return false; }
  void cancel_ended() noexcept override {}

 private:
  enum class state : std::uint8_t { idle, connecting, subscribing, listening, pausing, closed };

  // A LISTEN or UNLISTEN that somebody waits for.
  struct wish {
    std::uint64_t id = 0;
    bool wanted = true;
    std::string channel;
    ended done;
    std::unique_ptr<asio::steady_timer> alarm;
    bool asked = false;  // its statement is under way
  };
  struct waiter {
    std::uint64_t id = 0;
    taken done;
    std::unique_ptr<asio::steady_timer> alarm;
  };

  template <class Function>
  void on_strand(Function f) {
    asio::post(strand_, [weak = weak_from_this(), f = std::move(f)]() mutable {
      if (const auto self = weak.lock()) f(*self);
    });
  }
  std::function<void()> canceller_of(std::uint64_t id) {
    return [weak = weak_from_this(), id] {
      const auto self = weak.lock();
      if (self) self->on_strand([id](listener_impl& on) { on.give_up(id, asio::error::operation_aborted); });
    };
  }
  std::unique_ptr<asio::steady_timer> alarm_for(std::uint64_t id, time_point deadline) {
    if (deadline == time_point::max()) return nullptr;
    auto alarm = std::make_unique<asio::steady_timer>(strand_, deadline);
    alarm->async_wait([weak = weak_from_this(), id](const std::error_code& stopped) {
      const auto self = weak.lock();
      if (!stopped && self) self->give_up(id, errc::timeout);
    });
    return alarm;
  }

  void begin(wish w, time_point deadline) {
    if (state_ == state::closed) return w.done.post(errc::connection_closed);
    if (w.channel.size() > longest_name || w.channel.empty() || w.channel.find('\0') != std::string::npos)
      return w.done.post(errc::not_encodable);
    if (!w.wanted) subscriptions_.leave(w.channel);
    if (w.wanted) subscriptions_.want(w.channel);
    w.alarm = alarm_for(w.id, deadline);
    wishes_.push_back(std::move(w));
    if (state_ == state::idle) connect();
    if (state_ == state::listening) ask_next();
  }

  void begin_next(std::uint64_t id, time_point deadline, taken done) {
    if (waiter_) return done.post(errc::connection_busy, {});
    if (state_ == state::closed && !subscriptions_.any()) return done.post(errc::connection_closed, {});
    waiter_.emplace(waiter{id, std::move(done), alarm_for(id, deadline)});
    hand_over();
  }

  void hand_over() {
    if (!waiter_ || !subscriptions_.any()) return;
    waiter w = std::move(*waiter_);
    waiter_.reset();
    w.done.post({}, in_user_terms(*subscriptions_.next()));
  }

  void give_up(std::uint64_t id, std::error_code why) {
    if (waiter_ && waiter_->id == id) {
      waiter w = std::move(*waiter_);
      waiter_.reset();
      return w.done.post(why, {});
    }
    const auto found = std::ranges::find(wishes_, id, &wish::id);
    if (found == wishes_.end()) return;
    if (found->wanted) refuse(found->channel);
    ended done = std::move(found->done);
    if (found->asked) {
      found->id = 0;  // its answer is still owed
    } else {
      wishes_.erase(found);
    }
    if (done) done.post(why);
  }
  // Not listened to after all, unless somebody else wants it, too.
  void refuse(const std::string& channel) {
    const auto same = [&](const wish& w) { return w.wanted && w.channel == channel && w.done; };
    if (std::ranges::count_if(wishes_, same) <= 1) subscriptions_.leave(channel);
  }

  // Certificates and keys as they are now; those that cannot be read leave the ones before them in use.
  void renew_settings() {
    if (!settings_->tls) return;
    std::error_code ec;
    std::string why;
    if (auto fresh = make_session_settings(settings_->config, ec, why)) settings_ = std::move(fresh);
  }

  void connect() {
    if (ever_connected_ || state_ == state::pausing) renew_settings();
    state_ = state::connecting;
    attempt_ = connect_session(strand_, settings_, make_deadline_queue(strand_),
                               std::weak_ptr<session_observer>(shared_from_this()),
                               [weak = weak_from_this()](const connect_result& made) {
                                 if (const auto self = weak.lock()) self->connected(made);
                               });
  }

  void connected(const connect_result& made) {
    attempt_.reset();
    if (state_ != state::connecting) {
      if (made.session) made.session->close_now();
      return;
    }
    if (!made.session) {
      if (!is_retryable(made.error) && !ever_connected_) return fail_all(made.error);
      return pause();
    }
    ever_connected_ = true;
    session_ = made.session;
    state_ = state::subscribing;
    for (wish& w : wishes_) w.asked = true;
    const std::string text = subscriptions_.listen_to_all();
    if (text.empty()) return subscribed({});
    session_->run_internal(text, within(connect_timeout_).deadline, answer(&listener_impl::subscribed));
  }

  std::function<void(std::error_code, bool)> answer(void (listener_impl::*then)(std::error_code)) {
    return [weak = weak_from_this(), then](std::error_code ec, bool) {
      const auto self = weak.lock();
      if (self) self->on_strand([ec, then](listener_impl& on) { (on.*then)(ec); });
    };
  }

  void subscribed(std::error_code ec) {
    if (state_ != state::subscribing) return;
    if (ec) {
      end_asked(is_disconnect(ec) ? std::error_code{} : ec);
      return drop_session();
    }
    pause_ = options_.backoff_min;
    state_ = state::listening;
    subscriptions_.subscribed_again();
    end_asked({});
    hand_over();
    ask_next();
    keep_alive();
  }

  // Of those whose statement was under way: answered. With an error they are not listened to.
  void end_asked(std::error_code ec) {
    for (auto at = wishes_.begin(); at != wishes_.end();) {
      if (!at->asked) {
        ++at;
        continue;
      }
      if (ec && at->wanted) refuse(at->channel);
      if (at->done) at->done.post(ec);
      at = wishes_.erase(at);
    }
  }

  // One statement at a time.
  void ask_next() {
    if (state_ != state::listening || busy_ || wishes_.empty()) return;
    wish& first = wishes_.front();
    first.asked = true;
    busy_ = true;
    const std::string text = (first.wanted ? "LISTEN " : "UNLISTEN ") + session::quoted_name(first.channel);
    session_->run_internal(text, within(connect_timeout_).deadline, answer(&listener_impl::asked));
  }
  void asked(std::error_code ec) {
    busy_ = false;
    if (state_ != state::listening) return;
    if (ec && is_disconnect(ec)) return drop_session();
    end_asked(ec);
    ask_next();
  }

  void keep_alive() {
    timer_->expires_after(options_.keepalive);
    timer_->async_wait([weak = weak_from_this()](const std::error_code& stopped) {
      const auto self = weak.lock();
      if (!stopped && self && self->state_ == state::listening) self->ping();
    });
  }
  void ping() {
    if (busy_) return keep_alive();
    busy_ = true;
    session_->ping(within(connect_timeout_).deadline, [weak = weak_from_this()](std::error_code ec) {
      const auto self = weak.lock();
      if (self) self->on_strand([ec](listener_impl& on) { on.pinged(ec); });
    });
  }
  void pinged(std::error_code ec) {
    busy_ = false;
    if (state_ != state::listening) return;
    if (ec) return drop_session();
    ask_next();
    keep_alive();
  }

  void drop_session() {
    const auto gone = std::exchange(session_, nullptr);
    if (gone) gone->close_now();
    pause();
  }
  void lost() {
    if (state_ == state::subscribing || state_ == state::listening) drop_session();
  }

  void pause() {
    busy_ = false;
    for (wish& w : wishes_) w.asked = false;  // asked again by the next connection
    std::erase_if(wishes_, [](const wish& w) { return !w.done; });
    subscriptions_.connection_lost();
    state_ = state::pausing;
    std::uniform_int_distribution<std::int64_t> jitter(0, std::max<std::int64_t>(pause_.count(), 1));
    timer_->expires_after(std::chrono::nanoseconds(jitter(random_)));
    pause_ = std::min(pause_ * 2, options_.backoff_max);
    timer_->async_wait([weak = weak_from_this()](const std::error_code& stopped) {
      const auto self = weak.lock();
      if (!stopped && self && self->state_ == state::pausing) self->connect();
    });
  }

  // Never connected, and it would not help to try again.
  void fail_all(std::error_code why) {
    state_ = state::idle;
    auto wishes = std::move(wishes_);
    wishes_.clear();
    for (wish& w : wishes) {
      subscriptions_.leave(w.channel);
      if (w.done) w.done.post(why);
    }
  }

  void end() {
    if (state_ == state::closed) return;
    state_ = state::closed;
    if (timer_) timer_->cancel();
    if (attempt_) attempt_->cancel();
    if (session_) session_->close_now();
    session_.reset();
    for (wish& w : wishes_) {
      if (w.done) w.done.post(errc::connection_closed);
    }
    wishes_.clear();
    if (waiter_) {
      waiter w = std::move(*waiter_);
      waiter_.reset();
      w.done.post(errc::connection_closed, {});
    }
  }

  // I28: handlers are destroyed, nothing is called; timers must not outlive their io_context.
  void context_is_going() {
    gone_ = true;
    state_ = state::closed;
    wishes_.clear();
    waiter_.reset();
    timer_.reset();
    session_.reset();
  }

  const asio::any_io_executor strand_;
  std::shared_ptr<const session_settings> settings_;  // on the strand
  const listener_options options_;
  const std::chrono::nanoseconds connect_timeout_;
  std::atomic<std::uint64_t> last_id_{0};
  std::atomic<bool> gone_ = false;  // the io_context: nothing can be posted any more

  // on the strand
  state state_ = state::idle;
  session::subscriptions subscriptions_;
  std::shared_ptr<managed_session> session_;
  std::shared_ptr<connect_attempt> attempt_;
  std::list<wish> wishes_;
  std::optional<waiter> waiter_;
  std::chrono::nanoseconds pause_;
  std::optional<asio::steady_timer> timer_;
  std::minstd_rand random_;
  bool busy_ = false;
  bool ever_connected_ = false;
};

}  // namespace detail

listener::listener(asio::any_io_executor executor, connect_config config, listener_options options) {
  std::error_code ec;
  diagnostics diag;
  const connect_config kept = config;
  auto settings = detail::make_session_settings(std::move(config), ec, diag.context);
  if (!settings) throw error(ec, std::move(diag));
  impl_ = std::make_shared<detail::listener_impl>(executor, std::move(settings), kept, options);
  impl_->watch_context();
}

listener& listener::operator=(listener&& other) noexcept {
  if (this != &other) close();
  impl_ = std::move(other.impl_);
  return *this;
}

void listener::close() noexcept {
  if (impl_) impl_->close();
}

asio::any_io_executor listener::executor_of(const impl_ptr& on) { return on->executor(); }

std::function<void()> listener::begin_listen(const impl_ptr& on, std::string channel, op_options options, ended done) {
  return on->listen(true, std::move(channel), options, std::move(done));
}
std::function<void()> listener::begin_unlisten(const impl_ptr& on, std::string channel, op_options options,
                                               ended done) {
  return on->listen(false, std::move(channel), options, std::move(done));
}
std::function<void()> listener::begin_next(const impl_ptr& on, std::string, op_options options, taken done) {
  return on->next(options, std::move(done));
}

asio::awaitable<void> listener::async_listen(std::string channel, op_options options) {
  std::error_code ec;
  co_await async_listen_with(asio::redirect_error(asio::use_awaitable, ec), std::move(channel), options);
  if (ec) throw error(ec);
}
asio::awaitable<void> listener::async_unlisten(std::string channel, op_options options) {
  std::error_code ec;
  co_await async_unlisten_with(asio::redirect_error(asio::use_awaitable, ec), std::move(channel), options);
  if (ec) throw error(ec);
}
asio::awaitable<listener_event> listener::async_next(op_options options) {
  std::error_code ec;
  listener_event e = co_await async_next_with(asio::redirect_error(asio::use_awaitable, ec), options);
  if (ec) throw error(ec);
  co_return e;
}

}  // namespace v0
}  // namespace lido
