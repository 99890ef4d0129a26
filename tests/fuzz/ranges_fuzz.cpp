#include "tests/fuzz/decoding.hpp"

#include <lido/driver/numeric.hpp>
#include <lido/driver/timestamp.hpp>
#include <lido/driver/types/range.hpp>

LIDO_FUZZ_TARGET(ranges, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<range<std::int32_t>>{3904}, fuzz::as<range<numeric>>{3906},
                      fuzz::as<range<timestamptz>>{3910}, fuzz::as<multirange<std::int64_t>>{4536},
                      fuzz::as<multirange<numeric>>{4532}, fuzz::as<range<date>>{3912});
}
