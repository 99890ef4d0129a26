// The driver and the server behind the real pool's seam, both made up: connects, queries, cancels and closes that take
// virtual time and go wrong at random. Keeps its own books of what the server would see.
#pragma once

#include "driver/io/settings.hpp"
#include "pool/core/random.hpp"
#include "tests/simulation/real/cluster.hpp"
#include "tests/simulation/real/postmaster.hpp"
#include "tests/simulation/real/virtual_time.hpp"

#include <lido/driver/detail/session.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace simulation {

class violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// In percent, of the times that it could happen.
struct weather {
  unsigned refuses = 0;   // a connect fails at once
  unsigned rejects = 0;   // a connect fails for good: wrong password
  unsigned swallows = 0;  // a connect, ping, cancel or close gets no answer
  unsigned errs = 0;      // a query ends with an error of the server's
  unsigned dies = 0;      // the connection breaks in the middle of an operation
  unsigned drags = 0;     // a query takes seconds
};

// What stands between the pool and its server. A pooler's pids are its own; address translation gives every connection
// another port; a virtual address leads to one of two servers.
enum class middlebox : std::uint8_t { none, translation, pooler, virtual_address };

// What happened, for those who want to know whether anything did.
struct sightings {
  std::uint64_t requests = 0;         // CancelRequests written
  std::uint64_t control_calls = 0;    // statements of control sessions
  std::uint64_t control_signals = 0;  // and signals that these sent,
  std::uint64_t window = 0;           // of them to strangers, between look-up and signal
  std::uint64_t unanswered = 0;       // connections closed because a cancel was not answered
};

class server {
 public:
  server(std::uint64_t seed, virtual_time& time);
  ~server();
  [[nodiscard]] static server& of_this_thread();

  weather today;
  middlebox between = middlebox::none;
  bool unix_socket = false;
  sightings seen;
  std::function<void(const std::string&)> note;  // for the story
  // Every connection dies, and what they say speaks for the endpoint.
  void crash();
  void crash(std::size_t host);
  void lose_one();
  // The sessions to that host hear of it, each in its own time.
  void tell_role(std::size_t host, server_role role);

  cluster hosts{*this};
  // Which servers a lane wants, and which of its pool's lanes these settings are of.
  lido::target_session_attrs wanted = lido::target_session_attrs::any;
  std::chrono::nanoseconds max_lag{};
  [[nodiscard]] static std::size_t lane_of(const lido::connect_config& config) noexcept {
    return config.load_balance_hosts == lido::load_balance_hosts::random ? 1 : 0;
  }
  std::uint64_t connects_begun = 0;
  std::uint64_t watches = 0;  // sessions that watch a host
  bool replicas = false;
  // The look at a host has found where its name leads.
  void was_told(machine& m);
  // A lease begins on this session.
  void lent(const simulated_session& on);
  // A client's end of a new socket, as the client sees it.
  [[nodiscard]] lido::recovery::socket_end client_end();
  [[nodiscard]] std::shared_ptr<simulated_session> session_of(std::int32_t pid, std::int64_t started) const;

  // I9, as the server counts: connects under way, open connections, closed ones whose end it has not seen.
  void connect_begins(std::size_t lane);
  void backend_gone(std::size_t lane) noexcept { --backends_[lane]; }
  [[nodiscard]] unsigned backends(std::size_t lane = 0) const noexcept { return backends_[lane]; }
  std::array<unsigned, lanes> limit{};
  std::array<unsigned, lanes> requests{};  // CancelRequests under way
  unsigned most_requests = 0;              // and how many there may be
  // How often the configuration has changed so that every connection is to be made anew. A connect belongs to the one
  // that it began in.
  unsigned epoch = 0;

  [[nodiscard]] bool chance(unsigned percent) noexcept { return random_.next() % 100 < percent; }
  [[nodiscard]] std::uint64_t below(std::uint64_t n) noexcept { return random_.next() % n; }
  [[nodiscard]] std::chrono::nanoseconds some(std::chrono::nanoseconds most) noexcept {
    return std::chrono::nanoseconds(below(static_cast<std::uint64_t>(most.count()) + 1));
  }
  virtual_time& time() noexcept { return time_; }

  void add(const std::shared_ptr<simulated_session>& s) { sessions_.push_back(s); }
  // The first thing that must not happen; checks run where nothing may throw.
  void require(bool holds, const char* rule) {
    if (!holds) break_rule(rule);
  }
  void break_rule(const char* rule) {
    if (broken_.empty()) broken_ = rule;
  }
  [[nodiscard]] const std::string& broken() const noexcept { return broken_; }

 private:
  lido::core::random random_;
  virtual_time& time_;
  std::vector<std::weak_ptr<simulated_session>> sessions_;
  std::array<unsigned, lanes> backends_{};
  std::array<std::size_t, lanes> last_host_{};  // where a lease was handed out last
  std::int32_t last_port_ = 0;
  std::string broken_;
};

}  // namespace simulation
