// Sessions as a right server and a user have them, from the first byte to the goodbye: what the sweep cuts.
#pragma once

#include "tests/hostile/hostile_server.hpp"

#include <functional>
#include <string>
#include <vector>

namespace lido::testing {

struct recorded_session {
  std::string name;
  std::function<connect_config(const fake_server&)> config;
  std::vector<step> server;                           // up to the last byte it sends
  std::vector<std::function<outcome(client&)>> user;  // behind connect(), one after the other
  bool commits = false;                               // a loss may leave the outcome unknown
};

/// Pipelines, COPY and streams; among recorded_sessions().
[[nodiscard]] std::vector<recorded_session> pipelines_and_exchanges();
[[nodiscard]] std::vector<recorded_session> recorded_sessions();

}  // namespace lido::testing
