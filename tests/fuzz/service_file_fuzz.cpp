#include "tests/fuzz/target.hpp"

#include <lido/driver/detail/libpq_files.hpp>
#include <lido/driver/error.hpp>

LIDO_FUZZ_TARGET(service_file, input) {
  try {
    const auto settings = lido::detail::service_in(input, "web", "file");
    if (!settings) return;
    lido::connect_config config;
    lido::detail::apply_settings(config, *settings);
  } catch (const lido::error& e) {
    lido::fuzz::require(e.code() == lido::errc::invalid_config);
  }
}
