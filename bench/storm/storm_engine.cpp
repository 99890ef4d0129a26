#include "bench/storm/storm_engine.hpp"

#include "bench/storm/rehearsal.hpp"

#include <lido/driver/error.hpp>
#include <lido/driver/options.hpp>
#include <lido/pool/lease.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace lido::storm {

using clock = std::chrono::steady_clock;

struct storm_engine::shared_state {
  shared_state(asio::any_io_executor ex, pool& p, load_settings s, tally& t)
      : executor{std::move(ex)}, on{p}, settings{std::move(s)}, into{t} {}

  // May this task do one more operation?
  bool claim() noexcept {
    if (stopping.load(std::memory_order_relaxed)) return false;
    return settings.operations == 0 || claimed.fetch_add(1, std::memory_order_relaxed) < settings.operations;
  }

  void task_ended(const std::exception_ptr& thrown) {
    if (thrown) into.breach("a task was ended by an exception that is not lido::error");
    const std::lock_guard lock{mutex};
    if (--running == 0) changed.notify_all();
  }

  const asio::any_io_executor executor;
  pool& on;
  const load_settings settings;
  tally& into;
  std::atomic<std::uint64_t> claimed{0};
  std::atomic<bool> stopping{false};
  std::atomic<bool> over{false};  // set before anybody is struck for it
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::size_t running = 0;
  std::vector<std::function<void()>> strike_one;  // a task each, on its executor; under the mutex
};

namespace {

// After an error a task does not come back at once: a server that refuses everybody is not to be hammered by a loop.
constexpr std::chrono::milliseconds pause_after_error{5};

// Strikes a running statement after a while, unless the statement ends before; and whatever runs when the run is over.
// On the task's own executor, as Asio demands of emit().
//
// How an operation ends is decided by a latch, and whoever wins it posts the completion to the task's strand at once
// (contract I2): what was decided before a strike is in the strand's queue by then. So a mark is posted just before
// emit(). A task that resumes before the mark has come through was decided before the strike, by an error or a result
// that was there already; one that resumes behind it, after. On one thread that is exact. With more, a thread that has
// won the latch and has not yet posted is taken for one that came after: some instructions wide.
class assassin : public std::enable_shared_from_this<assassin> {
 public:
  explicit assassin(const asio::any_io_executor& executor) : alarm_{executor} {}

  asio::cancellation_slot slot() { return signal_.slot(); }

  void aim(std::chrono::nanoseconds delay) {
    alarm_.expires_after(delay);
    alarm_.async_wait([self = shared_from_this(), mission = ++mission_](std::error_code ec) {
      if (!ec && mission == self->mission_) self->strike(false);
    });
  }

  void end_run() { strike(true); }

  // A new operation: what befell the last one is over.
  void stand_down() noexcept { done_ = storm::strike::none; }

  void call_off() {
    ++mission_;  // the alarm may have gone off already, its handler waiting for its turn
    alarm_.cancel();
  }

  [[nodiscard]] storm::strike done() const noexcept { return done_; }
  [[nodiscard]] bool run_over() const noexcept { return run_over_; }
  [[nodiscard]] clock::time_point when() const noexcept { return when_; }

 private:
  void strike(bool run_over) {
    if (done_ != storm::strike::none) return;  // the first reason is latched
    run_over_ = run_over;
    done_ = storm::strike::too_late;
    asio::post(alarm_.get_executor(), [self = shared_from_this(), mission = mission_] {
      if (mission == self->mission_) self->done_ = storm::strike::in_time;
    });
    when_ = clock::now();
    signal_.emit(asio::cancellation_type::terminal);
  }

  asio::steady_timer alarm_;
  asio::cancellation_signal signal_;
  std::uint64_t mission_ = 0;
  storm::strike done_ = storm::strike::none;
  bool run_over_ = false;
  clock::time_point when_;
};

}  // namespace

// One of the many: acquires, queries, is cancelled or not, and starts over.
class storm_engine::task {
 public:
  task(std::shared_ptr<shared_state> state, asio::any_io_executor executor, std::uint64_t seed)
      : state_{std::move(state)}, killer_{std::make_shared<assassin>(executor)}, pause_{executor}, random_{seed} {}

  [[nodiscard]] std::shared_ptr<assassin> killer() const { return killer_; }

  asio::awaitable<void> run() {
    while (state_->claim()) {
      const bool fine = co_await one_operation();
      if (fine) continue;
      pause_.expires_after(pause_after_error);
      co_await pause_.async_wait(asio::use_awaitable);
    }
  }

 private:
  asio::awaitable<bool> one_operation() {
    diagnostics said;
    outcome o;
    try {
      co_await attempt(o, said);
    } catch (const error& e) {
      o.error = e.code();
      said = e.diag();
    }
    state_->into.ended(o, o.error ? o.error.message() + " " + said.summary() : "another task's result, or none");
    co_return !o.error || o.cancel == strike::in_time;
  }

  asio::awaitable<void> attempt(outcome& o, diagnostics& said) {
    o.during = stage::acquiring;
    killer_->stand_down();
    const auto asked = clock::now();
    op_options options;
    options.diag = &said;
    auto token = asio::bind_cancellation_slot(killer_->slot(), asio::experimental::as_tuple(asio::use_awaitable));
    auto [ec, db] = co_await state_->on.async_acquire(options, token);
    note_end(o, ec);
    if (ec) co_return;
    state_->into.acquired(clock::now() - asked);
    if (state_->over) {  // struck while the lease was on its way: the statement would run on with nobody to strike it
      o = {asio::error::operation_aborted, false, strike::in_time, stage::acquiring, true};
      co_return;
    }
    co_await use(db, o, said);
  }

  void note_end(outcome& o, std::error_code ec) {
    killer_->call_off();
    o.error = ec;
    o.cancel = killer_->done();
    o.run_over = killer_->run_over() && o.cancel != strike::none;
  }

  asio::awaitable<void> use(lease& db, outcome& o, diagnostics& said) {
    const load_settings& load = state_->settings;
    const bool chosen = std::bernoulli_distribution{load.cancel_ratio}(random_);
    const std::string& sql = chosen ? load.sql : load.bystander_sql;
    o.during = stage::statement;
    killer_->stand_down();
    if (chosen) killer_->aim(delay());
    const auto nonce = static_cast<std::int64_t>(random_() >> 1U);
    const op_options options = within(load.statement_deadline, &said);
    auto token = asio::bind_cancellation_slot(killer_->slot(), asio::experimental::as_tuple(asio::use_awaitable));
    if (wants_nonce(sql)) {
      auto [ec, rows] = co_await db->async_query_with(token, options, sql, nonce);
      resumed(o, ec, rows, nonce);
    } else {
      auto [ec, rows] = co_await db->async_query_with(token, options, sql);
      resumed(o, ec, rows, std::nullopt);
    }
  }

  void resumed(outcome& o, std::error_code ec, const result<>& rows, std::optional<std::int64_t> nonce) {
    const auto now = clock::now();
    note_end(o, ec);
    if (o.cancel != strike::none && !o.run_over) state_->into.resumed(now - killer_->when());
    o.own_result = !ec && is_own(rows, nonce);
  }

  std::chrono::nanoseconds delay() {
    const load_settings& load = state_->settings;
    std::uniform_int_distribution<std::int64_t> between{load.cancel_after_min.count(), load.cancel_after_max.count()};
    return std::chrono::nanoseconds{between(random_)};
  }

  const std::shared_ptr<shared_state> state_;
  const std::shared_ptr<assassin> killer_;
  asio::steady_timer pause_;
  std::mt19937_64 random_;
};

storm_engine::storm_engine(asio::any_io_executor executor, pool& on, load_settings settings, tally& into)
    : state_{std::make_shared<shared_state>(std::move(executor), on, std::move(settings), into)} {}

storm_engine::~storm_engine() { stop(); }

void storm_engine::start() {
  const std::size_t tasks = state_->settings.tasks;
  {
    const std::lock_guard lock{state_->mutex};
    state_->running = tasks;
  }
  std::seed_seq sequence{state_->settings.seed, state_->settings.seed >> 32U};
  std::vector<std::uint32_t> seeds(tasks);
  sequence.generate(seeds.begin(), seeds.end());
  for (const std::uint32_t seed : seeds) {
    asio::any_io_executor strand = asio::make_strand(state_->executor);
    auto one = std::make_shared<task>(state_, strand, seed);
    {
      const std::lock_guard lock{state_->mutex};
      state_->strike_one.push_back(
          [strand, killer = one->killer()] { asio::post(strand, [killer] { killer->end_run(); }); });
    }
    auto body = [one]() { return one->run(); };
    asio::co_spawn(strand, std::move(body),
                   [state = state_](const std::exception_ptr& thrown) { state->task_ended(thrown); });
  }
}

void storm_engine::stop() noexcept { state_->stopping.store(true, std::memory_order_relaxed); }

void storm_engine::cut() {
  stop();
  state_->over = true;
  const std::lock_guard lock{state_->mutex};
  for (const auto& strike : state_->strike_one) strike();
}

bool storm_engine::wait(std::chrono::nanoseconds budget) {
  std::unique_lock lock{state_->mutex};
  return state_->changed.wait_for(lock, budget, [this] { return state_->running == 0; });
}

std::size_t storm_engine::running() const noexcept {
  const std::lock_guard lock{state_->mutex};
  return state_->running;
}

}  // namespace lido::storm
