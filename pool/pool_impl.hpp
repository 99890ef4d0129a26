// The pool around its bookkeeping: performs what core::pool_core decides, tells it what happened. One mutex around the
// core, held for tens of nanoseconds, never while calling out (design decision 9). Actions are performed in the order
// in which they were decided, by one thread at a time.
#pragma once

#include "driver/sync.hpp"
#include "pool/core/endpoints.hpp"
#include "pool/core/pool_core.hpp"
#include "pool/hook_run.hpp"
#include "pool/recovery/cancel_budget.hpp"
#include "pool/recovery/control_session.hpp"
#include "pool/recovery/recovery.hpp"
#include "pool/sleep_watch.hpp"
#include "pool/stats/pool_counters.hpp"
#include "pool/stats/sink.hpp"
#include "pool/tag_table.hpp"
#include "pool/thread_cache.hpp"

#include <lido/driver/detail/any_completion.hpp>
#include <lido/driver/detail/session.hpp>
#include <lido/pool/config.hpp>
#include <lido/pool/detail/acquire.hpp>
#include <lido/pool/holders.hpp>
#include <lido/pool/stats.hpp>
#include <lido/pool/warm_up.hpp>

#include <asio/any_io_executor.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

class host_watch;
struct watch_terms;
class pool_member;

// Whose a lease is, when its acquire said so.
struct holder_note {
  std::uint16_t tag = stats::tag_table::none;
  priority worth = priority::normal;
  bool bounds_lease = false;  // its deadline is the lease's, too
};

// Where an acquire stands, besides what the core knows. Guarded by the pool's mutex.
class acquire_node : public core::waiter {
 public:
  enum class owner : std::uint8_t {
    queue,    // the pool's: whoever takes it out must post() it
    claimed,  // somebody has taken it out and posts it, or has done so
  };
  enum class end : std::uint8_t {
    granted,
    aborted,
    closed,
    crowded,
    timed_out,
    refused,
    no_server,
    overloaded,
    nested,
  };

  acquire_node(acquire_op& op, const acquire_terms& terms, time_point deadline, core::shard_id shard)
      : waiter(deadline, shard), note{terms.tag, terms.worth, terms.bounds_lease}, place(terms.place), op_(&op) {
    set_priority(static_cast<core::priority>(terms.worth));
    set_task(terms.task);
  }
  static acquire_node& of(core::waiter& w) noexcept { return static_cast<acquire_node&>(w); }

  acquire_op& op() const noexcept { return *op_; }
  std::error_code error() const noexcept;
  // True for the one who must post() it.
  bool claim() noexcept { return std::exchange(held_by, owner::claimed) == owner::queue; }

  owner held_by = owner::queue;
  end why = end::granted;
  const holder_note note;
  std::uint32_t holds = core::no_slot;  // nested: which connection its task has already
  const std::source_location place;

 private:
  acquire_op* op_;
};

// Somebody who waits for the pool to be warm, or at rest.
struct errand : core::goal {
  errand(core::goal_kind what, std::uint32_t connections, core::time_point until, warm_up_mode how, diagnostics* words,
         any_completion<std::error_code, std::size_t> handler)
      : goal(what, connections, until, how == warm_up_mode::fail_fast),
        mode(how),
        diag(words),
        done(std::move(handler)) {}

  const warm_up_mode mode;
  diagnostics* const diag;
  any_completion<std::error_code, std::size_t> done;
};

class pool_impl final : public deadline_target, public std::enable_shared_from_this<pool_impl> {
 public:
  // A pool with replicas is two of these.
  enum class lane : std::uint8_t { primary, replicas };
  pool_impl(std::vector<asio::any_io_executor> executors, pool_config config, lane which = lane::primary);
  ~pool_impl();
  void start();

  // ---- users ----
  // Null when none is idle, or kept by any thread. `asked` is set to the time.
  [[gnu::hot]] lent* try_books(const std::source_location& where, time_point& asked) noexcept;
  // What this thread has kept of its last lease, or null; of several io_contexts, only if it runs that connection's,
  // and if that is the preferred one or none is.
  lent* take_kept(const std::source_location& where, core::shard_id preference, time_point& asked) noexcept;
  bool try_acquire(acquire_op& op) noexcept;
  // Whether try_acquire() may find one, as of a moment ago and without the mutex: not worth it when all are lent.
  bool may_have_idle() const noexcept { return idle_hint_.load(std::memory_order_relaxed) != 0; }
  // Hot, here and in the core: what every waiter passes through; the linker puts it side by side (docs/performance.md).
  [[gnu::hot]] core::shard_id shard_of(const asio::execution_context* context) const noexcept;
  bool prefers_shards() const noexcept { return sharded_; }
  [[gnu::hot]] void enqueue(acquire_op& op) noexcept;
  void cancel(acquire_op& op) noexcept;
  [[gnu::hot]] bool on_turn(acquire_op& op);
  void forget(acquire_op& op) noexcept;
  [[gnu::hot]] void take_back(lent* what) noexcept;
  void close(std::chrono::nanoseconds patience, any_completion<> done);
  void destroy() noexcept;  // the pool object is gone
  void warm_up(std::size_t connections, const op_options& options, warm_up_mode mode,
               any_completion<std::error_code, std::size_t> done);
  void pause(const op_options& options, any_completion<std::error_code, std::size_t> done);
  void resume() noexcept;
  void retire_connections() noexcept;
  pool_readiness readiness() const;
  close_progress progress() const;
  void cancel_all() noexcept;
  pool_stats stats() const;
  std::vector<lease_holder> holders() const;
  stats::tag_table& tags() noexcept { return tags_; }
  const std::string& name() const noexcept { return name_; }
  const asio::any_io_executor& executor(core::shard_id shard = 0) const noexcept { return shards_[shard].executor; }
  // The present one: reconfigure() puts another in its place.
  std::shared_ptr<const pool_config> config() const {
    const lock guard(mutex_);
    return config_;
  }

  // ---- pool_reconfigure.cpp: another configuration, in two steps so that several pools change together or not at all
  struct prepared {
    std::unique_lock<std::mutex> turn;  // of this pool's reconfigurations
    std::shared_ptr<const pool_config> config;
    std::shared_ptr<const session_settings> settings;  // null: as they are
    std::vector<knob_change> changes;
    bool rolling = false;
    bool other_hosts = false;
    bool other_watches = false;
  };
  // Validates and reads the TLS files; throws, having changed nothing.
  prepared prepare(pool_config next);
  void apply(const prepared& p) noexcept;
  // pool_hosts.cpp, for replicas: whether it is worth asking; how far behind the host is that this was lent of
  bool may_serve() const;
  std::chrono::nanoseconds lag_of(const session_handle& lent) const;

  // ---- news of a member ----
  void on_connected(pool_member& who, connect_result made);
  void on_revoked(pool_member& who, std::uint64_t tenure) noexcept;
  void on_disconnected(pool_member& who, std::error_code ec, bool endpoint) noexcept;
  void on_role(pool_member& who, server_role now, bool read_only) noexcept;  // pool_hosts.cpp, as the next
  void on_read_only_refusal(pool_member& who) noexcept;
  stats::pool_counters& counters() noexcept { return counters_; }
  recovery::cancel_budget& budget() noexcept { return budget_; }
  stats::sink& sink() noexcept { return sink_; }

  void on_deadline(time_point now) noexcept override;

 private:
  struct io_shard {
    asio::any_io_executor executor;
    std::shared_ptr<deadline_queue> deadlines;
    const asio::execution_context* context;
    asio::io_context* io;  // the same, when its executor is an io_context's own
  };
  // outdated: of an earlier configuration, for the connections that it knows; abandoned: its io_context has stopped
  enum class control_use : std::uint8_t { current, outdated, abandoned };
  struct control_entry {
    std::string where;  // the server's address
    core::shard_id shard;
    control_use use;
    std::shared_ptr<recovery::control_session> session;
  };
  enum class shard_state : std::uint8_t { running, stopped, gone };
  // Null for executors that are not an io_context's own: a strand's, a thread_pool's. They cannot be asked.
  static asio::io_context* plain_context(const asio::any_io_executor& executor) noexcept;
  static std::vector<io_shard> make_shards(std::vector<asio::any_io_executor> executors);

  // Calls an event of the core under the mutex, then performs what it decided.
  template <class Event>
  void tell(Event event);
  // What is left to do once the mutex is free.
  struct follow_up {
    acquire_op* granted = nullptr;
    bool performs = false;
    std::uint32_t resting = core::no_slot;      // a connection to be looked at
    std::shared_ptr<pool_impl> pool = nullptr;  // who told may be gone, and with it the last that held the pool
    void look(pool_impl& self, std::uint32_t slot) {
      pool = self.shared_from_this();
      resting = slot;
    }
    void run() const {
      if (granted != nullptr) return granted->post();
      if (performs) pool->work_off();
      if (resting != core::no_slot) pool->look_for_end(resting);
    }
  };
  void settle(follow_up& then) LIDO_REQUIRES(mutex_) {
    note_idle();
    arm();
    if (!decided_.empty()) decide(then);
  }
  [[gnu::hot]] void decide(follow_up& then) LIDO_REQUIRES(mutex_);
  void context_is_going(core::shard_id which) noexcept;
  void let_go() noexcept;  // the last io_context goes: destroy handlers, free sockets
  // pool_shards.cpp: one of several io_contexts stopped or gone (I28)
  void check_shards() noexcept;
  void retire(core::shard_id which) noexcept;
  core::shard_id living(core::shard_id wanted) LIDO_REQUIRES(mutex_);
  std::vector<acquire_op*> take_waiters(core::shard_id which) LIDO_REQUIRES(mutex_);
  acquire_op* sole_grant() LIDO_REQUIRES(mutex_);
  // pool_control.cpp: cancelling without a fork
  std::shared_ptr<recovery::control_session> control_for(const std::shared_ptr<const session_peer>& peer,
                                                         core::shard_id shard);
  recovery::control_channel::admission admission_of(const std::string& where, int pid,
                                                    const std::function<void(bool)>& later);
  void introduce(const std::shared_ptr<pool_member>& who);
  void know(pool_member& who);
  void usable(pool_member& who);
  void reject(const std::shared_ptr<pool_member>& who);
  std::vector<std::shared_ptr<recovery::control_session>> all_controls() const;
  void abandon_controls(core::shard_id which) noexcept;
  void outdate_controls() noexcept LIDO_REQUIRES(mutex_);
  void renew_controls(const pool_config& now, bool rolling) noexcept;
  void close_controls(std::function<void()> done);
  void count_controls(pool_stats& out) const;
  // pool_hosts.cpp: which host, and what becomes of the connections to one that changed
  bool gives_up(const core::pool_core& c) const LIDO_REQUIRES(mutex_);
  host_choice choose_hosts(pool_member& for_whom) LIDO_REQUIRES(mutex_);
  void settle_host(pool_member& who, core::time_point now, core::pool_core& c, core::action_list& out)
      LIDO_REQUIRES(mutex_);
  std::shared_ptr<managed_session> session_of(const pool_member& who);
  static std::vector<watch_terms> watches_of(const pool_config& how);
  void watch_hosts();
  void stop_watches() noexcept;
  void look_at(std::size_t host) noexcept;
  void on_seen(std::uint32_t era, core::endpoint_id host, const core::sighting& what) noexcept;
  void on_addresses(std::uint32_t era, core::endpoint_id host, const std::vector<std::string>& now) noexcept;
  void queue_actions() LIDO_REQUIRES(mutex_);
  void work_off();
  void mind_sleep(core::time_point now) noexcept LIDO_REQUIRES(mutex_) {
    if (sleep_watch_.slept(now)) [[unlikely]]
      core_.time_was_lost(now);
  }
  void note_idle() noexcept LIDO_REQUIRES(mutex_) {
    idle_hint_.store(core_.idle_count() + (cache_.is_open() ? 1 : 0), std::memory_order_relaxed);
  }
  void arm() LIDO_REQUIRES(mutex_) {
    if (core_.next_deadline() < armed_ || force_at_ < armed_ || cache_ends_ < armed_ || sharded_) arm_earlier();
  }
  void arm_earlier() LIDO_REQUIRES(mutex_);
  [[gnu::hot]] void perform(const core::action& a);
  void connect(const core::action& a);
  void open_session(const std::shared_ptr<pool_member>& born, std::shared_ptr<const session_settings> settings);
  void ready(pool_member& who);
  void connect_failed(pool_member& who, std::error_code ec, diagnostics diag, bool permanent);
  void checked(core::slot_id id, const std::error_code& ec);
  void validate(const core::action& a);
  void recover(const core::action& a);
  void close_slot(const core::action& a);
  void finished();
  std::shared_ptr<pool_member> member_at(core::slot_id id);
  // pool_usage.cpp: what went over the connections
  void keep_usage(const pool_member& gone) noexcept LIDO_REQUIRES(mutex_);
  void note_certificates(const certificate_expiry& seen) noexcept LIDO_REQUIRES(mutex_);
  void read_usage(pool_stats& out) const LIDO_REQUIRES(mutex_);
  void read_endpoints(pool_stats& out) const LIDO_REQUIRES(mutex_);
  // pool_supply.cpp
  std::string breaker_words() const LIDO_REQUIRES(mutex_);
  std::string last_failure() const LIDO_REQUIRES(mutex_);
  std::uint32_t leases_out() const LIDO_REQUIRES(mutex_);
  void await(std::unique_ptr<errand> what);
  void goal_ended(core::goal& goal);
  std::error_code verdict_on(const errand& what) const LIDO_REQUIRES(mutex_);
  diagnostics words_for(const errand& what, std::size_t ready) const LIDO_REQUIRES(mutex_);
  void restock() noexcept;
  // pool_hooks.cpp
  using hooked_end = std::function<void(hook_end how, session_condition left, const std::string& words)>;
  // Quiet and outside a transaction.
  static bool is_in_order(session_condition c) noexcept {
    return c == session_condition::clean || c == session_condition::soiled;
  }
  void hook_failed(pool_hook which, const std::string& words) noexcept;
  void run_hook_with(const std::shared_ptr<pool_member>& who, pool_hook which, std::chrono::nanoseconds patience,
                     hooked_end done);
  asio::awaitable<bool> call_hook(pool_hook which, connection& db) const;
  // Who a connect of this moment goes as: perhaps within the call, perhaps never when the io_context goes.
  void ask_for_credentials(core::shard_id on, std::function<void(recovery::credentials)> done);
  // The same as a configuration, for sessions that are none of the pool's connections; none: the hook failed.
  void ask_for_config(std::function<void(std::optional<connect_config>)> done);
  void run_before_connect(core::shard_id on,
                          std::function<void(const connect_config* changed, const std::string& words)> done);
  void set_up(const std::shared_ptr<pool_member>& who);
  void give_up_newborn(const std::shared_ptr<pool_member>& who, diagnostics why);
  bool is_wanted(const pool_member& who) const;
  void inspect(const std::shared_ptr<pool_member>& who);
  void after_release(const std::shared_ptr<pool_member>& who, recovery::verdict so_far,
                     const std::function<void(recovery::verdict)>& done);
  void say_goodbye(const std::shared_ptr<pool_member>& who, const std::function<void(bool)>& closed);
  lent* lend_idle(core::shard_id preference, core::time_point asked, const std::source_location& where,
                  holder_note note) noexcept;
  loan* lend(const core::lease_id& id, const std::source_location& place, holder_note note) LIDO_REQUIRES(mutex_);
  core::condition returned_as(session_condition now) const noexcept;  // where it is used, and nowhere else
  core::condition rested_as(session_condition now) const noexcept;
  void out_of_cache(loan& kept, core::time_point now) noexcept;
  void settle_return(loan& what, core::condition how, bool end_may_hide, core::time_point now) noexcept;
  bool returned(loan& what, core::condition how, core::time_point now) LIDO_REQUIRES(mutex_);
  void look_for_end(std::uint32_t slot) noexcept;
  // pool_keeping.cpp: what threads keep between two leases; not what a waiter was given, who is under way elsewhere
  static bool may_keep(const core::limits& l) noexcept;
  bool keep(loan& what, core::time_point now) noexcept;
  bool runs_here(core::shard_id shard) const noexcept;
  void open_cache(core::time_point now) noexcept LIDO_REQUIRES(mutex_);
  void call_in() noexcept LIDO_REQUIRES(mutex_);
  void book(loan& kept) noexcept LIDO_REQUIRES(mutex_);
  void enter(loan& what) noexcept LIDO_REQUIRES(mutex_);
  void forget_loan_of(pool_member& who) noexcept LIDO_REQUIRES(mutex_);
  bool call_in_others() noexcept;
  void let_go_of_kept() noexcept LIDO_REQUIRES(mutex_);
  bool is_kept(std::uint32_t slot) const LIDO_REQUIRES(mutex_);
  std::uint32_t kept_count() const LIDO_REQUIRES(mutex_);
  core::time_point lent_since(std::uint32_t slot) const LIDO_REQUIRES(mutex_);
  void read_kept(pool_stats& out) const LIDO_REQUIRES(mutex_);
  void tell_beginnings() noexcept LIDO_REQUIRES(mutex_);
  // pool_demand.cpp: who has what, and what is said about it
  std::unique_ptr<acquire_failure> failure_of(const acquire_node& node) const noexcept LIDO_REQUIRES(mutex_);
  std::string what_failed(const acquire_node& node, core::time_point now) const LIDO_REQUIRES(mutex_);
  std::string exhaustion(core::time_point now) const LIDO_REQUIRES(mutex_);
  std::vector<lease_holder> holders_at(core::time_point now) const LIDO_REQUIRES(mutex_);
  lease_holder holder_of(std::uint32_t slot, core::time_point now) const LIDO_REQUIRES(mutex_);
  void told_long(const core::action& a) noexcept;
  void told_slow(const acquire_node& node, std::chrono::nanoseconds waited) noexcept;
  void told_nested(const std::source_location& place, std::uint32_t holds) noexcept;

  core::limits limits_for(const pool_config& c) const;
  static core::condition left_clean(const pool_config& c) noexcept;
  static core::condition left_soiled(const pool_config& c) noexcept;
  std::shared_ptr<const session_settings> settings_for_connect();  // pool_tls_files.cpp
  void give_budgets(managed_session& to) const;
  recovery::settings recovery_now() const {
    const lock guard(mutex_);
    return recovery_;
  }

  std::mutex reconfiguring_;  // held over prepare() and apply(); never taken with mutex_ held
  std::shared_ptr<const pool_config> config_ LIDO_GUARDED_BY(mutex_);
  std::shared_ptr<const session_settings> settings_ LIDO_GUARDED_BY(mutex_);
  recovery::settings recovery_ LIDO_GUARDED_BY(mutex_);
  std::uint64_t configured_ LIDO_GUARDED_BY(mutex_) = 0;                      // how often
  std::string tls_stamps_ LIDO_GUARDED_BY(mutex_);                            // of the TLS files as they were read
  std::string tls_stamps_of_connects_ LIDO_GUARDED_BY(mutex_) = tls_stamps_;  // as read for the latest connect
  const std::string name_;
  const lane lane_;
  // What every acquire and release read, apart from the rest so that they need no lock for it.
  std::atomic<std::chrono::nanoseconds::rep> acquire_timeout_;
  std::atomic<core::condition> when_clean_;   // how a lease comes back that left nothing behind,
  std::atomic<core::condition> when_soiled_;  // and one that did
  const std::vector<io_shard> shards_;
  const bool sharded_;  // more than one
  stats::pool_counters counters_;
  stats::tag_table tags_;
  stats::sink sink_;
  const pool_hooks hooks_;
  recovery::cancel_budget budget_;
  std::atomic<std::uint32_t> idle_hint_{0};
  thread_cache cache_;  // says itself what of it needs the mutex

  mutable mutex mutex_;
  core::pool_core core_ LIDO_GUARDED_BY(mutex_);
  core::endpoints endpoints_ LIDO_GUARDED_BY(mutex_);
  std::uint32_t hosts_era_ LIDO_GUARDED_BY(mutex_) = 0;  // how often the hosts became others
  bool watching_ LIDO_GUARDED_BY(mutex_) = true;
  std::vector<std::shared_ptr<host_watch>> watches_ LIDO_GUARDED_BY(mutex_);  // by host; none: nobody needs to know
  sleep_watch sleep_watch_ LIDO_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<pool_member>> members_ LIDO_GUARDED_BY(mutex_);  // by slot
  core::action_list decided_ LIDO_GUARDED_BY(mutex_);
  std::deque<core::action> to_do_ LIDO_GUARDED_BY(mutex_);
  bool performing_ LIDO_GUARDED_BY(mutex_) = false;
  session_usage past_usage_ LIDO_GUARDED_BY(mutex_);              // of connections that are gone
  certificate_expiry last_certificates_ LIDO_GUARDED_BY(mutex_);  // of the last connect
  std::error_code last_error_ LIDO_GUARDED_BY(mutex_);            // of the last connect that failed, with its words
  diagnostics last_diag_ LIDO_GUARDED_BY(mutex_);
  // Leases out, those included whose connection the pool has taken back or lost: a lease does not own the pool, that
  // would be two bus-locked instructions each. The last one of a pool that is no more does.
  std::uint32_t handles_ LIDO_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<pool_impl> until_returned_ LIDO_GUARDED_BY(mutex_);
  std::vector<any_completion<>> closers_ LIDO_GUARDED_BY(mutex_);
  std::vector<control_entry> controls_ LIDO_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<errand>> errands_ LIDO_GUARDED_BY(mutex_);
  core::time_point armed_ LIDO_GUARDED_BY(mutex_) = core::never;
  bool may_keep_ LIDO_GUARDED_BY(mutex_) = false;
  core::time_point cache_ends_ LIDO_GUARDED_BY(mutex_) = core::never;  // when threads give back what they keep
  core::time_point cache_closed_until_ LIDO_GUARDED_BY(mutex_) = core::time_point::min();
  std::vector<shard_state> shard_states_ LIDO_GUARDED_BY(mutex_);
  bool gone_ LIDO_GUARDED_BY(mutex_) = false;  // its io_context is being destroyed: nothing is performed any more
  core::time_point force_at_ LIDO_GUARDED_BY(mutex_) = core::never;
  core::time_point tell_leases_at_ LIDO_GUARDED_BY(mutex_) = core::never;  // when the log may have the held-back ones
  std::vector<std::unique_ptr<deadline_entry>> deadline_entries_;  // one a shard: any living one serves the pool
};

template <class Event>
void pool_impl::tell(Event event) {
  follow_up then;
  {
    const lock guard(mutex_);
    if (gone_) return;
    cache_.begin_era();
    if (cache_.is_open()) [[unlikely]]
      call_in();
    event(core_, decided_);
    settle(then);
  }
  then.run();
}

// pool_reconfigure.cpp
std::shared_ptr<const session_settings> settings_for(const pool_config& config);
// Changes when one of the files is another one, or written to.
std::string stamps_of_tls_files(const connect_config& config);
std::string stamp_of_file(const std::string& path);

}  // namespace detail
}  // namespace v0
}  // namespace lido
