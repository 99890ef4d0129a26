#include "driver/config/split.hpp"

#include <lido/driver/error.hpp>

#include <string.h>  // explicit_bzero

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

// libpq's own older names for sslmode.
void translate(dsn_setting& s, bool uri) {
  const std::string_view value = s.value.reveal();
  if (s.key == "requiressl") {
    s.key = "sslmode";
    s.value = secret(value.starts_with('1') ? "require" : "prefer");
  } else if (uri && s.key == "ssl" && value == "true") {  // JDBC's
    s.key = "sslmode";
    s.value = secret("require");
  }
}

}  // namespace

secret_text::~secret_text() { ::explicit_bzero(text_.data(), text_.size()); }

void throw_dsn_error(std::size_t index, std::string_view what) {
  throw_invalid_config("DSN, position " + std::to_string(index + 1) + ": " + std::string(what));
}

void keep_last_of_each(std::vector<dsn_setting>& all) {
  const auto is_repeated_behind = [&all](std::size_t i) {
    return std::any_of(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end(),
                       [&](const dsn_setting& later) { return later.key == all[i].key; });
  };
  std::vector<dsn_setting> kept;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!is_repeated_behind(i)) kept.push_back(std::move(all[i]));
  }
  all.swap(kept);
}

std::vector<dsn_setting> split_dsn(std::string_view dsn) {
  std::vector<dsn_setting> all;
  bool uri = false;
  for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
    if (!dsn.starts_with(scheme)) continue;
    all = split_uri(dsn, scheme.size());
    uri = true;
    break;
  }
  const std::size_t colon = dsn.find("://");
  if (!uri && colon != std::string_view::npos && dsn.substr(0, colon).find_first_of("= ") == std::string_view::npos)
    throw_dsn_error(0, "a URI begins with postgresql://");
  if (!uri) all = split_keywords(dsn);
  for (dsn_setting& s : all) translate(s, uri);
  keep_last_of_each(all);
  return all;
}

std::string place_of(const dsn_setting& s) {
  return s.where.empty() ? "DSN, position " + std::to_string(s.position) : s.where;
}

void apply_setting(connect_config& config, host_settings& hosts, const dsn_setting& s, std::string_view before) {
  if (has_no_effect(s.key)) return;
  const std::string where = std::string(before) + place_of(s);
  if (hosts.set(s.key, s.value.reveal(), where)) return;
  if (set_knob(connect_knobs(), config, s.key, s.value.reveal(), where)) return;
  const std::string_view why = why_not_supported(s.key);
  if (!why.empty()) throw_invalid_config(where + ": " + s.key + " " + std::string(why));
  if (s.key == "service" || s.key == "servicefile")
    throw_invalid_config(where + ": " + s.key + " is read by connect_config::load() and pool_config::load() only");
  std::vector<std::string_view> names{"service", "servicefile"};
  add_names(connect_knobs(), names);
  throw_unknown_key(where, s.key, nearest_name(s.key, names));
}

bool names_no_host(const std::vector<dsn_setting>& all) {
  const auto given = [&all](std::string_view key) { return std::ranges::find(all, key, &dsn_setting::key); };
  const auto address = given("hostaddr");
  return address != all.end() && !address->value.empty() && given("host") == all.end();
}

void clear_default_host(connect_config& config) {
  if (config.hosts.empty() && config.host == connect_config{}.host) config.host.clear();
}

void apply_settings(connect_config& config, const std::vector<dsn_setting>& all) {
  host_settings hosts;
  for (const dsn_setting& s : all) apply_setting(config, hosts, s);
  hosts.apply(config);
  if (names_no_host(all)) clear_default_host(config);
}

}  // namespace detail

connect_config connect_config::parse(std::string_view dsn) {
  connect_config config;
  detail::apply_settings(config, detail::split_dsn(dsn));
  return config;
}

}  // namespace v0
}  // namespace lido
