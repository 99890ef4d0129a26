#include "tests/fuzz/decoding.hpp"

#include <lido/driver/numeric.hpp>
#include <lido/driver/types/array.hpp>

LIDO_FUZZ_TARGET(arrays, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<std::vector<std::optional<std::int32_t>>>{1007},
                      fuzz::as<array<std::int32_t>>{1007}, fuzz::as<std::vector<std::vector<std::string>>>{1009},
                      fuzz::as<array<std::optional<numeric>>>{1231}, fuzz::as<std::vector<bool>>{1000},
                      fuzz::as<std::vector<std::vector<std::byte>>>{1001});
}
