#include "tests/metrics/promtool.hpp"

#include "tests/support/files.hpp"
#include "tests/support/process.hpp"

#include <stdexcept>

namespace lido::testing {

std::string promtool_check_metrics(const std::string& text) {
  const temporary_folder folder{"lido-promtool-"};
  const std::string file = folder.path() / "metrics.txt";
  write_file(file, text);
  const process_result r = run_process({"/bin/sh", "-c", "exec promtool check metrics < " + file});
  if (r.status == 127) throw std::runtime_error("promtool is missing: install the package prometheus");
  if (r.status == 0) return {};
  return "status " + std::to_string(r.status) + ": " + r.output + r.errors;
}

}  // namespace lido::testing
