// Prometheus' own opinion of an exposition.
#pragma once

#include <string>

namespace lido::testing {

/// What `promtool check metrics` complains of; empty when it accepts the text. Throws when there is no promtool.
[[nodiscard]] std::string promtool_check_metrics(const std::string& text);

}  // namespace lido::testing
