#include "pool/host_watch.hpp"

#include <lido/driver/detail/addresses.hpp>
#include <lido/driver/detail/any_completion.hpp>
#include <lido/driver/detail/knobs.hpp>

#include <asio/async_result.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/dispatch.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// A standby whose receiver is not running shows what it has, however old: its lag is the age of that. With one that
// runs and nothing left to replay it is level, however long nobody has written. Everything is qualified, operators and
// types too: the role's search_path is not ours to trust.
std::string_view host_question() noexcept {
  return "SELECT s.r,"
         " CASE WHEN s.r THEN 0"
         " ELSE ('x' OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.pg_walfile_name("
         "pg_catalog.pg_current_wal_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int8 END,"
         " CASE WHEN NOT s.r THEN 0"
         " WHEN pg_catalog.pg_last_wal_replay_lsn() OPERATOR(pg_catalog.>=) pg_catalog.pg_last_wal_receive_lsn()"
         " AND EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver) THEN 0"
         " ELSE coalesce((extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"
         " pg_catalog.pg_last_xact_replay_timestamp()) OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8, 86400000)"
         " END FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) AS s";
}

host_watch::host_watch(const asio::any_io_executor& executor, watch_terms terms, config_source config_now,
                       host_news tell)
    : strand_(asio::make_strand(executor)),
      terms_(std::move(terms)),
      config_now_(std::move(config_now)),
      tell_(std::move(tell)),
      timer_(strand_),
      addresses_(terms_.looks_until_left) {}

void host_watch::start() {
  asio::co_spawn(
      strand_, [self = shared_from_this()] { return self->run(); },
      asio::bind_cancellation_slot(stop_.slot(), [self = shared_from_this()](const std::exception_ptr&) {
        self->session_ = {};  // stopped; or out of memory: the pool goes on without
      }));
}

void host_watch::look_now() {
  asio::dispatch(strand_, [self = shared_from_this()] { self->timer_.cancel(); });
}

void host_watch::stop() {
  asio::dispatch(strand_, [self = shared_from_this()] {
    self->stopped_ = true;
    self->timer_.cancel();
    if (self->forget_look_up_) self->forget_look_up_();
    self->stop_.emit(asio::cancellation_type::terminal);
  });
}

asio::awaitable<void> host_watch::run() {
  while (!stopped_) {
    timer_.expires_after(terms_.interval);
    find_addresses();
    if (terms_.asks) co_await look();
    if (stopped_) co_return;
    std::error_code woken;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
}

asio::awaitable<void> host_watch::look() {
  const bool kept = session_.is_open();  // it may have died since: then once more, with a new one
  for (int attempt = kept ? 0 : 1; attempt < 2 && !stopped_; ++attempt) {
    try {
      if (!session_.is_open() && !co_await connect()) break;
      const result<> answer = co_await session_.async_query(within(terms_.patience), host_question());
      const row only = answer[0];
      core::sighting found;
      found.role = only.get<bool>(0) ? core::endpoint_role::standby : core::endpoint_role::primary;
      found.timeline = static_cast<std::uint32_t>(only.get<std::int64_t>(1));
      found.lag = std::chrono::milliseconds(only.get<std::int64_t>(2));
      tell_.seen(terms_.host, found);
      co_return;
    } catch (const error&) {
      session_ = {};
    }
  }
  if (!stopped_) tell_.unreachable(terms_.host);
}

// With what the pool's own connections go by now: credentials that a hook or a reload gives are the watch's, too.
asio::awaitable<bool> host_watch::connect() {
  using answer = any_completion<std::optional<connect_config>>;
  std::optional<connect_config> config =
      co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::optional<connect_config>)>(
          [this](auto handler) {
            auto done = std::make_shared<answer>(std::move(handler), strand_);
            config_now_([done](std::optional<connect_config> found) { done->post(std::move(found)); });
          },
          asio::use_awaitable);
  if (!config || stopped_) co_return false;
  config->hosts = {terms_.name};
  config->target_session_attrs = target_session_attrs::any;
  session_ = co_await connection::async_connect(*config, within(terms_.patience));
  co_return true;
}

void host_watch::find_addresses() {
  forget_look_up_ = look_up_addresses(strand_, terms_.name, [self = weak_from_this()](std::vector<std::string> found) {
    const auto me = self.lock();
    if (!me || me->stopped_ || found.empty()) return;
    if (const auto all = me->addresses_.found(std::move(found))) me->tell_.addresses(me->terms_.host, *all);
  });
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
