// What libpq keeps beside its DSN: service files, password files, environment variables. Reading of texts is separate
// from reading of files, for tests. Values never appear in errors.
#pragma once

#include <lido/driver/config.hpp>
#include <lido/driver/detail/knobs.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

/// A variable's value; empty: not set.
using variable_look_up = std::function<std::string_view(std::string_view name)>;
std::string_view process_variable(std::string_view name);

/// The settings of a service in the text of a service file; nullopt when it has none of that name. Throws lido::error
/// with file and line for what is no such file.
std::optional<std::vector<dsn_setting>> service_in(std::string_view text, std::string_view service,
                                                   const std::string& file);
/// The same out of the file that `file` names or, when it is empty, where libpq would look. Throws when it is nowhere.
std::vector<dsn_setting> service_settings(std::string_view service, std::string_view file,
                                          const variable_look_up& variables);
/// Puts the settings of `service` before those that name it, which win, and takes service and servicefile out.
void expand_service(std::vector<dsn_setting>& settings, const variable_look_up& variables);

/// The password of the first line that fits, of host:port:database:user:password; nullopt: none does.
std::optional<secret> password_in(std::string_view text, const password_request& whom);
struct found_password {
  secret password;          // empty: none
  std::string passed_over;  // why the file was not used, for a person; empty when it was, or is not there
};
found_password password_from_file(const std::string& file, const password_request& whom);
/// PGPASSFILE or ~/.pgpass; empty when there is neither.
std::string default_passfile(const variable_look_up& variables);

}  // namespace detail
}  // namespace v0
}  // namespace lido
