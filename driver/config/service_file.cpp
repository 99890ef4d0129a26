// pg_service.conf, as libpq's parseServiceInfo() reads it, and what else it takes from the environment.
#include "driver/config/file_text.hpp"
#include "driver/config/split.hpp"

#include <lido/driver/detail/libpq_files.hpp>
#include <lido/driver/error.hpp>

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t longest_line = 1023;

std::string_view trimmed(std::string_view line) {
  const std::size_t begin = std::min(line.find_first_not_of(blanks), line.size());
  line.remove_prefix(begin);
  while (!line.empty() && blanks.find(line.back()) != std::string_view::npos) line.remove_suffix(1);
  return line;
}

bool is_known(std::string_view key) {
  return has_no_effect(key) || key == "requiressl" || !why_not_supported(key).empty() ||
         std::ranges::any_of(connect_knobs(), [&](const auto& k) { return k.name == key; });
}

// The line itself is not shown: it may hold a password.
[[noreturn]] void throw_line(const std::string& file, std::size_t number, std::string_view what) {
  throw_invalid_config(file + ", line " + std::to_string(number) + ": " + std::string(what));
}

dsn_setting setting_in(std::string_view line, const std::string& file, std::size_t number) {
  if (line.starts_with("ldap")) {
    const std::string_view scheme = line.substr(0, line.find("://"));
    if (scheme != line) throw_line(file, number, "services are not looked up over LDAP");
  }
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) throw_line(file, number, "expected key=value");
  dsn_setting s;
  s.key.assign(line.substr(0, equals));
  s.value = secret(line.substr(equals + 1));
  s.where = file + ", line " + std::to_string(number);
  if (s.key == "service" || s.key == "servicefile") throw_line(file, number, "a service within a service");
  if (is_known(s.key)) return s;
  std::vector<std::string_view> names;
  add_names(connect_knobs(), names);
  throw_unknown_key(s.where, s.key, nearest_name(s.key, names));
}

std::string home(const variable_look_up& variables) {
  if (const std::string_view set = variables("HOME"); !set.empty()) return std::string(set);
  std::string buffer(16384, '\0');
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return found->pw_dir;
}

bool exists(const std::string& file) {
  struct stat status{};
  return ::stat(file.c_str(), &status) == 0;
}

std::optional<std::vector<dsn_setting>> service_in_file(const std::string& file, std::string_view service) {
  const auto text = file_text::read(file);
  if (!text) throw_invalid_config("the service file " + file + " cannot be read, or is larger than 1 MiB");
  return service_in(text->view(), service, file);
}

// The system's, where Debian's libpq has it too.
std::string system_service_file(const variable_look_up& variables) {
  const std::string_view folder = variables("PGSYSCONFDIR");
  return (folder.empty() ? std::string("/etc/postgresql-common") : std::string(folder)) + "/pg_service.conf";
}

}  // namespace

std::string_view process_variable(std::string_view name) {
  const char* const value = ::getenv(std::string(name).c_str());
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::optional<std::vector<dsn_setting>> service_in(std::string_view text, std::string_view service,
                                                   const std::string& file) {
  std::vector<dsn_setting> out;
  std::size_t number = 0;
  bool inside = false;
  bool found = false;
  for_each_line(text, [&](std::string_view line) {
    ++number;
    if (line.size() > longest_line) throw_line(file, number, "longer than 1,023 characters");
    line = trimmed(line);
    if (line.empty() || line.front() == '#') return true;
    if (line.front() == '[') {
      if (inside) return false;  // its section has ended
      inside = line.size() >= service.size() + 2 && line.substr(1, service.size()) == service &&
               line[service.size() + 1] == ']';
      found = found || inside;
      return true;
    }
    if (!inside) return true;
    dsn_setting s = setting_in(line, file, number);
    // The first of a section counts.
    if (std::ranges::find(out, s.key, &dsn_setting::key) == out.end()) out.push_back(std::move(s));
    return true;
  });
  if (!found) return std::nullopt;
  for (dsn_setting& s : out) {
    if (s.key != "requiressl") continue;
    s.key = "sslmode";
    s.value = secret(s.value.reveal().starts_with('1') ? "require" : "prefer");
  }
  keep_last_of_each(out);
  return out;
}

std::vector<dsn_setting> service_settings(std::string_view service, std::string_view file,
                                          const variable_look_up& variables) {
  std::string own(file.empty() ? variables("PGSERVICEFILE") : file);
  const bool named = !own.empty();
  if (!named) own = home(variables) + "/.pg_service.conf";
  if (named && !exists(own)) throw_invalid_config("the service file " + own + " is not there");
  if (named || exists(own)) {
    if (auto found = service_in_file(own, service)) return std::move(*found);
  }
  const std::string systems = system_service_file(variables);
  if (exists(systems)) {
    if (auto found = service_in_file(systems, service)) return std::move(*found);
  }
  throw_invalid_config("the service is in no service file: neither in " + own + " nor in " + systems);
}

void expand_service(std::vector<dsn_setting>& settings, const variable_look_up& variables) {
  const auto value_of = [&settings](std::string_view key) {
    const auto at = std::ranges::find(settings, key, &dsn_setting::key);
    return at == settings.end() ? secret() : at->value;
  };
  const secret service = value_of("service");
  const secret file = value_of("servicefile");
  std::erase_if(settings, [](const dsn_setting& s) { return s.key == "service" || s.key == "servicefile"; });
  if (service.empty()) return;
  std::vector<dsn_setting> all = service_settings(service.reveal(), file.reveal(), variables);
  for (dsn_setting& s : settings) all.push_back(std::move(s));
  keep_last_of_each(all);
  settings.swap(all);
}

std::string default_passfile(const variable_look_up& variables) {
  if (const std::string_view set = variables("PGPASSFILE"); !set.empty()) return std::string(set);
  std::string file = home(variables) + "/.pgpass";
  return exists(file) ? file : std::string();
}

}  // namespace detail

// libpq's order: the environment, over it the service, over it the DSN.
connect_config connect_config::load(std::string_view dsn) {
  using namespace detail;
  std::vector<dsn_setting> given = split_dsn(dsn);
  const bool names_service = std::ranges::any_of(given, [](const dsn_setting& s) { return s.key == "service"; });
  if (const std::string_view service = process_variable("PGSERVICE"); !names_service && !service.empty())
    given.push_back({"service", secret(service), 0, "PGSERVICE"});
  expand_service(given, &process_variable);

  std::vector<dsn_setting> all;
  for (const auto& k : connect_knobs()) {
    if (k.env.empty()) continue;
    const std::string_view value = process_variable(k.env);
    if (!value.empty()) all.push_back({std::string(k.name), secret(value), 0, std::string(k.env)});
  }
  for (dsn_setting& s : given) all.push_back(std::move(s));
  keep_last_of_each(all);

  connect_config config;
  apply_settings(config, all);
  if (config.passfile.empty()) config.passfile = default_passfile(&process_variable);
  return config;
}

}  // namespace v0
}  // namespace lido
