#include "pool/config/pool_knobs.hpp"

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
namespace {

constexpr std::uintmax_t most_bytes = 1U << 20;

// Reads the entries of one [pool.NAME] into a pool_config.
class pool_table_reader {
 public:
  pool_table_reader(std::string_view origin, pool_config& config) : origin_(origin), config_(config) {}

  void read(const toml::table& table) {
    // The DSN first: what stands beside it is more special, whatever the order in the file.
    if (const toml::node* dsn = table.get("dsn")) set_dsn(*dsn);
    for (const auto& [key, node] : table) {
      if (key.str() != "dsn") entry(std::string(key.str()), node);
    }
  }

  std::string where(const toml::node& node) const { return origin_ + ":" + std::to_string(node.source().begin.line); }

 private:
  void entry(const std::string& key, const toml::node& node) {
    if (const toml::table* nested = node.as_table()) {
      for (const auto& [inner, value] : *nested) {
        if (key == "parameters") {
          set_parameter(std::string(inner.str()), value);
        } else {
          entry(key + "." + std::string(inner.str()), value);
        }
      }
      return;
    }
    const std::string text = text_of(key, node);
    if (detail::set_knob(detail::pool_knobs(), config_, key, text, where(node))) return;
    if (detail::set_knob(detail::connect_knobs(), config_.connect, key, text, where(node))) return;
    unknown(key, node);
  }

  [[noreturn]] void unknown(const std::string& key, const toml::node& node) const {
    const std::string_view why = detail::why_not_supported(key);
    if (!why.empty()) detail::throw_invalid_config(where(node) + ": " + key + " " + std::string(why));
    std::vector<std::string_view> names{"dsn", "parameters"};
    detail::add_names(detail::pool_knobs(), names);
    detail::add_names(detail::connect_knobs(), names);
    detail::throw_unknown_key(where(node), key, detail::nearest_name(key, names));
  }

  void set_dsn(const toml::node& node) {
    const auto text = node.value_exact<std::string>();
    if (!text) detail::throw_bad_value(where(node), "dsn", "a text");
    try {
      config_ = pool_config::from_dsn(*text);
    } catch (const error& e) {
      detail::throw_invalid_config(where(node) + ": " + e.diag().context);
    }
  }

  void set_parameter(const std::string& name, const toml::node& node) {
    config_.connect.parameters.emplace_back(name, text_of("parameters." + name, node));
  }

  // What the knobs' setters read: TOML's own types written as one would in a DSN; lists with commas.
  std::string text_of(const std::string& key, const toml::node& node) const {
    if (const auto text = node.value_exact<std::string>()) return *text;
    if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
    if (const auto flag = node.value_exact<bool>()) return *flag ? "true" : "false";
    if (const auto real = node.value_exact<double>()) return text_of(*real);
    const toml::array* const list = node.as_array();
    if (list == nullptr) detail::throw_bad_value(where(node), key, "a text, a number, or true or false");
    std::string out;
    for (const toml::node& element : *list) {
      if (element.is_array() || element.is_table()) detail::throw_bad_value(where(node), key, "a plain list");
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
  pool_config& config_;
};

toml::table parsed(std::string_view text, std::string_view origin) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& e) {
    // Without the parser's own words: they quote what they could not read.
    const auto at = e.source().begin;
    detail::throw_invalid_config(std::string(origin) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                                 ": not valid TOML here (a text needs \"quotes\", a key may be given once)");
  } catch (const parser_gave_up&) {
    detail::throw_invalid_config(std::string(origin) + ": not valid TOML");
  }
}

const toml::table& pool_table(const toml::table& file, std::string_view origin, std::string_view name) {
  const auto line = [&](const toml::node& node) {
    return std::string(origin) + ":" + std::to_string(node.source().begin.line);
  };
  static constexpr std::array<std::string_view, 1> tables{"pool"};
  for (const auto& [key, node] : file) {
    if (key.str() != "pool") detail::throw_unknown_key(line(node), key.str(), detail::nearest_name(key.str(), tables));
  }
  const toml::table* const pools = file["pool"].as_table();
  const toml::node* const found = pools == nullptr ? nullptr : pools->get(name);
  if (found == nullptr)
    detail::throw_invalid_config(std::string(origin) + ": there is no table [pool." + std::string(name) + "]");
  const toml::table* const table = found->as_table();
  if (table == nullptr)
    detail::throw_invalid_config(line(*found) + ": [pool." + std::string(name) + "] is expected to be a table");
  return *table;
}

std::string contents_of(const std::string& path, bool& open_to_others) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    detail::throw_invalid_config(path + ": there is no such file");
  if (static_cast<std::uintmax_t>(status.st_size) > most_bytes)
    detail::throw_invalid_config(path + ": larger than 1 MiB");
  open_to_others = (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) detail::throw_invalid_config(path + ": cannot be read");
  return text;
}

}  // namespace

pool_config pool_config::parse_toml(std::string_view text, std::string_view origin, std::string_view pool_name) {
  const toml::table file = parsed(text, origin);
  pool_config config;
  pool_table_reader(origin, config).read(pool_table(file, origin, pool_name));
  if (config.name == pool_config{}.name) config.name.assign(pool_name);
  try {
    config.validate();
  } catch (const error& e) {
    detail::throw_invalid_config(std::string(origin) + ", [pool." + std::string(pool_name) + "]: " + e.diag().context);
  }
  return config;
}

pool_config pool_config::load(const std::string& path, std::string_view pool_name) {
  bool open_to_others = false;
  const std::string text = contents_of(path, open_to_others);
  pool_config config = parse_toml(text, path, pool_name);
  if (open_to_others && !config.connect.password.empty()) {
    detail::throw_invalid_config(path + ": holds a password and is open to group or others: chmod 600");
  }
  return config;
}

}  // namespace v0
}  // namespace lido
