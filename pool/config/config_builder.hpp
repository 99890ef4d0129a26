// Puts a pool_config together out of layers, later ones over earlier ones, and remembers where each value came from.
#pragma once

#include "pool/config/pool_knobs.hpp"

#include <lido/driver/detail/libpq_files.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

struct config_origin {
  std::string source;
  secret value;  // as it was loaded, to notice that code has changed it since
};

// Immutable once a configuration is loaded; all copies of the configuration share it.
struct config_origins {
  std::map<std::string, config_origin, std::less<>> of;
  std::vector<std::string> files;  // that were read
};

class config_builder {
 public:
  // Whether a secret stands where the rest does, or came out of a file that holds nothing else.
  enum class secrecy : std::uint8_t { in_the_open, in_own_file };

  // False: there is no such knob. `where` begins errors; `source` is what effective() shows.
  bool set(std::string_view key, std::string_view value, const std::string& where, const std::string& source,
           secrecy kept = secrecy::in_the_open);
  // What it is called unless the file, a variable or code says otherwise.
  void set_table(std::string_view name, const std::string& source);
  void set_parameter(std::string_view name, std::string_view value, const std::string& source);
  // From here on a DSN may name a service, whose files are where these variables say; before, it is refused.
  void read_services(variable_look_up variables) { services_ = std::move(variables); }
  void set_service(std::string_view name, const std::string& source);
  void set_dsn(std::string_view dsn, const std::string& where, const std::string& source,
               secrecy kept = secrecy::in_the_open);
  // The text of a file that holds a secret, without the end of its last line; wiped by the caller's secret.
  secret secret_from(std::string_view path, const std::string& where);
  // Any that was set so far was in the open, even if another source overruled it: whoever may read that, has it.
  bool has_open_secret() const noexcept { return open_secret_; }
  void was_read(std::string file) { files_.push_back(std::move(file)); }

  // Of what a file and the environment may set; with "dsn", without parameters.
  static std::vector<std::string_view> names();
  static bool is_secret(std::string_view key);

  pool_config& config() noexcept { return config_; }
  pool_config finish() &&;

 private:
  void apply(const std::vector<dsn_setting>& settings, const std::string& before, const std::string& source);
  void note_secret(std::string_view key, std::string_view value, secrecy kept);

  pool_config config_;
  host_settings hosts_;
  bool no_host_named_ = false;  // by the last source that could have
  std::map<std::string, std::string, std::less<>> sources_;
  std::vector<std::string> files_;
  bool open_secret_ = false;
  variable_look_up services_;
};

// What [pool.NAME] of `text` says, over what the builder has. The names of all its pools; throws for what is not one.
void read_pool_table(std::string_view text, std::string_view origin, std::string_view pool_name, config_builder& into);
std::vector<std::string> pools_in(std::string_view text, std::string_view origin);
// The file's text; `open_to_others` when its mode lets group or others read it.
std::string contents_of(const std::string& path, bool& open_to_others);

// Of the knobs that an error names: " (min_size: lido.toml:3, max_size: LIDO__WEB__MAX_SIZE)"; empty when all of them
// are at their defaults.
std::string sources_of(const pool_config& config, std::string_view error);

// "NAME=value" each, as in environ.
using environment = std::vector<std::string_view>;
environment process_environment();
// `variables` must outlive the builder.
void allow_services(const environment& variables, config_builder& into);
void read_libpq_environment(const environment& variables, config_builder& into);
void read_pool_environment(const environment& variables, std::string_view pool_name, config_builder& into);
// Throws when a variable LIDO__NAME__... is of none of these pools.
void check_pool_names(const environment& variables, const std::vector<std::string>& pools);

pool_config load_layers(const config_sources& sources, std::string_view pool_name, const environment& variables);
std::vector<std::pair<std::string, pool_config>> load_all_layers(const config_sources& sources,
                                                                 const environment& variables);

}  // namespace detail
}  // namespace v0
}  // namespace lido
