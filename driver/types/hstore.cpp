#include <lido/driver/codec_std.hpp>
#include <lido/driver/types/hstore.hpp>

#include <cstdint>
#include <limits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace {

bool put_sized(const std::string& text, value_writer& out) {
  if (text.size() > std::numeric_limits<std::int32_t>::max()) return false;
  out.put(static_cast<std::int32_t>(text.size()));
  return detail::put_text(text, out);
}

bool take_sized(value_reader& in, std::int32_t size, std::string& out) {
  if (size < 0) return false;
  out.assign(in.take_bytes(static_cast<std::size_t>(size)));
  return out.size() == static_cast<std::size_t>(size) && out.find('\0') == std::string::npos;
}

}  // namespace

bool codec<hstore>::encode(const hstore& value, value_writer& out) {
  if (value.size() > std::numeric_limits<std::int32_t>::max()) return false;
  out.put(static_cast<std::int32_t>(value.size()));
  for (const auto& [key, text] : value) {
    if (!put_sized(key, out)) return false;
    if (!text) {
      out.put(std::int32_t{-1});
    } else if (!put_sized(*text, out)) {
      return false;
    }
  }
  return true;
}

bool codec<hstore>::decode(value_reader& in, hstore& out) {
  constexpr std::size_t min_pair = 2 * sizeof(std::int32_t);
  out.clear();
  const auto count = in.take<std::int32_t>();
  if (count < 0 || static_cast<std::size_t>(count) > in.remaining() / min_pair) return false;
  for (std::int32_t i = 0; i < count; ++i) {
    std::string key;
    if (!take_sized(in, in.take<std::int32_t>(), key)) return false;
    std::optional<std::string> text;
    const auto size = in.take<std::int32_t>();
    if (size != -1 && !take_sized(in, size, text.emplace())) return false;
    if (!out.emplace(std::move(key), std::move(text)).second) return false;  // the server sends each key once
  }
  return true;
}

}  // namespace v0
}  // namespace lido
