#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(parameter_status, input) { (void)lido::wire::parse_parameter_status(input); }
