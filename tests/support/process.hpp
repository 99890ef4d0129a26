// Child processes for tests: started as another account when we are root, ended with us when we crash, waited for with
// a bound.
#pragma once

#include "tests/support/descriptor.hpp"

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace lido::testing {

struct account {
  uid_t uid;
  gid_t gid;
};

/// PostgreSQL refuses to run as root: then its programs run as `postgres`. Empty when we are not root.
[[nodiscard]] std::optional<account> server_account();

struct child_settings {
  std::vector<std::string> arguments;  // the first one is the program's full path
  std::optional<account> run_as;
  int output = -1;              // becomes stdout; /dev/null when negative
  int errors = -1;              // becomes stderr; /dev/null when negative
  int parent_death_signal = 0;  // sent to the child when the starting *thread* ends (prctl's rule)
};

/// A started child. Whoever destroys it while it runs kills it.
class child_process {
 public:
  child_process() = default;
  explicit child_process(const child_settings& settings);
  child_process(child_process&& other) noexcept;
  child_process& operator=(child_process&& other) noexcept;
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool running();
  void signal(int number) const;
  /// The exit status (128 + signal when killed), or nothing when it still runs at the end of the budget.
  std::optional<int> wait(std::chrono::milliseconds budget);

 private:
  void kill_and_reap() noexcept;

  pid_t pid_ = -1;
  descriptor handle_;  // a pidfd: waiting with a deadline without touching SIGCHLD
  std::optional<int> status_;
};

struct process_result {
  int status = -1;
  std::string output;
  std::string errors;
};

/// Runs a program to its end; kills it and throws when it outlives the budget.
process_result run_process(std::vector<std::string> arguments, std::optional<account> run_as = {},
                           std::chrono::milliseconds budget = std::chrono::seconds{30});

/// A thread that starts children and lives as long as they should: the parent-death signal belongs to the starting
/// thread, so a test's worker thread must not be the one that forks.
class child_keeper {
 public:
  child_keeper();
  child_keeper(const child_keeper&) = delete;
  child_keeper& operator=(const child_keeper&) = delete;
  ~child_keeper();

  child_process start(const child_settings& settings);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> task_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lido::testing
