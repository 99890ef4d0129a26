#include <lido/driver/types/pgvector.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace lido {
inline namespace v0 {
namespace {

constexpr std::size_t max_dimensions = 16'000;  // VECTOR_MAX_DIM

}  // namespace

// int16 dimensions, int16 that is zero, the floats.
bool codec<pgvector>::encode(const pgvector& value, value_writer& out) {
  if (value.values.empty() || value.values.size() > max_dimensions) return false;
  out.put(static_cast<std::int16_t>(value.values.size()));
  out.put(std::int16_t{0});
  for (const float each : value.values) {
    if (!std::isfinite(each)) return false;
    out.put(std::bit_cast<std::uint32_t>(each));
  }
  return true;
}

bool codec<pgvector>::decode(value_reader& in, pgvector& out) {
  const auto size = in.take<std::int16_t>();
  const auto unused = in.take<std::int16_t>();
  if (size < 1 || static_cast<std::size_t>(size) > max_dimensions || unused != 0) return false;
  if (in.remaining() != static_cast<std::size_t>(size) * sizeof(float)) return false;
  out.values.clear();
  out.values.reserve(static_cast<std::size_t>(size));
  for (std::int16_t i = 0; i < size; ++i) {
    out.values.push_back(std::bit_cast<float>(in.take<std::uint32_t>()));
    if (!std::isfinite(out.values.back())) return false;
  }
  return true;
}

}  // namespace v0
}  // namespace lido
