#include "driver/session/startup_parameters.hpp"

#include <lido/driver/error.hpp>

#include <pwd.h>
#include <unistd.h>

#include <algorithm>

namespace lido::session {
namespace {

constexpr std::size_t max_startup_packet = 10000;  // MAX_STARTUP_PACKET_LENGTH in the server's pqcomm.h
constexpr std::size_t startup_header = 8;          // length and version

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool is_utf8_name(std::string_view value) {
  const auto equals = [value](std::string_view name) {
    return std::equal(value.begin(), value.end(), name.begin(), name.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
  };
  return equals("utf8") || equals("utf-8");
}

// `replication` changes the protocol, `_pq_.` negotiates it, and the first two have fields of their own.
bool is_reserved(std::string_view name) {
  return name == "user" || name == "database" || name == "replication" || name.substr(0, 5) == "_pq_.";
}

class collector {
 public:
  void fail(errc code, std::string why) {
    if (result_.error) return;
    result_.error = code;
    result_.why = std::move(why);
  }

  void add(std::string_view name, std::string_view value) {
    // An empty name would end the list and silently drop what follows.
    if (name.empty() || has_nul(name))
      return fail(errc::not_encodable, "an empty name or a NUL byte in the name of a parameter");
    if (has_nul(value)) return fail(errc::not_encodable, "a NUL byte in " + std::string(name));
    size_ += name.size() + value.size() + 2;
    result_.values.emplace_back(name, value);
  }

  void add_further(std::string_view name, std::string_view value) {
    if (is_reserved(name))
      return fail(errc::invalid_config, "parameters: " + std::string(name) + " cannot be set there");
    if (name != "client_encoding") return add(name, value);
    if (!is_utf8_name(value)) fail(errc::invalid_config, "parameters: client_encoding must be UTF8");
  }

  startup_parameters finish() && {
    if (startup_header + size_ + 1 > max_startup_packet) {
      fail(errc::not_encodable, "the start-up parameters are longer than the 10,000 bytes that a server reads");
    }
    if (result_.error) result_.values.clear();
    return std::move(result_);
  }

 private:
  startup_parameters result_;
  std::size_t size_ = 0;
};

}  // namespace

startup_parameters collect_startup_parameters(const connect_config& config) {
  collector all;
  if (config.user.empty()) all.fail(errc::invalid_config, "user is empty");
  all.add("user", config.user);
  all.add("database", config.database.empty() ? config.user : config.database);
  all.add("client_encoding", "UTF8");
  if (!config.application_name.empty()) all.add("application_name", config.application_name);
  if (!config.options.empty()) all.add("options", config.options);
  for (const auto& [name, value] : config.parameters) all.add_further(name, value);
  return std::move(all).finish();
}

std::string process_user() {
  std::string buffer(16384, '\0');
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return found->pw_name;
}

std::optional<uid_t> id_of_user(const std::string& name) {
  std::string buffer(16384, '\0');
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::nullopt;
  return found->pw_uid;
}

}  // namespace lido::session
