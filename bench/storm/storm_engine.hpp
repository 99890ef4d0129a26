// The load: many tasks on one pool, some of them cancelled mid-query, each checking that what it gets is its own.
// Shared by lido-storm and lido-demo.
//
//   asio::io_context io;  lido::pool pool{...};  lido::storm::tally tally;
//   lido::storm::storm_engine storm{io.get_executor(), pool, settings, tally};
//   storm.start();  ...  storm.stop() or storm.cut();  storm.wait(10s);
#pragma once

#include "bench/storm/tally.hpp"

#include <lido/pool/pool.hpp>

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace lido::storm {

struct load_settings {
  std::size_t tasks = 64;
  std::uint64_t operations = 0;  // 0: until stop()
  std::string sql = "select $1::bigint from pg_sleep(1)";
  std::string bystander_sql = "select $1::bigint";
  double cancel_ratio = 0.3;
  std::chrono::nanoseconds cancel_after_min = std::chrono::milliseconds{1};
  std::chrono::nanoseconds cancel_after_max = std::chrono::milliseconds{20};
  std::uint64_t seed = 1;
  // A hang guard on each statement: a chosen one that is lost for some reason must end, too.
  std::chrono::nanoseconds statement_deadline = std::chrono::seconds{30};
};

class storm_engine {
 public:
  /// The pool and the tally outlive the tasks; the executor's io_context is run by the caller, with any number of
  /// threads.
  storm_engine(asio::any_io_executor executor, pool& on, load_settings settings, tally& into);
  /// Tasks that still run keep what they need alive, except pool and tally.
  ~storm_engine();
  storm_engine(const storm_engine&) = delete;
  storm_engine& operator=(const storm_engine&) = delete;

  void start();
  /// No task begins another operation. Any thread.
  void stop() noexcept;
  /// The same, and what is under way is cancelled. Any thread.
  void cut();
  /// Until every task has ended, or the budget is spent: then false. Not on a thread that runs the tasks.
  [[nodiscard]] bool wait(std::chrono::nanoseconds budget);
  [[nodiscard]] std::size_t running() const noexcept;

 private:
  struct shared_state;
  class task;
  std::shared_ptr<shared_state> state_;
};

}  // namespace lido::storm
