// Users who are cancelled at random moments, and innocent statements in between that must not notice (contract I3).
#pragma once

#include "tests/contract/harness.hpp"

#include <chrono>
#include <string>

namespace lido::testing {

struct cancel_storm {
  int users = 8;
  int rounds = 0;  // of all users together: a statement that is cancelled, then innocent ones
  unsigned seed = 1310;
  std::string victim = "select pg_sleep(0.002)";
  std::chrono::microseconds not_before{0};  // it is cancelled after not_before and a random part of within
  std::chrono::microseconds within{5000};
  int innocents = 3;
};

struct storm_tally {
  int completed = 0;
  int cancelled = 0;
  int wrong = 0;  // somebody saw what only somebody else may see
  int finished_users = 0;
  std::string example;  // of what was wrong
};

/// Starts the users; they are through when `count.finished_users` says so. Both outlive them.
void start(world& on, const cancel_storm& storm, storm_tally& count);
/// The same, to the end. False: it has none.
bool run(world& on, const cancel_storm& storm, storm_tally& count);

}  // namespace lido::testing
