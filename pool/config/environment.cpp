// PG* as libpq reads it, and LIDO__NAME__MAX_SIZE. An empty variable is one that is not set, so that a deployment's
// template may leave it empty.
#include "pool/config/config_builder.hpp"

#include <lido/driver/detail/libpq_files.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::string_view ours = "LIDO__";
constexpr std::string_view from_file = "_FILE";

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// cancel.timeout -> CANCEL__TIMEOUT
std::string in_capitals(std::string_view name) {
  std::string out;
  for (const char c : name) out += c == '.' ? std::string("__") : std::string(1, upper(c));
  return out;
}

struct variable {
  std::string_view name;
  std::string_view value;
};

std::optional<variable> split(std::string_view entry) {
  const std::size_t equals = entry.find('=');
  if (equals == std::string_view::npos || equals + 1 == entry.size()) return std::nullopt;
  return variable{entry.substr(0, equals), entry.substr(equals + 1)};
}

std::string_view value_of(const environment& variables, std::string_view name) {
  for (const std::string_view entry : variables) {
    if (const auto v = split(entry); v && v->name == name) return v->value;
  }
  return {};
}

// These of libpq's would make it trust less: to pass over them in silence were worse than to refuse.
constexpr std::array<std::string_view, 1> not_here{"PGSSLCERTMODE"};

bool is_taken(std::string_view libpq_variable) {
  return std::ranges::any_of(connect_knobs(), [&](const auto& k) { return k.env == libpq_variable; });
}

class pool_variables {
 public:
  pool_variables(const environment& variables, std::string_view pool_name, config_builder& into)
      : variables_(variables), prefix_(std::string(ours) + in_capitals(pool_name) + "__"), into_(into) {}

  void read() {
    // The DSN first, as in a file: what stands beside it is more special.
    each([this](const variable& v, std::string_view rest) {
      if (rest == "DSN") into_.set_dsn(v.value, std::string(v.name), std::string(v.name));
      if (rest == "DSN_FILE") {
        const std::string name(v.name);
        if (!value_of(variables_, prefix_ + "DSN").empty())
          throw_invalid_config(name + ": " + prefix_ + "DSN is set too: which one is meant?");
        const secret dsn = into_.secret_from(v.value, name);
        into_.set_dsn(dsn.reveal(), name, name);
      }
    });
    each([this](const variable& v, std::string_view rest) {
      if (rest != "DSN" && rest != "DSN_FILE") one(v, rest);
    });
  }

 private:
  template <class F>
  void each(F&& f) {
    for (const std::string_view entry : variables_) {
      const auto v = split(entry);
      if (v && v->name.starts_with(prefix_)) f(*v, v->name.substr(prefix_.size()));
    }
  }

  void one(const variable& v, std::string_view rest) {
    const std::string name(v.name);
    constexpr std::string_view parameters = "PARAMETERS__";
    if (rest.starts_with(parameters) && rest.size() > parameters.size()) {
      std::string parameter(rest.substr(parameters.size()));
      std::ranges::transform(parameter, parameter.begin(), lower);
      return into_.set_parameter(parameter, v.value, name);
    }
    for (const std::string_view knob : config_builder::names()) {
      const std::string wanted = in_capitals(knob);
      if (rest == wanted) {
        into_.set(knob, v.value, name, name);
        return;
      }
      if (config_builder::is_secret(knob) && rest == wanted + std::string(from_file)) {
        if (!value_of(variables_, prefix_ + wanted).empty())
          throw_invalid_config(name + ": " + prefix_ + wanted + " is set too: which one is meant?");
        const secret text = into_.secret_from(v.value, name);
        into_.set(knob, text.reveal(), name, name);
        return;
      }
    }
    unknown(name, rest);
  }

  [[noreturn]] void unknown(const std::string& name, std::string_view rest) const {
    std::vector<std::string> known;
    for (const std::string_view knob : config_builder::names()) {
      known.push_back(in_capitals(knob));
      if (config_builder::is_secret(knob)) known.push_back(in_capitals(knob) + std::string(from_file));
    }
    const std::vector<std::string_view> names(known.begin(), known.end());
    const std::string_view nearest = nearest_name(rest, names);
    throw_unknown_key(name, name, nearest.empty() ? std::string() : prefix_ + std::string(nearest));
  }

  const environment& variables_;
  const std::string prefix_;
  config_builder& into_;
};

}  // namespace

environment process_environment() {
  environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

void read_libpq_environment(const environment& variables, config_builder& into) {
  for (const std::string_view name : not_here) {
    if (!is_taken(name) && !value_of(variables, name).empty())
      throw_invalid_config(std::string(name) + ": is a variable of libpq's that Lido does not have; unset it");
  }
  for (const auto& k : connect_knobs()) {
    if (k.env.empty()) continue;
    const std::string name(k.env);
    const std::string_view value = value_of(variables, k.env);
    if (!value.empty()) into.set(k.name, value, name, name);
    if (!k.secret || !value.empty()) continue;
    const std::string file_variable = name + std::string(from_file);
    const std::string_view path = value_of(variables, file_variable);
    if (path.empty()) continue;
    const secret text = into.secret_from(path, file_variable);
    into.set(k.name, text.reveal(), file_variable, file_variable);
  }
  const auto look_up = [&variables](std::string_view name) { return value_of(variables, name); };
  const std::string_view service = value_of(variables, "PGSERVICE");
  if (!service.empty()) into.set_service(service, "PGSERVICE");
  if (const std::string file = default_passfile(look_up); !file.empty() && into.config().connect.passfile.empty())
    into.set("passfile", file, "passfile", "as libpq");
}

void allow_services(const environment& variables, config_builder& into) {
  into.read_services([&variables](std::string_view name) { return value_of(variables, name); });
}

void read_pool_environment(const environment& variables, std::string_view pool_name, config_builder& into) {
  pool_variables(variables, pool_name, into).read();
}

void check_pool_names(const environment& variables, const std::vector<std::string>& pools) {
  std::vector<std::string> prefixes;
  for (const std::string& p : pools) prefixes.push_back(in_capitals(p));
  for (const std::string_view entry : variables) {
    const auto v = split(entry);
    if (!v || !v->name.starts_with(ours)) continue;
    const std::string_view rest = v->name.substr(ours.size());
    const std::string_view pool = rest.substr(0, std::min(rest.find("__"), rest.size()));
    if (std::ranges::find(prefixes, pool) != prefixes.end() && pool.size() < rest.size()) continue;
    const std::vector<std::string_view> known(prefixes.begin(), prefixes.end());
    const std::string_view nearest = nearest_name(pool, known);
    throw_invalid_config(
        std::string(v->name) + ": there is no such pool" +
        (nearest.empty() ? std::string() : "; did you mean " + std::string(ours) + std::string(nearest) + "__...?"));
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
