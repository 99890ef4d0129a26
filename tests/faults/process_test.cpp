// What happens to our own process (F44, F45, F47, F49).
#include "tests/faults/users.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>

namespace lido::testing {
namespace {

// Every system call is interrupted, again and again.
class alarms {
 public:
  alarms() {
    struct sigaction action{};
    action.sa_handler = [](int) {};  // without SA_RESTART
    ::sigaction(SIGALRM, &action, &before_);
    set(1000);
  }
  ~alarms() {
    set(0);
    ::sigaction(SIGALRM, &before_, nullptr);
  }
  alarms(const alarms&) = delete;
  alarms& operator=(const alarms&) = delete;

 private:
  static void set(long every_us) {
    const itimerval timer{{0, every_us}, {0, every_us}};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  struct sigaction before_{};
};

TEST(faults, F44_a_storm_of_signals_interrupts_nothing) {
  for (const route way : {route::unix_socket, route::tls}) {
    world w{way, small};
    w.warm(2);
    {
      const alarms storm;
      for (int i = 0; i < 20; ++i) EXPECT_EQ(w.wrong_answers(4), 0);
    }
    EXPECT_EQ(w.stats().created, 2U);
    EXPECT_TRUE(w.close());
  }
}

TEST(faults, F45_descriptors_beyond_1024_work) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_GE(limit.rlim_max, 3000U) << "ulimit -Hn";
  const rlimit wide{limit.rlim_max < 4096 ? limit.rlim_max : 4096, limit.rlim_max};
  shared_cluster();  // its own descriptors first
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &wide), 0);
  std::vector<int> taken;
  while (taken.empty() || taken.back() < 1500) taken.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  {
    world w{route::tls, small};
    EXPECT_EQ(w.wrong_answers(6), 0);
    const task_ptr victim = ask(w, "select pg_sleep(30), 'far'");
    ASSERT_TRUE(w.wait_running("far"));
    victim->signal.emit(asio::cancellation_type::terminal);
    ASSERT_TRUE(w.settle());
    EXPECT_EQ(w.stats().recovered, 1U);
    EXPECT_TRUE(w.close());
  }
  for (const int fd : taken) ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(faults, F45_without_a_descriptor_left_a_connect_fails_and_is_tried_again) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  world w{route::unix_socket, small};
  w.warm(1);
  std::vector<int> taken;
  const rlimit narrow{256, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &narrow), 0);
  for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  lido::lease held = w.pool->try_acquire();
  const task_ptr user = ask(w, "select 1");
  EXPECT_TRUE(w.turn_until([&] { return w.stats().connect_failures >= 1; }));
  EXPECT_FALSE(user->done);
  for (const int fd : taken) ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(end_of(w, user), "");
  held.release();
  EXPECT_TRUE(w.close());
}

TEST(faults, F47_a_blocked_io_thread_makes_deadlines_late_and_nothing_wrong) {
  world w{route::plain, small};
  w.warm(2);
  const task_ptr victim = ask(w, "select pg_sleep(2), 'blocked'");
  ASSERT_TRUE(w.wait_running("blocked"));
  w.server().sql("select pg_sleep(3)");  // the fault itself: for three seconds nobody turns the io_context
  victim->signal.emit(asio::cancellation_type::terminal);
  EXPECT_LE(w.turns_until_done(*victim, 20), 20);
  EXPECT_TRUE(!victim->error || is_aborted(victim->error)) << victim->error.message();
  EXPECT_EQ(w.wrong_answers(8), 0);
  ASSERT_TRUE(w.settle());
  EXPECT_EQ(w.stats().stray_cancels, 0U);
  EXPECT_TRUE(w.close());
}

TEST(faults, F49_a_result_larger_than_its_limit_is_refused_and_the_pool_goes_on) {
  world w{route::unix_socket, [](pool_config& c) {
            small(c);
            c.connect.max_result_bytes = 1U << 20;
            c.connect.max_message_bytes = 1U << 20;
          }};
  const task_ptr rows = ask(w, "select repeat('x', 1000) from generate_series(1, 10000)");
  ASSERT_TRUE(w.turn_until([&] { return rows->done; }));
  EXPECT_EQ(rows->error, errc::result_too_large) << rows->error.message();
  const task_ptr field = ask(w, "select repeat('x', 100000000)");
  ASSERT_TRUE(w.turn_until([&] { return field->done; }));
  EXPECT_EQ(field->error, errc::message_too_large) << field->error.message();
  EXPECT_EQ(w.wrong_answers(6), 0);
  EXPECT_TRUE(w.close());
}

}  // namespace
}  // namespace lido::testing
