#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/bits.hpp>

LIDO_FUZZ_TARGET(bits, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<bit_string>{oid::varbit});
}
