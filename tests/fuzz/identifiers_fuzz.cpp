#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/identifiers.hpp>

LIDO_FUZZ_TARGET(identifiers, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<object_id>{oid::object_id}, fuzz::as<xid>{oid::xid}, fuzz::as<xid8>{oid::xid8},
                      fuzz::as<tid>{oid::tid}, fuzz::as<pg_lsn>{oid::pg_lsn}, fuzz::as<money>{oid::money});
}
