// defaults < file < PG* < LIDO__NAME__* < DSN < code
#include "pool/config/config_builder.hpp"

#include <lido/driver/error.hpp>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

struct open_file {
  std::string text;
  bool open_to_others = false;
};

open_file read(const config_sources& from) {
  open_file file;
  if (!from.file.empty()) file.text = contents_of(from.file, file.open_to_others);
  return file;
}

pool_config build(const config_sources& from, const open_file& file, std::string_view pool_name,
                  const environment& variables) {
  config_builder builder;
  builder.config().name.assign(pool_name);
  if (from.environment) allow_services(variables, builder);
  if (!from.file.empty()) {
    builder.was_read(from.file);
    read_pool_table(file.text, from.file, pool_name, builder);
    if (file.open_to_others && builder.has_open_secret())
      throw_invalid_config(from.file + ": holds a password and is open to group or others: chmod 600");
  }
  if (from.environment) {
    read_libpq_environment(variables, builder);
    read_pool_environment(variables, pool_name, builder);
  }
  if (!from.dsn.empty()) builder.set_dsn(from.dsn.reveal(), {}, "DSN");
  pool_config config = std::move(builder).finish();
  if (from.code) from.code(config);
  try {
    config.validate();
  } catch (const error& e) {
    const std::string before = from.file.empty() ? "pool " : from.file + ", pool ";
    throw_invalid_config(before + std::string(pool_name) + ": " + e.diag().context +
                         sources_of(config, e.diag().context));
  }
  return config;
}

}  // namespace

pool_config load_layers(const config_sources& from, std::string_view pool_name, const environment& variables) {
  return build(from, read(from), pool_name, variables);
}

std::vector<std::pair<std::string, pool_config>> load_all_layers(const config_sources& from,
                                                                 const environment& variables) {
  const open_file file = read(from);
  const std::vector<std::string> names = pools_in(file.text, from.file);
  if (from.environment) check_pool_names(variables, names);
  std::vector<std::pair<std::string, pool_config>> out;
  for (const std::string& name : names) {
    out.emplace_back(name, build(from, file, name, variables));
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
      if (out[i].second.name == out.back().second.name)
        throw_invalid_config(from.file + ": [pool." + out[i].first + "] and [pool." + name + "] have the same name");
    }
  }
  return out;
}

}  // namespace detail

pool_config pool_config::load(const config_sources& sources, std::string_view pool_name) {
  return detail::load_layers(sources, pool_name, detail::process_environment());
}

pool_config pool_config::load(const std::string& path, std::string_view pool_name) {
  config_sources from;
  from.file = path;
  return load(from, pool_name);
}

}  // namespace v0
}  // namespace lido
