// Addresses of networks: inet, cidr, macaddr, macaddr8.
#pragma once

#include <lido/driver/types/fixed_codec.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {

/// An IPv4 or IPv6 address and how many bits of it are the network: a host has 32 or 128.
struct inet {
  bool is_v6 = false;
  std::uint8_t prefix = 32;
  std::array<std::uint8_t, 16> bytes{};  ///< in network order; of an IPv4 address the first four, the others are zero

  /// "10.0.0.1", "10.0.0.1/8", "2001:db8::/32"; nullopt for anything else.
  static std::optional<inet> parse(std::string_view text);
  /// As PostgreSQL prints an inet: without the prefix for a host.
  std::string to_string() const;
  std::size_t size() const noexcept { return is_v6 ? 16 : 4; }
  bool is_host() const noexcept { return prefix == size() * 8; }

  friend auto operator<=>(const inet&, const inet&) = default;
};

/// A network: no bit is set behind the prefix.
struct cidr {
  inet network;

  static std::optional<cidr> parse(std::string_view text);  ///< nullopt, too, when there are bits behind the prefix
  std::string to_string() const;                            ///< always with the prefix
  friend auto operator<=>(const cidr&, const cidr&) = default;
};

/// macaddr: "08:00:2b:01:02:03".
struct macaddr {
  std::array<std::uint8_t, 6> bytes{};
  static std::optional<macaddr> parse(std::string_view text) noexcept;  ///< two digits, colons or dashes
  std::string to_string() const;
  friend auto operator<=>(const macaddr&, const macaddr&) = default;
};

/// macaddr8: "08:00:2b:01:02:03:04:05".
struct macaddr8 {
  std::array<std::uint8_t, 8> bytes{};
  static std::optional<macaddr8> parse(std::string_view text) noexcept;
  std::string to_string() const;
  friend auto operator<=>(const macaddr8&, const macaddr8&) = default;
};

template <>
struct codec<inet> {
  static constexpr std::string_view name = "lido::inet";
  static constexpr std::uint32_t type = oid::inet;
  static constexpr bool binary = true;
  static bool accepts(std::uint32_t column) noexcept { return column == oid::inet || column == oid::cidr; }
  static bool encode(const inet& value, value_writer& out);
  static bool decode(value_reader& in, inet& out) noexcept;
};
template <>
struct codec<cidr> : detail::fixed_codec<oid::cidr> {
  static constexpr std::string_view name = "lido::cidr";
  static bool encode(const cidr& value, value_writer& out);
  static bool decode(value_reader& in, cidr& out) noexcept;
};
template <>
struct codec<macaddr> : detail::fixed_codec<oid::macaddr> {
  static constexpr std::string_view name = "lido::macaddr";
  static bool encode(const macaddr& value, value_writer& out);
  static bool decode(value_reader& in, macaddr& out) noexcept;
};
template <>
struct codec<macaddr8> : detail::fixed_codec<oid::macaddr8> {
  static constexpr std::string_view name = "lido::macaddr8";
  static bool encode(const macaddr8& value, value_writer& out);
  static bool decode(value_reader& in, macaddr8& out) noexcept;
};

}  // namespace v0
}  // namespace lido
