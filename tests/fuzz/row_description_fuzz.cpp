#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(row_description, input) { (void)lido::wire::parse_row_description(input); }
