#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/geometry.hpp>

LIDO_FUZZ_TARGET(geometry, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<point>{oid::point}, fuzz::as<line>{oid::line}, fuzz::as<lseg>{oid::lseg},
                      fuzz::as<box>{oid::box}, fuzz::as<path>{oid::path}, fuzz::as<polygon>{oid::polygon},
                      fuzz::as<circle>{oid::circle});
}
