#include "pool/config/config_builder.hpp"

#include <lido/driver/error.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

namespace {
// toml++ 3.3 asserts on files such as "[=]", and in a build without assertions tells the optimiser that they cannot be.
// Here they are errors.
struct parser_gave_up {};
[[noreturn]] void give_up() { throw parser_gave_up(); }
}  // namespace
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? static_cast<void>(0) : give_up())
#include <toml++/toml.h>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::uintmax_t most_bytes = 1U << 20;

// Reads the entries of one [pool.NAME].
class pool_table_reader {
 public:
  pool_table_reader(std::string_view origin, config_builder& into) : origin_(origin), into_(into) {}

  void read(const toml::table& table) {
    // The DSN first: what stands beside it is more special, whatever the order in the file.
    if (const toml::node* dsn = table.get("dsn")) set_dsn(*dsn, text_of("dsn", *dsn));
    if (const toml::node* dsn = table.get("dsn_file")) {
      require_alone("dsn", *dsn, table);
      set_dsn(*dsn, into_.secret_from(text_of("dsn_file", *dsn), where(*dsn)).reveal(), secrecy::in_own_file);
    }
    for (const auto& [key, node] : table) {
      if (key.str() != "dsn" && key.str() != "dsn_file") entry(std::string(key.str()), node, table);
    }
  }

  std::string where(const toml::node& node) const { return origin_ + ":" + std::to_string(node.source().begin.line); }

 private:
  using secrecy = config_builder::secrecy;

  void entry(const std::string& key, const toml::node& node, const toml::table& around) {
    if (const toml::table* nested = node.as_table()) {
      for (const auto& [inner, value] : *nested) {
        const std::string name(inner.str());
        if (key == "parameters") {
          into_.set_parameter(name, text_of("parameters." + name, value), where(value));
        } else {
          entry(std::string(key).append(1, '.').append(name), value, *nested);
        }
      }
      return;
    }
    const std::string at = where(node);
    const std::string text = text_of(key, node);
    if (into_.set(key, text, at, at)) return;
    constexpr std::string_view suffix = "_file";
    const std::string_view knob = std::string_view(key).substr(0, key.size() - std::min(key.size(), suffix.size()));
    if (key.ends_with(suffix) && config_builder::is_secret(knob)) {
      require_alone(knob, node, around);
      const secret contents = into_.secret_from(text, at);
      into_.set(knob, contents.reveal(), at, at, secrecy::in_own_file);
      return;
    }
    unknown(key, node);
  }

  // A secret and the file that holds it: as with the variables, none of them is the more special one.
  void require_alone(std::string_view knob, const toml::node& in_file, const toml::table& around) const {
    if (around.get(knob) == nullptr) return;
    const std::string name(knob);
    throw_invalid_config(where(in_file) + ": " + name + "_file: " + name + " is set too: which one is meant?");
  }

  static bool is_plain(std::string_view key) {
    constexpr std::size_t longest = 40;
    return key.size() <= longest && std::ranges::all_of(key, [](char c) {
             return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
           });
  }

  [[noreturn]] void unknown(const std::string& key, const toml::node& node) const {
    const std::string_view why = why_not_supported(key);
    if (!why.empty()) throw_invalid_config(where(node) + ": " + key + " " + std::string(why));
    std::vector<std::string_view> names = config_builder::names();
    names.insert(names.end(), {"parameters", "dsn_file", "password_file"});
    const std::string_view nearest = nearest_name(key, names);
    // What TOML took for a key is none of a value's pieces, as it may be in a DSN: it can be shown.
    if (nearest.empty() && is_plain(key)) throw_invalid_config(where(node) + ": unknown key \"" + key + "\"");
    throw_unknown_key(where(node), key, nearest);
  }

  void set_dsn(const toml::node& node, std::string_view dsn, secrecy kept = secrecy::in_the_open) {
    if (!node.is_string()) throw_bad_value(where(node), "dsn", "a text");
    into_.set_dsn(dsn, where(node), where(node), kept);
  }

  // What the knobs' setters read: TOML's own types written as one would in a DSN; lists with commas.
  std::string text_of(const std::string& key, const toml::node& node) const {
    if (const auto text = node.value_exact<std::string>()) return *text;
    if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
    if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
    if (const auto real = node.value_exact<double>()) return text_of(*real);
    const toml::array* const list = node.as_array();
    if (list == nullptr) throw_bad_value(where(node), key, "a text, a number, or true or false");
    std::string out;
    for (const toml::node& element : *list) {
      if (element.is_array() || element.is_table()) throw_bad_value(where(node), key, "a plain list");
      out += (out.empty() ? "" : ",") + text_of(key, element);
    }
    return out;
  }

  static std::string text_of(double real) {
    std::array<char, 64> buffer;
    const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), real);
    return {buffer.data(), written.ptr};
  }

  std::string origin_;
  config_builder& into_;
};

toml::table parsed(std::string_view text, std::string_view origin) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& e) {
    // Without the parser's own words: they quote what they could not read.
    const auto at = e.source().begin;
    throw_invalid_config(std::string(origin) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                         ": not valid TOML here (a text needs \"quotes\", a key may be given once)");
  } catch (const parser_gave_up&) {
    throw_invalid_config(std::string(origin) + ": not valid TOML");
  }
}

std::string line_of(std::string_view origin, const toml::node& node) {
  return std::string(origin) + ":" + std::to_string(node.source().begin.line);
}

// Null when there is no [pool.NAME] at all.
const toml::table* pools_of(const toml::table& file, std::string_view origin) {
  static constexpr std::array<std::string_view, 1> tables{"pool"};
  for (const auto& [key, node] : file) {
    if (key.str() != "pool") throw_unknown_key(line_of(origin, node), key.str(), nearest_name(key.str(), tables));
  }
  return file["pool"].as_table();
}

}  // namespace

void read_pool_table(std::string_view text, std::string_view origin, std::string_view pool_name, config_builder& into) {
  const toml::table file = parsed(text, origin);
  const toml::table* const pools = pools_of(file, origin);
  const toml::node* const found = pools == nullptr ? nullptr : pools->get(pool_name);
  if (found == nullptr)
    throw_invalid_config(std::string(origin) + ": there is no table [pool." + std::string(pool_name) + "]");
  const toml::table* const table = found->as_table();
  if (table == nullptr)
    throw_invalid_config(line_of(origin, *found) + ": [pool." + std::string(pool_name) + "] is expected to be a table");
  into.set_table(pool_name, line_of(origin, *found));
  pool_table_reader(origin, into).read(*table);
}

std::vector<std::string> pools_in(std::string_view text, std::string_view origin) {
  const toml::table file = parsed(text, origin);
  const toml::table* const pools = pools_of(file, origin);
  if (pools == nullptr || pools->empty())
    throw_invalid_config(std::string(origin) + ": there is no table [pool.NAME] in it");
  std::vector<std::string> names;
  for (const auto& [key, node] : *pools) {
    if (!is_pool_name(key.str()))
      throw_invalid_config(line_of(origin, node) +
                           ": a pool's name is 1 to 64 of a-z, 0-9 and _, with no _ at its ends"
                           " and no __ within (it is a part of LIDO__NAME__MAX_SIZE)");
    names.emplace_back(key.str());
  }
  return names;
}

std::string contents_of(const std::string& path, bool& open_to_others) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    throw_invalid_config(path + ": there is no such file");
  if (static_cast<std::uintmax_t>(status.st_size) > most_bytes) throw_invalid_config(path + ": larger than 1 MiB");
  open_to_others = (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) throw_invalid_config(path + ": cannot be read");
  return text;
}

}  // namespace detail

pool_config pool_config::parse_toml(std::string_view text, std::string_view origin, std::string_view pool_name) {
  detail::config_builder builder;
  detail::read_pool_table(text, origin, pool_name, builder);
  pool_config config = std::move(builder).finish();
  try {
    config.validate();
  } catch (const error& e) {
    detail::throw_invalid_config(std::string(origin) + ", [pool." + std::string(pool_name) + "]: " + e.diag().context +
                                 detail::sources_of(config, e.diag().context));
  }
  return config;
}

}  // namespace v0
}  // namespace lido
