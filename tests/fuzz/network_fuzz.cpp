#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/network.hpp>

LIDO_FUZZ_TARGET(network, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<inet>{oid::inet}, fuzz::as<cidr>{oid::cidr}, fuzz::as<macaddr>{oid::macaddr},
                      fuzz::as<macaddr8>{oid::macaddr8});
}
