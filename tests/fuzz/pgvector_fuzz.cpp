#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/pgvector.hpp>

LIDO_FUZZ_TARGET(pgvector, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<pgvector>{20000});
}
