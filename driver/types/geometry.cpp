#include <lido/driver/types/geometry.hpp>

#include <bit>
#include <cstdint>
#include <limits>

namespace lido {
inline namespace v0 {
namespace {

void put(double value, value_writer& out) { out.put(std::bit_cast<std::uint64_t>(value)); }
void put(const point& value, value_writer& out) {
  put(value.x, out);
  put(value.y, out);
}

double take_double(value_reader& in) noexcept { return std::bit_cast<double>(in.take<std::uint64_t>()); }
point take_point(value_reader& in) noexcept {
  const double x = take_double(in);
  return {x, take_double(in)};
}

bool put_points(const std::vector<point>& points, value_writer& out) {
  if (points.empty() || points.size() > std::numeric_limits<std::int32_t>::max()) return false;
  out.put(static_cast<std::int32_t>(points.size()));
  for (const point& p : points) put(p, out);
  return true;
}

// The count is believed only as far as there are bytes for it (reliability C26).
bool take_points(value_reader& in, std::vector<point>& out) {
  const auto count = in.take<std::int32_t>();
  if (count < 1 || static_cast<std::size_t>(count) != in.remaining() / sizeof(point)) return false;
  out.clear();
  out.reserve(static_cast<std::size_t>(count));
  for (std::int32_t i = 0; i < count; ++i) out.push_back(take_point(in));
  return true;
}

}  // namespace

bool codec<point>::encode(const point& value, value_writer& out) {
  put(value, out);
  return true;
}
bool codec<point>::decode(value_reader& in, point& out) noexcept {
  out = take_point(in);
  return true;
}

bool codec<line>::encode(const line& value, value_writer& out) {
  put(value.a, out);
  put(value.b, out);
  put(value.c, out);
  return value.a != 0 || value.b != 0;  // else it is no line, and the server says so
}
bool codec<line>::decode(value_reader& in, line& out) noexcept {
  out.a = take_double(in);
  out.b = take_double(in);
  out.c = take_double(in);
  return out.a != 0 || out.b != 0;
}

bool codec<lseg>::encode(const lseg& value, value_writer& out) {
  put(value.from, out);
  put(value.to, out);
  return true;
}
bool codec<lseg>::decode(value_reader& in, lseg& out) noexcept {
  out.from = take_point(in);
  out.to = take_point(in);
  return true;
}

bool codec<box>::encode(const box& value, value_writer& out) {
  put(value.high, out);
  put(value.low, out);
  return true;
}
bool codec<box>::decode(value_reader& in, box& out) noexcept {
  out.high = take_point(in);
  out.low = take_point(in);
  return true;
}

bool codec<path>::encode(const path& value, value_writer& out) {
  out.put(static_cast<std::uint8_t>(value.closed));
  return put_points(value.points, out);
}
bool codec<path>::decode(value_reader& in, path& out) {
  const auto closed = in.take<std::uint8_t>();
  out.closed = closed == 1;
  return closed <= 1 && take_points(in, out.points);
}

bool codec<polygon>::encode(const polygon& value, value_writer& out) { return put_points(value.points, out); }
bool codec<polygon>::decode(value_reader& in, polygon& out) { return take_points(in, out.points); }

bool codec<circle>::encode(const circle& value, value_writer& out) {
  put(value.centre, out);
  put(value.radius, out);
  return !(value.radius < 0);
}
bool codec<circle>::decode(value_reader& in, circle& out) noexcept {
  out.centre = take_point(in);
  out.radius = take_double(in);
  return !(out.radius < 0);
}

}  // namespace v0
}  // namespace lido
