#include <lido/driver/types/bits.hpp>

#include <algorithm>
#include <limits>

namespace lido {
inline namespace v0 {

std::optional<bit_string> bit_string::parse(std::string_view zeros_and_ones) {
  if (zeros_and_ones.find_first_not_of("01") != std::string_view::npos) return std::nullopt;
  bit_string out;
  out.bits.reserve(zeros_and_ones.size());
  for (const char digit : zeros_and_ones) out.bits.push_back(digit == '1');
  return out;
}

std::string bit_string::to_string() const {
  std::string out;
  out.reserve(bits.size());
  for (const bool bit : bits) out += bit ? '1' : '0';
  return out;
}

bool codec<bit_string>::encode(const bit_string& value, value_writer& out) {
  const std::size_t size = value.bits.size();
  if (size > std::numeric_limits<std::int32_t>::max()) return false;
  out.put(static_cast<std::int32_t>(size));
  for (std::size_t first = 0; first < size; first += 8) {
    unsigned byte = 0;
    for (std::size_t i = 0; i < 8; ++i)
      byte = byte << 1 | static_cast<unsigned>(first + i < size && value.bits[first + i]);
    out.put(static_cast<std::uint8_t>(byte));
  }
  return true;
}

bool codec<bit_string>::decode(value_reader& in, bit_string& out) {
  if (!in.binary()) {
    auto parsed = bit_string::parse(in.take_all());
    if (parsed) out = std::move(*parsed);
    return parsed.has_value();
  }
  const std::int64_t size = in.take<std::int32_t>();
  if (size < 0 || static_cast<std::size_t>((size + 7) / 8) != in.remaining()) return false;
  const std::string_view bytes = in.take_all();
  out.bits.clear();
  out.bits.reserve(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
    out.bits.push_back((static_cast<unsigned char>(bytes[i / 8]) >> (7 - i % 8) & 1) != 0);
  }
  return true;
}

}  // namespace v0
}  // namespace lido
