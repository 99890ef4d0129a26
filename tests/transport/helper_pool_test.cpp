#include "driver/transport/helper_pool.hpp"

#include "tests/support/eventually.hpp"

#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace lido::testing {
namespace {

using transport::helper_job;
using transport::run_on_helper;

/// Jobs that hang until the gate opens, which its destructor does.
class gate {
 public:
  std::function<void()> job() {
    return [s = state_] {
      std::unique_lock lock(s->mutex);
      ++s->inside;
      s->changed.notify_all();
      s->changed.wait(lock, [&] { return s->open; });
      ++s->through;
    };
  }
  ~gate() { open(); }
  void open() {
    const std::lock_guard lock(state_->mutex);
    state_->open = true;
    state_->changed.notify_all();
  }
  int inside() const {
    const std::lock_guard lock(state_->mutex);
    return state_->inside;
  }
  int through() const {
    const std::lock_guard lock(state_->mutex);
    return state_->through;
  }

 private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
    int inside = 0;
    int through = 0;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

template <class T>
T answer_of(std::future<T> future) {
  EXPECT_EQ(future.wait_for(hang_guard), std::future_status::ready);
  return future.get();
}

TEST(helper_pool, I28_threads_are_named_and_take_no_signals) {
  auto seen = std::make_shared<std::promise<std::pair<std::string, int>>>();
  ASSERT_TRUE(run_on_helper([seen] {
    std::array<char, 16> name{};
    pthread_getname_np(pthread_self(), name.data(), name.size());
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    int open = 0;
    for (const int s : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGPIPE, SIGALRM})
      open += sigismember(&blocked, s) == 0 ? 1 : 0;
    seen->set_value({name.data(), open});
  }));
  EXPECT_EQ(answer_of(seen->get_future()), (std::pair<std::string, int>("lido-helper", 0)));
}

TEST(helper_pool, I28_callers_signal_mask_is_not_changed) {
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ASSERT_TRUE(run_on_helper([] {}));
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int s = 1; s < 32; ++s) EXPECT_EQ(sigismember(&before, s), sigismember(&after, s));
}

TEST(helper_pool, hanging_look_ups_leave_a_thread_for_finite_jobs) {
  gate look_ups;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(run_on_helper(look_ups.job(), helper_job::unending));
  ASSERT_TRUE(eventually([&] { return look_ups.inside() == 3; }));
  const auto done = std::make_shared<std::promise<int>>();
  ASSERT_TRUE(run_on_helper([done] { done->set_value(1); }));
  EXPECT_EQ(answer_of(done->get_future()), 1);
  EXPECT_EQ(look_ups.inside(), 3);
  look_ups.open();
  EXPECT_TRUE(eventually([&] { return look_ups.through() == 20; }));
}

TEST(helper_pool, jobs_run_on_at_most_four_threads_side_by_side) {
  gate jobs;
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(run_on_helper(jobs.job()));
  EXPECT_TRUE(eventually([&] { return jobs.inside() == 4; }));
  jobs.open();
  EXPECT_TRUE(eventually([&] { return jobs.through() == 12; }));
}

TEST(helper_pool, queue_is_bounded_and_says_so_at_once) {
  gate jobs;
  int accepted = 0;
  while (accepted < 2000 && run_on_helper(jobs.job())) ++accepted;
  EXPECT_GE(accepted, 1024);
  EXPECT_LE(accepted, 1024 + 4);
  jobs.open();
  EXPECT_TRUE(eventually([&] { return jobs.through() == accepted; }));
  EXPECT_TRUE(run_on_helper([] {}));
}

TEST(helper_pool, job_that_throws_ends_only_itself) {
  ASSERT_TRUE(run_on_helper([] { throw std::runtime_error("job"); }));
  const auto done = std::make_shared<std::promise<int>>();
  ASSERT_TRUE(run_on_helper([done] { done->set_value(2); }));
  EXPECT_EQ(answer_of(done->get_future()), 2);
}

TEST(helper_pool_exit, I28_hanging_look_up_does_not_keep_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        static gate look_up;  // never opened
        run_on_helper(look_up.job(), helper_job::unending);
        while (look_up.inside() == 0) std::this_thread::yield();
        std::exit(7);  // NOLINT(concurrency-mt-unsafe): the point of the test
      },
      ::testing::ExitedWithCode(7), "");
}

TEST(helper_pool_exit, exit_waits_for_a_job_that_computes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        static std::atomic<bool> started{false};
        run_on_helper([] {
          started = true;
          const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
          while (std::chrono::steady_clock::now() < until) {
          }
          std::fputs("computed\n", stderr);
        });
        while (!started) std::this_thread::yield();
        std::exit(0);  // NOLINT(concurrency-mt-unsafe): the point of the test
      },
      ::testing::ExitedWithCode(0), "computed");
}

}  // namespace
}  // namespace lido::testing
