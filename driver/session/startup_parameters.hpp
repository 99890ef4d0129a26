// What the StartupMessage says, checked before a byte of it is written (C33).
#pragma once

#include <lido/driver/config.hpp>

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace lido::session {

struct startup_parameters {
  std::vector<std::pair<std::string_view, std::string_view>>
      values;             // into the config; names and values are never empty-named or cut by NUL
  std::error_code error;  // errc::not_encodable or errc::invalid_config
  std::string why;        // names the key, never its value
};

startup_parameters collect_startup_parameters(const connect_config& config);

// The name of the process's user, for a config whose `user` is empty; empty when the system does not know it. Asks the
// name service: it may block, so it belongs on the helper pool or before the io threads start.
std::string process_user();
// The same question the other way round.
std::optional<uid_t> id_of_user(const std::string& name);

}  // namespace lido::session
