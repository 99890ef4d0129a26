// The lock of connections and pools, across the moment when a process gets its second thread. TSan builds have
// std::mutex in its place, and pass for that.
#include "driver/sync.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace lido {
namespace {

// In a child process, which begins with one thread whatever the tests before have done.
template <class Check>
bool holds_in_a_fresh_process(Check check) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // a lost wake-up is a failure, too
    ::_exit(check() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(sync, a_lock_taken_by_the_only_thread_keeps_the_second_one_out) {
  EXPECT_TRUE(holds_in_a_fresh_process([] {
    detail::mutex m;
    std::atomic<bool> entered{false};
    m.lock();
    std::thread second([&] {
      const detail::lock guard(m);
      entered = true;
    });
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    const bool was_out = !entered;
    m.unlock();
    second.join();
    return was_out && entered;
  }));
}

TEST(sync, nothing_is_lost_while_a_process_grows_from_one_thread_to_many) {
  EXPECT_TRUE(holds_in_a_fresh_process([] {
    constexpr int rounds = 20'000;
    constexpr int most = 4;
    detail::mutex m;
    int count = 0;
    const auto work = [&] {
      for (int i = 0; i < rounds; ++i) {
        const detail::lock guard(m);
        ++count;
      }
    };
    std::vector<std::thread> others;
    for (int i = 0; i < most; ++i) {
      work();
      others.emplace_back(work);
    }
    for (std::thread& each : others) each.join();
    return count == 2 * most * rounds;
  }));
}

}  // namespace
}  // namespace lido
