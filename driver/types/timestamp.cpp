#include <lido/driver/timestamp.hpp>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::int64_t micros_per_second = 1'000'000;

template <class Int>
constexpr Int highest = std::numeric_limits<Int>::max();
template <class Int>
constexpr Int lowest = std::numeric_limits<Int>::min();

__extension__ using wide = __int128;  // products of a count and a unit do not fit 64 bits

}  // namespace

bool put_timestamp(std::int64_t micros_since_1970, value_writer& out) {
  std::int64_t wire = 0;
  if (__builtin_sub_overflow(micros_since_1970, epoch_micros, &wire)) return false;
  if (wire == lowest<std::int64_t>) return false;  // it would become -infinity
  out.put(wire);
  return true;
}

void put_infinite_timestamp(bool positive, value_writer& out) {
  out.put(positive ? highest<std::int64_t> : lowest<std::int64_t>);
}

bool put_date(std::int64_t days_since_1970, value_writer& out) {
  std::int64_t wire = 0;
  if (__builtin_sub_overflow(days_since_1970, epoch_days, &wire)) return false;
  if (wire <= lowest<std::int32_t> || wire >= highest<std::int32_t>) return false;  // the extremes are the infinities
  out.put(static_cast<std::int32_t>(wire));
  return true;
}

void put_infinite_date(bool positive, value_writer& out) {
  out.put(positive ? highest<std::int32_t> : lowest<std::int32_t>);
}

moment take_date(value_reader& in, std::int64_t& days_since_1970) noexcept {
  const auto wire = in.take<std::int32_t>();
  if (wire == highest<std::int32_t>) return moment::infinity;
  if (wire == lowest<std::int32_t>) return moment::minus_infinity;
  days_since_1970 = wire + epoch_days;
  return moment::finite;
}

bool to_micros(std::int64_t count, std::int64_t numerator, std::int64_t denominator, std::int64_t& micros) noexcept {
  // Each factor is below 2^63 and a million below 2^20; units above 2^44 seconds do not exist.
  const wide product = static_cast<wide>(count) * numerator * micros_per_second;
  wide quotient = product / denominator;
  if (product % denominator < 0) --quotient;  // down, also before 1970
  if (quotient < lowest<std::int64_t> || quotient > highest<std::int64_t>) return false;
  micros = static_cast<std::int64_t>(quotient);
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
