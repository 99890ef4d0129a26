#include <lido/driver/codec_std.hpp>
#include <lido/driver/json.hpp>

namespace lido {
inline namespace v0 {
namespace {

bool take_json(value_reader& in, std::string& out) {
  std::string_view view;
  if (!detail::text_of_value(in, view)) return false;
  out.assign(view);
  return true;
}

}  // namespace

bool codec<json>::encode(const json& value, value_writer& out) { return detail::put_text(value.text, out); }
bool codec<json>::decode(value_reader& in, json& out) { return take_json(in, out.text); }

bool codec<jsonb>::encode(const jsonb& value, value_writer& out) {
  out.put(std::uint8_t{1});  // version of jsonb's binary form, the only one there is
  return detail::put_text(value.text, out);
}
bool codec<jsonb>::decode(value_reader& in, jsonb& out) { return take_json(in, out.text); }

}  // namespace v0
}  // namespace lido
