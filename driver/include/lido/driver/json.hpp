// JSON as text. The types say which column or parameter is meant; bring the JSON library that you like. A plain
// std::string reads both, too.
#pragma once

#include <lido/driver/codec.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace lido {
inline namespace v0 {

struct json {
  std::string text;
  json() = default;
  explicit json(std::string json_text) : text(std::move(json_text)) {}
  friend bool operator==(const json&, const json&) = default;
};

struct jsonb {
  std::string text;
  jsonb() = default;
  explicit jsonb(std::string json_text) : text(std::move(json_text)) {}
  friend bool operator==(const jsonb&, const jsonb&) = default;
};

template <>
struct codec<json> {
  static constexpr std::string_view name = "lido::json";
  static constexpr std::uint32_t type = oid::json;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::json; }
  static bool encode(const json& value, value_writer& out);
  static bool decode(value_reader& in, json& out);
};

template <>
struct codec<jsonb> {
  static constexpr std::string_view name = "lido::jsonb";
  static constexpr std::uint32_t type = oid::jsonb;
  static constexpr bool binary = true;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::jsonb; }
  static bool encode(const jsonb& value, value_writer& out);
  static bool decode(value_reader& in, jsonb& out);
};

}  // namespace v0
}  // namespace lido
