#include "driver/config/file_text.hpp"

#include <fcntl.h>
#include <string.h>  // explicit_bzero
#include <unistd.h>

#include <cerrno>

namespace lido {
inline namespace v0 {
namespace detail {

std::optional<file_text> file_text::read(const std::string& path) {
  constexpr std::size_t longest = std::size_t{1} << 20;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO would wait for a writer
  if (fd < 0) return std::nullopt;
  std::string buffer(longest + 1, '\0');  // of the full size at once: growing would leave pieces behind
  std::size_t size = 0;
  ssize_t n = 0;
  while (size < buffer.size()) {
    n = ::read(fd, buffer.data() + size, buffer.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size += static_cast<std::size_t>(n);
  }
  ::close(fd);
  std::optional<file_text> out;
  if (n >= 0 && size <= longest) out.emplace(file_text(secret(std::string_view(buffer).substr(0, size))));
  ::explicit_bzero(buffer.data(), size);
  return out;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
