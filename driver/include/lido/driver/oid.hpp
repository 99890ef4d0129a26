// Numbers of PostgreSQL's built-in types, fixed for ever by pg_type.dat.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {
namespace oid {

inline constexpr std::uint32_t inferred = 0;  ///< as the type of a parameter: the server decides
inline constexpr std::uint32_t boolean = 16;
inline constexpr std::uint32_t bytea = 17;
inline constexpr std::uint32_t single_char = 18;  ///< "char", with the quotes
inline constexpr std::uint32_t name = 19;
inline constexpr std::uint32_t int8 = 20;
inline constexpr std::uint32_t int2 = 21;
inline constexpr std::uint32_t int4 = 23;
inline constexpr std::uint32_t text = 25;
inline constexpr std::uint32_t object_id = 26;  ///< oid
inline constexpr std::uint32_t tid = 27;
inline constexpr std::uint32_t xid = 28;
inline constexpr std::uint32_t json = 114;
inline constexpr std::uint32_t xml = 142;
inline constexpr std::uint32_t point = 600;
inline constexpr std::uint32_t lseg = 601;
inline constexpr std::uint32_t path = 602;
inline constexpr std::uint32_t box = 603;
inline constexpr std::uint32_t polygon = 604;
inline constexpr std::uint32_t line = 628;
inline constexpr std::uint32_t cidr = 650;
inline constexpr std::uint32_t float4 = 700;
inline constexpr std::uint32_t float8 = 701;
inline constexpr std::uint32_t unknown = 705;
inline constexpr std::uint32_t circle = 718;
inline constexpr std::uint32_t macaddr8 = 774;
inline constexpr std::uint32_t money = 790;
inline constexpr std::uint32_t macaddr = 829;
inline constexpr std::uint32_t inet = 869;
inline constexpr std::uint32_t bpchar = 1042;  ///< char(n)
inline constexpr std::uint32_t varchar = 1043;
inline constexpr std::uint32_t date = 1082;
inline constexpr std::uint32_t time = 1083;
inline constexpr std::uint32_t timestamp = 1114;
inline constexpr std::uint32_t timestamptz = 1184;
inline constexpr std::uint32_t interval = 1186;
inline constexpr std::uint32_t timetz = 1266;
inline constexpr std::uint32_t bit = 1560;
inline constexpr std::uint32_t varbit = 1562;
inline constexpr std::uint32_t numeric = 1700;
inline constexpr std::uint32_t void_ = 2278;  ///< what a function without a result gives: no bytes
inline constexpr std::uint32_t uuid = 2950;
inline constexpr std::uint32_t pg_lsn = 3220;
inline constexpr std::uint32_t tsvector = 3614;
inline constexpr std::uint32_t tsquery = 3615;
inline constexpr std::uint32_t jsonb = 3802;
inline constexpr std::uint32_t xid8 = 5069;

inline constexpr std::uint32_t first_user_defined =
    16384;  ///< enums, domains, extensions' types and tables' row types begin here

}  // namespace oid

/// The SQL name of a built-in type ("int8", "timestamptz", "int4[]"); "type 16423" for others.
std::string type_name(std::uint32_t type);

}  // namespace v0
}  // namespace lido
