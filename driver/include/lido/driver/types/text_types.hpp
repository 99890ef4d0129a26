// Types whose value is a text with rules of its own: xml, tsvector, tsquery, and those of the extensions citext and
// ltree. A plain std::string reads xml and citext, too, and is a fine parameter where the server knows the type; these
// say it where it does not.
#pragma once

#include <lido/driver/types/fixed_codec.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace lido {
inline namespace v0 {

struct xml {
  std::string text;
  xml() = default;
  explicit xml(std::string xml_text) : text(std::move(xml_text)) {}
  friend bool operator==(const xml&, const xml&) = default;
};

/// As PostgreSQL prints it: "'cat':3A 'fat':2".
struct tsvector {
  std::string text;
  tsvector() = default;
  explicit tsvector(std::string vector_text) : text(std::move(vector_text)) {}
  friend bool operator==(const tsvector&, const tsvector&) = default;
};

/// As PostgreSQL prints it: "'fat' & ( 'cat' | 'rat':*A )".
struct tsquery {
  std::string text;
  tsquery() = default;
  explicit tsquery(std::string query_text) : text(std::move(query_text)) {}
  friend bool operator==(const tsquery&, const tsquery&) = default;
};

/// Of the extension citext: text that compares without regard to case, on the server; here it is a text.
struct citext {
  std::string text;
  citext() = default;
  explicit citext(std::string any_text) : text(std::move(any_text)) {}
  friend bool operator==(const citext&, const citext&) = default;
};

/// Of the extension ltree: "Top.Science.Astronomy".
struct ltree {
  std::string text;
  ltree() = default;
  explicit ltree(std::string path) : text(std::move(path)) {}
  friend bool operator==(const ltree&, const ltree&) = default;
};

template <>
struct codec<xml> : detail::fixed_codec<oid::xml> {
  static constexpr std::string_view name = "lido::xml";
  static constexpr text_form text = text_form::own_types;
  static bool encode(const xml& value, value_writer& out);
  static bool decode(value_reader& in, xml& out);
};

// As parameters in text form: the server's parser is the one that knows all of it.
template <>
struct codec<tsvector> {
  static constexpr std::string_view name = "lido::tsvector";
  static constexpr std::uint32_t type = oid::tsvector;
  static constexpr bool binary = false;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::tsvector; }
  static bool encode(const tsvector& value, value_writer& out);
  static bool decode(value_reader& in, tsvector& out);
};
template <>
struct codec<tsquery> {
  static constexpr std::string_view name = "lido::tsquery";
  static constexpr std::uint32_t type = oid::tsquery;
  static constexpr bool binary = false;
  static constexpr text_form text = text_form::own_types;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::tsquery; }
  static bool encode(const tsquery& value, value_writer& out);
  static bool decode(value_reader& in, tsquery& out);
};

template <>
struct codec<citext> : detail::named_codec {
  static constexpr std::string_view name = "lido::citext";
  static constexpr std::string_view type_name = "citext";
  static bool encode(const citext& value, value_writer& out);
  static bool decode(value_reader& in, citext& out);
};
template <>
struct codec<ltree> : detail::named_codec {
  static constexpr std::string_view name = "lido::ltree";
  static constexpr std::string_view type_name = "ltree";
  static bool encode(const ltree& value, value_writer& out);
  static bool decode(value_reader& in, ltree& out);
};

}  // namespace v0
}  // namespace lido
