#include "tests/fuzz/decoding.hpp"

#include <lido/driver/numeric.hpp>

LIDO_FUZZ_TARGET(numeric, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<numeric>{oid::numeric});
}
