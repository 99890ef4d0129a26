#include "tests/fuzz/decoding.hpp"

#include <lido/driver/types/time.hpp>

LIDO_FUZZ_TARGET(times, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<time_of_day>{oid::time}, fuzz::as<time_of_day_tz>{oid::timetz},
                      fuzz::as<interval>{oid::interval}, fuzz::as<std::chrono::nanoseconds>{oid::interval});
}
