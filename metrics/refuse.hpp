// What cannot be exposed as it was asked for: invalid_config, in words for who wrote the configuration.
#pragma once

#include <lido/driver/error.hpp>

#include <string>
#include <utility>

namespace lido::inline v0::metrics {

[[noreturn]] inline void refuse(std::string why) {
  diagnostics diag;
  diag.context = std::move(why);
  throw error(make_error_code(errc::invalid_config), std::move(diag));
}

}  // namespace lido::inline v0::metrics
