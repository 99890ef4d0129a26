#include <lido/driver/types/range.hpp>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::uint8_t empty_flag = 0x01;
constexpr std::uint8_t lower_inclusive_flag = 0x02;
constexpr std::uint8_t upper_inclusive_flag = 0x04;
constexpr std::uint8_t lower_infinite_flag = 0x08;
constexpr std::uint8_t upper_infinite_flag = 0x10;
constexpr std::uint8_t all_flags = 0x1f;

}  // namespace

bool take_range_flags(value_reader& in, range_flags& out) noexcept {
  const auto bits = in.take<std::uint8_t>();
  const auto has = [bits](std::uint8_t flag) { return (bits & flag) != 0; };
  out = {has(empty_flag), has(lower_inclusive_flag), has(upper_inclusive_flag), has(lower_infinite_flag),
         has(upper_infinite_flag)};
  return (bits & ~all_flags) == 0;
}

void put_range_flags(const range_flags& flags, value_writer& out) {
  unsigned bits = 0;
  if (flags.empty) bits |= empty_flag;
  if (flags.lower_inclusive) bits |= lower_inclusive_flag;
  if (flags.upper_inclusive) bits |= upper_inclusive_flag;
  if (flags.lower_infinite) bits |= lower_infinite_flag;
  if (flags.upper_infinite) bits |= upper_infinite_flag;
  out.put(static_cast<std::uint8_t>(bits));
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
