#include <lido/driver/oid.hpp>

#include <algorithm>
#include <array>

namespace lido {
inline namespace v0 {
namespace {

struct builtin {
  std::uint32_t type;
  std::uint32_t array;  // oid of the array of it; 0: none that matters
  std::string_view name;
};

// From pg_type.dat; by oid.
constexpr std::array builtins{
    builtin{16, 1000, "bool"},
    builtin{17, 1001, "bytea"},
    builtin{18, 1002, "\"char\""},
    builtin{19, 1003, "name"},
    builtin{20, 1016, "int8"},
    builtin{21, 1005, "int2"},
    builtin{22, 1006, "int2vector"},
    builtin{23, 1007, "int4"},
    builtin{24, 1008, "regproc"},
    builtin{25, 1009, "text"},
    builtin{26, 1028, "oid"},
    builtin{27, 1010, "tid"},
    builtin{28, 1011, "xid"},
    builtin{29, 1012, "cid"},
    builtin{30, 1013, "oidvector"},
    builtin{114, 199, "json"},
    builtin{142, 143, "xml"},
    builtin{600, 1017, "point"},
    builtin{601, 1018, "lseg"},
    builtin{602, 1019, "path"},
    builtin{603, 1020, "box"},
    builtin{604, 1027, "polygon"},
    builtin{628, 629, "line"},
    builtin{650, 651, "cidr"},
    builtin{700, 1021, "float4"},
    builtin{701, 1022, "float8"},
    builtin{718, 719, "circle"},
    builtin{774, 775, "macaddr8"},
    builtin{790, 791, "money"},
    builtin{829, 1040, "macaddr"},
    builtin{869, 1041, "inet"},
    builtin{1033, 1034, "aclitem"},
    builtin{1042, 1014, "char"},
    builtin{1043, 1015, "varchar"},
    builtin{1082, 1182, "date"},
    builtin{1083, 1183, "time"},
    builtin{1114, 1115, "timestamp"},
    builtin{1184, 1185, "timestamptz"},
    builtin{1186, 1187, "interval"},
    builtin{1266, 1270, "timetz"},
    builtin{1560, 1561, "bit"},
    builtin{1562, 1563, "varbit"},
    builtin{1700, 1231, "numeric"},
    builtin{1790, 2201, "refcursor"},
    builtin{2202, 2207, "regprocedure"},
    builtin{2203, 2208, "regoper"},
    builtin{2204, 2209, "regoperator"},
    builtin{2205, 2210, "regclass"},
    builtin{2206, 2211, "regtype"},
    builtin{2249, 2287, "record"},
    builtin{2278, 0, "void"},
    builtin{2950, 2951, "uuid"},
    builtin{2970, 2949, "txid_snapshot"},
    builtin{3220, 3221, "pg_lsn"},
    builtin{3614, 3643, "tsvector"},
    builtin{3615, 3645, "tsquery"},
    builtin{3642, 3644, "gtsvector"},
    builtin{3734, 3735, "regconfig"},
    builtin{3769, 3770, "regdictionary"},
    builtin{3802, 3807, "jsonb"},
    builtin{3904, 3905, "int4range"},
    builtin{3906, 3907, "numrange"},
    builtin{3908, 3909, "tsrange"},
    builtin{3910, 3911, "tstzrange"},
    builtin{3912, 3913, "daterange"},
    builtin{3926, 3927, "int8range"},
    builtin{4072, 4073, "jsonpath"},
    builtin{4089, 4090, "regnamespace"},
    builtin{4096, 4097, "regrole"},
    builtin{4191, 4192, "regcollation"},
    builtin{4451, 6150, "int4multirange"},
    builtin{4532, 6151, "nummultirange"},
    builtin{4533, 6152, "tsmultirange"},
    builtin{4534, 6153, "tstzmultirange"},
    builtin{4535, 6155, "datemultirange"},
    builtin{4536, 6157, "int8multirange"},
    builtin{5038, 5039, "pg_snapshot"},
    builtin{5069, 271, "xid8"},
};
static_assert(std::ranges::is_sorted(builtins, {}, &builtin::type));

}  // namespace

std::string type_name(std::uint32_t type) {
  const auto found = std::ranges::lower_bound(builtins, type, {}, &builtin::type);
  if (found != builtins.end() && found->type == type) return std::string(found->name);
  if (type != 0) {
    const auto of = std::ranges::find(builtins, type, &builtin::array);
    if (of != builtins.end()) return std::string(of->name) + "[]";
  }
  return "type " + std::to_string(type);
}

}  // namespace v0
}  // namespace lido
