// lido-storm's command line.
#pragma once

#include "bench/storm/storm_engine.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lido::storm {

/// Something is wrong with the command line; what() says what.
class bad_usage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct options {
  std::string dsn;
  std::string config_file;
  std::optional<std::size_t> connections;
  std::optional<cancel_channel_choice> channel;
  std::chrono::duration<double> seconds{10};  // no bound when a number of operations is given instead
  std::size_t threads = 1;
  load_settings load;
  std::string metrics_address;  // ADDR:PORT
  std::string json_file;        // "-": standard output
  bool quiet = false;
  bool help = false;

  static options parse(const std::vector<std::string>& arguments);
};

[[nodiscard]] std::string_view usage() noexcept;

}  // namespace lido::storm
