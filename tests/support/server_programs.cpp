#include "tests/support/server_programs.hpp"

#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace lido::testing {
namespace {

constexpr std::string_view debian = "/usr/lib/postgresql";
constexpr std::string_view installed = LIDO_TEST_SERVERS;

bool has_server(const std::filesystem::path& programs) { return std::filesystem::exists(programs / "postgres"); }

int version_of(const std::filesystem::path& folder) {
  const std::string name = folder.filename();
  int version = 0;
  std::from_chars(name.data(), name.data() + name.size(), version);
  return version;
}

std::filesystem::path newest_of_debian() {
  std::filesystem::path newest;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator{debian, none}) {
    if (!has_server(entry.path() / "bin")) continue;
    if (newest.empty() || version_of(entry.path()) > version_of(newest)) newest = entry.path();
  }
  if (newest.empty()) throw std::runtime_error{"no PostgreSQL server under " + std::string{debian}};
  return newest / "bin";
}

}  // namespace

std::filesystem::path server_programs(std::string_view wanted) {
  const char* environment = std::getenv("LIDO_TEST_POSTGRES");
  if (wanted.empty() && environment != nullptr) wanted = environment;
  if (wanted.empty()) return newest_of_debian();
  if (wanted.find('/') != std::string_view::npos) {
    if (has_server(wanted)) return wanted;
    throw std::runtime_error{"no PostgreSQL server in " + std::string{wanted}};
  }
  for (const std::filesystem::path home : {debian, installed}) {
    if (has_server(home / wanted / "bin")) return home / wanted / "bin";
  }
  throw std::runtime_error{"no PostgreSQL " + std::string{wanted} + ": ./run servers installs 16, 17 and 18"};
}

std::filesystem::path client_program(const std::filesystem::path& programs, std::string_view name) {
  const auto beside = programs / name;
  return std::filesystem::exists(beside) ? beside : std::filesystem::path{"/usr/bin"} / name;
}

}  // namespace lido::testing
