// W4, many rows as C++ values; W9i and W9o, COPY in and out.
#include "bench/peers/lido_rows.hpp"

#include <lido/driver/copy.hpp>
#include <lido/driver/timestamp.hpp>

#include <asio/co_spawn.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <tuple>

namespace lido::bench {
namespace {

constexpr std::string_view peer = "lido";

using five =
    std::tuple<std::int32_t, std::int64_t, std::string_view, double, std::chrono::sys_time<std::chrono::microseconds>>;

asio::awaitable<void> rows(lido::connection& db, progress& p) {
  std::int64_t sum = 0;
  double floats = 0;
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    const auto all = co_await db.async_query<five>("SELECT a,b,c,d,e FROM rows1k");
    if (all.size() != 1000) fail("wrong number of rows");
    for (const auto& [a, b, c, d, e] : all) {
      sum += a + b + static_cast<std::int64_t>(c.size()) + e.time_since_epoch().count();
      floats += d;
    }
    p.finished(now_ns() - begun);
  }
  if (sum == 0 && floats == 0) fail("nothing was read");
}

asio::awaitable<void> in(lido::connection& db, progress& p) {
  co_await db.async_query("TRUNCATE copied");
  lido::copy_in into = co_await db.async_copy_in("COPY copied FROM STDIN");
  while (p.take()) {
    if (into.append(copy_line)) co_await into.async_flush();
    p.finished();
  }
  if (co_await into.async_finish() != p.started()) fail("wrong number of rows");
}

asio::awaitable<void> out(lido::connection& db, progress& p, std::size_t count) {
  lido::copy_out from = co_await db.async_copy_out(copy_out_sql(count));
  std::size_t lines = 0;
  for (std::string_view chunk; !(chunk = co_await from.async_read()).empty();) {
    for (std::size_t at = 0; (at = chunk.find('\n', at)) != std::string_view::npos; ++at) {
      p.take();
      p.finished();
      ++lines;
    }
  }
  if (lines != count || from.rows() != count) fail("wrong number of rows");
}

asio::awaitable<void> work(const lido::connect_config& config, const options& opt, progress& p) {
  lido::connection db = co_await lido::connection::async_connect(config);
  if (opt.workload == "W4") {
    co_await rows(db, p);
  } else if (opt.workload == "W9i") {
    co_await in(db, p);
  } else {
    co_await out(db, p, opt.count);
  }
  p.end();
  co_await db.async_close();
}

}  // namespace

void many_rows(asio::io_context& io, const lido::connect_config& config, const options& opt) {
  progress p(opt.count, opt.workload == "W4" ? opt.warmup : 0);
  asio::co_spawn(io, work(config, opt, p), [](const std::exception_ptr& e) {
    if (e) std::rethrow_exception(e);
  });
  io.run();
  report(peer, opt, opt.count, p);
}

}  // namespace lido::bench
