// Faults that only root may make: a network of one's own, a small disk, a memory limit. Where they may not be made, the
// test says so, loudly, and proves nothing (docs/reliability.md).
#pragma once

#include "tests/support/process.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace lido::testing {

/// For the log of whoever believes that this was tested.
void not_made_here(const std::string& fault, const std::string& why);

/// Runs a shell command; false, and its words on stderr, when it fails.
bool shell(const std::string& command);

/// Runs `body` on a thread that has a network namespace, and in it a loopback interface, of its own; threads and
/// children that it starts are inside, too. Not run, and said so, where that is not allowed.
void in_a_network_of_its_own(const std::string& fault, const std::function<void()>& body);

/// A file system in memory of a given size; gone with its owner.
class small_disk {
 public:
  small_disk(const std::filesystem::path& at, const std::string& size, const std::optional<account>& owner);
  small_disk(const small_disk&) = delete;
  small_disk& operator=(const small_disk&) = delete;
  ~small_disk();

  [[nodiscard]] bool made() const noexcept { return error_ == 0; }
  [[nodiscard]] std::string why() const;
  void resize(const std::string& size);

 private:
  std::filesystem::path at_;
  int error_ = 0;
};

}  // namespace lido::testing
