// The user's hooks in a connection's life. Each is given a lido::connection with a tenure of its own: when the hook's
// time is over, nothing that it kept can touch the session any more.
#include "pool/hook_run.hpp"
#include "pool/member.hpp"
#include "pool/pool_impl.hpp"

#include <algorithm>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

using plain_hook = std::function<asio::awaitable<void>(connection&)>;

asio::awaitable<bool> passing(const plain_hook& hook, connection& db) {
  co_await hook(db);
  co_return true;
}

asio::awaitable<bool> passing(const decltype(pool_hooks::before_connect)& hook, connect_config& config) {
  co_await hook(config);
  co_return true;
}

diagnostics words_of(pool_hook which, const std::string& words) {
  diagnostics diag;
  diag.context = "the hook " + std::string(to_string(which)) + ": " + words;
  return diag;
}

}  // namespace

void pool_impl::hook_failed(pool_hook which, const std::string& words) noexcept {
  counters_.hook_failed(which);
  sink_.line(stats::topic::hook, "pool " + name_ + ": " + words_of(which, words).context,
             std::chrono::steady_clock::now());
}

void pool_impl::run_hook_with(const std::shared_ptr<pool_member>& who, pool_hook which,
                              std::chrono::nanoseconds patience, hooked_end done) {
  const auto session = who->session;
  const std::uint64_t tenure = session->begin_tenure();
  const auto db = std::make_shared<connection>(session_handle{session, tenure});
  run_hook(
      session->executor(), patience, [self = shared_from_this(), db, which] { return self->call_hook(which, *db); },
      [self = shared_from_this(), session, tenure, which, done = std::move(done)](hook_end how,
                                                                                  const std::string& words) {
        const session_condition left = session->end_tenure(tenure).condition;
        session->look_for_end();
        if (how == hook_end::failed || how == hook_end::timed_out) self->hook_failed(which, words);
        done(how, left, words);
      });
}

asio::awaitable<bool> pool_impl::call_hook(pool_hook which, connection& db) const {
  switch (which) {
    case pool_hook::before_connect: break;  // it has no connection yet
    case pool_hook::after_connect: return passing(hooks_.after_connect, db);
    case pool_hook::before_acquire: return hooks_.before_acquire(db);
    case pool_hook::after_release: return passing(hooks_.after_release, db);
    case pool_hook::before_close: return passing(hooks_.before_close, db);
  }
  throw error(errc::invalid_config);
}

// ---- before_connect ----

void pool_impl::run_before_connect(core::shard_id on,
                                   std::function<void(const connect_config*, const std::string&)> done) {
  const auto asked = std::make_shared<connect_config>(config()->connect);
  run_hook(
      shards_[on].executor, config()->hook_timeout,
      [self = shared_from_this(), asked] { return passing(self->hooks_.before_connect, *asked); },
      [self = shared_from_this(), asked, done = std::move(done)](hook_end how, const std::string& words) {
        if (how != hook_end::passed) self->hook_failed(pool_hook::before_connect, words);
        done(how == hook_end::passed ? asked.get() : nullptr, words);
      });
}

void pool_impl::ask_for_credentials(core::shard_id on, std::function<void(recovery::credentials)> done) {
  if (!hooks_.before_connect) return done({settings_for_connect(), {}, {}});
  run_before_connect(
      on, [self = shared_from_this(), done = std::move(done)](const connect_config* changed, const std::string& words) {
        recovery::credentials got;
        if (changed != nullptr) {
          got.settings = with_credentials(*self->settings_for_connect(), *changed, got.error, got.diag.context);
        } else {
          got.error = errc::connect_failed;
          got.diag = words_of(pool_hook::before_connect, words);
        }
        done(std::move(got));
      });
}

void pool_impl::ask_for_config(std::function<void(std::optional<connect_config>)> done) {
  if (!hooks_.before_connect) return done(config()->connect);
  run_before_connect(0, [self = shared_from_this(), done = std::move(done)](const connect_config* changed,
                                                                            const std::string& /*words*/) {
    if (changed == nullptr) return done(std::nullopt);
    connect_config now = self->config()->connect;
    if (now.database.empty()) now.database = now.user;  // not the new user's
    now.user = changed->user;
    now.password = changed->password;
    done(std::move(now));
  });
}

// ---- after_connect ----

void pool_impl::set_up(const std::shared_ptr<pool_member>& who) {
  run_hook_with(who, pool_hook::after_connect, config()->hook_timeout,
                [self = shared_from_this(), who](hook_end how, session_condition left, const std::string& words) {
                  if (how == hook_end::passed && is_in_order(left)) {
                    who->session->keep_state();  // what it has set is every user's
                    return self->ready(*who);
                  }
                  const bool untidy = how == hook_end::passed;
                  const std::string why = untidy ? "it left the connection in a transaction, or unusable" : words;
                  if (untidy) self->hook_failed(pool_hook::after_connect, why);
                  self->give_up_newborn(who, words_of(pool_hook::after_connect, why));
                });
}

// The slot stays `connecting` until the server has ended its side: max_size holds as the server counts it (I9).
void pool_impl::give_up_newborn(const std::shared_ptr<pool_member>& who, diagnostics why) {
  if (!is_wanted(*who)) return;  // it is being closed already
  counters_.closed(close_reason::hook_failed);
  who->session->close(within(config()->connect.close_timeout).deadline,
                      [self = shared_from_this(), who, why = std::move(why)](bool) {
                        self->connect_failed(*who, errc::connect_failed, why, false);
                      });
}

bool pool_impl::is_wanted(const pool_member& who) const {
  const lock guard(mutex_);
  return !gone_ && members_[who.id.index].get() == &who && !who.reason;
}

// ---- before_acquire ----

void pool_impl::inspect(const std::shared_ptr<pool_member>& who) {
  run_hook_with(who, pool_hook::before_acquire, config()->hook_timeout,
                [self = shared_from_this(), who](hook_end how, session_condition left, const std::string&) {
                  const bool good = how == hook_end::passed && is_in_order(left);
                  self->tell([&](core::pool_core& c, core::action_list& out) {
                    c.validated(who->id, good, std::chrono::steady_clock::now(), out, core::close_reason::vetoed);
                  });
                });
}

// ---- after_release ----

void pool_impl::after_release(const std::shared_ptr<pool_member>& who, recovery::verdict so_far,
                              const std::function<void(recovery::verdict)>& done) {
  run_hook_with(
      who, pool_hook::after_release, config()->hook_timeout,
      [self = shared_from_this(), who, so_far, done](hook_end how, session_condition left, const std::string&) mutable {
        if (how == hook_end::passed && left != session_condition::clean)
          return std::make_shared<recovery::recovery>(who->session, self->recovery_now(), done)->start();
        if (how != hook_end::passed) {
          so_far.usable = false;
          so_far.reason = close_reason::hook_failed;
        }
        done(so_far);
      });
}

// ---- before_close ----

void pool_impl::say_goodbye(const std::shared_ptr<pool_member>& who, const std::function<void(bool)>& closed) {
  const auto budget = config()->connect.close_timeout;
  const auto deadline = within(budget).deadline;
  run_hook_with(who, pool_hook::before_close, std::min(config()->hook_timeout, budget / 2),
                [who, deadline, closed](hook_end, session_condition, const std::string&) {
                  who->session->close(deadline, closed);
                });
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
