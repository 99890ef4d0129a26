#include "pool/config/config_builder.hpp"

#include <lido/driver/error.hpp>

#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::string_view prefix = "pool_";
constexpr std::size_t longest_secret = 64U << 10;

// The pool's names as they are written in a DSN, for "did you mean".
std::string nearest_pool_key(std::string_view key) {
  std::vector<std::string_view> names;
  add_names(pool_knobs(), names);
  const std::string_view nearest = nearest_name(key, names);
  return nearest.empty() ? std::string() : std::string(prefix) + std::string(nearest);
}

template <class Config>
bool any_secret(std::span<const knob<Config>> table, std::string_view key) {
  return std::ranges::any_of(table, [key](const auto& k) { return k.name == key && k.secret; });
}

template <class Config>
void add_origins(std::span<const knob<Config>> table, const Config& config,
                 const std::map<std::string, std::string, std::less<>>& sources, config_origins& out) {
  for (const auto& k : table) {
    const auto found = sources.find(k.name);
    if (found == sources.end()) continue;
    out.of.emplace(found->first, config_origin{found->second, secret(k.get(config))});
  }
}

}  // namespace

bool config_builder::set(std::string_view key, std::string_view value, const std::string& where,
                         const std::string& source, secrecy kept) {
  if (!set_knob(pool_knobs(), config_, key, value, where) && !hosts_.set(key, value, where) &&
      !set_knob(connect_knobs(), config_.connect, key, value, where))
    return false;
  if (key == "host") no_host_named_ = false;
  note_secret(key, value, kept);
  sources_[std::string(key)] = source;
  return true;
}

void config_builder::note_secret(std::string_view key, std::string_view value, secrecy kept) {
  if (kept == secrecy::in_the_open && !value.empty() && is_secret(key)) open_secret_ = true;
}

void config_builder::set_table(std::string_view name, const std::string& source) {
  config_.name.assign(name);
  sources_["name"] = source;
}

void config_builder::set_parameter(std::string_view name, std::string_view value, const std::string& source) {
  auto& all = config_.connect.parameters;
  const auto found = std::ranges::find(all, name, &std::pair<std::string, std::string>::first);
  if (found == all.end()) {
    all.emplace_back(name, value);
  } else {
    found->second.assign(value);
  }
  sources_["parameters." + std::string(name)] = source;
}

void config_builder::set_dsn(std::string_view dsn, const std::string& where, const std::string& source, secrecy kept) {
  const std::string before = where.empty() ? std::string() : where + ": ";
  std::vector<dsn_setting> settings;
  try {
    settings = split_dsn(dsn);
    for (const dsn_setting& s : settings) note_secret(s.key, s.value.reveal(), kept);  // not what a service file adds
    if (services_) expand_service(settings, services_);
  } catch (const error& e) {
    throw_invalid_config(before + e.diag().context);
  }
  apply(settings, before, source);
}

void config_builder::set_service(std::string_view name, const std::string& source) {
  try {
    apply(service_settings(name, {}, services_), {}, source);
  } catch (const error& e) {
    throw_invalid_config(source + ": " + e.diag().context);
  }
}

void config_builder::apply(const std::vector<dsn_setting>& settings, const std::string& before,
                           const std::string& source) {
  for (const dsn_setting& s : settings) {
    if (s.key.starts_with(prefix)) {
      const std::string place = before + place_of(s);
      const std::string_view key = std::string_view(s.key).substr(prefix.size());
      if (!set_knob(pool_knobs(), config_, key, s.value.reveal(), place, prefix))
        throw_unknown_key(place, s.key, nearest_pool_key(key));
      sources_[std::string(key)] = source;
      continue;
    }
    apply_setting(config_.connect, hosts_, s, before);
    if (s.key == "host") no_host_named_ = false;
    sources_[s.key] = s.where.empty() ? source : s.where;
  }
  if (names_no_host(settings)) no_host_named_ = true;
}

secret config_builder::secret_from(std::string_view path, const std::string& where) {
  std::ifstream file(std::string(path), std::ios::binary);
  secret text;
  std::array<char, 1024> piece;
  std::size_t size = 0;
  while (file && size <= longest_secret) {
    file.read(piece.data(), piece.size());
    const auto read = static_cast<std::size_t>(file.gcount());
    text.append({piece.data(), read});
    size += read;
  }
  ::explicit_bzero(piece.data(), piece.size());
  // The path is not shown: it may be the secret itself, put where its file's name belongs.
  if (!file.eof()) throw_invalid_config(where + ": the file cannot be read, or is larger than 64 KiB");
  files_.emplace_back(path);
  std::string_view value = text.reveal();
  while (value.ends_with('\n') || value.ends_with('\r')) value.remove_suffix(1);
  return secret(value);
}

std::vector<std::string_view> config_builder::names() {
  std::vector<std::string_view> names{"dsn"};
  add_names(pool_knobs(), names);
  add_names(connect_knobs(), names);
  return names;
}

bool config_builder::is_secret(std::string_view key) {
  return key == "dsn" || any_secret(pool_knobs(), key) || any_secret(connect_knobs(), key);
}

pool_config config_builder::finish() && {
  hosts_.apply(config_.connect);
  if (no_host_named_) clear_default_host(config_.connect);
  auto origins = std::make_shared<config_origins>();
  add_origins(pool_knobs(), config_, sources_, *origins);
  add_origins(connect_knobs(), config_.connect, sources_, *origins);
  for (const auto& [name, value] : config_.connect.parameters) {
    const auto found = sources_.find("parameters." + name);
    if (found != sources_.end()) origins->of.emplace(found->first, config_origin{found->second, secret(value)});
  }
  origins->files = std::move(files_);
  config_.origins = std::move(origins);
  return std::move(config_);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
