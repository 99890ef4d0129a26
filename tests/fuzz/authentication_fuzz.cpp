#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(authentication, input) { (void)lido::wire::parse_authentication(input); }
