// Memory runs out for what a peer or a user can make large - results, messages, statements - at each such allocation in
// turn (F25): the operation ends with an error, nobody waits for ever, no slot is lost, the process lives. Each try is
// a process of its own, so that one that is terminated is one line and not the end of the test.
#include "tests/faults/failing_new.hpp"
#include "tests/faults/users.hpp"

#include <asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace lido::testing {
namespace {

enum class ended : int { well = 0, untouched = 10, stuck, slots_lost, wrong_answers, not_closed };

const char* words(int status) {
  if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGABRT ? "terminated" : "crashed";
  switch (static_cast<ended>(WEXITSTATUS(status))) {
    case ended::well:
    case ended::untouched: return "well";
    case ended::stuck: return "a task never ended";
    case ended::slots_lost: return "a slot did not come back";
    case ended::wrong_answers: return "a later task got a wrong answer, or none";
    case ended::not_closed: return "the pool did not close";
  }
  return "?";
}

// As turn_until(), for when run_one() throws what the io_context's own bookkeeping could not allocate.
bool turn_through(world& w, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    try {
      if (w.io.stopped()) w.io.restart();
      w.io.run_one_for(5ms);
    } catch (const std::bad_alloc&) {
      continue;
    }
  }
  return true;
}

using scenario = asio::awaitable<void> (*)(world& w, std::size_t nth);

// What one child does: the scenario with its n-th allocation failing, then business as usual.
ended attempt(world& w, scenario what, std::size_t nth) {
  bool done = false;
  asio::co_spawn(w.io, what(w, nth), [&done](const std::exception_ptr&) { done = true; });
  if (!turn_through(w, [&] { return done; })) return ended::stuck;
  turn_through(w, [&] { return w.all_home(); });
  const bool failed = failing_new::has_failed();
  failing_new::disarm();
  if (!w.settle()) return ended::slots_lost;
  if (w.wrong_answers(3) != 0) return ended::wrong_answers;
  if (!w.close()) return ended::not_closed;
  return failed ? ended::well : ended::untouched;
}

void at_each_allocation(scenario what, const std::function<void(pool_config&)>& how) {
  shared_cluster();  // not the children's
  int harmed = 0;
  std::size_t nth = 1;
  for (; nth < 200; ++nth) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ended end = ended::stuck;
      {
        world w{route::unix_socket, how};
        w.warm(1);
        end = attempt(w, what, nth);
      }
      ::_exit(static_cast<int>(end));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == static_cast<int>(ended::untouched)) break;  // it has fewer
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    ++harmed;
    ADD_FAILURE() << "at allocation " << nth << ": " << words(status);
  }
  EXPECT_EQ(harmed, 0);
  EXPECT_GT(nth, 1U) << "it has no such allocation: nothing was tried";
}

constexpr std::size_t large = 16U << 10;

asio::awaitable<void> receives(world& w, std::size_t nth) {
  lido::lease db = co_await w.pool->async_acquire();
  failing_new::arm(nth, large);
  co_await db->async_query("select repeat('x', 3000), repeat('y', 200000) from generate_series(1, 8)");
}

asio::awaitable<void> sends(world& w, std::size_t nth) {
  lido::lease db = co_await w.pool->async_acquire();
  const std::string text = "select length('" + std::string(600'000, 'x') + "')";
  failing_new::arm(nth, large);
  co_await db->async_query(text);
}

asio::awaitable<void> is_cancelled(world& w, std::size_t nth) {
  lido::lease db = co_await w.pool->async_acquire();
  failing_new::arm(nth, large);
  co_await db->async_query(lido::within(20ms),
                           "select repeat('x', 300000), pg_sleep(0.01) from generate_series(1, 400)");
}

TEST(faults, F25_a_large_result_without_memory_ends_its_query_and_nothing_else) { at_each_allocation(receives, small); }
TEST(faults, F25_a_large_statement_without_memory_ends_its_query_and_nothing_else) { at_each_allocation(sends, small); }
TEST(faults, F25_a_cancelled_query_without_memory_gives_its_slot_back) { at_each_allocation(is_cancelled, small); }

}  // namespace
}  // namespace lido::testing
