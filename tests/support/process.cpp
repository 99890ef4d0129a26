#include "tests/support/process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <exception>
#include <future>
#include <memory>
#include <stdexcept>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

std::vector<char*> as_argv(std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Runs between fork and exec in a program that may have threads: system calls only, no allocation, no locks.
[[noreturn]] void become(const child_settings& settings, char* const* argv, char* const* environment, pid_t parent) {
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, 0);
  ::dup2(settings.output >= 0 ? settings.output : null, 1);
  ::dup2(settings.errors >= 0 ? settings.errors : null, 2);
  ::syscall(SYS_close_range, 3U, ~0U, 0U);  // a test's listening socket must not live on in a server
  ::setsid();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (settings.run_as) {
    const gid_t group = settings.run_as->gid;
    if (::setgroups(1, &group) != 0 || ::setgid(group) != 0 || ::setuid(settings.run_as->uid) != 0) ::_exit(126);
  }
  // After setuid, which clears it; and the parent may have died before.
  if (settings.parent_death_signal != 0) {
    ::prctl(PR_SET_PDEATHSIG, settings.parent_death_signal);
    if (::getppid() != parent) ::_exit(125);
  }
  if (::chdir("/") != 0) ::_exit(124);
  ::execve(argv[0], argv, environment);
  ::_exit(127);
}

int exit_status(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw); }

std::string contents(const descriptor& file) {
  std::string text;
  std::array<char, 4096> buffer;
  for (off_t offset = 0;;) {
    const auto size = checked(::pread(file.get(), buffer.data(), buffer.size(), offset), "pread");
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    offset += size;
  }
}

}  // namespace

std::optional<account> server_account() {
  if (::geteuid() != 0) return std::nullopt;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  ::getpwnam_r("postgres", &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) throw std::runtime_error{"running as root, and there is no account `postgres`"};
  return account{entry.pw_uid, entry.pw_gid};
}

child_process::child_process(const child_settings& settings) {
  std::vector<std::string> arguments = settings.arguments;
  // A clean environment: PGHOST and friends of the developer must not change what a test does.
  std::vector<std::string> environment{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"};
  const auto argv = as_argv(arguments);
  const auto envp = as_argv(environment);
  const pid_t parent = ::getpid();
  pid_ = checked(::fork(), "fork");
  if (pid_ == 0) become(settings, argv.data(), envp.data(), parent);
  handle_.reset(static_cast<int>(checked(::syscall(SYS_pidfd_open, pid_, 0), "pidfd_open")));
}

child_process::child_process(child_process&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)}, handle_{std::move(other.handle_)}, status_{other.status_} {}

child_process& child_process::operator=(child_process&& other) noexcept {
  if (this != &other) {
    kill_and_reap();
    pid_ = std::exchange(other.pid_, -1);
    handle_ = std::move(other.handle_);
    status_ = other.status_;
  }
  return *this;
}

child_process::~child_process() { kill_and_reap(); }

void child_process::kill_and_reap() noexcept {
  if (pid_ < 0 || status_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool child_process::running() { return pid_ >= 0 && !wait(0ms); }

void child_process::signal(int number) const {
  // A pid that was reaped may belong to somebody else by now.
  if (pid_ < 0 || status_) throw std::logic_error{"signal to a child that has ended"};
  checked(::kill(pid_, number), "kill");
}

std::optional<int> child_process::wait(std::chrono::milliseconds budget) {
  if (pid_ < 0 || status_) return status_;
  const auto deadline = std::chrono::steady_clock::now() + budget;
  for (;;) {
    int raw = 0;
    if (checked(::waitpid(pid_, &raw, WNOHANG), "waitpid") == pid_) return status_ = exit_status(raw);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) return std::nullopt;
    pollfd item{handle_.get(), POLLIN, 0};
    ::poll(&item, 1, static_cast<int>(left.count()));
  }
}

process_result run_process(std::vector<std::string> arguments, std::optional<account> run_as,
                           std::chrono::milliseconds budget) {
  const descriptor output{checked(::memfd_create("output", MFD_CLOEXEC), "memfd_create")};
  const descriptor errors{checked(::memfd_create("errors", MFD_CLOEXEC), "memfd_create")};
  child_settings settings;
  settings.arguments = std::move(arguments);
  settings.run_as = run_as;
  settings.output = output.get();
  settings.errors = errors.get();
  settings.parent_death_signal = SIGKILL;
  child_process child{settings};
  const auto status = child.wait(budget);
  if (!status) throw std::runtime_error{settings.arguments.front() + " did not end in time: " + contents(errors)};
  return process_result{*status, contents(output), contents(errors)};
}

child_keeper::child_keeper() : thread_{[this] { run(); }} {}

child_keeper::~child_keeper() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

child_process child_keeper::start(const child_settings& settings) {
  // Shared with the task: the keeper may still be inside set_value when the future is already satisfied.
  const auto promise = std::make_shared<std::promise<child_process>>();
  auto child = promise->get_future();
  {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !task_; });
    task_ = [promise, settings] {
      try {
        promise->set_value(child_process{settings});
      } catch (...) {
        promise->set_exception(std::current_exception());
      }
    };
  }
  changed_.notify_all();
  return child.get();
}

void child_keeper::run() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || task_; });
    if (!task_) return;
    const auto task = std::exchange(task_, nullptr);
    lock.unlock();
    changed_.notify_all();
    task();
    lock.lock();
  }
}

}  // namespace lido::testing
