#include "driver/session/saslprep.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(saslprep, input) {
  if (input.find('\0') != std::string_view::npos) return;  // refused long before
  const lido::secret once = lido::session::saslprep(lido::secret(input));
  lido::fuzz::require(input.empty() || !once.empty());
}
