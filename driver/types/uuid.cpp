#include <lido/driver/codec_std.hpp>
#include <lido/driver/uuid.hpp>

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

constexpr bool dash_before(std::size_t byte) noexcept { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

int nibble(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::optional<uuid> uuid::parse(std::string_view text) noexcept {
  if (text.size() != 36) return std::nullopt;
  uuid out;
  std::size_t at = 0;
  for (std::size_t i = 0; i < out.bytes.size(); ++i) {
    if (dash_before(i) && text[at++] != '-') return std::nullopt;
    const int high = nibble(text[at++]);
    const int low = nibble(text[at++]);
    if (high < 0 || low < 0) return std::nullopt;
    out.bytes[i] = static_cast<std::byte>(high * 16 + low);
  }
  return out;
}

std::string uuid::to_string() const {
  std::string out;
  out.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (dash_before(i)) out += '-';
    out += digits[std::to_integer<std::size_t>(bytes[i] >> 4)];
    out += digits[std::to_integer<std::size_t>(bytes[i] & std::byte{15})];
  }
  return out;
}

bool codec<uuid>::encode(const uuid& value, value_writer& out) {
  out.put_bytes(detail::chars_of(value.bytes));
  return true;
}

bool codec<uuid>::decode(value_reader& in, uuid& out) noexcept {
  if (!in.binary()) {
    const auto parsed = uuid::parse(in.take_all());
    if (parsed) out = *parsed;
    return parsed.has_value();
  }
  const auto bytes = detail::bytes_of(in.take_bytes(out.bytes.size()));
  if (bytes.size() != out.bytes.size()) return false;
  std::ranges::copy(bytes, out.bytes.begin());
  return true;
}

}  // namespace v0
}  // namespace lido
