// Numbers that PostgreSQL calls by a name of their own: oid, xid, xid8, tid, pg_lsn, and money.
#pragma once

#include <lido/driver/types/fixed_codec.hpp>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {

/// oid. A std::int64_t reads one, too; as a parameter it needs this name.
struct object_id {
  std::uint32_t value = 0;
  friend auto operator<=>(const object_id&, const object_id&) = default;
};

/// xid, 32 bits that wrap around: equality says something, order does not.
struct xid {
  std::uint32_t value = 0;
  friend bool operator==(const xid&, const xid&) = default;
};

/// xid8: never wraps around.
struct xid8 {
  std::uint64_t value = 0;
  friend auto operator<=>(const xid8&, const xid8&) = default;
};

/// tid, where a row lies: "(block,offset)".
struct tid {
  std::uint32_t block = 0;
  std::uint16_t offset = 0;
  std::string to_string() const;
  friend auto operator<=>(const tid&, const tid&) = default;
};

/// pg_lsn, a place in the write-ahead log: "16/B374D848".
struct pg_lsn {
  std::uint64_t value = 0;
  static std::optional<pg_lsn> parse(std::string_view text) noexcept;
  std::string to_string() const;
  friend auto operator<=>(const pg_lsn&, const pg_lsn&) = default;
};

/// money, in the smallest unit of the server's lc_monetary: cents, where that has two decimals.
struct money {
  std::int64_t units = 0;
  friend auto operator<=>(const money&, const money&) = default;
};

template <>
struct codec<object_id> : detail::fixed_codec<oid::object_id> {
  static constexpr std::string_view name = "lido::object_id";
  static bool encode(object_id value, value_writer& out);
  static bool decode(value_reader& in, object_id& out) noexcept;
};
template <>
struct codec<xid> : detail::fixed_codec<oid::xid> {
  static constexpr std::string_view name = "lido::xid";
  static bool encode(xid value, value_writer& out);
  static bool decode(value_reader& in, xid& out) noexcept;
};
template <>
struct codec<xid8> : detail::fixed_codec<oid::xid8> {
  static constexpr std::string_view name = "lido::xid8";
  static bool encode(xid8 value, value_writer& out);
  static bool decode(value_reader& in, xid8& out) noexcept;
};
template <>
struct codec<tid> : detail::fixed_codec<oid::tid> {
  static constexpr std::string_view name = "lido::tid";
  static bool encode(tid value, value_writer& out);
  static bool decode(value_reader& in, tid& out) noexcept;
};
template <>
struct codec<pg_lsn> : detail::fixed_codec<oid::pg_lsn> {
  static constexpr std::string_view name = "lido::pg_lsn";
  static bool encode(pg_lsn value, value_writer& out);
  static bool decode(value_reader& in, pg_lsn& out) noexcept;
};
template <>
struct codec<money> : detail::fixed_codec<oid::money> {
  static constexpr std::string_view name = "lido::money";
  static bool encode(money value, value_writer& out);
  static bool decode(value_reader& in, money& out) noexcept;
};

}  // namespace v0
}  // namespace lido
