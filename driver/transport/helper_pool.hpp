// The one named pool of helper threads: look-ups (getaddrinfo blocks) and SCRAM's key derivation. Nothing joins a
// thread that looks something up: a job's state is shared and its late answer is dropped (contract I28, design decision
// 9). Threads start on first use and end when idle.
#pragma once

#include <functional>

namespace lido::transport {

enum class helper_job {
  finite,    // computes: the process's exit waits for one that runs, OpenSSL is taken down after it
  unending,  // may hang in a system call: never waited for, and one thread is always kept free of such
};

// Runs `job` on a helper thread, soon. False when the bounded queue is full: the caller fails with errc::resolve_failed
// or connect_failed. Never blocks, noexcept.
bool run_on_helper(std::function<void()> job, helper_job kind = helper_job::finite) noexcept;

}  // namespace lido::transport
