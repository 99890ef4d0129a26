#include "tests/contract/cancel_storm.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <cstdint>
#include <memory>
#include <random>

namespace lido::testing {
namespace {

asio::awaitable<void> one_statement(lido::pool& pool, const std::string& sql) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query(sql);
}

void note(storm_tally& count, const std::exception& what) {
  ++count.wrong;
  count.example = what.what();
}

asio::awaitable<void> cancelled_after(lido::pool& pool, std::chrono::microseconds time, const std::string& sql,
                                      storm_tally& count) {
  const auto executor = co_await asio::this_coro::executor;
  const auto stop = std::make_shared<asio::cancellation_signal>();
  asio::steady_timer timer(executor, time);
  timer.async_wait([stop](std::error_code ec) {
    if (!ec) stop->emit(asio::cancellation_type::terminal);
  });
  auto token = asio::bind_cancellation_slot(stop->slot(), asio::use_awaitable);
  try {
    co_await asio::co_spawn(executor, one_statement(pool, sql), token);
    ++count.completed;
  } catch (const std::system_error& e) {
    if (is_aborted(e.code())) {
      ++count.cancelled;
    } else {
      note(count, e);
    }
  }
}

asio::awaitable<void> asks_back(lido::pool& pool, std::int32_t number, storm_tally& count) {
  try {
    const auto answer = co_await pool.async_query<std::int32_t>("select $1::int", number);
    if (answer.one() != number) ++count.wrong;
  } catch (const lido::error& e) {
    note(count, e);
  }
}

asio::awaitable<void> one_user(lido::pool& pool, cancel_storm storm, unsigned which, storm_tally& count) {
  std::mt19937 random(storm.seed + which);
  const bool one_more = static_cast<int>(which) < storm.rounds % storm.users;
  for (int i = 0; i < storm.rounds / storm.users + (one_more ? 1 : 0); ++i) {
    const std::chrono::microseconds later(random() % static_cast<unsigned>(storm.within.count()));
    co_await cancelled_after(pool, storm.not_before + later, storm.victim, count);
    for (int k = 0; k < storm.innocents; ++k)
      co_await asks_back(pool, static_cast<std::int32_t>(random() % 1'000'000), count);
  }
  ++count.finished_users;
}

}  // namespace

void start(world& on, const cancel_storm& storm, storm_tally& count) {
  for (int user = 0; user < storm.users; ++user)
    on.start(one_user(*on.pool, storm, static_cast<unsigned>(user), count));
}

bool run(world& on, const cancel_storm& storm, storm_tally& count) {
  start(on, storm, count);
  return on.turn_until([&] { return count.finished_users == storm.users; }, 240s);
}

}  // namespace lido::testing
