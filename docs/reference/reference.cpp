#include "docs/reference/reference.hpp"

#include "pool/config/pool_knobs.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace lido::reference {

namespace {

using detail::knob_info;
using detail::knob_kind;

struct entry {
  const knob_info* info;
  std::string standard;
  bool takes_seconds = false;  // a plain number too, as libpq does
};

template <class Config>
void add(std::span<const detail::knob<Config>> table, std::vector<entry>& out) {
  for (const auto& k : table) {
    Config scratch;
    out.push_back({&k, k.standard(), k.kind == knob_kind::duration && k.set(scratch, "5")});
  }
}

std::vector<entry> pool_entries() {
  std::vector<entry> out;
  add(detail::pool_knobs(), out);
  return out;
}

std::vector<entry> connect_entries() {
  std::vector<entry> out;
  add(detail::connect_knobs(), out);
  return out;
}

bool is_number(knob_kind k) { return k == knob_kind::count || k == knob_kind::ratio; }
bool is_bounded(const knob_info& k) {
  return is_number(k.kind) || k.kind == knob_kind::bytes || k.kind == knob_kind::duration;
}

// As one writes it in TOML.
std::string literal(const knob_info& k, const std::string& text) {
  if (is_number(k.kind) || k.kind == knob_kind::flag) return text;
  if (k.kind == knob_kind::list) return "[\"" + text + "\"]";
  return "\"" + text + "\"";
}

// ---- the page ----

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string example_of(const entry& e) {
  const std::string text = e.info->example.empty() ? e.standard : std::string(e.info->example);
  if (e.info->secret)
    return "`" + std::string(e.info->name) + "_file = \"/run/secrets/" + std::string(e.info->name) + "\"`";
  return "`" + std::string(e.info->name) + " = " + literal(*e.info, text) + "`";
}

std::string row(const entry& e) {
  const knob_info& k = *e.info;
  std::string meaning = cell(k.doc) + "; expects " + cell(k.expects);
  if (is_bounded(k)) meaning += "; " + bounds_in_words(k);
  return "| `" + std::string(k.name) + "` | " + (e.standard.empty() ? "" : "`" + cell(e.standard) + "`") + " | " +
         std::string(to_string(k.applies)) + " | " + meaning + " | " + cell(example_of(e)) + " | " +
         (k.env.empty() ? "" : "`" + std::string(k.env) + "`") + " |\n";
}

constexpr std::string_view heading =
    "| knob | default | changes | what | example | libpq's variable |\n|---|---|---|---|---|---|\n";

// ---- the schema ----

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string number(double n) {
  return n == std::floor(n) ? std::to_string(static_cast<long long>(n)) : detail::text_of_ratio(n);
}

std::string bounds(const knob_info& k) {
  std::string out = ", \"minimum\": " + number(k.least);
  if (std::isfinite(k.most)) out += ", \"maximum\": " + number(k.most);
  return out;
}

std::string words_of(const knob_info& k) {
  std::string out;
  for (const std::string_view c : k.choices) out += (out.empty() ? "" : ", ") + json_text(c);
  return "\"enum\": [" + out + "]";
}

std::string type_of(const entry& e) {
  const knob_info& k = *e.info;
  switch (k.kind) {
    case knob_kind::flag: return "\"type\": \"boolean\"";
    case knob_kind::count: return "\"type\": \"integer\"" + bounds(k);
    case knob_kind::ratio: return "\"type\": \"number\"" + bounds(k);
    case knob_kind::bytes:
      return "\"type\": [\"string\", \"integer\"], \"pattern\": \"^[0-9]+(B|KiB|MiB|GiB)?$\"" + bounds(k);
    case knob_kind::duration:
      return std::string("\"type\": ") + (e.takes_seconds ? "[\"string\", \"integer\"]" : "\"string\"") +
             ", \"pattern\": \"^(" + (e.takes_seconds ? "[0-9]+" : "0") +
             "|([0-9]+(\\\\.[0-9]+)?(ns|us|ms|s|m|h))+)$\"";
    case knob_kind::choice: return "\"type\": \"string\", " + words_of(k);
    case knob_kind::list:
      return "\"type\": [\"string\", \"array\"], \"items\": {\"type\": \"string\"" +
             (k.choices.empty() ? "" : ", " + words_of(k)) + "}";
    case knob_kind::text:
    case knob_kind::file: break;
  }
  return "\"type\": \"string\"";
}

std::string standard_of(const entry& e) {
  if (e.standard.empty() || e.info->secret) return "";
  return ", \"default\": " +
         (is_number(e.info->kind) || e.info->kind == knob_kind::flag ? e.standard : json_text(e.standard));
}

std::string property(const entry& e) {
  return "{" + type_of(e) + standard_of(e) + ", \"description\": " +
         json_text(std::string(e.info->doc) + " (" + std::string(to_string(e.info->applies)) + ")") + "}";
}

using properties = std::map<std::string, std::string, std::less<>>;

std::string object(const properties& of, const std::string& indent) {
  std::string out;
  for (const auto& [name, what] : of) out += (out.empty() ? "" : ",\n") + indent + "  " + json_text(name) + ": " + what;
  return "{\n" + out + "\n" + indent + "}";
}

void add_properties(const std::vector<entry>& entries, properties& top,
                    std::map<std::string, properties, std::less<>>& groups) {
  for (const entry& e : entries) {
    const std::string name(e.info->name);
    const std::size_t dot = name.find('.');
    (dot == std::string::npos ? top : groups[name.substr(0, dot)])[name.substr(dot + 1)] = property(e);
    if (e.info->secret)
      top[name + "_file"] =
          "{\"type\": \"string\", \"description\": " + json_text("the file that holds it: " + name) + "}";
  }
}

}  // namespace

std::string page() {
  std::string out =
      "# Configuration reference\n\n"
      "Generated from the table of knobs that the parser itself uses: `ninja -C build/dev reference`. How files, the "
      "environment and code go together, and\nhow a running pool takes a change: [configuration](../configuration.md). "
      "For editors: [lido.schema.json](lido.schema.json).\n\n"
      "*live*: takes effect at once. *rolling*: for connections made from now on, the older ones go as they come back. "
      "*restart*: only with a new pool.\nIn the environment `cancel.timeout` of the pool `web` is "
      "`LIDO__WEB__CANCEL__TIMEOUT`, in a DSN `pool_cancel.timeout`.\n\n## The pool\n\n";
  out += heading;
  for (const entry& e : pool_entries()) out += row(e);
  out += "\n## Its connections\n\nIn a DSN these have libpq's names, without `pool_`.\n\n" + std::string(heading);
  for (const entry& e : connect_entries()) out += row(e);
  out +=
      "\n`dsn` sets any of both at once, and what stands beside it wins over it. `parameters.NAME` is a run-time "
      "parameter of the start-up message (`parameters.search_path = \"app\"`).\n`dsn_file` and `password_file` name a "
      "file that holds the secret.\n";
  return out;
}

std::string schema() {
  properties top;
  std::map<std::string, properties, std::less<>> groups;
  add_properties(pool_entries(), top, groups);
  add_properties(connect_entries(), top, groups);
  top["dsn"] =
      R"({"type": "string", "description": "postgresql://... or libpq's key=value; what stands beside it wins"})";
  top["dsn_file"] = R"({"type": "string", "description": "the file that holds it: dsn"})";
  top["parameters"] =
      R"({"type": "object", "additionalProperties": {"type": ["string", "integer", "number", "boolean"]}, )"
      R"("description": "run-time parameters of the start-up message"})";
  for (const auto& [name, of] : groups)
    top[name] =
        "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": " + object(of, "        ") + "}";
  return "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n  \"title\": \"Lido's pools\",\n"
         "  \"type\": \"object\",\n  \"additionalProperties\": false,\n  \"properties\": {\n    \"pool\": {\n"
         "      \"type\": \"object\",\n      \"additionalProperties\": false,\n"
         "      \"patternProperties\": {\"^[a-z0-9]+(_[a-z0-9]+)*$\": {\"$ref\": \"#/definitions/pool\"}}\n    }\n  "
         "},\n"
         "  \"definitions\": {\n    \"pool\": {\n      \"type\": \"object\",\n      \"additionalProperties\": false,\n"
         "      \"properties\": " +
         object(top, "      ") + "\n    }\n  }\n}\n";
}

}  // namespace lido::reference
