#include <lido/driver/detail/builtin_types.hpp>
#include <lido/driver/detail/decode.hpp>
#include <lido/driver/oid.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t max_shown_name = 128;

// What to read a type as, where the name does not say it.
struct reader_hint {
  std::uint32_t type;
  std::string_view cpp_type;
};
constexpr std::array reader_hints{
    reader_hint{oid::boolean, "bool"},
    reader_hint{oid::bytea, "std::vector<std::byte>"},
    reader_hint{oid::int8, "std::int64_t"},
    reader_hint{oid::int2, "std::int16_t"},
    reader_hint{oid::int4, "std::int32_t"},
    reader_hint{oid::object_id, "std::int64_t"},
    reader_hint{oid::text, "std::string"},
    reader_hint{oid::varchar, "std::string"},
    reader_hint{oid::bpchar, "std::string"},
    reader_hint{oid::name, "std::string"},
    reader_hint{oid::json, "lido::json or std::string"},
    reader_hint{oid::jsonb, "lido::jsonb or std::string"},
    reader_hint{oid::float4, "float or double"},
    reader_hint{oid::float8, "double"},
    reader_hint{oid::date, "std::chrono::sys_days or lido::date"},
    reader_hint{oid::timestamp, "std::chrono::local_time or lido::timestamp, in microseconds"},
    reader_hint{oid::timestamptz, "std::chrono::sys_time or lido::timestamptz, in microseconds"},
    reader_hint{oid::numeric, "lido::numeric"},
    reader_hint{oid::uuid, "lido::uuid"},
    reader_hint{oid::money, "lido::money"},
    reader_hint{oid::xml, "lido::xml or std::string"},
    reader_hint{oid::time, "lido::time_of_day"},
    reader_hint{oid::timetz, "lido::time_of_day_tz"},
    reader_hint{oid::interval, "lido::interval"},
    reader_hint{oid::inet, "lido::inet"},
    reader_hint{oid::cidr, "lido::cidr or lido::inet"},
    reader_hint{oid::macaddr, "lido::macaddr"},
    reader_hint{oid::macaddr8, "lido::macaddr8"},
    reader_hint{oid::bit, "lido::bit_string"},
    reader_hint{oid::varbit, "lido::bit_string"},
    reader_hint{oid::point, "lido::point"},
    reader_hint{oid::line, "lido::line"},
    reader_hint{oid::lseg, "lido::lseg"},
    reader_hint{oid::box, "lido::box"},
    reader_hint{oid::path, "lido::path"},
    reader_hint{oid::polygon, "lido::polygon"},
    reader_hint{oid::circle, "lido::circle"},
    reader_hint{oid::xid, "lido::xid"},
    reader_hint{oid::xid8, "lido::xid8"},
    reader_hint{oid::tid, "lido::tid"},
    reader_hint{oid::pg_lsn, "lido::pg_lsn"},
    reader_hint{oid::tsvector, "lido::tsvector"},
    reader_hint{oid::tsquery, "lido::tsquery"},
};

// Names are data from the server (C10): bounded, and nothing that a terminal would obey.
std::string printable(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, max_shown_name)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  if (name.size() > max_shown_name) out += "...";
  return out;
}
std::string shown(std::string_view name) { return "\"" + printable(name) + "\""; }

std::string place(const column& col, std::size_t index, std::string_view server_type) {
  return "column " + std::to_string(index + 1) + " " + shown(col.name) + ", " + std::string(server_type);
}
std::string place(const column& col, std::size_t index) { return place(col, index, type_name(col.type_oid)); }

std::string advice(const column& col) {
  if (!col.binary)
    return "it came as text (simple protocol): read a std::string, or send it as a query with parameters";
  const auto hint = std::ranges::find(reader_hints, col.type_oid, &reader_hint::type);
  if (hint != reader_hints.end()) return "it is read as " + std::string(hint->cpp_type);
  if (const std::uint32_t element = element_of(col.type_oid); element != 0) {
    const auto inner = std::ranges::find(reader_hints, element, &reader_hint::type);
    if (inner != reader_hints.end())
      return "it is read as a std::vector or lido::array of " + std::string(inner->cpp_type);
  }
  return "cast it in the statement (::text), or specialise lido::codec";
}

}  // namespace

std::string describe_mismatch(const column& col, std::size_t index, std::string_view cpp_type) {
  return place(col, index) + ", cannot be read as " + std::string(cpp_type) + "; " + advice(col);
}

std::string describe_named_mismatch(const column& col, std::size_t index, std::string_view server_type,
                                    std::string_view cpp_type, std::string_view wanted) {
  return place(col, index, printable(server_type)) + ", cannot be read as " + std::string(cpp_type) + ", which is " +
         std::string(wanted);
}

std::error_code report(errc code, std::string text, lazy_diagnostics& diag) {
  diag = std::make_unique<diagnostics>();
  diag->context = std::move(text);
  return code;
}

void throw_error(errc code, std::string text) {
  diagnostics diag;
  diag.context = std::move(text);
  throw error(code, std::move(diag));
}

void throw_decode_error(decode_status status, const column& col, std::size_t index, std::string_view cpp_type) {
  if (status == decode_status::null) {
    const std::string type(cpp_type);
    throw_error(errc::unexpected_null,
                place(col, index) + ", is NULL; " + type + " cannot hold it, std::optional<" + type + "> can");
  }
  throw_error(errc::value_out_of_range,
              place(col, index) + ", holds a value that " + std::string(cpp_type) + " cannot have");
}

std::optional<std::size_t> find_column(const row_description& columns, std::string_view name) noexcept {
  const auto found = std::ranges::find(columns, name, &column::name);
  if (found == columns.end()) return std::nullopt;
  if (std::find_if(found + 1, columns.end(), [&](const column& c) { return c.name == name; }) != columns.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - columns.begin());
}

void throw_no_column(const row_description& columns, std::string_view name) {
  const bool many = std::ranges::find(columns, name, &column::name) != columns.end();
  throw_error(errc::column_mismatch, (many ? "more than one column is called " : "no column is called ") + shown(name));
}

void throw_no_column(std::size_t count, std::size_t index) {
  throw_error(errc::column_mismatch,
              "there is no column with index " + std::to_string(index) + ": the row has " + std::to_string(count));
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
