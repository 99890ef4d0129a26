// The two forms of a DSN, each split into settings in the order in which they were written.
#pragma once

#include <lido/driver/detail/knobs.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

inline constexpr std::string_view blanks = " \t\r\n\f\v";

std::vector<dsn_setting> split_uri(std::string_view dsn, std::size_t scheme_size);
std::vector<dsn_setting> split_keywords(std::string_view dsn);

[[noreturn]] void throw_dsn_error(std::size_t index, std::string_view what);

// Text that may be a password while it is put together: reserved once, so that growth leaves no piece of it behind, and
// wiped at the end.
class secret_text {
 public:
  explicit secret_text(std::size_t most) { text_.reserve(most); }
  secret_text(const secret_text&) = delete;
  secret_text& operator=(const secret_text&) = delete;
  ~secret_text();
  void operator+=(char c) { text_ += c; }
  std::string_view view() const noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
