#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/hstore.hpp>

LIDO_FUZZ_TARGET(hstore, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<hstore>{20000});
}
