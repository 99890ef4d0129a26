// The pool's bookkeeping alone: lending an idle connection and taking it back; handing one on to a waiter.
#include "pool/core/pool_core.hpp"
#include "pool/stats/pool_counters.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstdint>

namespace core = lido::core;

namespace {

constexpr std::size_t connections = 16;

// A pool of which all connections are open and lent.
struct full_pool {
  core::time_point now{std::chrono::hours(1)};
  core::pool_core pool;
  core::action_list actions;
  std::array<core::lease_id, connections> leases;

  full_pool() : pool(limits(), now) {
    for (core::lease_id& each : leases) {
      core::waiter first;
      pool.acquire(first, now, actions);
      const core::slot_id slot = actions[0].slot;
      actions.clear();
      pool.connected(slot, now, actions);
      benchmark::DoNotOptimize(pool.resume(first, now, actions));
      actions.clear();
      each = first.lease();
    }
  }
  static core::limits limits() {
    core::limits l;
    l.max_size = connections;
    return l;
  }
};

void lend_and_take_back(benchmark::State& state) {
  full_pool f;
  for (const core::lease_id& each : f.leases) f.pool.release(each, core::condition::clean, f.now, f.actions);
  for (auto _ : state) {
    core::lease_id lease;
    benchmark::DoNotOptimize(f.pool.try_acquire(0, f.now, lease));
    f.pool.release(lease, core::condition::clean, f.now, f.actions);
  }
}
BENCHMARK(lend_and_take_back);

// What metrics cost an acquire and release: the histogram of uses, under the pool's mutex.
void record_a_use(benchmark::State& state) {
  lido::stats::pool_counters counters;
  std::int64_t ns = 1000;
  for (auto _ : state) {
    ns = (ns * 5 + 1237) & 0xf'ffff;  // up to a millisecond, never the same twice in a row
    counters.did_not_wait_serialised();
    counters.used_serialised(std::chrono::nanoseconds(ns));
  }
  benchmark::DoNotOptimize(counters);
}
BENCHMARK(record_a_use);

void hand_on_to_a_waiter(benchmark::State& state) {
  full_pool f;
  core::lease_id held = f.leases[0];
  core::waiter next(f.now + std::chrono::seconds(30));
  for (auto _ : state) {
    f.pool.acquire(next, f.now, f.actions);
    f.pool.release(held, core::condition::clean, f.now, f.actions);
    benchmark::DoNotOptimize(f.pool.resume(next, f.now, f.actions));
    f.actions.clear();
    held = next.lease();
  }
}
BENCHMARK(hand_on_to_a_waiter);

}  // namespace
