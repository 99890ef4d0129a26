// Floor 2: bare Asio coroutines and the least FIFO pool, one thread, without deadlines, cancellation or metrics. W1a,
// W1b, W2.
#include "bench/peers/wire.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <deque>
#include <exception>
#include <functional>
#include <memory>

using namespace lido::bench;
using asio::awaitable;
using asio::use_awaitable;

namespace {

constexpr std::string_view peer = "asio-proto";

class session {
 public:
  explicit session(asio::io_context& io) : socket_(io) {}

  awaitable<void> dial(const options& opt) {
    const asio::ip::tcp::endpoint server(asio::ip::make_address(opt.host), opt.port);
    co_await socket_.async_connect(server, use_awaitable);
    socket_.set_option(asio::ip::tcp::no_delay(true));
    out_.startup(opt);
    co_await exchange();
    out_.parse("q", "SELECT $1::int", 23);
    out_.sync();
    co_await exchange();
  }
  awaitable<std::int32_t> ask(std::int32_t value) {
    out_.run(value);
    co_await exchange();
    co_return answer_;
  }

 private:
  awaitable<void> exchange() {
    co_await asio::async_write(socket_, asio::buffer(out_.bytes), use_awaitable);
    out_.bytes.clear();
    for (;;) {
      const char* body = nullptr;
      while (const char type = in_.next(body)) {
        if (type == 'D') answer_ = wire::value_of_row(body);
        if (type == 'Z') co_return;
      }
      char* const room = in_.room();
      in_.commit(co_await socket_.async_read_some(asio::buffer(room, in_.room_size()), use_awaitable));
    }
  }

  asio::ip::tcp::socket socket_;
  wire::input in_;
  wire::output out_;
  std::int32_t answer_ = 0;
};

class least_pool {
  // In front of its use: its type is deduced.
  template <class Token>
  auto wait(Token&& token) {
    return asio::async_initiate<Token, void(session*)>(
        [this](auto handler) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          waiters_.push_back([this, shared](session* s) { asio::post(io_, [shared, s] { std::move (*shared)(s); }); });
        },
        token);
  }

 public:
  explicit least_pool(asio::io_context& io) : io_(io) {}

  awaitable<session*> acquire() {
    if (idle_.empty()) co_return co_await wait(use_awaitable);
    session* const s = idle_.back();
    idle_.pop_back();
    co_return s;
  }
  void release(session* s) {
    if (waiters_.empty()) return idle_.push_back(s);
    const auto next = std::move(waiters_.front());
    waiters_.pop_front();
    next(s);
  }

 private:
  asio::io_context& io_;
  std::vector<session*> idle_;
  std::deque<std::function<void(session*)>> waiters_;
};

awaitable<void> borrow(least_pool& pool, progress& p, bool yield) {
  while (p.take()) {
    const bool timed = p.started() % 64 == 0;
    const std::uint64_t begun = timed ? now_ns() : 0;
    session* const s = co_await pool.acquire();
    if (yield) co_await asio::post(use_awaitable);
    pool.release(s);
    timed ? p.finished(now_ns() - begun) : p.finished();
  }
}

awaitable<void> ask(least_pool& pool, progress& p) {
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    const auto value = static_cast<std::int32_t>(p.started());
    session* const s = co_await pool.acquire();
    const std::int32_t answer = co_await s->ask(value);
    pool.release(s);
    if (answer != value) fail("wrong value");
    p.finished(now_ns() - begun);
  }
}

void or_fail(const std::exception_ptr& e) {
  if (!e) return;
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const options opt = options::read(argc, argv);
  const std::string& w = opt.workload;
  if (opt.tls || (w != "W1a" && w != "W1b" && w != "W2")) return 3;
  asio::io_context io(1);
  least_pool pool(io);
  std::vector<std::unique_ptr<session>> all;
  for (std::size_t i = 0; i < opt.connections; ++i) {
    all.push_back(std::make_unique<session>(io));
    asio::co_spawn(io, all.back()->dial(opt), or_fail);
    io.restart();
    io.run();
    pool.release(all.back().get());
  }
  progress p(opt.count, opt.warmup);
  const std::size_t tasks = w == "W1a" ? 1 : opt.tasks;
  for (std::size_t i = 0; i < tasks; ++i) {
    asio::co_spawn(io, w == "W2" ? ask(pool, p) : borrow(pool, p, tasks > 1), or_fail);
  }
  io.restart();
  io.run();
  p.end();
  report(peer, opt, opt.count, p);
}
