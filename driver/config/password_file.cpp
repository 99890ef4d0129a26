// ~/.pgpass, as libpq's passwordFromFile() reads it.
#include "driver/config/file_text.hpp"
#include "driver/config/split.hpp"

#include <lido/driver/detail/libpq_files.hpp>

#include <sys/stat.h>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

// Takes one field and its colon off the line when it is `wanted` or a lone asterisk. A backslash makes the character
// behind it an ordinary one.
bool take_field(std::string_view& line, std::string_view wanted) {
  if (line.starts_with("*:")) {
    line.remove_prefix(2);
    return true;
  }
  std::size_t at = 0;
  for (; at < line.size(); ++at) {
    if (line[at] == ':' && wanted.empty()) break;
    if (line[at] == '\\') ++at;
    if (at == line.size() || wanted.empty() || line[at] != wanted.front()) return false;
    wanted.remove_prefix(1);
  }
  if (at == line.size()) return false;
  line.remove_prefix(at + 1);
  return true;
}

secret rest_of(std::string_view line) {
  secret_text password(line.size());
  for (std::size_t i = 0; i < line.size() && line[i] != ':'; ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    password += line[i];
  }
  return secret(password.view());
}

// Where libpq's own default is; Debian's and that of the sources.
bool is_default_socket_folder(std::string_view host) {
  return host == "/var/run/postgresql" || host == "/run/postgresql" || host == "/tmp";
}

}  // namespace

std::optional<secret> password_in(std::string_view text, const password_request& whom) {
  const std::string_view host = whom.host.empty() || is_default_socket_folder(whom.host) ? "localhost" : whom.host;
  const std::string port = std::to_string(whom.port);
  if (whom.user.empty() || whom.database.empty()) return std::nullopt;
  std::optional<secret> found;
  for_each_line(text, [&](std::string_view line) {
    if (line.empty() || line.front() == '#') return true;
    if (!take_field(line, host) || !take_field(line, port) || !take_field(line, whom.database) ||
        !take_field(line, whom.user))
      return true;
    found = rest_of(line);
    return false;
  });
  return found;
}

found_password password_from_file(const std::string& file, const password_request& whom) {
  found_password out;
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return out;
  if (!S_ISREG(status.st_mode)) {
    out.passed_over = "the password file is not a plain file";
  } else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    out.passed_over = "the password file is open to group or others and was passed over: chmod 0600";
  } else if (const auto text = file_text::read(file)) {
    if (auto found = password_in(text->view(), whom)) out.password = std::move(*found);
  } else {
    out.passed_over = "the password file cannot be read";
  }
  return out;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
