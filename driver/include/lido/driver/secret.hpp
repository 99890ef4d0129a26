// A string that is wiped when it goes and never printed: passwords, keys (reliability S6). No operator<<, no conversion
// to std::string.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace lido {
inline namespace v0 {

class secret {
 public:
  secret() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): reads as `cfg.password = text`
  secret(std::string_view text) : text_(text) {}
  // NOLINTNEXTLINE(google-explicit-constructor): the same
  secret(const char* text) : text_(text) {}
  secret(const secret&) = default;
  // NOLINTNEXTLINE(performance-move-constructor-init): a moved-from string may keep its bytes
  secret(secret&& other) noexcept : text_(other.text_) {
    other.wipe();
  }  // copy: a moved-from std::string may keep its bytes
  secret& operator=(secret other) noexcept {
    wipe();
    text_.swap(other.text_);
    return *this;
  }
  ~secret() { wipe(); }

  bool empty() const noexcept { return text_.empty(); }
  /// The bytes themselves; the caller must not keep them.
  std::string_view reveal() const noexcept { return text_; }
  void append(std::string_view more);
  void wipe() noexcept;

 private:
  std::string text_;
};

}  // namespace v0
}  // namespace lido
