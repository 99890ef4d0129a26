#include "tests/fuzz/decoding.hpp"

#include <lido/driver/json.hpp>
#include <lido/driver/types/text_types.hpp>
#include <lido/driver/uuid.hpp>

LIDO_FUZZ_TARGET(basic_types, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<bool>{oid::boolean}, fuzz::as<std::int32_t>{oid::int4},
                      fuzz::as<double>{oid::float8}, fuzz::as<std::string>{oid::text}, fuzz::as<std::string>{20000},
                      fuzz::as<std::vector<std::byte>>{oid::bytea}, fuzz::as<jsonb>{oid::jsonb},
                      fuzz::as<json>{oid::json}, fuzz::as<uuid>{oid::uuid}, fuzz::as<xml>{oid::xml},
                      fuzz::as<citext>{20000}, fuzz::as<ltree>{20000});
}
