#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/use_awaitable.hpp>
#include <lido/pool/pool.hpp>
#include <cstdio>
#include <iostream>
#include "tests/support/postgres_cluster.hpp"
using namespace std::chrono_literals;
static asio::awaitable<void> run(lido::pool& pool) {
  {
  lido::lease db = co_await pool.async_acquire(lido::within(5s));
  std::printf("pid %d tls %d\n", db->process_id(), db->is_encrypted());
  for (auto [id, name] : co_await db->async_query<std::tuple<int, std::string>>("select $1::int, 'x' || $2", 42, std::string("abc"))) std::printf("%d %s\n", id, name.c_str());
  for (int i = 0; i < 3; ++i) { auto r = co_await db->async_query<std::int64_t>("select count(*) from pg_class where relname <> $1", "zz"); std::printf("%ld\n", (long)r.one()); }
  try { co_await db->async_query("select 1/0"); } catch (const lido::error& e) { std::printf("err: %s\n", e.what()); }
  { lido::transaction tx = co_await db->async_begin(); co_await tx.async_query("create temp table t(a int)"); co_await tx.async_commit(); }
  { lido::transaction tx = co_await db->async_begin(); co_await tx.async_query("insert into t values (1)"); }
  auto r = co_await db->async_query<std::int64_t>("select count(*) from t"); std::printf("after rollback %ld\n", (long)r.one());
  }
  auto n = co_await pool.async_query<std::int32_t>("select 7");
  std::printf("n=%d\n", n.one());
  // cancel
  asio::cancellation_signal sig;
  auto ex = co_await asio::this_coro::executor;
  for (int i = 0; i < 5; ++i) {
  bool done = false; std::string what;
  auto t0 = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point t1, te;
  asio::co_spawn(ex, [&]() -> asio::awaitable<void> { lido::lease l = co_await pool.async_acquire(); co_await l->async_query("select pg_sleep(10)"); }, asio::bind_cancellation_slot(sig.slot(), [&](std::exception_ptr e) { try { if (e) std::rethrow_exception(e); } catch (const std::exception& x) { what = x.what(); } done = true; t1 = std::chrono::steady_clock::now(); }));
  asio::steady_timer t(ex, 50ms); co_await t.async_wait(asio::use_awaitable);
  te = std::chrono::steady_clock::now();
  sig.emit(asio::cancellation_type::terminal);
  while (!done) { t.expires_after(1ms); co_await t.async_wait(asio::use_awaitable); }
  std::printf("cancel: %s after %ld us\n", what.c_str(), (long)std::chrono::duration_cast<std::chrono::microseconds>(t1 - te).count());
  (void)t0;
  auto n2 = co_await pool.async_query<std::int32_t>("select 8");
  std::printf("n=%d\n", n2.one());
  }
  { asio::steady_timer t(ex, 200ms); co_await t.async_wait(asio::use_awaitable); }
  auto s = pool.stats();
  std::printf("idle %u leased %u recovering %u closing %u sent %lu eof %lu unknown %lu recovered %lu created %lu requested %lu\n", s.idle, s.leased, s.recovering, s.closing, s.cancels.sent, s.cancels.eof, s.cancels.unknown, s.recovered, s.created, s.cancels.requested);
  co_await pool.async_close(2s);
  std::printf("closed\n");
}
int main() {
  auto& c = lido::testing::shared_cluster();
  for (int tls = 0; tls < 2; ++tls) {
  asio::io_context io;
  lido::pool_config cfg; cfg.connect.host = tls ? "localhost" : c.socket_dir(); cfg.connect.port = (unsigned short)c.port(); cfg.connect.user = c.user(); cfg.connect.database = c.database(); if (tls) cfg.connect.password = std::string_view(c.password()); cfg.connect.sslrootcert = c.ca_file(); cfg.max_size = 4;
  lido::pool pool(io.get_executor(), cfg);
  asio::co_spawn(io, run(pool), [](std::exception_ptr e) { try { if (e) std::rethrow_exception(e); } catch (const std::exception& x) { std::printf("FAILED: %s\n", x.what()); } });
  io.run();
  std::printf("run returned\n");
  }
}
