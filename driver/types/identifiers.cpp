#include <lido/driver/types/identifiers.hpp>

#include <array>
#include <charconv>
#include <limits>

namespace lido {
inline namespace v0 {
namespace {

void append_hex(std::string& out, std::uint32_t number) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  for (const char* at = digits.data(); at != end; ++at) out += *at >= 'a' ? static_cast<char>(*at - 'a' + 'A') : *at;
}

bool take_hex(std::string_view text, std::uint32_t& out) noexcept {
  const auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  return ec == std::errc{} && stop == text.data() + text.size();
}

}  // namespace

std::string tid::to_string() const { return "(" + std::to_string(block) + "," + std::to_string(offset) + ")"; }

std::string pg_lsn::to_string() const {
  std::string out;
  append_hex(out, static_cast<std::uint32_t>(value >> 32));
  out += '/';
  append_hex(out, static_cast<std::uint32_t>(value));
  return out;
}

std::optional<pg_lsn> pg_lsn::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  std::uint32_t high = 0;
  std::uint32_t low = 0;
  if (slash == std::string_view::npos || !take_hex(text.substr(0, slash), high) ||
      !take_hex(text.substr(slash + 1), low))
    return std::nullopt;
  return pg_lsn{std::uint64_t{high} << 32 | low};
}

bool codec<object_id>::encode(object_id value, value_writer& out) {
  out.put(value.value);
  return true;
}
bool codec<object_id>::decode(value_reader& in, object_id& out) noexcept {
  out.value = in.take<std::uint32_t>();
  return true;
}

bool codec<xid>::encode(xid value, value_writer& out) {
  out.put(value.value);
  return true;
}
bool codec<xid>::decode(value_reader& in, xid& out) noexcept {
  out.value = in.take<std::uint32_t>();
  return true;
}

bool codec<xid8>::encode(xid8 value, value_writer& out) {
  out.put(value.value);
  return true;
}
bool codec<xid8>::decode(value_reader& in, xid8& out) noexcept {
  out.value = in.take<std::uint64_t>();
  return true;
}

bool codec<tid>::encode(tid value, value_writer& out) {
  out.put(value.block);
  out.put(value.offset);
  return true;
}
bool codec<tid>::decode(value_reader& in, tid& out) noexcept {
  out.block = in.take<std::uint32_t>();
  out.offset = in.take<std::uint16_t>();
  return true;
}

bool codec<pg_lsn>::encode(pg_lsn value, value_writer& out) {
  out.put(value.value);
  return true;
}
bool codec<pg_lsn>::decode(value_reader& in, pg_lsn& out) noexcept {
  out.value = in.take<std::uint64_t>();
  return true;
}

bool codec<money>::encode(money value, value_writer& out) {
  out.put(value.units);
  return true;
}
bool codec<money>::decode(value_reader& in, money& out) noexcept {
  out.units = in.take<std::int64_t>();
  return true;
}

}  // namespace v0
}  // namespace lido
