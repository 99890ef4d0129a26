#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/text_types.hpp>

LIDO_FUZZ_TARGET(tsvector, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<tsvector>{oid::tsvector});
}
