#include "tests/faults/privilege.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <system_error>
#include <thread>

namespace lido::testing {

void not_made_here(const std::string& fault, const std::string& why) {
  std::cerr << "\n*** " << fault << " IS NOT TESTED ON THIS MACHINE: " << why << " ***\n\n";
}

bool shell(const std::string& command) {
  const process_result r =
      run_process({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + command}, {}, std::chrono::minutes(2));
  if (r.status != 0) std::cerr << command << ": " << r.output << r.errors;
  return r.status == 0;
}

void in_a_network_of_its_own(const std::string& fault, const std::function<void()>& body) {
  std::thread inside([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      not_made_here(fault, std::string("no network namespace of its own: ") + std::strerror(errno));
      return;
    }
    if (!shell("ip link set lo up")) return not_made_here(fault, "ip (package iproute2) does not work");
    body();
  });
  inside.join();
}

small_disk::small_disk(const std::filesystem::path& at, const std::string& size, const std::optional<account>& owner)
    : at_(at) {
  std::filesystem::create_directory(at);
  std::string options = "mode=0700,size=" + size;
  if (owner) options += ",uid=" + std::to_string(owner->uid) + ",gid=" + std::to_string(owner->gid);
  if (::mount("tmpfs", at.c_str(), "tmpfs", 0, options.c_str()) != 0) error_ = errno;
}

small_disk::~small_disk() {
  if (made()) ::umount2(at_.c_str(), MNT_DETACH);
}

std::string small_disk::why() const { return "no file system of its own: " + std::generic_category().message(error_); }

void small_disk::resize(const std::string& size) {
  if (::mount("tmpfs", at_.c_str(), "tmpfs", MS_REMOUNT, ("size=" + size).c_str()) != 0)
    throw std::system_error(errno, std::generic_category(), "remount " + at_.string());
}

}  // namespace lido::testing
