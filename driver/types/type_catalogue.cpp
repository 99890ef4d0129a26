#include "driver/types/type_catalogue.hpp"

#include <lido/driver/codec_std.hpp>
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

std::uint32_t number_of(const named_type& type, detail::type_part part) noexcept {
  return part == detail::type_part::array ? type.array : type.number;
}

}  // namespace

// A name is looked up as SQL would, then, of an extension's type outside of the search path, anywhere, if there is only
// one of that name. Operators are qualified, too: pg_catalog need not be first in the path.
std::string_view look_up_statement() noexcept {
  return "select n.name, t.oid, t.typarray,"
         " array(select a.atttypid from pg_catalog.pg_attribute a where a.attrelid operator(pg_catalog.=) t.typrelid"
         " and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped order by a.attnum),"
         " array(select coalesce(nullif(b.typbasetype, 0::pg_catalog.oid), b.oid)"
         " from pg_catalog.pg_attribute a join pg_catalog.pg_type b on b.oid operator(pg_catalog.=) a.atttypid"
         " where a.attrelid operator(pg_catalog.=) t.typrelid and a.attnum operator(pg_catalog.>) 0"
         " and not a.attisdropped order by a.attnum)"
         " from pg_catalog.unnest($1::pg_catalog.text[]) as n(name)"
         " left join pg_catalog.pg_type t on t.oid operator(pg_catalog.=)"
         " coalesce(pg_catalog.to_regtype(n.name)::pg_catalog.oid, (select pg_catalog.min(u.oid) from "
         "pg_catalog.pg_type u"
         " where u.typname operator(pg_catalog.=) n.name::pg_catalog.name"
         " having pg_catalog.count(*) operator(pg_catalog.=) 1))";
}

type_catalogue::entry type_catalogue::find(std::string_view name) const {
  const detail::lock guard(mutex_);
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : found->second;
}

fill_result type_catalogue::fill(detail::request& into) const {
  fill_result out;
  const auto missing = [&out](std::string_view name) {
    if (std::ranges::find(out.missing, name) == out.missing.end()) out.missing.emplace_back(name);
  };
  for (const detail::type_use& use : into.uses()) {
    if (!find(use.what.name)) missing(use.what.name);
    if (use.field.named() && !find(use.field.name)) missing(use.field.name);
  }
  if (!out.missing.empty()) return out;
  const auto refuse = [&out](errc code, std::string context) {
    out.error = code;
    out.context = std::move(context);
    return out;
  };
  for (const detail::type_use& use : into.uses()) {
    const entry type = find(use.what.name);
    const entry field = use.field.named() ? find(use.field.name) : nullptr;
    if (!type || (use.field.named() && !field)) {  // forgotten by somebody in between
      missing(use.what.name);
      return out;
    }
    const auto unknown = [](std::string_view name) {
      return "this database has no type " + quoted(name) +
             ", or more than one in schemas outside of the search path; write its name with the schema";
    };
    if (type->number == 0) return refuse(errc::not_encodable, unknown(use.what.name));
    if (field && field->number == 0) return refuse(errc::not_encodable, unknown(use.field.name));
    if (use.attribute < 0) {
      into.set_number(use, number_of(*type, use.what.part));
      continue;
    }
    const auto index = static_cast<std::size_t>(use.attribute);
    if (index >= type->attributes.size()) {
      return refuse(errc::not_encodable, "the type " + quoted(use.what.name) + " has " +
                                             std::to_string(type->attributes.size()) + " fields, the C++ type more");
    }
    const named_type::attribute& there = type->attributes[index];
    const std::uint32_t sent = field ? number_of(*field, use.field.part) : use.field.oid;
    if (sent != 0 && !same_bytes(sent, there.type) && !same_bytes(sent, there.base)) {
      return refuse(errc::not_encodable, "field " + std::to_string(index + 1) + " of the type " +
                                             quoted(use.what.name) + " is " + type_name(there.type) +
                                             ", the C++ type sends " +
                                             (field ? std::string(use.field.name) : type_name(sent)));
    }
    into.set_number(use, there.type);
  }
  return out;
}

void type_catalogue::learn(const std::string& name, named_type type) {
  auto made = std::make_shared<const named_type>(std::move(type));
  const detail::lock guard(mutex_);
  types_.insert_or_assign(name, std::move(made));
}

void type_catalogue::forget(const detail::request& which) {
  const detail::lock guard(mutex_);
  for (const detail::type_use& use : which.all_uses()) {
    for (const std::string_view name : {use.what.name, use.field.name}) {
      const auto found = types_.find(name);
      if (found != types_.end()) types_.erase(found);
    }
  }
}

bool shows_a_change(const std::error_code& ec) {
  constexpr std::array states{"42704", "42804", "42883", "42846", "42P18", "22P03", "0A000", "08P01", "XX000"};
  return ec.category() == sqlstate_category() && std::ranges::find(states, sqlstate_of(ec)) != states.end();
}

std::uint64_t numbers_print(const detail::request& of) noexcept {
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
