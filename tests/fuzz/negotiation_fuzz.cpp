#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(negotiation, input) { (void)lido::wire::parse_negotiation(input); }
