#include "bench/storm/exposition.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>

namespace lido::storm {
namespace {

[[noreturn]] void malformed(std::string_view line) {
  throw std::runtime_error("not Prometheus' text format: " + std::string{line});
}

std::string_view take_until(std::string_view& rest, std::string_view stops) {
  const std::size_t end = std::min(rest.find_first_of(stops), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end);
  return taken;
}

std::string take_quoted(std::string_view& rest, std::string_view line) {
  if (!rest.starts_with('"')) malformed(line);
  std::string value;
  std::size_t i = 1;
  for (; i < rest.size() && rest[i] != '"'; ++i) {
    if (rest[i] != '\\') {
      value += rest[i];
    } else if (++i < rest.size()) {
      value += rest[i] == 'n' ? '\n' : rest[i];
    }
  }
  if (i >= rest.size()) malformed(line);
  rest.remove_prefix(i + 1);
  return value;
}

label_set take_labels(std::string_view& rest, std::string_view line) {
  label_set labels;
  if (!rest.starts_with('{')) return labels;
  rest.remove_prefix(1);
  while (!rest.starts_with('}')) {
    const std::string name{take_until(rest, "=")};
    if (name.empty() || rest.empty()) malformed(line);
    rest.remove_prefix(1);
    labels[name] = take_quoted(rest, line);
    if (rest.starts_with(',')) rest.remove_prefix(1);
  }
  rest.remove_prefix(1);
  return labels;
}

double number(std::string_view text, std::string_view line) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  const std::string copy{text};
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0') malformed(line);
  return value;
}

bool has(const series& s, std::string_view name, const label_set& labels) {
  const auto present = [&s](const auto& label) {
    const auto found = s.labels.find(label.first);
    return found != s.labels.end() && found->second == label.second;
  };
  return s.name == name && std::all_of(labels.begin(), labels.end(), present);
}

}  // namespace

exposition exposition::parse(std::string_view text) {
  exposition e;
  while (!text.empty()) {
    const std::string_view line = take_until(text, "\n");
    if (!text.empty()) text.remove_prefix(1);
    if (line.empty()) continue;
    line.starts_with('#') ? e.comment(line) : e.sample(line);
  }
  return e;
}

void exposition::comment(std::string_view line) {
  std::string_view rest = line;
  const bool help = rest.starts_with("# HELP ");
  if (!help && !rest.starts_with("# TYPE ")) return;
  rest.remove_prefix(7);
  const std::string name{take_until(rest, " ")};
  if (name.empty() || rest.empty()) malformed(line);
  (help ? help_ : types_)[name] = rest.substr(1);
}

bool exposition::announced(std::string_view name) const {
  if (types_.contains(name) && help_.contains(name)) return true;
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
    if (!name.ends_with(suffix)) continue;
    const auto family = types_.find(name.substr(0, name.size() - suffix.size()));
    return family != types_.end() && (family->second == "histogram" || family->second == "summary");
  }
  return false;
}

void exposition::sample(std::string_view line) {
  std::string_view rest = line;
  series s;
  s.name = take_until(rest, "{ ");
  if (s.name.empty() || !announced(s.name)) malformed(line);
  s.labels = take_labels(rest, line);
  if (!rest.starts_with(' ')) malformed(line);
  rest.remove_prefix(1);
  s.value = number(take_until(rest, " "), line);
  series_.push_back(std::move(s));
}

std::vector<series> exposition::all(std::string_view name) const {
  std::vector<series> found;
  for (const series& s : series_) {
    if (s.name == name) found.push_back(s);
  }
  return found;
}

std::optional<double> exposition::value(std::string_view name, const label_set& labels) const {
  std::optional<double> found;
  for (const series& s : series_) {
    if (!has(s, name, labels)) continue;
    if (found) return std::nullopt;
    found = s.value;
  }
  return found;
}

double exposition::sum(std::string_view name, const label_set& labels) const {
  double total = 0;
  for (const series& s : series_) {
    if (has(s, name, labels)) total += s.value;
  }
  return total;
}

}  // namespace lido::storm
