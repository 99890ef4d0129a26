#include "driver/types/type_catalogue.hpp"

#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/pipeline_content.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/oid.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace lido::types {
namespace {

// Of the text family one is as good as another: each reads the others' bytes.
bool same_bytes(std::uint32_t a, std::uint32_t b) noexcept {
  const auto is_text = [](std::uint32_t type) {
    return type == oid::text || type == oid::varchar || type == oid::bpchar || type == oid::name;
  };
  return a == b || (is_text(a) && is_text(b));
}

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

std::uint32_t part_of(const named_type& type, detail::type_part part) noexcept {
  return part == detail::type_part::array ? type.array : type.number;
}

std::uint32_t base_part_of(const named_type& type, detail::type_part part) noexcept {
  return part == detail::type_part::array ? type.base_array : type.base;
}

std::string written(const detail::type_ref& type) {
  return type.named() ? std::string(type.name) + (type.part == detail::type_part::array ? "[]" : "")
                      : type_name(type.oid);
}

// Every place that waits for a number, with what it is in. Visit: void(const type_use&, std::size_t statement), where
// the statement is one of a pipeline's, or `values`: of all its values.
constexpr std::size_t values = SIZE_MAX;
template <class Visit>
void each_use(const detail::pipeline_content& in, Visit&& visit) {
  for (std::size_t i = 0; i < in.statements.size(); ++i) {
    for (const detail::type_use& use : in.statements[i].text.all_uses()) visit(use, i);
  }
  for (const detail::type_use& use : in.uses) visit(use, values);
}
template <class Visit>
void each_use(const detail::request& in, Visit&& visit) {
  for (const detail::type_use& use : in.all_uses()) visit(use, values);
  if (in.pipeline()) each_use(*in.pipeline(), visit);
}

void put_number(detail::request& into, const detail::type_use& use, std::size_t statement, std::uint32_t number) {
  if (!into.pipeline()) return into.set_number(use, number);
  if (statement != values) return into.pipeline()->statements[statement].text.set_number(use, number);
  const std::uint32_t wire = detail::big_endian(number);
  std::memcpy(into.pipeline()->values.data() + use.where, &wire, sizeof wire);
}

// "parameter $2: " of the value that the place is in; of a pipeline's nothing, whose statements repeat.
std::string place_of(const detail::request& in, const detail::type_use& use) {
  if (in.pipeline()) return {};
  std::size_t index = use.where;
  if (!use.parameter) {
    std::size_t at = 0;
    for (index = 0; at + sizeof(std::int32_t) <= use.where; ++index) {
      std::int32_t size = 0;
      std::memcpy(&size, in.values().data() + at, sizeof size);
      at += sizeof size + static_cast<std::size_t>(std::max(detail::big_endian(size), 0));
      if (at > use.where) break;
    }
  }
  return "parameter $" + std::to_string(index + 1) + ": ";
}

void add(std::vector<std::string>& names, std::string_view name) {
  if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
}

// What a type is made of below all its domains, as a FROM item; of no type no row.
std::string base_of(std::string_view type) {
  return "(with recursive up(oid) as (select " + std::string(type) +
         " union all select p.typbasetype from up join pg_catalog.pg_type p on p.oid operator(pg_catalog.=) up.oid"
         " where p.typbasetype operator(pg_catalog.<>) 0::pg_catalog.oid)"
         " select p.oid, p.typrelid, p.typelem, p.typarray from up join pg_catalog.pg_type p"
         " on p.oid operator(pg_catalog.=) up.oid where p.typbasetype operator(pg_catalog.=) 0::pg_catalog.oid)";
}

}  // namespace

// A name is looked up as SQL would, then, of an extension's type outside of the search path, anywhere, if there is only
// one of that name. Operators are qualified, too: pg_catalog need not be first in the path. NULLIF, IN, BETWEEN and
// CASE x WHEN take theirs from the path, and cannot be used.
// e: what the fields that are arrays, or domains over arrays, are arrays of; f: and that below its domains.
std::string_view look_up_statement() {
  static const std::string text =
      "select n.name, t.oid, t.typarray, b.oid, b.typarray,"
      " coalesce(c.types, '{}'), coalesce(c.bases, '{}'), coalesce(c.elements, '{}')"
      " from pg_catalog.unnest($1::pg_catalog.text[]) as n(name)"
      " left join pg_catalog.pg_type t on t.oid operator(pg_catalog.=)"
      " coalesce(pg_catalog.to_regtype(n.name)::pg_catalog.oid,"
      " (select pg_catalog.min(u.oid) from pg_catalog.pg_type u"
      " where u.typname operator(pg_catalog.=) n.name::pg_catalog.name"
      " having pg_catalog.count(*) operator(pg_catalog.=) 1))"
      " left join lateral " +
      base_of("t.oid") +
      " b on true"
      " left join lateral (select pg_catalog.array_agg(a.atttypid order by a.attnum) as types,"
      " pg_catalog.array_agg(case when e.oid is null then d.oid else f.typarray end order by a.attnum) as bases,"
      " pg_catalog.array_agg(case when e.oid is null or e.oid operator(pg_catalog.=) f.oid then 0::pg_catalog.oid"
      " else e.oid end order by a.attnum) as elements"
      " from pg_catalog.pg_attribute a cross join lateral " +
      base_of("a.atttypid") +
      " d left join pg_catalog.pg_type e"
      " on e.oid operator(pg_catalog.=) d.typelem and e.typarray operator(pg_catalog.=) d.oid"
      " left join lateral " +
      base_of("e.oid") +
      " f on true"
      " where a.attrelid operator(pg_catalog.=) b.typrelid and a.attnum operator(pg_catalog.>) 0"
      " and not a.attisdropped) c on true";
  return text;
}

std::string_view describe_statement() noexcept {
  return "select pg_catalog.format_type(t.oid, null), t.typname::pg_catalog.text, e.typname::pg_catalog.text"
         " from pg_catalog.pg_type t"
         " left join pg_catalog.pg_type e on e.typarray operator(pg_catalog.=) t.oid"
         " where t.oid operator(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid";
}

// A field: its type, its length, the value; an array: its dimensions, whether it has NULLs, the type of its elements.
void put_element(std::string& bytes, std::size_t field, std::uint32_t element) noexcept {
  constexpr std::size_t before = 2 * sizeof(std::int32_t);
  std::int32_t length = 0;
  std::memcpy(&length, bytes.data() + field + sizeof element, sizeof length);
  if (detail::big_endian(length) < static_cast<std::int32_t>(before + sizeof element)) return;  // NULL
  const std::uint32_t wire = detail::big_endian(element);
  std::memcpy(bytes.data() + field + sizeof element + sizeof length + before, &wire, sizeof wire);
}

type_catalogue::entry type_catalogue::find(std::string_view name) const {
  const detail::lock guard(mutex_);
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : found->second;
}

std::vector<std::string> type_catalogue::missing(const detail::request& statement,
                                                 std::span<const detail::column_claim> read) const {
  std::vector<std::string> out;
  const auto need = [&](std::string_view name) {
    const entry known = find(name);
    if (!known || known->number == 0) add(out, name);
  };
  each_use(statement, [&need](const detail::type_use& use, std::size_t) {
    need(use.what.name);
    if (use.field.named()) need(use.field.name);
  });
  for (const detail::column_claim& each : read) {
    if (each.type.named() && !find(each.type.name)) add(out, each.type.name);
  }
  return out;
}

std::vector<std::string> type_catalogue::missing(const std::vector<std::string>& names) const {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    const entry known = find(name);
    if (!known || known->number == 0) add(out, name);
  }
  return out;
}

fill_result type_catalogue::number_for(const detail::type_use& use, type_number& into) const {
  const auto refuse = [](std::string context) {
    fill_result out;
    out.error = errc::not_encodable;
    out.context = std::move(context);
    return out;
  };
  const auto unknown = [](std::string_view name) {
    return "this database has no type " + quoted(name) +
           ", or more than one in schemas outside of the search path; write its name with the schema";
  };
  const entry type = find(use.what.name);
  const entry field = use.field.named() ? find(use.field.name) : nullptr;
  if (!type || type->number == 0) return refuse(unknown(use.what.name));
  if (use.field.named() && (!field || field->number == 0)) return refuse(unknown(use.field.name));
  if (use.attribute < 0) {
    into.number = part_of(*type, use.what.part);
    return {};
  }
  const auto index = static_cast<std::size_t>(use.attribute);
  if (index >= type->attributes.size()) {
    return refuse("the type " + quoted(use.what.name) + " has " + std::to_string(type->attributes.size()) +
                  " fields, the C++ type more");
  }
  const named_type::attribute& there = type->attributes[index];
  const std::uint32_t sent = field ? part_of(*field, use.field.part) : use.field.oid;
  const std::uint32_t below = field ? base_part_of(*field, use.field.part) : sent;
  if (sent != 0 && !same_bytes(sent, there.type) && !same_bytes(below, there.base)) {
    return refuse("field " + std::to_string(index + 1) + " of the type " + quoted(use.what.name) + " is " +
                  type_name(there.type) + ", the C++ type sends " + written(use.field) + " (" +
                  std::string(use.cpp_type) + ")");
  }
  into.number = there.type;
  into.element = there.element;
  return {};
}

// Elements last: that of an array of a named type has been written as its own by then.
fill_result type_catalogue::fill(detail::request& into) const {
  fill_result out;
  std::vector<std::pair<std::size_t, std::uint32_t>> elements;
  each_use(into, [&](const detail::type_use& use, std::size_t statement) {
    if (out.error) return;
    type_number found;
    out = number_for(use, found);
    if (out.error) {
      out.context.insert(0, place_of(into, use));
    } else {
      put_number(into, use, statement, found.number);
      if (found.element != 0) elements.emplace_back(use.where, found.element);
    }
  });
  if (elements.empty()) return out;
  std::string& bytes = into.is_pipeline() ? into.pipeline()->values : into.values();
  for (const auto& [where, element] : elements) put_element(bytes, where, element);
  return out;
}

std::uint32_t type_catalogue::number_of(const detail::type_ref& what) const {
  const entry type = find(what.name);
  return type ? part_of(*type, what.part) : 0;
}

bool type_catalogue::fits(const detail::type_ref& what, std::uint32_t column) const {
  const entry type = find(what.name);
  if (!type) return false;
  if (column == part_of(*type, what.part)) return true;
  if (column == type->base && what.part == detail::type_part::itself) return true;
  return std::ranges::find(type->others, column) != type->others.end();
}

void type_catalogue::learn(const std::string& name, named_type type) {
  auto made = std::make_shared<const named_type>(std::move(type));
  const detail::lock guard(mutex_);
  types_.insert_or_assign(name, std::move(made));
}

// A few at most: whoever has more schemas than that asks anew now and then.
void type_catalogue::learn_other(std::string_view name, std::uint32_t number) {
  constexpr std::size_t most = 1000;
  const detail::lock guard(mutex_);
  const auto found = types_.find(name);
  if (found == types_.end()) return;
  auto changed = std::make_shared<named_type>(*found->second);
  if (changed->others.size() >= most) changed->others.clear();
  changed->others.push_back(number);
  found->second = std::move(changed);
}

void type_catalogue::forget(const detail::request& which) {
  each_use(which, [this](const detail::type_use& use, std::size_t) { forget(use); });
}
void type_catalogue::forget(const detail::pipeline_content& which) {
  each_use(which, [this](const detail::type_use& use, std::size_t) { forget(use); });
}
void type_catalogue::forget(const detail::type_use& use) {
  forget(use.what.name);
  if (use.field.named()) forget(use.field.name);
}

void type_catalogue::forget(std::string_view name) {
  const detail::lock guard(mutex_);
  const auto found = types_.find(name);
  if (found != types_.end()) types_.erase(found);
}

bool shows_a_change(const std::error_code& ec) {
  constexpr std::array states{"42704", "42804", "42883", "42846", "42P18", "22P03", "0A000", "08P01", "XX000"};
  return ec.category() == sqlstate_category() && std::ranges::find(states, sqlstate_of(ec)) != states.end();
}

std::uint64_t numbers_fingerprint(const detail::request& of) noexcept {
  std::uint64_t print = 14695981039346656037ULL;  // FNV-1a
  for (const detail::type_use& use : of.all_uses()) {
    std::uint32_t number = 0;
    if (use.parameter) {
      number = of.types()[use.where];
    } else {
      std::memcpy(&number, of.values().data() + use.where, sizeof number);
    }
    print = (print ^ number) * 1099511628211ULL;
  }
  return print;
}

}  // namespace lido::types
