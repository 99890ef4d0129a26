#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(copy_response, input) { (void)lido::wire::parse_copy_response(input); }
