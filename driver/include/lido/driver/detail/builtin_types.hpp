// The built-in types that have a name worth knowing, and which array is whose; from pg_type.dat.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace lido {
inline namespace v0 {
namespace detail {

struct builtin_type {
  std::uint32_t type;
  std::uint32_t array;  // oid of the array of it; 0: none that matters
  std::string_view name;
};

// By oid.
inline constexpr std::array builtin_types{
    builtin_type{16, 1000, "bool"},
    builtin_type{17, 1001, "bytea"},
    builtin_type{18, 1002, "\"char\""},
    builtin_type{19, 1003, "name"},
    builtin_type{20, 1016, "int8"},
    builtin_type{21, 1005, "int2"},
    builtin_type{22, 1006, "int2vector"},
    builtin_type{23, 1007, "int4"},
    builtin_type{24, 1008, "regproc"},
    builtin_type{25, 1009, "text"},
    builtin_type{26, 1028, "oid"},
    builtin_type{27, 1010, "tid"},
    builtin_type{28, 1011, "xid"},
    builtin_type{29, 1012, "cid"},
    builtin_type{30, 1013, "oidvector"},
    builtin_type{114, 199, "json"},
    builtin_type{142, 143, "xml"},
    builtin_type{600, 1017, "point"},
    builtin_type{601, 1018, "lseg"},
    builtin_type{602, 1019, "path"},
    builtin_type{603, 1020, "box"},
    builtin_type{604, 1027, "polygon"},
    builtin_type{628, 629, "line"},
    builtin_type{650, 651, "cidr"},
    builtin_type{700, 1021, "float4"},
    builtin_type{701, 1022, "float8"},
    builtin_type{718, 719, "circle"},
    builtin_type{774, 775, "macaddr8"},
    builtin_type{790, 791, "money"},
    builtin_type{829, 1040, "macaddr"},
    builtin_type{869, 1041, "inet"},
    builtin_type{1033, 1034, "aclitem"},
    builtin_type{1042, 1014, "char"},
    builtin_type{1043, 1015, "varchar"},
    builtin_type{1082, 1182, "date"},
    builtin_type{1083, 1183, "time"},
    builtin_type{1114, 1115, "timestamp"},
    builtin_type{1184, 1185, "timestamptz"},
    builtin_type{1186, 1187, "interval"},
    builtin_type{1266, 1270, "timetz"},
    builtin_type{1560, 1561, "bit"},
    builtin_type{1562, 1563, "varbit"},
    builtin_type{1700, 1231, "numeric"},
    builtin_type{1790, 2201, "refcursor"},
    builtin_type{2202, 2207, "regprocedure"},
    builtin_type{2203, 2208, "regoper"},
    builtin_type{2204, 2209, "regoperator"},
    builtin_type{2205, 2210, "regclass"},
    builtin_type{2206, 2211, "regtype"},
    builtin_type{2249, 2287, "record"},
    builtin_type{2278, 0, "void"},
    builtin_type{2950, 2951, "uuid"},
    builtin_type{2970, 2949, "txid_snapshot"},
    builtin_type{3220, 3221, "pg_lsn"},
    builtin_type{3614, 3643, "tsvector"},
    builtin_type{3615, 3645, "tsquery"},
    builtin_type{3642, 3644, "gtsvector"},
    builtin_type{3734, 3735, "regconfig"},
    builtin_type{3769, 3770, "regdictionary"},
    builtin_type{3802, 3807, "jsonb"},
    builtin_type{3904, 3905, "int4range"},
    builtin_type{3906, 3907, "numrange"},
    builtin_type{3908, 3909, "tsrange"},
    builtin_type{3910, 3911, "tstzrange"},
    builtin_type{3912, 3913, "daterange"},
    builtin_type{3926, 3927, "int8range"},
    builtin_type{4072, 4073, "jsonpath"},
    builtin_type{4089, 4090, "regnamespace"},
    builtin_type{4096, 4097, "regrole"},
    builtin_type{4191, 4192, "regcollation"},
    builtin_type{4451, 6150, "int4multirange"},
    builtin_type{4532, 6151, "nummultirange"},
    builtin_type{4533, 6152, "tsmultirange"},
    builtin_type{4534, 6153, "tstzmultirange"},
    builtin_type{4535, 6155, "datemultirange"},
    builtin_type{4536, 6157, "int8multirange"},
    builtin_type{5038, 5039, "pg_snapshot"},
    builtin_type{5069, 271, "xid8"},
};

// 0: there is none.
constexpr std::uint32_t array_of(std::uint32_t type) noexcept {
  for (const builtin_type& each : builtin_types) {
    if (each.type == type) return each.array;
  }
  return 0;
}

// What an array of this type is made of; 0 for what is not a built-in array. int2vector and oidvector are arrays, too.
std::uint32_t element_of(std::uint32_t array) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace lido
