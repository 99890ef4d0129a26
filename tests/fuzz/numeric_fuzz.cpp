#include "tests/fuzz/decoding.hpp"

#include <lido/driver/numeric.hpp>

LIDO_FUZZ_TARGET(numeric, input) { lido::fuzz::decode<lido::numeric>(lido::oid::numeric, input); }
