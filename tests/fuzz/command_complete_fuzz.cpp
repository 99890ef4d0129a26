#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(command_complete, input) {
  if (const auto tag = lido::wire::parse_command_complete(input)) (void)lido::wire::affected_rows(*tag);
  (void)lido::wire::affected_rows(input);
  (void)lido::wire::parse_ready_for_query(input);
}
