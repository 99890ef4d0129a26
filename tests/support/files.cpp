#include "tests/support/files.hpp"

#include "tests/support/descriptor.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace lido::testing {

std::string read_file(const std::filesystem::path& path) {
  const std::ifstream file{path, std::ios::binary};
  if (!file) throw std::runtime_error{"cannot read " + path.string()};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::filesystem::path& path, std::string_view text, mode_t mode) {
  // The mode is given at creation: a private key is at no instant readable by others.
  const descriptor file{
      checked(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), "open " + path.string())};
  checked(::fchmod(file.get(), mode), "fchmod");
  while (!text.empty()) {
    const auto written = checked(::write(file.get(), text.data(), text.size()), "write " + path.string());
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

temporary_folder::temporary_folder(std::string_view prefix) {
  std::string name = "/tmp/" + std::string{prefix} + "XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp " + name};
  path_ = name;
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace lido::testing
