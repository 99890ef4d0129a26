// The plane: point, line, lseg, box, path, polygon, circle.
#pragma once

#include <lido/driver/types/fixed_codec.hpp>

#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

struct point {
  double x = 0;
  double y = 0;
  friend bool operator==(const point&, const point&) = default;
};

/// ax + by + c = 0.
struct line {
  double a = 0;
  double b = 0;
  double c = 0;
  friend bool operator==(const line&, const line&) = default;
};

struct lseg {
  point from;
  point to;
  friend bool operator==(const lseg&, const lseg&) = default;
};

/// The server sorts the corners: what is read has the upper right one in `high`.
struct box {
  point high;
  point low;
  friend bool operator==(const box&, const box&) = default;
};

struct path {
  bool closed = false;
  std::vector<point> points;  ///< at least one

  path() = default;
  path(bool is_closed, std::vector<point> all) : closed(is_closed), points(std::move(all)) {}
  friend bool operator==(const path&, const path&) = default;
};

struct polygon {
  std::vector<point> points;  ///< at least one

  polygon() = default;
  explicit polygon(std::vector<point> all) : points(std::move(all)) {}
  friend bool operator==(const polygon&, const polygon&) = default;
};

struct circle {
  point centre;
  double radius = 0;  ///< not negative
  friend bool operator==(const circle&, const circle&) = default;
};

template <>
struct codec<point> : detail::fixed_codec<oid::point> {
  static constexpr std::string_view name = "lido::point";
  static bool encode(const point& value, value_writer& out);
  static bool decode(value_reader& in, point& out) noexcept;
};
template <>
struct codec<line> : detail::fixed_codec<oid::line> {
  static constexpr std::string_view name = "lido::line";
  static bool encode(const line& value, value_writer& out);
  static bool decode(value_reader& in, line& out) noexcept;
};
template <>
struct codec<lseg> : detail::fixed_codec<oid::lseg> {
  static constexpr std::string_view name = "lido::lseg";
  static bool encode(const lseg& value, value_writer& out);
  static bool decode(value_reader& in, lseg& out) noexcept;
};
template <>
struct codec<box> : detail::fixed_codec<oid::box> {
  static constexpr std::string_view name = "lido::box";
  static bool encode(const box& value, value_writer& out);
  static bool decode(value_reader& in, box& out) noexcept;
};
template <>
struct codec<path> : detail::fixed_codec<oid::path> {
  static constexpr std::string_view name = "lido::path";
  static bool encode(const path& value, value_writer& out);
  static bool decode(value_reader& in, path& out);
};
template <>
struct codec<polygon> : detail::fixed_codec<oid::polygon> {
  static constexpr std::string_view name = "lido::polygon";
  static bool encode(const polygon& value, value_writer& out);
  static bool decode(value_reader& in, polygon& out);
};
template <>
struct codec<circle> : detail::fixed_codec<oid::circle> {
  static constexpr std::string_view name = "lido::circle";
  static bool encode(const circle& value, value_writer& out);
  static bool decode(value_reader& in, circle& out) noexcept;
};

}  // namespace v0
}  // namespace lido
