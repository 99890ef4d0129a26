#include <lido/driver/codec_std.hpp>
#include <lido/driver/types/network.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace lido {
inline namespace v0 {
namespace {

// The server's own numbers: AF_INET is 2 everywhere, and IPv6 is the one behind it (PGSQL_AF_INET6).
constexpr std::uint8_t wire_v4 = 2;
constexpr std::uint8_t wire_v6 = 3;

bool no_bits_behind_prefix(const inet& address) noexcept {
  for (std::size_t bit = address.prefix; bit < address.size() * 8; ++bit) {
    if ((address.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

bool put_address(const inet& value, bool is_cidr, value_writer& out) {
  if (value.prefix > value.size() * 8) return false;
  out.put(value.is_v6 ? wire_v6 : wire_v4);
  out.put(value.prefix);
  out.put(static_cast<std::uint8_t>(is_cidr));
  out.put(static_cast<std::uint8_t>(value.size()));
  for (std::size_t i = 0; i < value.size(); ++i) out.put(value.bytes[i]);
  return true;
}

bool take_address(value_reader& in, inet& out) noexcept {
  const auto family = in.take<std::uint8_t>();
  out.is_v6 = family == wire_v6;
  out.prefix = in.take<std::uint8_t>();
  const auto is_cidr = in.take<std::uint8_t>();
  const auto size = in.take<std::uint8_t>();
  if ((family != wire_v4 && family != wire_v6) || is_cidr > 1 || size != out.size() || out.prefix > size * 8)
    return false;
  out.bytes.fill(0);
  for (std::size_t i = 0; i < size; ++i) out.bytes[i] = in.take<std::uint8_t>();
  return true;
}

constexpr std::string_view hex = "0123456789abcdef";

template <std::size_t N>
std::string mac_text(const std::array<std::uint8_t, N>& bytes) {
  std::string out;
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += hex[byte >> 4];
    out += hex[byte & 15];
  }
  return out;
}

template <std::size_t N>
bool mac_from_text(std::string_view text, std::array<std::uint8_t, N>& bytes) noexcept {
  if (text.size() != N * 3 - 1) return false;
  for (std::size_t i = 0; i < N; ++i) {
    const char* const pair = text.data() + i * 3;
    if (std::from_chars(pair, pair + 2, bytes[i], 16).ptr != pair + 2) return false;
    if (i + 1 < N && ((pair[2] != ':' && pair[2] != '-') || pair[2] != text[2])) return false;
  }
  return true;
}

template <std::size_t N>
bool put_bytes(const std::array<std::uint8_t, N>& bytes, value_writer& out) {
  for (const std::uint8_t byte : bytes) out.put(byte);
  return true;
}

template <std::size_t N>
bool take_bytes(value_reader& in, std::array<std::uint8_t, N>& bytes) noexcept {
  for (std::uint8_t& byte : bytes) byte = in.take<std::uint8_t>();
  return true;
}

}  // namespace

std::optional<inet> inet::parse(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string address(text.substr(0, slash));
  inet out;
  out.is_v6 = address.find(':') != std::string::npos;
  if (::inet_pton(out.is_v6 ? AF_INET6 : AF_INET, address.c_str(), out.bytes.data()) != 1 ||
      address.size() != std::strlen(address.c_str()))
    return std::nullopt;
  out.prefix = static_cast<std::uint8_t>(out.size() * 8);
  if (slash == text.size()) return out;
  const std::string_view bits = text.substr(slash + 1);
  const auto [stop, ec] = std::from_chars(bits.data(), bits.data() + bits.size(), out.prefix);
  if (ec != std::errc{} || stop != bits.data() + bits.size() || out.prefix > out.size() * 8) return std::nullopt;
  return out;
}

std::string inet::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(is_v6 ? AF_INET6 : AF_INET, bytes.data(), text.data(), static_cast<socklen_t>(text.size()));
  std::string out(text.data());
  if (!is_host()) out += '/' + std::to_string(prefix);
  return out;
}

std::optional<cidr> cidr::parse(std::string_view text) {
  const auto address = inet::parse(text);
  if (!address || !no_bits_behind_prefix(*address)) return std::nullopt;
  return cidr{*address};
}

std::string cidr::to_string() const {
  std::string out = network.to_string();
  if (network.is_host()) out += '/' + std::to_string(network.prefix);
  return out;
}

std::optional<macaddr> macaddr::parse(std::string_view text) noexcept {
  macaddr out;
  if (!mac_from_text(text, out.bytes)) return std::nullopt;
  return out;
}
std::string macaddr::to_string() const { return mac_text(bytes); }

std::optional<macaddr8> macaddr8::parse(std::string_view text) noexcept {
  macaddr8 out;
  if (!mac_from_text(text, out.bytes)) return std::nullopt;
  return out;
}
std::string macaddr8::to_string() const { return mac_text(bytes); }

bool codec<inet>::encode(const inet& value, value_writer& out) { return put_address(value, false, out); }
bool codec<inet>::decode(value_reader& in, inet& out) noexcept { return take_address(in, out); }

bool codec<cidr>::encode(const cidr& value, value_writer& out) {
  return value.network.prefix <= value.network.size() * 8 && no_bits_behind_prefix(value.network) &&
         put_address(value.network, true, out);
}
bool codec<cidr>::decode(value_reader& in, cidr& out) noexcept {
  return take_address(in, out.network) && no_bits_behind_prefix(out.network);
}

bool codec<macaddr>::encode(const macaddr& value, value_writer& out) { return put_bytes(value.bytes, out); }
bool codec<macaddr>::decode(value_reader& in, macaddr& out) noexcept { return take_bytes(in, out.bytes); }
bool codec<macaddr8>::encode(const macaddr8& value, value_writer& out) { return put_bytes(value.bytes, out); }
bool codec<macaddr8>::decode(value_reader& in, macaddr8& out) noexcept { return take_bytes(in, out.bytes); }

}  // namespace v0
}  // namespace lido
