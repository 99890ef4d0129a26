// A small file's text, which may hold secrets: read whole, within a bound, wiped at the end.
#pragma once

#include <lido/driver/secret.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {
namespace detail {

class file_text {
 public:
  // nullopt: not there, not readable, or longer than 1 MiB.
  static std::optional<file_text> read(const std::string& path);
  file_text(file_text&& other) noexcept : text_(std::move(other.text_)) {}
  file_text& operator=(file_text&&) = delete;
  ~file_text() = default;
  std::string_view view() const noexcept { return text_.reveal(); }

 private:
  explicit file_text(secret text) : text_(std::move(text)) {}
  secret text_;
};

// Lines without their ends; a carriage return belongs to the end.
template <class F>
void for_each_line(std::string_view text, F&& f) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (!f(line) || end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
