#include "tests/support/superuser_session.hpp"

#include "tests/support/descriptor.hpp"
#include "tests/support/eventually.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace lido::testing {
namespace {

using namespace std::string_literals;

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(value >> shift & 0xffU);
  return bytes;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(at, size)) value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

std::string with_length(const std::string& body) {
  return big_endian(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

descriptor connected(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket.string();
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error{path + ": too long for a Unix socket"};
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  descriptor made{checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  checked(::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect " + path);
  return made;
}

// The columns of a DataRow in text, NULL as nothing.
std::string row_of(std::string_view body) {
  std::string row;
  std::size_t at = 2;
  for (std::uint32_t left = number_at(body, 0, 2); left > 0; --left) {
    const std::uint32_t size = number_at(body, at, 4);
    at += 4;
    if (at > 6) row += '|';
    if (size == 0xffffffffU) continue;
    row += body.substr(at, size);
    at += size;
  }
  return row + "\n";
}

// The severity, the SQLSTATE and the words of an ErrorResponse.
std::string words_of(std::string_view body) {
  std::string words;
  for (std::size_t at = 0; at < body.size() && body[at] != '\0';) {
    const std::string_view value = body.substr(at + 1, body.find('\0', at) - at - 1);
    if (std::string_view{"SCMD"}.find(body[at]) != std::string_view::npos) (words += words.empty() ? "" : " ") += value;
    at += value.size() + 2;
  }
  return words;
}

}  // namespace

superuser_session::superuser_session(const std::filesystem::path& socket, std::string database)
    : database_{std::move(database)},
      socket_{-1},
      stream_{[&] {
                descriptor made = connected(socket);
                socket_ = made.get();
                return made;
              }(),
              -1, hang_guard} {
  stream_.send(with_length(big_endian(0x00030000U) + "user\0postgres\0application_name\0lido-test\0database\0"s +
                           database_ + "\0\0"s));
  (void)answer();
}

bool superuser_session::is_quiet() const {
  pollfd item{socket_, POLLIN, 0};
  return ::poll(&item, 1, 0) == 0;
}

std::string superuser_session::run(const std::string& statements) {
  heard_ = false;
  stream_.send("Q" + with_length(statements + '\0'));
  return answer();
}

superuser_session::message superuser_session::receive() {
  const std::string head = stream_.receive(5);
  return {head[0], stream_.receive(number_at(head, 1, 4) - 4)};
}

std::string superuser_session::answer() {
  std::string rows;
  std::string error;
  for (;;) {
    const message next = receive();
    heard_ = true;
    if (next.type == 'D') rows += row_of(next.body);
    if (next.type == 'E') error = words_of(next.body);
    if (next.type == 'E' && error.starts_with("FATAL")) break;  // no ReadyForQuery follows
    if (next.type == 'Z') break;
  }
  if (!error.empty()) throw std::runtime_error{"the superuser's statement failed: " + error};
  while (rows.ends_with('\n')) rows.pop_back();
  return rows;
}

std::optional<superuser_session> superuser_sessions::take(const std::string& database) {
  const std::lock_guard lock{mutex_};
  std::erase_if(idle_, [](const superuser_session& each) { return !each.is_quiet(); });
  const auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const auto& each) { return each.database() == database; });
  if (found == idle_.end()) return std::nullopt;
  std::optional<superuser_session> taken{std::move(*found)};
  idle_.erase(found);
  return taken;
}

std::string superuser_sessions::run(const std::string& statements, const std::string& database) {
  // What sets something in its session, or shows what a new one is given, is alone with that, as in a psql of its own.
  const bool shares = statements.starts_with("select");
  auto session = shares ? take(database) : std::nullopt;
  std::string rows;
  try {
    if (session) rows = session->run(statements);
  } catch (const stream_ended&) {
    if (session->was_heard()) throw;
    session.reset();  // it had been ended while it was idle
  }
  if (!session) rows = session.emplace(socket_, database).run(statements);
  if (!shares) return rows;
  const std::lock_guard lock{mutex_};
  idle_.push_back(std::move(*session));
  return rows;
}

void superuser_sessions::close() {
  const std::lock_guard lock{mutex_};
  idle_.clear();
}

}  // namespace lido::testing
