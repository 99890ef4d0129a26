// Lido's own part of the comparison: each workload as a user of the pool would write it.
#include "bench/peers/lido_rows.hpp"
#include "bench/peers/lido_threads.hpp"
#include "bench/peers/measure.hpp"

#include <lido/pool/pool.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using asio::awaitable;
using lido::bench::figures;
using lido::bench::now_ns;
using lido::bench::options;
using lido::bench::progress;

namespace {

constexpr std::string_view peer = "lido";
constexpr std::string_view one_value = "SELECT $1::int";

lido::pool_config config_of(const options& opt, std::size_t connections) {
  lido::pool_config c;
  c.connect.host = opt.host;
  c.connect.port = opt.port;
  c.connect.user = opt.user;
  c.connect.database = opt.database;
  c.connect.sslrootcert = opt.ca_file;
  c.connect.sslmode = opt.tls ? lido::sslmode::verify_full : lido::sslmode::disable;
  c.max_size = connections;
  c.max_waiters = std::max<std::size_t>(c.max_waiters, opt.count);
  c.acquire_timeout = 10min;
  return c;
}

void or_fail(const std::exception_ptr& e) {
  if (!e) return;
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& error) {
    lido::bench::fail(error.what());
  }
}

// Every connection is opened, and has run the statement once, before the clocks start.
awaitable<void> fill(lido::pool& pool, std::size_t connections) {
  co_await pool.async_warm_up(connections, lido::within(10min));
  std::vector<lido::lease> all;
  while (all.size() < connections) all.push_back(co_await pool.async_acquire());
  for (lido::lease& db : all) {
    const auto r = co_await db->async_query<std::int32_t>(one_value, 1);
    if (r.one() != 1) lido::bench::fail("wrong value");
  }
}

// Tasks are spawned on the io_context, as a server's are. run() would not return by itself: open connections keep the
// io_context busy.
template <class Make>
void run_all(asio::io_context& io, std::size_t tasks, Make make) {
  std::size_t left = tasks;
  const auto ended = [&io, &left](const std::exception_ptr& e) {
    or_fail(e);
    if (--left == 0) io.stop();
  };
  asio::post(io, [&io, &ended, tasks, &make] {
    for (std::size_t i = 0; i < tasks; ++i) asio::co_spawn(io, make(), [&ended](const auto& e) { ended(e); });
  });
  io.restart();
  io.run();
}

// ---- W1: acquire and release ----

awaitable<void> borrow(lido::pool& pool, progress& p, bool yield) {
  while (p.take()) {
    const bool timed = p.started() % 64 == 0;  // looking at the clock twice would be a third of the whole
    const std::uint64_t begun = timed ? now_ns() : 0;
    {
      const lido::lease db = co_await pool.async_acquire();
      if (yield) co_await asio::post(asio::use_awaitable);
    }
    timed ? p.finished(now_ns() - begun) : p.finished();
  }
}

// ---- W2, W3: one small query ----

awaitable<void> ask(lido::pool& pool, progress& p) {
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    const auto value = static_cast<std::int32_t>(p.started());
    const auto answer = co_await pool.async_query<std::int32_t>(one_value, value);
    if (answer.one() != value) lido::bench::fail("wrong value");
    p.finished(now_ns() - begun);
  }
}

// ---- W5: batches of a hundred queries; W2p: what W2 asks, four at once on each connection, with a Sync each ----

struct batch {
  std::size_t size;
  lido::pipeline_mode mode;
};
constexpr batch of_a_hundred{100, lido::pipeline_mode::all_or_nothing};
constexpr batch of_four{4, lido::pipeline_mode::each_on_its_own};

awaitable<void> ask_in_batches(lido::pool& pool, batch each, progress& p) {
  lido::lease db = co_await pool.async_acquire();
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    lido::pipeline work(each.mode);
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(each.size); ++i) work.add(one_value, i);
    const lido::pipeline_results answers = co_await db->async_run(std::move(work));
    for (std::size_t i = 0; i < each.size; ++i) {
      if (answers.one<std::int32_t>(i) != static_cast<std::int32_t>(i)) lido::bench::fail("wrong value");
    }
    p.finished(now_ns() - begun);
  }
}

void batches(asio::io_context& io, lido::pool& pool, const options& opt, batch each) {
  progress p(opt.count, opt.warmup);
  run_all(io, opt.connections, [&] { return ask_in_batches(pool, each, p); });
  p.end();
  lido::bench::report(peer, opt, opt.count * each.size, p);
}

// ---- W6: cancelled queries ----

struct cancel_tally {
  std::vector<std::uint64_t> usable;
  std::set<int> processes;
  std::size_t unexpected = 0;
};

awaitable<void> cancel_and_ask(lido::pool& pool, progress& p, cancel_tally& tally) {
  asio::steady_timer alarm(co_await asio::this_coro::executor);
  asio::cancellation_signal signal;
  while (p.take()) {
    std::uint64_t cancelled_at = 0;
    std::error_code ec;
    {
      auto token = asio::bind_cancellation_slot(signal.slot(), asio::redirect_error(asio::use_awaitable, ec));
      lido::lease db = co_await pool.async_acquire();
      alarm.expires_after(5ms);
      alarm.async_wait([&](const std::error_code& stopped) {
        if (stopped) return;
        cancelled_at = now_ns();
        signal.emit(asio::cancellation_type::terminal);
      });
      co_await db->async_query_with(std::move(token), {}, "SELECT pg_sleep(10)");
    }
    p.finished(now_ns() - cancelled_at);
    if (ec != asio::error::operation_aborted) ++tally.unexpected;
    try {
      const auto id = co_await pool.async_query<std::int32_t>("SELECT pg_backend_pid()");
      tally.processes.insert(id.one());
      tally.usable.push_back(now_ns() - cancelled_at);
    } catch (const lido::error&) {
      ++tally.unexpected;
    }
  }
}

void cancels(asio::io_context& io, lido::pool& pool, const options& opt) {
  const std::uint64_t created = pool.stats().created;
  progress p(opt.count, 0);
  cancel_tally tally;
  run_all(io, opt.workload == "W6s" ? 1 : opt.connections, [&] { return cancel_and_ask(pool, p, tally); });
  p.end();
  run_all(io, 1, [&] { return pool.async_close(10s); });  // the last ones are still being recovered
  const lido::pool_stats s = pool.stats();
  const auto number = [](auto n) { return static_cast<double>(n); };
  lido::bench::report(peer, opt, opt.count, p,
                      {{"usable_p50_us", lido::bench::percentile_us(tally.usable, 0.5)},
                       {"usable_p99_us", lido::bench::percentile_us(tally.usable, 0.99)},
                       {"recreated", number(s.created - created)},
                       {"unexpected", number(tally.unexpected)},
                       {"resent", number(s.cancels.retried)},
                       {"stray", number(s.stray_cancels)},
                       {"processes", number(tally.processes.size())}});
}

// ---- W7: many waiters ----

struct crowd_book {
  progress waits;
  std::size_t expected;
  std::size_t arrived = 0;
  std::int64_t before = lido::bench::status_kib("VmRSS");
  std::int64_t grown = 0;

  void arrive() {
    if (++arrived == expected) grown = lido::bench::status_kib("VmRSS") - before;
  }
};

awaitable<void> wait_and_ask(lido::pool& pool, std::int32_t value, crowd_book& book) {
  const std::uint64_t begun = now_ns();
  book.arrive();
  lido::lease db = co_await pool.async_acquire();
  book.waits.finished(now_ns() - begun);
  const auto answer = co_await db->async_query<std::int32_t>(one_value, value);
  if (answer.one() != value) lido::bench::fail("wrong value");
}

void crowd(asio::io_context& io, lido::pool& pool, const options& opt) {
  crowd_book book{progress(opt.count, 0), opt.count};
  std::int32_t value = 0;
  run_all(io, opt.count, [&] { return wait_and_ask(pool, value++, book); });
  progress& p = book.waits;
  p.end();
  double sum = 0;
  for (const std::uint64_t each : p.latencies()) sum += static_cast<double>(each);
  const auto longest = static_cast<double>(*std::max_element(p.latencies().begin(), p.latencies().end()));
  const auto n = static_cast<double>(opt.count);
  lido::bench::report(peer, opt, opt.count, p,
                      {{"b_waiter", static_cast<double>(book.grown) * 1024 / n}, {"max_mean", longest / (sum / n)}});
}

// ---- W8: memory of idle connections ----

void memory(asio::io_context& io, const options& opt) {
  lido::pool first(io.get_executor(), config_of(opt, 1));  // what is paid once
  run_all(io, 1, [&] { return fill(first, 1); });
  const std::int64_t before = lido::bench::status_kib("VmRSS");
  progress p(opt.count, 0);
  lido::pool pool(io.get_executor(), config_of(opt, opt.count));
  run_all(io, 1, [&] { return fill(pool, opt.count); });
  p.end();
  const auto grown = static_cast<double>(lido::bench::status_kib("VmRSS") - before);
  lido::bench::report(peer, opt, opt.count, p, {{"kb_conn", grown / static_cast<double>(opt.count)}});
}

// ---- W10: connecting, one after the other ----

awaitable<void> connects(const lido::connect_config& config, progress& p) {
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    const lido::connection db = co_await lido::connection::async_connect(config);
    p.finished(now_ns() - begun);
  }
}

void connect_again_and_again(asio::io_context& io, const options& opt) {
  progress p(opt.count, opt.warmup);
  run_all(io, 1, [&, config = config_of(opt, 1).connect] { return connects(config, p); });
  p.end();
  lido::bench::report(peer, opt, opt.count, p);
}

void measured(asio::io_context& io, lido::pool& pool, const options& opt) {
  progress p(opt.count, opt.warmup);
  const std::string& w = opt.workload;
  if (w == "W1a") {
    run_all(io, 1, [&] { return borrow(pool, p, false); });
  } else if (w == "W1b") {
    run_all(io, opt.tasks, [&] { return borrow(pool, p, true); });
  } else {
    run_all(io, opt.tasks, [&] { return ask(pool, p); });
  }
  p.end();
  lido::bench::report(peer, opt, opt.count, p);
}

}  // namespace

int main(int argc, char** argv) {
  const options opt = options::read(argc, argv);
  asio::io_context io(1);
  if (opt.workload.starts_with("W8")) {
    memory(io, opt);
    return 0;
  }
  if (opt.workload.starts_with("W10")) {
    connect_again_and_again(io, opt);
    return 0;
  }
  if (opt.workload == "W1t") {
    lido::bench::two_threads(config_of(opt, 2), opt.count);
    return 0;
  }
  if (opt.workload == "W4" || opt.workload.starts_with("W9")) {
    lido::bench::many_rows(io, config_of(opt, 1).connect, opt);
    return 0;
  }
  lido::pool pool(io.get_executor(), config_of(opt, opt.connections));
  run_all(io, 1, [&] { return fill(pool, opt.connections); });
  if (opt.workload.starts_with("W6")) {
    cancels(io, pool, opt);
  } else if (opt.workload == "W5" || opt.workload == "W2p") {
    batches(io, pool, opt, opt.workload == "W5" ? of_a_hundred : of_four);
  } else if (opt.workload == "W7") {
    crowd(io, pool, opt);
  } else if (opt.workload == "W1a" || opt.workload == "W1b" || opt.workload == "W2" || opt.workload == "W3") {
    measured(io, pool, opt);
  } else {
    return 3;
  }
}
