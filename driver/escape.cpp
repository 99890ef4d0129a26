#include "driver/escape.hpp"

#include <cstdint>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

struct character {
  std::uint32_t code = 0;
  std::size_t size = 0;  // 0: no UTF-8
};

// Strict: no overlong forms, no surrogates, nothing above U+10FFFF.
character first_of(std::string_view text) noexcept {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  std::uint32_t code = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return {};
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {};
  return {code, size};
}

bool is_harmless(std::uint32_t code) noexcept {
  if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return false;
  if (code >= 0x200e && code <= 0x200f) return false;  // marks of direction
  if (code >= 0x2028 && code <= 0x202e) return false;  // line and paragraph ends, embeddings, overrides
  return (code < 0x2066 || code > 0x2069) && code != 0xfeff;
}

void append_hex(std::string& out, std::string_view bytes) {
  static constexpr std::string_view hex = "0123456789abcdef";
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out.append("\\x").push_back(hex[u >> 4U]);
    out.push_back(hex[u & 15U]);
  }
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = first_of(text).size;
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

void append_escaped(std::string& out, std::string_view text, std::size_t cap) {
  std::size_t at = 0;
  while (at < text.size()) {
    const character next = first_of(text.substr(at));
    const std::size_t size = next.size == 0 ? 1 : next.size;
    if (at + size > cap) break;
    const std::string_view bytes = text.substr(at, size);
    if (next.size != 0 && is_harmless(next.code)) {
      out.append(bytes);
    } else {
      append_hex(out, bytes);
    }
    at += size;
  }
  if (at < text.size()) out.append("...");
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
