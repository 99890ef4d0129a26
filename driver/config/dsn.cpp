#include "driver/config/split.hpp"

#include <string.h>  // explicit_bzero

namespace lido {
inline namespace v0 {
namespace detail {

secret_text::~secret_text() { ::explicit_bzero(text_.data(), text_.size()); }

void throw_dsn_error(std::size_t index, std::string_view what) {
  throw_invalid_config("DSN, position " + std::to_string(index + 1) + ": " + std::string(what));
}

std::vector<dsn_setting> split_dsn(std::string_view dsn) {
  for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
    if (dsn.starts_with(scheme)) return split_uri(dsn, scheme.size());
  }
  const std::size_t colon = dsn.find("://");
  if (colon != std::string_view::npos && dsn.substr(0, colon).find_first_of("= ") == std::string_view::npos) {
    throw_dsn_error(0, "a URI begins with postgresql://");
  }
  return split_keywords(dsn);
}

void apply_dsn(connect_config& config, const std::vector<dsn_setting>& settings) {
  for (const dsn_setting& s : settings) {
    const std::string where = "DSN, position " + std::to_string(s.position);
    if (!set_knob(connect_knobs(), config, s.key, s.value.reveal(), where)) {
      const std::string_view why = why_not_supported(s.key);
      if (!why.empty()) throw_invalid_config(where + ": " + s.key + " " + std::string(why));
      std::vector<std::string_view> names;
      add_names(connect_knobs(), names);
      throw_unknown_key(where, s.key, nearest_name(s.key, names));
    }
  }
}

}  // namespace detail

connect_config connect_config::parse(std::string_view dsn) {
  connect_config config;
  detail::apply_dsn(config, detail::split_dsn(dsn));
  return config;
}

}  // namespace v0
}  // namespace lido
