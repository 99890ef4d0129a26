#include "tests/fuzz/decoding.hpp"

#include <lido/driver/timestamp.hpp>

LIDO_FUZZ_TARGET(timestamps, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<timestamptz>{oid::timestamptz}, fuzz::as<timestamp>{oid::timestamp},
                      fuzz::as<date>{oid::date}, fuzz::as<std::chrono::year_month_day>{oid::date},
                      fuzz::as<std::chrono::sys_time<std::chrono::nanoseconds>>{oid::timestamptz});
}
