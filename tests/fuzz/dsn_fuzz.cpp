#include "tests/fuzz/target.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/detail/knobs.hpp>
#include <lido/driver/error.hpp>

LIDO_FUZZ_TARGET(dsn, input) {
  try {
    const auto config = lido::connect_config::parse(input);
    // What was taken can be written and read again.
    for (const auto& k : lido::detail::connect_knobs()) {
      lido::connect_config again;
      const std::string text = k.get(config);
      lido::fuzz::require(text.empty() || k.set(again, text));
    }
    lido::fuzz::require(!lido::detail::hosts_of(config).empty());
  } catch (const lido::error& e) {
    lido::fuzz::require(e.code() == lido::errc::invalid_config);
  }
}
