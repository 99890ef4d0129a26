// The driver and the server behind the real pool's seam, both made up: connects, queries, cancels and closes that take
// virtual time and go wrong at random. Keeps its own books of what the server would see.
#pragma once

#include "driver/io/settings.hpp"
#include "pool/core/random.hpp"
#include "tests/simulation/real/virtual_time.hpp"

#include <lido/driver/detail/session.hpp>

#include <cstdint>
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
  unsigned swallows = 0;  // a connect, ping or close gets no answer
  unsigned errs = 0;      // a query ends with an error of the server's
  unsigned dies = 0;      // the connection breaks in the middle of an operation
  unsigned drags = 0;     // a query takes seconds
  unsigned keeps = 0;     // a recovery fails
};

class simulated_session;

class server {
 public:
  server(std::uint64_t seed, virtual_time& time);
  ~server();
  [[nodiscard]] static server& of_this_thread();

  weather today;
  // Every connection dies, and what they say speaks for the endpoint.
  void crash();
  void lose_one();

  // I9, as the server counts: connects under way, open connections, closed ones whose end it has not seen.
  void connect_begins();
  void backend_gone() noexcept { --backends_; }
  [[nodiscard]] unsigned backends() const noexcept { return backends_; }
  unsigned limit = 0;
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
  unsigned backends_ = 0;
  std::string broken_;
};

}  // namespace simulation
