#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(notification, input) { (void)lido::wire::parse_notification(input); }
