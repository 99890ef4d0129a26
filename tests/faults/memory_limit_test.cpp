// A limit of memory around the process (F26): what a server sends is refused before it costs what is not there.
#include "tests/faults/privilege.hpp"
#include "tests/faults/users.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace lido::testing {
namespace {

TEST(faults, F26_results_of_gigabytes_are_refused_at_their_limit_whoever_asks_for_them_together) {
  world w{route::unix_socket, [](pool_config& c) {
            impatient(c);
            c.max_size = 8;
            c.connect.max_result_bytes = 8U << 20;
            c.connect.max_message_bytes = 2U << 20;
          }};
  std::vector<task_ptr> users;
  for (int i = 0; i < 8; ++i) users.push_back(ask(w, "select repeat('x', 1000000) from generate_series(1, 400)"));
  for (const task_ptr& each : users) {
    ASSERT_TRUE(w.turn_until([&] { return each->done; }, 60s));
    EXPECT_EQ(each->error, errc::result_too_large) << each->error.message();
  }
  EXPECT_EQ(w.wrong_answers(8), 0);
  EXPECT_TRUE(w.close());
}

// The same in a process that may have 256 MiB, the server's own included: without the limits it would want 3.2 GB.
TEST(faults, F26_the_same_within_a_memory_limit) {
#if LIDO_TESTS_SANITIZED
  return not_made_here("F26", "the sanitizer's own memory does not fit into the limit");
#endif
  const std::filesystem::path group = "/sys/fs/cgroup/memory/lido-f26-" + std::to_string(::getpid());
  std::error_code denied;
  std::filesystem::create_directory(group, denied);
  const bool limited = !denied && shell("echo 268435456 > " + (group / "memory.limit_in_bytes").string());
  std::string enter = "echo $$ > " + (group / "cgroup.procs").string();
  if (!limited) {
    not_made_here("F26", "no memory cgroup of its own; a limit of the address space takes its place");
    enter = "ulimit -v 1500000";
  }
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  EXPECT_TRUE(shell(enter + " && exec " + self + " --gtest_filter='faults.F26_results_of_gigabytes*'"));
  if (!denied) std::filesystem::remove(group, denied);
}

}  // namespace
}  // namespace lido::testing
