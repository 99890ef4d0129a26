#include "driver/wire/backend.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(backend_key, input) {
  for (const std::size_t longest : {4U, 256U}) {
    const auto key = lido::wire::parse_backend_key(input, longest);
    if (key) lido::fuzz::require(key->secret.size() >= 4 && key->secret.size() <= longest);
  }
}
