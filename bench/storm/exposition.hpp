// Reads what a scrape answers: Prometheus' text format, as far as the demo and the tests need it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lido::storm {

using label_set = std::map<std::string, std::string, std::less<>>;

struct series {
  std::string name;
  label_set labels;
  double value = 0;
};

class exposition {
 public:
  /// Throws std::runtime_error naming the line that is not in the format, or whose family lacks HELP or TYPE.
  static exposition parse(std::string_view text);

  /// The one series of that name that has (at least) these labels; nothing when there is none or more than one.
  [[nodiscard]] std::optional<double> value(std::string_view name, const label_set& labels = {}) const;
  /// Over all series of that name that have these labels.
  [[nodiscard]] double sum(std::string_view name, const label_set& labels = {}) const;
  [[nodiscard]] std::vector<series> all(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& types() const noexcept { return types_; }
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& help() const noexcept { return help_; }

 private:
  void comment(std::string_view line);
  void sample(std::string_view line);
  [[nodiscard]] bool announced(std::string_view name) const;

  std::vector<series> series_;
  std::map<std::string, std::string, std::less<>> types_;
  std::map<std::string, std::string, std::less<>> help_;
};

}  // namespace lido::storm
