// A cursor over a message body. The first read beyond the end makes it fail for good: a parser reads all its fields and
// asks once, at the end.
#pragma once

#include "driver/wire/byte_order.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lido::wire {

class byte_reader {
 public:
  explicit byte_reader(std::string_view body) noexcept : rest_(body) {}

  // Whether everything was there and nothing is left: the body is exactly the message (B59).
  bool complete() const noexcept { return ok_ && rest_.empty(); }
  bool ok() const noexcept { return ok_; }
  std::size_t remaining() const noexcept { return rest_.size(); }

  std::uint8_t u8() noexcept {
    const std::string_view raw = take(1);
    return raw.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(raw[0]);
  }
  std::uint16_t u16() noexcept {
    const std::string_view raw = take(2);
    return raw.empty() ? std::uint16_t{0} : load_u16(raw.data());
  }
  std::uint32_t u32() noexcept {
    const std::string_view raw = take(4);
    return raw.empty() ? 0 : load_u32(raw.data());
  }

  // Up to the next NUL, which is consumed and not part of the answer.
  std::string_view text() noexcept {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return fail();
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }

  std::string_view take(std::size_t count) noexcept {
    if (count > rest_.size()) return fail();
    const std::string_view found = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return found;
  }

  std::string_view rest() noexcept { return take(rest_.size()); }

 private:
  std::string_view fail() noexcept {
    ok_ = false;
    rest_ = {};
    return {};
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace lido::wire
