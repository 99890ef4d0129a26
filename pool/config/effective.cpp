// What is in force and where it comes from; what a new configuration would change.
#include "pool/config/config_builder.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace lido {
inline namespace v0 {

namespace {

constexpr std::string_view hidden = "(secret)";

std::string source_of(const pool_config& c, std::string_view name, std::string_view value, std::string_view standard) {
  if (c.origins) {
    const auto found = c.origins->of.find(name);
    if (found != c.origins->of.end() && found->second.value.reveal() == value) return found->second.source;
    if (found != c.origins->of.end()) return "code";
  }
  return value == standard ? "default" : "code";
}

template <class Config>
void add(std::span<const detail::knob<Config>> table, const Config& fields, const pool_config& c,
         std::vector<effective_knob>& out) {
  for (const auto& k : table) {
    const secret value(k.get(fields));
    effective_knob e;
    e.name.assign(k.name);
    e.applies = k.applies;
    e.source = source_of(c, k.name, value.reveal(), k.standard());
    e.value.assign(k.secret && !value.empty() ? hidden : value.reveal());
    out.push_back(std::move(e));
  }
}

template <class Config>
void compare(std::span<const detail::knob<Config>> table, const Config& from, const Config& to, const pool_config& next,
             std::vector<knob_change>& out) {
  for (const auto& k : table) {
    const secret before(k.get(from));
    const secret after(k.get(to));
    if (before.reveal() == after.reveal()) continue;
    const auto shown = [&k](const secret& s) { return std::string(k.secret && !s.empty() ? hidden : s.reveal()); };
    out.push_back({std::string(k.name), shown(before), shown(after), k.applies,
                   source_of(next, k.name, after.reveal(), k.standard())});
  }
}

const std::string* parameter(const connect_config& c, std::string_view name) {
  const auto found = std::ranges::find(c.parameters, name, &std::pair<std::string, std::string>::first);
  return found == c.parameters.end() ? nullptr : &found->second;
}

void compare_parameters(const pool_config& from, const pool_config& to, std::vector<knob_change>& out) {
  for (const auto& [name, value] : to.connect.parameters) {
    const std::string* const before = parameter(from.connect, name);
    if (before != nullptr && *before == value) continue;
    out.push_back({"parameters." + name, before == nullptr ? "" : *before, value, knob_class::rolling,
                   source_of(to, "parameters." + name, value, "")});
  }
  for (const auto& [name, value] : from.connect.parameters) {
    if (parameter(to.connect, name) == nullptr)
      out.push_back({"parameters." + name, value, "", knob_class::rolling, "default"});
  }
}

}  // namespace

std::string detail::sources_of(const pool_config& config, std::string_view error) {
  constexpr std::string_view of_names = "abcdefghijklmnopqrstuvwxyz0123456789_.";
  const std::vector<effective_knob> all = config.effective();
  std::vector<std::string_view> told;
  std::string out;
  for (std::size_t at = 0; (at = error.find_first_of(of_names, at)) != std::string_view::npos;) {
    const std::string_view word = error.substr(at, error.find_first_not_of(of_names, at) - at);
    at += word.size();
    const auto k = std::ranges::find(all, word, &effective_knob::name);
    if (k == all.end() || k->source == "default" || std::ranges::find(told, word) != told.end()) continue;
    told.push_back(word);
    out += (out.empty() ? " (" : ", ") + k->name + ": " + k->source;
  }
  return out.empty() ? out : out + ")";
}

std::vector<effective_knob> pool_config::effective() const {
  std::vector<effective_knob> out;
  add(detail::pool_knobs(), *this, *this, out);
  add(detail::connect_knobs(), connect, *this, out);
  for (const auto& [parameter_name, value] : connect.parameters) {
    out.push_back({"parameters." + parameter_name, value, source_of(*this, "parameters." + parameter_name, value, ""),
                   knob_class::rolling});
  }
  return out;
}

std::vector<knob_change> pool_config::changes_to(const pool_config& next) const {
  std::vector<knob_change> out;
  compare(detail::pool_knobs(), *this, next, next, out);
  compare(detail::connect_knobs(), connect, next.connect, next, out);
  compare_parameters(*this, next, out);
  return out;
}

std::vector<std::string> pool_config::files() const {
  std::vector<std::string> out;
  if (origins) out = origins->files;
  for (const std::string* const file : {&connect.sslrootcert, &connect.sslcert, &connect.sslkey}) {
    if (!file->empty() && *file != "system") out.push_back(*file);
  }
  return out;
}

std::string_view to_string(knob_class c) noexcept {
  switch (c) {
    case knob_class::live: return "live";
    case knob_class::rolling: return "rolling";
    case knob_class::restart: return "restart";
  }
  return "restart";
}

std::string to_text(const std::vector<effective_knob>& knobs) {
  std::string out;
  for (const effective_knob& k : knobs) {
    out += k.name + " = " + (k.value.empty() ? "\"\"" : k.value) + "  # " + k.source + ", " +
           std::string(to_string(k.applies)) + "\n";
  }
  return out;
}

std::string to_text(const knob_change& c) {
  return c.name + ": " + (c.before.empty() ? "\"\"" : c.before) + " -> " + (c.after.empty() ? "\"\"" : c.after) + " (" +
         std::string(to_string(c.applies)) + ", " + c.source + ")";
}

}  // namespace v0
}  // namespace lido
