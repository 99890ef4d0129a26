#include "pool/config/pool_knobs.hpp"

#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace {

constexpr std::string_view prefix = "pool_";

// The pool's names as they are written in a DSN, for "did you mean".
std::string_view nearest_pool_key(std::string_view key) {
  std::vector<std::string_view> names;
  detail::add_names(detail::pool_knobs(), names);
  return detail::nearest_name(key, names);
}

}  // namespace

pool_config pool_config::from_dsn(std::string_view dsn) {
  pool_config config;
  std::vector<detail::dsn_setting> for_the_connection;
  for (detail::dsn_setting& s : detail::split_dsn(dsn)) {
    if (!s.key.starts_with(prefix)) {
      for_the_connection.push_back(std::move(s));
      continue;
    }
    const std::string where = "DSN, position " + std::to_string(s.position);
    const std::string_view key = std::string_view(s.key).substr(prefix.size());
    if (detail::set_knob(detail::pool_knobs(), config, key, s.value.reveal(), where, prefix)) continue;
    const std::string_view nearest = nearest_pool_key(key);
    detail::throw_unknown_key(where, s.key,
                              nearest.empty() ? std::string() : std::string(prefix) + std::string(nearest));
  }
  detail::apply_dsn(config.connect, for_the_connection);
  return config;
}

}  // namespace v0
}  // namespace lido
