#include "tests/support/stale_clusters.hpp"

#include "tests/support/files.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace lido::testing::stale_clusters {
namespace {

constexpr const char* owner_file = "owner";

// A pid alone may be somebody else's by now; together with its start time (field 22 of stat) it is unique.
std::string birth_of(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields{text.substr(text.rfind(')') + 2)};
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  return field;
}

bool owner_lives(const std::filesystem::path& folder) {
  std::istringstream text{read_file(folder / owner_file)};
  pid_t pid = 0;
  std::string birth;
  text >> pid >> birth;
  try {
    return birth_of(pid) == birth;
  } catch (const std::runtime_error&) {
    return false;
  }
}

// Only a process whose command line names this very folder is the server of this folder.
void kill_server_of(const std::filesystem::path& folder) {
  std::istringstream text{read_file(folder / "data" / "postmaster.pid")};
  pid_t pid = 0;
  text >> pid;
  if (pid <= 1) return;
  const auto command = read_file("/proc/" + std::to_string(pid) + "/cmdline");
  if (command.find((folder / "data").string()) != std::string::npos) ::kill(pid, SIGKILL);
}

void remove_stale(const std::filesystem::path& folder) {
  try {
    kill_server_of(folder);
  } catch (const std::runtime_error&) {
    // No pid file or no such process: the usual case, there is nothing to kill.
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

std::vector<std::filesystem::path> marked_folders() {
  std::vector<std::filesystem::path> folders;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator{"/tmp", ignored}) {
    const bool ours = entry.path().filename().string().starts_with(prefix);
    if (ours && std::filesystem::exists(entry.path() / owner_file, ignored)) folders.push_back(entry.path());
  }
  return folders;
}

}  // namespace

void mark_owner(const std::filesystem::path& folder) {
  write_file(folder / owner_file, std::to_string(::getpid()) + " " + birth_of(::getpid()) + "\n");
}

void sweep() {
  for (const auto& folder : marked_folders()) {
    try {
      if (!owner_lives(folder)) remove_stale(folder);
    } catch (const std::runtime_error&) {
      // Another program swept it first.
    }
  }
}

}  // namespace lido::testing::stale_clusters
