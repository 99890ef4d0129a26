#include "driver/types/text_search.hpp"

#include <lido/driver/codec_std.hpp>
#include <lido/driver/types/text_types.hpp>

namespace lido {
inline namespace v0 {
namespace {

constexpr std::uint8_t ltree_version = 1;

bool take_text(value_reader& in, std::string& out) {
  out.assign(in.take_all());
  return out.find('\0') == std::string::npos;
}

}  // namespace

bool codec<xml>::encode(const xml& value, value_writer& out) { return detail::put_text(value.text, out); }
bool codec<xml>::decode(value_reader& in, xml& out) { return take_text(in, out.text); }

bool codec<tsvector>::encode(const tsvector& value, value_writer& out) { return detail::put_text(value.text, out); }
bool codec<tsvector>::decode(value_reader& in, tsvector& out) {
  return in.binary() ? types::tsvector_text(in, out.text) : take_text(in, out.text);
}

bool codec<tsquery>::encode(const tsquery& value, value_writer& out) { return detail::put_text(value.text, out); }
bool codec<tsquery>::decode(value_reader& in, tsquery& out) {
  return in.binary() ? types::tsquery_text(in, out.text) : take_text(in, out.text);
}

bool codec<citext>::encode(const citext& value, value_writer& out) { return detail::put_text(value.text, out); }
bool codec<citext>::decode(value_reader& in, citext& out) { return take_text(in, out.text); }

bool codec<ltree>::encode(const ltree& value, value_writer& out) {
  out.put(ltree_version);
  return detail::put_text(value.text, out);
}
bool codec<ltree>::decode(value_reader& in, ltree& out) {
  return in.take<std::uint8_t>() == ltree_version && take_text(in, out.text);
}

}  // namespace v0
}  // namespace lido
