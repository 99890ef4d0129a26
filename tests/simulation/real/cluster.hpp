// The hosts of a simulated cluster: which is the primary, which are up, where their names lead; and what the pool has
// been told of them so far, so that it can be held to it. A single server is a cluster of one.
#pragma once

#include "tests/simulation/real/postmaster.hpp"
#include "tests/simulation/real/virtual_time.hpp"

#include <lido/driver/detail/session.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace simulation {

using lido::detail::server_role;

// A pool with replicas is two lanes, each with a cap, watches and control sessions of its own.
inline constexpr std::size_t lanes = 2;

// What one lane has been told of one host, and when.
struct told {
  server_role role = server_role::unknown;
  instant role_at{};
  std::uint32_t timeline = 0;  // as a primary
  std::chrono::nanoseconds lag{};
  instant lag_at = instant::max();  // never
  std::vector<std::string> addresses;
  instant addresses_at = instant::max();
};

struct machine {
  machine(server& s, std::size_t n) : number(n), processes{postmaster(s, static_cast<std::int64_t>(2 * n + 1))} {}

  const std::size_t number;
  std::deque<postmaster> processes;  // behind a virtual address, of two servers
  bool up = true;
  server_role role = server_role::primary;
  std::uint32_t timeline = 1;
  std::chrono::nanoseconds lag{};
  std::uint64_t moves = 0;  // of its name, to another address
  std::array<told, lanes> news;
  std::array<unsigned, lanes> controls{};      // control sessions that are connecting or open
  std::array<std::uint64_t, lanes> left_at{};  // the connect that was the last one begun when the pool went elsewhere

  [[nodiscard]] std::string address() const;
};

class cluster {
 public:
  explicit cluster(server& s) : server_(s) {}
  void build(std::size_t hosts, bool virtual_address);

  [[nodiscard]] machine& operator[](std::size_t i) { return machines_[i]; }
  [[nodiscard]] std::size_t size() const noexcept { return machines_.size(); }
  [[nodiscard]] bool has_port(std::int32_t port) const;
  postmaster& any_postmaster();

  void something_changes();
  void heal();  // one primary, the others follow it

 private:
  void take_down(machine& m);
  void bring_up(machine& m, server_role as);
  void promote(machine& m);
  void fail_over();
  void move_name(machine& m);
  [[nodiscard]] machine* some(server_role role);
  void note(const machine& m, const char* what) const;

  server& server_;
  std::deque<machine> machines_;
  std::uint32_t newest_timeline_ = 1;
};

}  // namespace simulation
